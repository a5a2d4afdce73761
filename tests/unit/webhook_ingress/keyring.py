"""Key pairs of somebody who signs tokens, and what they publish of them."""

import json
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

RSA = rsa.generate_private_key(65537, 2048)
RSA_OTHER = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())

PRIVATE: dict[str, RSAPrivateKey | EllipticCurvePrivateKey] = {"rsa": RSA, "other": RSA_OTHER, "ec": EC}


def jwk(kid: str, **more: Any) -> dict[str, Any]:
    """The public half, as published."""
    key = PRIVATE[kid]
    if isinstance(key, RSAPrivateKey):
        made = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        made = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**made, "kid": kid, "use": "sig", **more}


def jwks(*keys: dict[str, Any]) -> dict[str, Any]:
    return {"keys": list(keys)}


def published(kid: str, said: dict[str, Any], algorithm: str, header: Mapping[str, Any] | None = None) -> str:
    """A token under the private half, naming its key."""
    return jwt.encode(said, PRIVATE[kid], algorithm=algorithm, headers={"kid": kid, **(header or {})})


def pem(kid: str) -> str:
    """The public half as text: what an attacker signs with in place of a shared secret."""
    return PRIVATE[kid].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def as_json(document: object) -> str:
    return json.dumps(document)
