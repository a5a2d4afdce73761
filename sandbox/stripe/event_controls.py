"""Events that do not match what the service knows: of live mode, of another account, of another version, of foreign objects."""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.stripe.control_requests import explained, only, read
from sandbox.stripe.encoding import Answer
from sandbox.stripe.errors import Json
from sandbox.stripe.world import World

INDEX = {
    "POST /_sim/events": 'send any event: {"type": "charge.succeeded", "object": "ch_…", "changes": {}, "livemode": true, …}',
}  # fmt: skip

ENVELOPE: dict[str, type] = {"account": str, "api_version": str, "context": str, "created": int, "livemode": bool}
TYPE = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")


def routes(world: World) -> list[Route]:
    async def send(request: Request) -> Response:
        body = await read(request)
        only(body, "type", "object", "changes", "previous_attributes", "request", *ENVELOPE)
        world.nobody_asks()
        return Answer(event(world, body))

    return [Route("/_sim/events", explained(send), methods=["POST"])]


def event(world: World, body: Json) -> Json:
    """An event about an object as it is, or as `changes` say it is, in an envelope of the caller's making.

    The object itself is not touched: who reads it from the API sees what Stripe has.
    """
    if not isinstance(body["type"], str) or not TYPE.fullmatch(body["type"]):
        raise ValueError(f"type: {body['type']!r} is no event type")
    envelope = {name: body[name] for name in (*ENVELOPE, "request") if name in body}
    for name, kind in ENVELOPE.items():
        if name in body and not isinstance(body[name], kind):
            raise TypeError(f"{name}: {kind.__name__} expected")
    subject = {**_subject(world, body["object"]), **body.get("changes", {})}
    return world.emit(body["type"], subject, previous=body.get("previous_attributes"), **envelope)


def _subject(world: World, given: Any) -> Json:
    """An object of the account by its id, or one that the account has never seen."""
    if isinstance(given, dict):
        if not isinstance(given.get("object"), str):
            raise TypeError("object: needs a field `object`")
        return given
    table = world.table(str(given))
    row = table.get(str(given)) if table is not None else None
    if row is None:
        raise ValueError(f"object: no such object: {given}")
    return world.current(row)
