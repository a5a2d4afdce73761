"""The HTTP side, assembled: three routes, problem+json for every error, one log line per request."""

import time
from collections.abc import Callable
from typing import Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from webhook_ingress import problems
from webhook_ingress.logs import RequestLines

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


def build(*, webhook: ASGIApp, probes: Probes, log: FilteringBoundLogger) -> ASGIApp:
    """Put the routes together."""
    routed = Starlette(
        routes=[
            Route(WEBHOOK_PATH, webhook, methods=["POST"]),
            Route("/health", probes.health, methods=["GET"]),
            Route("/ready", probes.ready, methods=["GET"]),
        ],
        exception_handlers={HTTPException: problems.from_http, Exception: problems.from_bug},
    )
    routed.router.redirect_slashes = False
    return RequestLines(WebhookFirst(webhook, routed), log)
