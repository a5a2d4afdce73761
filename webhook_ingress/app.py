"""The HTTP side, assembled: three routes, problem+json for every error, one log line per request."""

import time
from collections.abc import Callable
from typing import Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp
from structlog.typing import FilteringBoundLogger

from webhook_ingress import problems
from webhook_ingress.logs import RequestLines
from webhook_ingress.webhook import Webhook

WEBHOOK_PATH = "/api/payments/webhook"


class Link(Protocol):
    """What readiness asks about the broker."""

    @property
    def connected(self) -> bool: ...
    async def confirms(self) -> bool: ...


class Probes:
    """What an orchestrator asks. Healthy: the process lives. Ready: the broker confirms, and we are not leaving."""

    def __init__(self, broker: Link, *, version: str, draining: Callable[[], bool]) -> None:
        self._broker = broker
        self._version = version
        self._draining = draining
        self._started_at = time.monotonic()

    async def health(self, _: Request) -> Response:
        uptime_s = round(time.monotonic() - self._started_at, 1)
        return JSONResponse({"name": "payments-ingress", "version": self._version, "uptime_s": uptime_s})

    async def ready(self, _: Request) -> Response:
        if self._draining():
            return problems.unavailable("draining", "This process is stopping.")
        if not self._broker.connected:
            return problems.unavailable("broker_away", "There is no connection to the broker.")
        if not await self._broker.confirms():
            return problems.unavailable("broker_silent", "The broker does not confirm what is published.")
        return JSONResponse({"ready": True})


def build(*, webhook: Webhook, probes: Probes, log: FilteringBoundLogger) -> ASGIApp:
    """Put the routes together."""
    app = Starlette(
        routes=[
            Route(WEBHOOK_PATH, webhook, methods=["POST"]),
            Route("/health", probes.health, methods=["GET"]),
            Route("/ready", probes.ready, methods=["GET"]),
        ],
        exception_handlers={HTTPException: problems.from_http, Exception: problems.from_bug},
    )
    app.router.redirect_slashes = False
    return RequestLines(app, log)
