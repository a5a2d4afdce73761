"""Who is let in, and every way of pretending that we know of."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.ingress_requests import AUDIENCE, ISSUER, JWT_SECRET, claims, signed, token, unpadded
from tests.unit.webhook_ingress.keyring import PRIVATE, as_json, jwk, jwks, pem, published
from webhook_ingress.auth import MAX_TOKEN_BYTES, Authenticator, BadToken, Caller, authenticator
from webhook_ingress.settings import Api, Tokens

OLD_SECRET = "the-secret-of-before-the-rotation-is-here"


def api(tokens: Tokens, intent_roles: Iterable[str] | None = None) -> Api:
    roles = frozenset(intent_roles) if intent_roles is not None else None
    return Api(tokens=tokens, admin_role="admin", intent_roles=roles, answer_timeout_s=9, allowed_origins=())


def shared(**more: Any) -> Authenticator:
    """Verifies by two shared secrets, the newer first."""
    told: dict[str, Any] = {"secrets": (JWT_SECRET, OLD_SECRET), "issuer": ISSUER, "audience": AUDIENCE, **more}
    return authenticator(api(Tokens(**told)))


@pytest.fixture
def by_keys(tmp_path: Path) -> Authenticator:
    """Verifies by published keys: one for RS256, one for ES256, one that is for encryption, one that is a secret."""
    path = tmp_path / "jwks.json"
    oct_key = {"kty": "oct", "kid": "oct", "k": unpadded(JWT_SECRET.encode()), "alg": "HS256"}
    path.write_text(as_json(jwks(jwk("rsa"), jwk("ec"), jwk("other", use="enc"), oct_key)))
    return authenticator(api(Tokens(jwks_file=path, issuer=ISSUER, audience=AUDIENCE)))


def from_now(said: dict[str, Any]) -> dict[str, Any]:
    """Seconds from now as the moments that they mean."""
    now = int(time.time())
    return {
        name: now + value if name in {"exp", "nbf", "iat"} and isinstance(value, int) else value
        for name, value in said.items()
    }


async def tried(authentic: Authenticator, text: str, scheme: str = "Bearer") -> Caller | BadToken:
    return await authentic.identify([(b"authorization", f"{scheme} {text}".encode())])


async def test_a_sound_token_names_its_user() -> None:
    """Subject, issuer and roles come from the token, and a user sees their own payments."""
    assert await tried(shared(), token("user-1", "customer")) == Caller(
        issuer=ISSUER,
        subject="user-1",
        roles=frozenset({"customer"}),
        admin=False,
        may_open=True,
        may_act_for_others=False,
    )


@pytest.mark.parametrize("subject", ["auth0|5f7c8ec7c33c6c004bbafe82", "ann@example.com", "a" * 128])
async def test_a_subject_is_taken_as_its_provider_writes_it(subject: str) -> None:
    """Ids of identity providers are user ids here, those with a bar in them, too."""
    caller = await tried(shared(), token(**from_now({"sub": subject})))
    assert isinstance(caller, Caller)
    assert caller.viewer == subject


@pytest.mark.parametrize("secret", [JWT_SECRET, OLD_SECRET])
async def test_either_secret_will_do_while_it_is_rotated(secret: str) -> None:
    """A token that was signed with the old secret is as good as one under the new one."""
    assert isinstance(await tried(shared(), token(secret=secret)), Caller)


@pytest.mark.parametrize(("kid", "algorithm"), [("rsa", "RS256"), ("ec", "ES256")])
async def test_published_keys_verify(by_keys: Authenticator, kid: str, algorithm: str) -> None:
    """A token under a published key of either kind is sound."""
    assert isinstance(await tried(by_keys, published(kid, claims(), algorithm)), Caller)


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
async def test_the_scheme_is_read_in_any_case(scheme: str) -> None:
    """RFC 9110 compares schemes without regard to case."""
    assert isinstance(await tried(shared(), token(), scheme), Caller)


@pytest.mark.parametrize(
    ("said", "bad"),
    [
        ({"exp": -60}, BadToken.EXPIRED),
        ({"nbf": 60}, BadToken.NOT_YET_VALID),
        ({"iat": 60}, BadToken.NOT_YET_VALID),
        ({"iss": "https://somebody.else"}, BadToken.WRONG_ISSUER),
        ({"aud": "another-service"}, BadToken.WRONG_AUDIENCE),
        ({"aud": []}, BadToken.UNUSABLE),
        ({"exp": None}, BadToken.UNUSABLE),
        ({"sub": None}, BadToken.UNUSABLE),
        ({"iss": None}, BadToken.UNUSABLE),
        ({"aud": None}, BadToken.UNUSABLE),
        ({"sub": ""}, BadToken.UNUSABLE),
        ({"sub": "a blank"}, BadToken.UNUSABLE),
        ({"sub": 7}, BadToken.UNUSABLE),
        ({"sub": "|auth0"}, BadToken.UNUSABLE),
        ({"sub": "x" * 129}, BadToken.UNUSABLE),
        ({"exp": "soon"}, BadToken.MALFORMED),
        ({"nbf": "now"}, BadToken.MALFORMED),
    ],
)
async def test_a_claim_that_is_wrong_is_told(said: dict[str, Any], bad: BadToken) -> None:
    """Expired, of the future, another's and incomplete tokens are refused by name."""
    assert await tried(shared(), token(**from_now(said))) is bad


