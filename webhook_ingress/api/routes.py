"""All endpoints, and the router's view of those that this process serves."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from webhook_ingress.api import desk, methods, payments
from webhook_ingress.api.endpoint import Endpoint
from webhook_ingress.api.gate import Gate
from webhook_ingress.settings import Group

ENDPOINTS: tuple[Endpoint, ...] = (*payments.ENDPOINTS, *methods.ENDPOINTS, *desk.ENDPOINTS)


def served(groups: Iterable[Group]) -> tuple[Endpoint, ...]:
    """The endpoints of these groups."""
    chosen = frozenset(groups)
    return tuple(endpoint for endpoint in ENDPOINTS if endpoint.group in chosen)


def routes(gate: Gate, endpoints: Sequence[Endpoint]) -> list[Route]:
    """One route per path, so that a wrong method is told all that the path takes."""
    by_path = groupby(sorted(endpoints, key=_by_path), key=_by_path)
    return [_route(gate, {endpoint.method: endpoint for endpoint in found}) for _, found in by_path]


def _route(gate: Gate, by_method: dict[str, Endpoint]) -> Route:
    path = next(iter(by_method.values())).path

    async def answer(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        request.scope["state"]["line"]["route"] = path
        return await gate.answer(by_method[method], request)

    # An order's id may have a slash in it.
    return Route(path.replace("{order_id}", "{order_id:path}"), answer, methods=list(by_method))


def _by_path(endpoint: Endpoint) -> tuple[bool, str]:
    """Paths whose second part is a name come before those where it can be anything."""
    return endpoint.path.startswith("/api/payments/{"), endpoint.path
