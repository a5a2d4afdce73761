"""Who asks: a bearer token (RFC 6750) that is a signed JWT (RFC 7519), verified by PyJWT.

The algorithm is chosen by our settings or by the key, never by the token (RFC 8725, section 3.1). So a token that says
`none`, or that signs with a public key as if it were a shared secret, is refused before its signature is looked at.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import jwt
from jwt import PyJWK
from jwt.exceptions import (
    DecodeError,
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAlgorithmError,
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidSignatureError,
    InvalidTokenError,
    PyJWTError,
)
from pydantic import TypeAdapter, ValidationError

from contracts.messages import UserId
from webhook_ingress import keys
from webhook_ingress.keys import KeyRing
from webhook_ingress.settings import Api, Tokens

MAX_TOKEN_BYTES = 8192
"""Tokens with dozens of roles are near 4 KiB."""

MAX_ROLES = 100

_BEARER = re.compile(rb"bearer +([A-Za-z0-9._~+/=-]+)", re.ASCII | re.IGNORECASE)
_USER_ID: TypeAdapter[str] = TypeAdapter(UserId)

_OPTIONS: Any = {"require": ["exp", "sub", "iss", "aud"]}


class BadToken(Enum):
    """Why nobody is known by this request. The values are the public codes."""

    MISSING = "token_missing"
    REPEATED = "token_repeated"
    MALFORMED = "token_malformed"
    WRONG_ALGORITHM = "token_wrong_algorithm"
    UNKNOWN_KEY = "token_unknown_key"
    WRONG_SIGNATURE = "token_wrong_signature"
    EXPIRED = "token_expired"
    NOT_YET_VALID = "token_not_yet_valid"
    WRONG_ISSUER = "token_wrong_issuer"
    WRONG_AUDIENCE = "token_wrong_audience"
    UNUSABLE = "token_unusable"


_BY_ERROR: tuple[tuple[type[PyJWTError], BadToken], ...] = (
    (ExpiredSignatureError, BadToken.EXPIRED),
    (ImmatureSignatureError, BadToken.NOT_YET_VALID),
    (InvalidIssuerError, BadToken.WRONG_ISSUER),
    (InvalidAudienceError, BadToken.WRONG_AUDIENCE),
    (InvalidAlgorithmError, BadToken.WRONG_ALGORITHM),
    (InvalidSignatureError, BadToken.WRONG_SIGNATURE),
    (DecodeError, BadToken.MALFORMED),
    (InvalidTokenError, BadToken.UNUSABLE),
    (PyJWTError, BadToken.WRONG_ALGORITHM),
)
"""The first that fits. The last one: the token names an algorithm that does not go with the key."""


@dataclass(frozen=True)
class Caller:
    """Who asks, by whose word, and what they may do."""

    issuer: str
    subject: str
    roles: frozenset[str]
    admin: bool
    may_open: bool
    may_act_for_others: bool

    @property
    def viewer(self) -> str | None:
        """Whose payments they may see; None: everybody's."""
        return None if self.admin else self.subject


class Authenticator:
    """Finds the caller of a request."""

    def __init__(self, chosen: Api, ring: KeyRing | None) -> None:
        self._chosen = chosen
        self._tokens = chosen.tokens
        self._ring = ring

    async def identify(self, headers: Iterable[tuple[bytes, bytes]]) -> Caller | BadToken:
        """Read the Authorization header. Raises keys.KeysUnavailable."""
        token = _bearer(headers)
        if isinstance(token, BadToken):
            return token
        try:
            claims = self._shared(token) if self._ring is None else await self._published(self._ring, token)
        except PyJWTError as error:
            return next(bad for kind, bad in _BY_ERROR if isinstance(error, kind))
        return self._caller(claims) if isinstance(claims, dict) else claims

    def _shared(self, token: str) -> dict[str, Any]:
        """Verify by the shared secret; while it is rotated, by either."""
        *others, last = self._tokens.secrets
        for secret in others:
            try:
                return self._decode(token, secret, "HS256")
            except InvalidSignatureError:
                continue
        return self._decode(token, last, "HS256")

    async def _published(self, ring: KeyRing, token: str) -> dict[str, Any] | BadToken:
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in keys.ALGORITHMS:
            return BadToken.WRONG_ALGORITHM
        key = await ring.find(header.get("kid"))
        if key is None:
            return BadToken.UNKNOWN_KEY
        return self._decode(token, key, key.algorithm_name)

    def _decode(self, token: str, key: PyJWK | str, algorithm: str) -> dict[str, Any]:
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=self._tokens.issuer,
            audience=self._tokens.audience,
            leeway=self._tokens.leeway_s,
            options=_OPTIONS,
        )

    def _caller(self, claims: dict[str, Any]) -> Caller | BadToken:
        try:
            subject = _USER_ID.validate_python(claims["sub"])
        except ValidationError:
            return BadToken.UNUSABLE
        roles = _roles(claims, self._tokens.roles_claim)
        admin = self._chosen.admin_role in roles
        trusted = bool(roles & self._chosen.intent_roles) if self._chosen.intent_roles is not None else False
        return Caller(
            issuer=self._tokens.issuer,
            subject=subject,
            roles=roles,
            admin=admin,
            may_open=admin or trusted or self._chosen.intent_roles is None,
            may_act_for_others=admin or trusted,
        )


def authenticator(chosen: Api) -> Authenticator:
    """Put together what the settings ask for."""
    return Authenticator(chosen, _ring(chosen.tokens))


def _ring(tokens: Tokens) -> KeyRing | None:
    if tokens.jwks_url is not None:
        return KeyRing(keys.from_url(tokens.jwks_url))
    if tokens.jwks_file is not None:
        return KeyRing(keys.from_file(tokens.jwks_file))
    return None


def _bearer(headers: Iterable[tuple[bytes, bytes]]) -> str | BadToken:
    """The token of the one Authorization header. Two could be read differently by a proxy in front of us."""
    found = [value for name, value in headers if name == b"authorization"]
    if not found:
        return BadToken.MISSING
    if len(found) > 1:
        return BadToken.REPEATED
    matched = _BEARER.fullmatch(found[0].strip())
    if matched is None or len(matched[1]) > MAX_TOKEN_BYTES:
        return BadToken.MALFORMED
    return matched[1].decode("ascii")


def _roles(claims: dict[str, Any], claim: str) -> frozenset[str]:
    """A list, or one text separated by blanks, under the claim's very name or, by its dots, further in."""
    found: Any = claims.get(claim)
    if found is None:
        found = claims
        for part in claim.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    if isinstance(found, str):
        found = found.split()
    if not isinstance(found, list):
        return frozenset()
    return frozenset(role for role in found[:MAX_ROLES] if isinstance(role, str))
