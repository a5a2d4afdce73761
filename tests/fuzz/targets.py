"""What any bytes go through from outside, as functions that raise AssertionError for what must never happen.

Hypothesis calls them in the usual run (tests/unit/fuzz), atheris for as long as it is told to (`make fuzz`).
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import bson
from starlette.types import Message, Scope

from contracts.errors import InvalidMessage
from contracts.transport import Published, Stored
from tests.ingress_requests import SECRET, signature_header
from webhook_ingress.rate_limit import Allowance
from webhook_ingress.webhook import WEBHOOK_PATH, Webhook
from worker.adapters import customer_translate, translate
from worker.adapters.documents import plain
from worker.adapters.translate import EraseUser
from worker.domain.customers.messages import CustomerCommand
from worker.domain.messages import redacted

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DEPLOYMENT = "test"
ANSWERS = {Stored.YES: {200, 400, 413}, Stored.NO: {400, 413, 503}, Stored.UNKNOWN: {400, 413, 503}}
"""By what becomes of a publish: 400 and 413 are the sender's faults, and ours is a 503."""

REASON_BYTES = 4096
"""More than a reason takes: it travels in a header, and people read it."""


class Queue:
    """Keeps what is published, and says of it what it is told to say."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self.bodies: list[bytes] = []

    async def publish(
        self, exchange: str, routing_key: str, body: bytes, *, content_type: str, headers: Mapping[str, Any]
    ) -> Published:
        assert len(routing_key.encode()) <= 255, "AMQP knows no longer routing key"
        assert exchange
        assert content_type
        assert headers
        self.bodies.append(body)
        return Published(self._stored)


def webhook(body: bytes, header: bytes | None, stored: Stored = Stored.YES) -> int:
    """Post bytes to the ingress, rightly signed without a header; the status that is answered, which is a foreseen one.

    What is answered 200 is in the queue, byte for byte, and the worker makes of it news, or ignores it, or says why not.
    """
    queue = Queue(stored)
    sent = signature_header(body, timestamp=NOW.timestamp()).encode() if header is None else header
    status = asyncio.run(_post(queue, body, sent))
    assert status in ANSWERS[stored], f"answered {status}"
    assert status != 200 or queue.bodies == [body], "acknowledged, and not stored as it came"
    assert status == 200 or stored is not Stored.YES or not queue.bodies, "stored, and not acknowledged"
    if status == 200:
        stripe_event(body)
    return status


def stripe_event(body: bytes) -> str:
    """Read bytes as the worker reads a webhook; the event's type, or the reason why they are a dead letter."""
    try:
        found = translate.stripe_event(body, livemode=False)
        if found.type in customer_translate.EVENTS:
            customer_translate.customer_event(body, deployment=DEPLOYMENT, livemode=False)
    except InvalidMessage as error:
        return reason(error)
    if found.news is not None:
        assert_storable(redacted(found.news))
    return found.type


def command(body: bytes, *, privileged: bool) -> str:
    """Read bytes as the worker reads a command; what it is, or the reason why they are a dead letter."""
    try:
        found = translate.command(body, None, DEPLOYMENT, NOW, privileged=privileged)
    except InvalidMessage as error:
        return reason(error)
    if not isinstance(found, EraseUser | CustomerCommand):
        assert_storable(redacted(found))
    return type(found).__name__


def reason(error: InvalidMessage) -> str:
    """What the dead letter says, which can be sent and read."""
    told = f"invalid: {error}"
    assert error.rule, "refused without a reason"
    assert len(told.encode()) <= REASON_BYTES
    assert error.message_id.encode() is not None
    return told


def assert_storable(value: Mapping[str, Any]) -> None:
    """What the timeline keeps of a message can be written to the database."""
    try:
        bson.encode({"message": plain(value)})
    except Exception as error:
        raise AssertionError(f"cannot be stored: {type(error).__name__}") from error


async def _post(queue: Queue, body: bytes, header: bytes) -> int:
    endpoint = Webhook(queue, (SECRET,), count_bad=_anybody, clock=NOW.timestamp)
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": WEBHOOK_PATH,
        "headers": [(b"stripe-signature", header), (b"content-length", str(len(body)).encode())],
        "state": {"line": {}},
    }
    await endpoint(scope, receive, send)
    (status,) = statuses
    return status


async def _anybody(address: str | None) -> Allowance:
    del address
    return Allowance(allowed=True, limit=1, window_s=1, remaining=1, reset_s=1)
