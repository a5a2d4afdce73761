"""What every answer but a webhook's wears: a correlation id, and the headers that keep a browser from guessing.

An endpoint adds its own through `scope["state"]["headers"]`: a response that is kept for many requests is not changed.
"""

from collections.abc import Iterable, Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from webhook_ingress import trace
from webhook_ingress.problems import Problem
from webhook_ingress.settings import Network

SECURITY_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
"""OWASP, "REST Security Cheat Sheet". A browser looks at strict-transport-security over TLS only."""

PREFLIGHT_VALID_S = 600
ASKED_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "X-Correlation-Id", "Traceparent")
TOLD_HEADERS = (
    *("Location", "Retry-After", "X-Correlation-Id", "WWW-Authenticate"),
    *("RateLimit-Limit", "RateLimit-Policy", "RateLimit-Remaining", "RateLimit-Reset"),
)
PREFLIGHT_REFUSED = "Pages of this origin may not ask, or not by this method or with these headers."


class Dressed:
    """Adds the headers that an answer does not have yet, and makes the correlation id known to the log line."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = next((value for name, value in scope["headers"] if name == trace.CORRELATION_HEADER), None)
        correlation_id = trace.correlation_id(sent)
        scope["state"]["correlation_id"] = scope["state"]["line"]["correlation_id"] = correlation_id
        added = [*SECURITY_HEADERS, (trace.CORRELATION_HEADER, correlation_id.encode())]

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = scope["state"].get("headers", {})
                more = [(name.lower().encode(), value.encode()) for name, value in own.items()]
                message = {**message, "headers": _with(message["headers"], more + added)}
            await send(message)

        await self._app(scope, receive, dressed)


def _with(headers: Iterable[tuple[bytes, bytes]], added: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    present = list(headers)
    names = {name.lower() for name, _ in present}
    return present + [(name, value) for name, value in added if name not in names]


class CrossOrigin(CORSMiddleware):
    """Refuses a preflight in the one shape of refusals; Starlette's own is plain text."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        kept = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
        return Problem(response.status_code, "preflight_refused", PREFLIGHT_REFUSED, headers=kept)


def cross_origin(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Let pages of these origins ask. Without any the browser's own rule holds: none may."""
    if not origins:
        return app
    return CrossOrigin(
        app,
        allow_origins=origins,
        allow_methods=("GET", "POST", "DELETE"),
        allow_headers=ASKED_HEADERS,
        expose_headers=TOLD_HEADERS,
        max_age=PREFLIGHT_VALID_S,
    )


def behind_proxies(app: ASGIApp, trusted: Sequence[Network]) -> ASGIApp:
    """Believe X-Forwarded-For where it comes from one of these; the address is the last one that is none of them."""
    if not trusted:
        return app
    return ProxyHeadersMiddleware(app, [_as_uvicorn_reads(network) for network in trusted])  # type: ignore[arg-type,return-value]


def _as_uvicorn_reads(network: Network) -> str:
    return str(network.network_address) if network.num_addresses == 1 else str(network)
