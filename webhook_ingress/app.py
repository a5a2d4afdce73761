"""The HTTP side, assembled: webhook, API, probes, documents. Errors are problem+json; one log line per request."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from pydantic_core import to_json
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from webhook_ingress import docs_page, openapi, problems
from webhook_ingress.api.endpoint import Endpoint
from webhook_ingress.api.gate import Gate
from webhook_ingress.api.routes import routes
from webhook_ingress.layers import Dressed, behind_proxies, cross_origin
from webhook_ingress.logs import RequestLines
from webhook_ingress.metrics import Metrics
from webhook_ingress.settings import Network
from webhook_ingress.webhook import WEBHOOK_PATH


class Link(Protocol):
    """What readiness asks about the broker."""

    @property
    def connected(self) -> bool: ...
    async def confirms(self) -> bool: ...


class Probes:
    """What an orchestrator asks. Healthy: the process lives. Ready: the broker confirms, and we are not leaving.

    `opened` tells whether commands and queries can be sent, where this process serves any.
    """

    def __init__(
        self, broker: Link, *, version: str, draining: Callable[[], bool], opened: Callable[[], bool] = lambda: True
    ) -> None:
        self._broker = broker
        self._version = version
        self._draining = draining
        self._opened = opened
        self._started_at = time.monotonic()

    async def health(self, _: Request) -> Response:
        uptime_s = round(time.monotonic() - self._started_at, 1)
        return JSONResponse({"name": "payments-ingress", "version": self._version, "uptime_s": uptime_s})

    async def ready(self, _: Request) -> Response:
        if self._draining():
            return problems.unavailable("draining", "This process is stopping.")
        if not self._broker.connected or not self._opened():
            return problems.unavailable("broker_away", "There is no connection to the broker.")
        if not await self._broker.confirms():
            return problems.unavailable("broker_silent", "The broker does not confirm what is published.")
        return JSONResponse({"ready": True})


class Documents:
    """The description of the API, made when it is first asked for."""

    def __init__(self, endpoints: Sequence[Endpoint], version: str, *, webhook: bool) -> None:
        self._endpoints = endpoints
        self._webhook = webhook
        self._version = version

    @cached_property
    def _document(self) -> openapi.Json:
        return openapi.document(self._endpoints, self._version, webhook=self._webhook)

    @cached_property
    def _json(self) -> bytes:
        return to_json(self._document)

    @cached_property
    def _page(self) -> str:
        return docs_page.page(self._document)

    async def json(self, _: Request) -> Response:
        return Response(self._json, media_type="application/json")

    async def page(self, _: Request) -> Response:
        return HTMLResponse(self._page, headers={"content-security-policy": docs_page.CONTENT_SECURITY_POLICY})


@dataclass(frozen=True)
class Served:
    """The API of this process."""

    gate: Gate
    endpoints: Sequence[Endpoint]
    documents: Documents
    allowed_origins: Sequence[str] = ()


class WebhookFirst:
    """Takes webhooks past the router and its layers, which cost a tenth of a webhook's CPU; the rest is routed.

    Without it everything is answered the same: the webhook is among the routes too.
    """

    def __init__(self, webhook: ASGIApp, others: ASGIApp) -> None:
        self._webhook = webhook
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != WEBHOOK_PATH or scope["method"] != "POST":
            await self._others(scope, receive, send)
            return
        try:
            await self._webhook(scope, receive, send)
        except Exception:
            await problems.BUG(scope, receive, send)
            raise


def build(
    *,
    webhook: ASGIApp | None,
    api: Served | None,
    probes: Probes,
    metrics: Metrics,
    log: FilteringBoundLogger,
    trusted_proxies: Sequence[Network] = (),
) -> ASGIApp:
    """Put the routes together: the webhook, the API or both."""
    found = [
        Route("/health", probes.health, methods=["GET"]),
        Route("/ready", probes.ready, methods=["GET"]),
        Route("/metrics", metrics.page, methods=["GET"]),
    ]
    if webhook is not None:
        found.append(Route(WEBHOOK_PATH, webhook, methods=["POST"]))
    if api is not None:
        found.append(Route("/openapi.json", api.documents.json, methods=["GET"]))
        found.append(Route("/docs", api.documents.page, methods=["GET"]))
        found.extend(routes(api.gate, api.endpoints))
    routed = Starlette(
        routes=found, exception_handlers={HTTPException: problems.from_http, Exception: problems.from_bug}
    )
    routed.router.redirect_slashes = False
    dressed = Dressed(cross_origin(routed, api.allowed_origins if api else ()))
    all_of_it = dressed if webhook is None else WebhookFirst(webhook, dressed)
    return RequestLines(behind_proxies(all_of_it, trusted_proxies), log, metrics.request)
