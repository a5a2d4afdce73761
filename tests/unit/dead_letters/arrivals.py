"""Deliveries of the queue of dead letters as the desk meets them, and bodies that are full of what must not be kept."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from aio_pika.abc import AbstractIncomingMessage

from contracts import topology
from worker.adapters.gateway import API_VERSION

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PAYMENT = "pay_0123456789abcdef01234567_1"

SHAPED = (
    "pi_1_secret_canary",
    "canary@example.com",
    "4242424242424242",
    "4242 4242 4242 4242",
    "whsec_canary12345",
    "sk_live_canary12345",
    "v1=0123456789abcdef0123456789abcdef",
    "eyJhbGciOiJub25lIn0.eyJjYW5hcnkiOjF9.c2ln",
    "DE89370400440532013000",
)
"""One secret of each shape that is known wherever it stands."""

CVC, LANE, CARLA = "CanaryCvc987", "Canary Lane 7", "Carla Canary"
"""What only the name of its field tells, or that nothing around it can be read."""

CANARIES = (*SHAPED, CVC, LANE, CARLA)


@dataclass
class Arrived:
    """The parts of a delivery that are read."""

    body: bytes
    headers: Mapping[str, Any] = field(default_factory=dict)
    message_id: str | None = "delivery-1"
    routing_key: str | None = None
    type: str | None = None


def arrived(body: bytes, origin: str | None = topology.COMMANDS_QUEUE, **more: Any) -> AbstractIncomingMessage:
    """A dead letter of one of our consumers, with these headers beside its origin."""
    delivery = more.pop("message_id", "delivery-1")
    headers = {topology.HEADER_REASON: "invalid: is none"} | more.pop("headers", {})
    if origin is not None:
        headers[topology.HEADER_ORIGIN] = origin
    return cast("AbstractIncomingMessage", Arrived(body, headers, delivery, **more))


def command(kind: str = "payment.create", command_id: str = "cmd-1", **data: Any) -> bytes:
    """A command in its envelope; without `data` a sound create."""
    sound = {"order_id": "order-1", "user_id": "user-1", "amount": 1999, "currency": "eur"}
    wrapped = {
        "specversion": "1.0",
        "id": command_id,
        "source": "tests",
        "type": kind,
        "time": "2026-03-02T11:00:00+00:00",
        "data": data or sound,
    }
    return json.dumps(wrapped).encode()


def event(event_id: str = "evt_1", kind: str = "payment_intent.succeeded", **about: Any) -> bytes:
    """A webhook event of a paid intent, with these changes of its object, and with secrets where Stripe has them."""
    intent = {
        "id": "pi_1",
        "object": "payment_intent",
        "status": "succeeded",
        "amount": 1999,
        "amount_received": 1999,
        "currency": "eur",
        "latest_charge": "ch_1",
        "client_secret": "pi_1_secret_canary",
        "receipt_email": "canary@example.com",
        "description": f"for {CARLA}",
        "shipping": {"name": CARLA, "address": {"line1": LANE}},
        "last_payment_error": {"code": "card_declined", "message": CARLA, "payment_method": {"card": {}}},
        "metadata": {"payment_id": PAYMENT, "order_id": "order-1", "deployment": "test", "mail": "canary@example.com"},
    }
    wrapped = {
        "id": event_id,
        "object": "event",
        "type": kind,
        "livemode": False,
        "api_version": API_VERSION,
        "data": {"object": intent | about, "previous_attributes": {"receipt_email": "canary@example.com"}},
    }
    return json.dumps(wrapped).encode()


def full_of_secrets() -> dict[str, bytes]:
    """Bodies in which every canary sits somewhere, by what they are."""
    texts = [f"see {canary}, please" for canary in SHAPED]
    named = {"client_secret": CVC, "cardholder": CARLA, "billing_street": LANE}
    deep: dict[str, Any] = {"metadata": {"note": texts, "Customer-Name": CARLA, "cvc": CVC}, **named}
    number: dict[str, Any] = {"card": {"number": 4242424242424242, "cvc": CVC}, "anything": 4242424242424242}
    hidden: dict[str, Any] = {"canary@example.com": "as a name", "evidence": {"uncategorized_text": CARLA}}
    whole = command("payment.submit_evidence", **{**deep, **number, **hidden})
    everything = json.dumps([*CANARIES, deep, number]).encode()
    twice = b'"data": {"x": 1}, "data": {"receipt_email": "canary@example.com", '
    return {
        "command": whole,
        "unknown command": command("payment.explode", **{**deep, "texts": texts}),
        "broken command": whole[:-1],
        "list": everything,
        "broken list": everything[1:-1],
        "text": " ".join(CANARIES).encode(),
        "UTF-16": " ".join(CANARIES).encode("utf-16"),
        "two of one name": whole.replace(b'"data": {', twice),
        "event": event(**{**deep, **number, **hidden, "status": CARLA, "reason": texts[0]}),
        "event without an object": json.dumps(
            {"id": "evt_2", "type": "x", "data": {"object": list(CANARIES)}}
        ).encode(),
    }
