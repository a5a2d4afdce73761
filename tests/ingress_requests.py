"""What Stripe would send: event bodies and their signatures, made without the code under test."""

import hashlib
import hmac
import json
import time
from typing import Any

SECRET = "whsec_current"
WEBHOOK_PATH = "/api/payments/webhook"


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