@pytest.mark.parametrize("said", [{"exp": -20}, {"nbf": 20}, {"aud": ["other", AUDIENCE]}])
async def test_clocks_may_differ_and_audiences_be_several(said: dict[str, Any]) -> None:
    """Within the leeway, and among several audiences, a token is sound."""
    assert isinstance(await tried(shared(), token(**from_now(said))), Caller)


UNSIGNED = f"{unpadded(as_json({'alg': 'none'}).encode())}.{token().split('.')[1]}."


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        (UNSIGNED, BadToken.WRONG_ALGORITHM),
        (UNSIGNED + token().split(".")[2], BadToken.WRONG_ALGORITHM),
        (signed({"alg": "None"}, claims(), JWT_SECRET), BadToken.WRONG_ALGORITHM),
        (signed({"alg": "HS512"}, claims(), JWT_SECRET), BadToken.WRONG_ALGORITHM),
        (signed({"alg": "RS256"}, claims(), JWT_SECRET), BadToken.WRONG_ALGORITHM),
        (signed({}, claims(), JWT_SECRET), BadToken.WRONG_ALGORITHM),
        (signed({"alg": "HS256", "crit": ["exp"], "exp": 1}, claims(), JWT_SECRET), BadToken.UNUSABLE),
        (signed({"alg": "HS256", "kid": 7}, claims(), JWT_SECRET), BadToken.UNUSABLE),
        (signed('{"alg":"none","alg":"HS256"}', claims(), "somebody-else's-secret"), BadToken.WRONG_SIGNATURE),
        (signed('{"alg":"HS256","alg":"none"}', claims(), JWT_SECRET), BadToken.WRONG_ALGORITHM),
        (token(secret="somebody-else's-secret"), BadToken.WRONG_SIGNATURE),
        (token()[:-3], BadToken.WRONG_SIGNATURE),
        (token().rpartition(".")[0] + ".", BadToken.WRONG_SIGNATURE),
        (token().rpartition(".")[0], BadToken.MALFORMED),
        (token()[1:], BadToken.MALFORMED),
        (token() + ".e30", BadToken.MALFORMED),
        ("e30", BadToken.MALFORMED),
        ("..", BadToken.MALFORMED),
        (f"{'A' * MAX_TOKEN_BYTES}.e30.e30", BadToken.MALFORMED),
        ("a token", BadToken.MALFORMED),
        ("", BadToken.MALFORMED),
        ("ü", BadToken.MALFORMED),
    ],
)
async def test_a_forged_token_is_refused(text: str, bad: BadToken) -> None:
    """None, confused, doubled, truncated and foreign: no forgery of a shared secret's token comes through."""
    assert await tried(shared(), text) is bad


