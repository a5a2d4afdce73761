"""POST /api/payments/webhook: read, verify, publish, and only then 200 (docs/reliability.md, rule 23).

The bytes that Stripe signed are the bytes that travel. No SDK object is built: verifying costs microseconds, the SDK's
event would cost half a millisecond.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from contracts import topology
from contracts.transport import Published, Stored
from webhook_ingress import body as bodies
from webhook_ingress import event as events
from webhook_ingress import problems, signature, trace
from webhook_ingress.body import BadBody, LingeringProblem
from webhook_ingress.event import BadEvent
from webhook_ingress.logs import Fields
from webhook_ingress.rate_limit import Allowance
from webhook_ingress.signature import BadSignature

WEBHOOK_PATH = "/api/payments/webhook"

MAX_IN_FLIGHT = 256
"""64 MiB of bodies at most. Confirms come at a few thousand per second, so a full house means that none come."""

CONTENT_TYPE = "application/json"

RECEIVED = JSONResponse({"received": True})

REFUSALS: Mapping[BadSignature | BadEvent | BadBody, Response] = {
    BadSignature.MISSING: problems.bad_request("signature_missing", "There is no Stripe-Signature header."),
    BadSignature.MALFORMED: problems.bad_request("signature_malformed", "The Stripe-Signature header cannot be read."),
    BadSignature.WRONG: problems.bad_request("signature_wrong", "No signature matches the body."),
    BadSignature.TOO_OLD: problems.bad_request("signature_too_old", "The signature's timestamp is too old."),
    BadSignature.IN_FUTURE: problems.bad_request("signature_in_future", "The signature's timestamp lies ahead of us."),
    BadEvent.NOT_JSON: problems.bad_request("body_not_json", "The body is no JSON."),
    BadEvent.NOT_AN_EVENT: problems.bad_request("body_not_an_event", "The body is no Stripe event."),
    BadBody.TOO_LARGE: LingeringProblem(413, "body_too_large", f"At most {bodies.MAX_BODY_BYTES} bytes are read."),
}

UNAVAILABLE: Mapping[Stored, Response] = {
    Stored.NO: problems.unavailable("not_stored", "The event could not be stored; send it again."),
    Stored.UNROUTABLE: problems.unavailable("not_stored", "The event could not be stored; send it again."),
    Stored.UNKNOWN: problems.unavailable("not_confirmed", "Storing the event was not confirmed; send it again."),
}
OVERLOADED = problems.unavailable("overloaded", "Too many events are being stored; send it again.")

CountBad = Callable[[str | None], Awaitable[Allowance]]

Hook = Callable[[str], None]
"""Called with the name of a point that has been passed. A test ends the process there."""

CONFIRMED = "confirmed"
"""The point after the broker's confirm and before the answer."""


def no_hook(point: str) -> None:
    """Pass every point by."""
    del point


class Store(Protocol):
    """What can keep an event until a worker reads it."""

    async def publish(
        self, exchange: str, routing_key: str, body: bytes, *, content_type: str, headers: Mapping[str, Any]
    ) -> Published: ...


class Webhook:
    """The endpoint, as an ASGI app. `count_bad` counts an address's failed signatures, `clock` gives Unix time in seconds."""

    def __init__(
        self,
        store: Store,
        secrets: tuple[str, ...],
        *,
        count_bad: CountBad,
        hook: Hook = no_hook,
        clock: Callable[[], float] = time.time,
    ) -> None:
        assert all(secrets), "an empty secret would accept anybody's signature"
        self._store = store
        self._secrets = tuple(secret.encode() for secret in secrets)
        self._count_bad = count_bad
        self._hook = hook
        self._clock = clock
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._bounded(scope, receive)
        if response is not None:
            await response(scope, receive, send)

    async def _bounded(self, scope: Scope, receive: Receive) -> Response | None:
        line: Fields = scope["state"]["line"]
        line["route"] = WEBHOOK_PATH
        if self._in_flight >= MAX_IN_FLIGHT:
            line["outcome"] = "overloaded"
            return OVERLOADED
        self._in_flight += 1
        try:
            return await self._answer(scope, receive, line)
        finally:
            self._in_flight -= 1

    async def _answer(self, scope: Scope, receive: Receive, line: Fields) -> Response | None:
        """Take the decision; None when nobody is left to be answered."""
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        declared = headers.get(b"content-length")
        raw = await bodies.read(receive, int(declared) if declared is not None else None)
        if isinstance(raw, BadBody):
            return _refuse(raw, line)
        now = self._clock()
        bad = signature.check(headers.get(b"stripe-signature"), raw, self._secrets, now)
        if bad is not None:
            return await self._limited(scope, bad, line)
        event = events.parse(raw)
        if isinstance(event, BadEvent):
            return _refuse(event, line)
        line["event_id"], line["event_type"] = event.id, event.type
        traceparent = trace.parent(headers.get(b"traceparent"))
        line["trace_id"] = traceparent[3:35]
        published = await self._store.publish(
            topology.STRIPE,
            event.type,
            raw,
            content_type=CONTENT_TYPE,
            headers={
                topology.HEADER_STRIPE_EVENT_ID: event.id,
                topology.HEADER_RECEIVED_AT: datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
                "traceparent": traceparent,
            },
        )
        line["outcome"] = published.stored.value
        if published.stored is Stored.YES:
            self._hook(CONFIRMED)
            return RECEIVED
        line["reason"] = published.reason
        return UNAVAILABLE[published.stored]

    async def _limited(self, scope: Scope, bad: BadSignature, line: Fields) -> Response | None:
        """Refuse a bad signature, and after too many of them say so. One that is sound never comes here."""
        sender = scope.get("client")
        allowance = await self._count_bad(sender[0] if sender else None)
        if allowance.allowed:
            return _refuse(bad, line)
        line["outcome"] = problems.TOO_MANY
        return problems.too_many(allowance.headers)


def _refuse(bad: BadSignature | BadEvent | BadBody, line: Fields) -> Response | None:
    line["outcome"] = bad.value
    return REFUSALS.get(bad)
