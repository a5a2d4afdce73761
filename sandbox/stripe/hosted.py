"""The pages that a customer sees: where he passes or fails 3-D Secure and returns to the shop, and his receipt."""

import html
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.stripe import attempts, currencies, setup_attempts
from sandbox.stripe.errors import Json
from sandbox.stripe.intents import Status
from sandbox.stripe.tables import Table
from sandbox.stripe.world import World

SEE_OTHER = 303

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{font-family:system-ui;max-width:28rem;margin:4rem auto;padding:0 1rem}}
button{{font:inherit;padding:.6rem 1.2rem;margin-right:.6rem}}</style></head>
<body><h1>{title}</h1><p>{text}</p>{form}</body></html>
"""
FORM = """<form method="post">
<button name="outcome" value="succeed" id="test-source-authorize-3ds">Complete</button>
<button name="outcome" value="fail" id="test-source-fail-3ds">Fail</button></form>"""


@dataclass(frozen=True, slots=True)
class Challenged:
    """What can be authenticated: a payment or a setup. Both call their statuses the same."""

    noun: str  # as in `payment_intent`
    table: Table
    authenticate: Callable[..., Json]


class Hosted:
    """GET shows the page; POST outcome=succeed|fail ends the challenge and redirects to the return_url."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._payments = Challenged("payment_intent", world.payment_intents, attempts.authenticate)
        self._setups = Challenged("setup_intent", world.setup_intents, setup_attempts.authenticate)

    def routes(self) -> list[Route]:
        return [
            Route("/_sim/3ds/{intent_id}", self.pay, methods=["GET", "POST"]),
            Route("/_sim/3ds/setup/{intent_id}", self.set_up, methods=["GET", "POST"]),
            Route("/_sim/receipts/{charge_id}", self.receipt, methods=["GET"]),
        ]

    async def pay(self, request: Request) -> Response:
        return await self._page(request, self._payments)

    async def set_up(self, request: Request) -> Response:
        return await self._page(request, self._setups)

    async def receipt(self, request: Request) -> Response:
        charge = self._world.charges.get(request.path_params["charge_id"])
        if charge is None:
            return HTMLResponse("<h1>No such receipt</h1>", 404)
        text = f"Paid {currencies.as_text(charge['amount_captured'], charge['currency'])}"
        if charge["amount_refunded"]:
            text += f", refunded {currencies.as_text(charge['amount_refunded'], charge['currency'])}"
        return _show("Receipt", f"{text}.", "")

    async def _page(self, request: Request, kind: Challenged) -> Response:
        intent = kind.table.get(request.path_params["intent_id"])
        if intent is None:
            return HTMLResponse("<h1>No such payment</h1>", 404)
        title, subject = "3-D Secure test page", _subject(intent)
        behind = self._world.backstage[intent["id"]]
        current = request.query_params.get("attempt") == str(behind.attempt)
        if not current or intent["status"] != Status.REQUIRES_ACTION:
            return _show(title, f"{subject} There is nothing to authenticate any more.", "")
        if request.method == "GET":
            return _show(title, f"{subject} Complete or fail the authentication.", FORM)
        passed = dict(parse_qsl((await request.body()).decode())).get("outcome") == "succeed"
        self._world.nobody_asks()
        intent = kind.authenticate(self._world, intent, passed=passed)
        if behind.return_url is None:
            return _show(title, f"{subject} The status is {intent['status']}. You may close this page.", "")
        return RedirectResponse(return_address(behind.return_url, kind.noun, intent), SEE_OTHER)


def return_address(return_url: str, noun: str, intent: Json) -> str:
    """The shop's page with what Stripe adds to it."""
    parts = urlsplit(return_url)
    status = "failed" if intent["status"] == Status.REQUIRES_PAYMENT_METHOD else "succeeded"
    added = {noun: intent["id"], f"{noun}_client_secret": intent["client_secret"], "redirect_status": status}
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *added.items()])
    return urlunsplit(parts._replace(query=query))


def _subject(intent: Json) -> str:
    if "amount" not in intent:
        return "A payment method is saved."
    return f"Payment of {intent['amount']} {intent['currency'].upper()}."


def _show(title: str, text: str, form: str) -> Response:
    return HTMLResponse(PAGE.format(title=title, text=html.escape(text), form=form))
