"""What Stripe and users would send: signed events and tokens, made without the code under test."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

SECRET = "whsec_current"
WEBHOOK_PATH = "/api/payments/webhook"

JWT_SECRET = "a-secret-of-the-tests-that-is-long-enough"
ISSUER = "https://accounts.example"
AUDIENCE = "payments"
TOKEN_SETTINGS = {"JWT_SECRET": JWT_SECRET, "JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE}


def event_body(event_id: str = "evt_1", event_type: str = "payment_intent.succeeded", *, size: int = 0) -> bytes:
    """An event as bytes, padded to `size` of them if that is more."""
    event: dict[str, Any] = {"id": event_id, "object": "event", "type": event_type, "data": {"object": {"id": "pi_1"}}}
    unpadded = len(json.dumps({**event, "padding": ""}))
    padding = {"padding": "x" * (size - unpadded)} if size > unpadded else {}
    return json.dumps(event | padding).encode()


def signature_header(body: bytes, secret: str = SECRET, timestamp: float | None = None) -> str:
    """The Stripe-Signature header of this body, signed now unless a Unix time is given."""
    at = int(time.time() if timestamp is None else timestamp)
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def claims(subject: str = "user-1", *roles: str, **more: Any) -> dict[str, Any]:
    """What a sound token says. A claim that is given as None is left out."""
    sound = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "exp": int(time.time()) + 600, "roles": list(roles)}
    return {name: value for name, value in (sound | more).items() if value is not None}


def token(subject: str = "user-1", *roles: str, secret: str = JWT_SECRET, **more: Any) -> str:
    """A token signed with HS256."""
    return signed({"alg": "HS256", "typ": "JWT"}, claims(subject, *roles, **more), secret)


def signed(header: dict[str, Any] | str, said: dict[str, Any], secret: str) -> str:
    """Any header over any claims, under an HMAC: what an attacker can make, too."""
    head = header if isinstance(header, str) else json.dumps(header)
    text = f"{unpadded(head.encode())}.{unpadded(json.dumps(said).encode())}"
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return f"{text}.{unpadded(digest)}"


def unpadded(raw: bytes) -> str:
    """Base64 as in a token."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def bearer(subject: str = "user-1", *roles: str) -> dict[str, str]:
    """The header of a user."""
    return {"Authorization": f"Bearer {token(subject, *roles)}"}