async def test_no_published_key_is_a_secret(by_keys: Authenticator) -> None:
    """A token under the text of a public key, as if it were a shared secret, is refused, and so is one under `none`."""
    confused = signed({"alg": "HS256", "kid": "rsa"}, claims(), pem("rsa"))
    assert await tried(by_keys, confused) is BadToken.WRONG_ALGORITHM
    assert await tried(by_keys, UNSIGNED) is BadToken.WRONG_ALGORITHM
    assert (
        await tried(by_keys, signed({"alg": "HS256", "kid": "oct"}, claims(), JWT_SECRET)) is BadToken.WRONG_ALGORITHM
    )


@pytest.mark.parametrize(
    ("kid", "algorithm", "header", "bad"),
    [
        ("rsa", "RS256", {"kid": "nobody's"}, BadToken.UNKNOWN_KEY),
        ("rsa", "RS256", {"kid": None}, BadToken.UNKNOWN_KEY),
        ("other", "RS256", {}, BadToken.UNKNOWN_KEY),
        ("other", "RS256", {"kid": "rsa"}, BadToken.WRONG_SIGNATURE),
        ("rsa", "RS256", {"kid": "ec"}, BadToken.WRONG_ALGORITHM),
        ("rsa", "RS384", {}, BadToken.WRONG_ALGORITHM),
        ("rsa", "PS256", {}, BadToken.WRONG_ALGORITHM),
        ("rsa", "RS256", {"kid": "oct"}, BadToken.UNKNOWN_KEY),
    ],
)
async def test_a_token_cannot_choose_its_key(
    by_keys: Authenticator, kid: str, algorithm: str, header: dict[str, Any], bad: BadToken
) -> None:
    """A key that is unknown, for encryption, of another kind or another algorithm verifies nothing."""
    chosen = {name: value for name, value in header.items() if value is not None}
    text = published(kid, claims(), algorithm, chosen)
    if "kid" in header and header["kid"] is None:
        text = jwt.encode(claims(), PRIVATE[kid], algorithm=algorithm)
    assert await tried(by_keys, text) is bad


async def test_only_one_header_may_name_a_user() -> None:
    """Two Authorization headers are refused even if both are sound: a proxy might have read the other one."""
    header = (b"authorization", f"Bearer {token()}".encode())
    assert await shared().identify([header, header]) is BadToken.REPEATED
    assert await shared().identify([]) is BadToken.MISSING
    assert await shared().identify([(b"authorization", b"Basic dTpw")]) is BadToken.MALFORMED


@pytest.mark.parametrize(
    ("claim", "said", "roles"),
    [
        ("roles", {"roles": ["a", "b"]}, {"a", "b"}),
        ("scope", {"scope": "a b"}, {"a", "b"}),
        ("realm_access.roles", {"realm_access": {"roles": ["a"]}}, {"a"}),
        ("https://shop.example/roles", {"https://shop.example/roles": ["a"]}, {"a"}),
        ("roles", {"roles": None}, set()),
        ("roles", {"roles": {"admin": True}}, set()),
        ("roles", {"roles": [7, ["admin"]]}, set()),
        ("roles.x.y", {"roles": "admin"}, set()),
    ],
)
async def test_where_roles_are_is_a_setting(claim: str, said: dict[str, Any], roles: set[str]) -> None:
    """A list or a text of roles is found under its name or further in, and what is neither grants nothing."""
    caller = await tried(shared(roles_claim=claim), token(**said))
    assert isinstance(caller, Caller)
    assert caller.roles == roles


@pytest.mark.parametrize(
    ("intent_roles", "roles", "may_open", "for_others"),
    [
        (None, (), True, False),
        (None, ("admin",), True, True),
        (("desk",), (), False, False),
        (("desk",), ("desk",), True, True),
        (("desk",), ("admin",), True, True),
    ],
)
async def test_who_may_open_payments(
    intent_roles: tuple[str, ...] | None, roles: tuple[str, ...], *, may_open: bool, for_others: bool
) -> None:
    """Everybody, unless roles are named; who holds a named one, or is an administrator, may also name another user."""
    chosen = Tokens(secrets=(JWT_SECRET,), issuer=ISSUER, audience=AUDIENCE)
    caller = await tried(authenticator(api(chosen, intent_roles)), token("user-1", *roles))
    assert isinstance(caller, Caller)
    assert (caller.may_open, caller.may_act_for_others) == (may_open, for_others)
    assert caller.viewer == (None if "admin" in roles else "user-1")
