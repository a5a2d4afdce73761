"""How control requests are read and answered: a JSON object in, a JSON object out, and a 400 that says what is wrong."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.stripe.encoding import Answer
from sandbox.stripe.errors import Json, StripeError
from sandbox.stripe.tables import Table
from sandbox.stripe.world import World

Endpoint = Callable[[Request], Awaitable[Response]]
Act = Callable[[World, Json, Json], Json]


def explained(endpoint: Endpoint) -> Endpoint:
    """Bad input of a control request is a 400 that says what is wrong; what Stripe refuses is refused with Stripe's words."""

    async def wrapped(request: Request) -> Response:
        try:
            return await endpoint(request)
        except StripeError as refusal:
            return Answer({"error": refusal.error["message"], "stripe": refusal.error}, refusal.status)
        except (ArithmeticError, KeyError, TypeError, ValueError) as error:
            return Answer({"error": f"{type(error).__name__}: {error}"}, 400)

    return wrapped


def on_object(world: World, path: str, table: Table, act: Act) -> Route:
    """A POST that does something to one object, as nobody's request. `path` has the id as `{object_id}`."""

    async def endpoint(request: Request) -> Response:
        row = table.get(request.path_params["object_id"])
        if row is None:
            return Answer({"error": f"no such {table.kind}"}, 404)
        body = await read(request)
        world.nobody_asks()
        return Answer(act(world, row, body))

    return Route(path, explained(endpoint), methods=["POST"])


async def read(request: Request) -> Json:
    raw = await request.body()
    body = (await request.json()) if raw else {}
    if not isinstance(body, dict):
        raise TypeError("the body must be a JSON object")
    return body


def only(body: Json, *names: str) -> None:
    """Refuse what is not known: a misspelt control would silently do something else."""
    if unknown := sorted(set(body) - set(names)):
        raise ValueError(f"unknown: {', '.join(unknown)}; known: {', '.join(names)}")


def chosen(body: Json, name: str, known: Iterable[str], default: str | None = None) -> str:
    """One of the known words."""
    value = body.get(name, default) if default is not None else body[name]
    if value not in set(known):
        raise ValueError(f"{name}: one of {', '.join(known)}")
    return str(value)


def whole(body: Json, name: str) -> int | None:
    """An amount in minor units, if it is there."""
    value: Any = body.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise ValueError(f"{name}: a whole number of at least 1")
    return value
