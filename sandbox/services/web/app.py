"""The sample shop as an ASGI application over the order service."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts import money
from contracts.money import Money
from sandbox.services.asking import PaymentRefused
from sandbox.services.order import Order
from sandbox.services.orders import OrderService
from sandbox.services.web import pages
from sandbox.services.web.pages import Checkout

STATIC = Path(__file__).with_name("static")

MAX_FORM_BYTES = 10_000
"""An order form has three short fields."""

ANSWER_S = 20.0
"""How long a browser waits for its payment; it asks again, and the command goes on meanwhile."""

SEE_OTHER = 303
STRIPE_JS = "https://js.stripe.com"
STRIPE_FRAMES = f"{STRIPE_JS} https://hooks.stripe.com"


class Shop:
    """The handlers, over the order service that knows everything."""

    def __init__(self, orders: OrderService, how: Checkout) -> None:
        self._orders = orders
        self._how = how

    def app(self) -> ASGIApp:
        routes = [
            Route("/", self.home),
            Route("/orders", self.place, methods=["POST"]),
            Route("/orders/{order_id}", self.status),
            Route("/orders/{order_id}/pay", self.checkout),
            Route("/orders/{order_id}/payment", self.payment, methods=["POST"]),
            Route("/orders/{order_id}/cancel", self.cancel, methods=["POST"]),
            Route("/orders/{order_id}/news", self.news),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]
        return Starlette(routes=routes, middleware=[Middleware(Guarded, policy=policy(self._how))])

    async def home(self, _request: Request) -> Response:
        return HTMLResponse(pages.listed(self._newest()))

    async def place(self, request: Request) -> Response:
        form = await _form(request)
        try:
            price = Money.from_decimal(form.get("amount", ""), form.get("currency", ""))
        except ValueError as error:
            return HTMLResponse(pages.listed(self._newest(), f"Amount: {error}"), 400)
        problem = money.check(price.amount, price.currency)
        if problem:
            return HTMLResponse(pages.listed(self._newest(), problem.message), 400)
        order = self._orders.place(form.get("item", "")[:100] or "something", price.amount, price.currency, "u-sample")
        return RedirectResponse(f"/orders/{order.order_id}/pay", SEE_OTHER)

    async def status(self, request: Request) -> Response:
        """Where a customer sees the outcome, and where a bank's page sends them back to."""
        order = self._find(request)
        if order is None:
            return HTMLResponse(pages.missing(), 404)
        accepted = request.query_params.get("redirect_status") == "succeeded"
        return HTMLResponse(pages.status(order, accepted=accepted))

    async def checkout(self, request: Request) -> Response:
        order = self._find(request)
        if order is None:
            return HTMLResponse(pages.missing(), 404)
        if not order.open:
            return RedirectResponse(f"/orders/{order.order_id}", SEE_OTHER)
        return HTMLResponse(pages.checkout(order, self._how))

    async def payment(self, request: Request) -> Response:
        """The client secret that the browser pays with."""
        order = self._find(request)
        if order is None:
            return JSONResponse({"message": "There is no such order."}, 404)
        try:
            async with asyncio.timeout(ANSWER_S):
                reply = await self._orders.start_payment(order)
        except TimeoutError:
            return JSONResponse({"message": "The payment is still being prepared."}, 503)
        except PaymentRefused as refused:
            return JSONResponse({"message": str(refused), "code": refused.code}, 409)
        intent = reply.payment.payment_intent_id if reply.payment else None
        return JSONResponse({"client_secret": reply.client_secret, "payment_intent": intent})

    async def cancel(self, request: Request) -> Response:
        order = self._find(request)
        if order is None:
            return HTMLResponse(pages.missing(), 404)
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._give_up(order)
        except (PaymentRefused, TimeoutError):
            pass  # the page shows what became of it
        return RedirectResponse(f"/orders/{order.order_id}", SEE_OTHER)

    async def news(self, request: Request) -> Response:
        """What the open page asks for every second."""
        order = self._find(request)
        if order is None:
            return JSONResponse({"message": "There is no such order."}, 404)
        return JSONResponse(
            {"status": order.status, "heard": len(order.events), "paid": order.paid, "open": order.open}
        )

    async def _give_up(self, order: Order) -> None:
        """Cancel; what was paid before that goes back, because nobody ships it any more."""
        try:
            await self._orders.cancel(order)
        except PaymentRefused:
            if order.payment is not None:
                await self._orders.refund(order, f"canceled-{order.order_id}")

    def _find(self, request: Request) -> Order | None:
        return self._orders.orders.get(request.path_params["order_id"])

    def _newest(self) -> list[Order]:
        return list(reversed(self._orders.orders.values()))


class Guarded:
    """Adds a content security policy: the pages run no script and talk to no place that is not named in it."""

    def __init__(self, app: ASGIApp, policy: str) -> None:
        self._app = app
        self._headers = [
            (b"content-security-policy", policy.encode()),
            (b"referrer-policy", b"same-origin"),
            (b"x-content-type-options", b"nosniff"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *self._headers]
            await send(message)

        await self._app(scope, receive, adding)


def policy(how: Checkout) -> str:
    """What a page may load and whom it may talk to."""
    stripe = how.mode == "stripe_js"
    parts = {
        "default-src": "'none'",
        "style-src": "'self' 'unsafe-inline'" if stripe else "'self'",
        "script-src": f"'self' {STRIPE_JS}" if stripe else "'self'",
        "connect-src": f"'self' {how.stripe_url}",
        "frame-src": STRIPE_FRAMES if stripe else "'none'",
        "img-src": "'self' data:",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in parts.items())


async def _form(request: Request) -> dict[str, Any]:
    """The fields of an urlencoded form; empty for one that is too long or no text."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            return {}
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
