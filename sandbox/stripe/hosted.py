"""The page where a customer passes or fails 3-D Secure, and from which he returns to the shop."""

import html
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.stripe import attempts
from sandbox.stripe.errors import Json
from sandbox.stripe.intents import Status
from sandbox.stripe.world import World

SEE_OTHER = 303

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>3-D Secure test page</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{font-family:system-ui;max-width:28rem;margin:4rem auto;padding:0 1rem}}
button{{font:inherit;padding:.6rem 1.2rem;margin-right:.6rem}}</style></head>
<body><h1>3-D Secure test page</h1><p>Payment of {amount} {currency}. {text}</p>{form}</body></html>
"""
FORM = """<form method="post">
<button name="outcome" value="succeed" id="test-source-authorize-3ds">Complete</button>
<button name="outcome" value="fail" id="test-source-fail-3ds">Fail</button></form>"""


class Hosted:
    """GET shows the page; POST outcome=succeed|fail ends the challenge and redirects to the return_url."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        return [Route("/_sim/3ds/{intent_id}", self.page, methods=["GET", "POST"])]

    async def page(self, request: Request) -> Response:
        intent = self._world.payment_intents.get(request.path_params["intent_id"])
        if intent is None:
            return HTMLResponse("<h1>No such payment</h1>", 404)
        behind = self._world.backstage[intent["id"]]
        current = request.query_params.get("attempt") == str(behind.attempt)
        if not current or intent["status"] != Status.REQUIRES_ACTION:
            return _show(intent, "There is nothing to authenticate any more.", "")
        if request.method == "GET":
            return _show(intent, "Complete or fail the authentication.", FORM)
        passed = dict(parse_qsl((await request.body()).decode())).get("outcome") == "succeed"
        self._world.nobody_asks()
        intent = attempts.authenticate(self._world, intent, passed=passed)
        if behind.return_url is None:
            return _show(intent, f"The payment is {intent['status']}. You may close this page.", "")
        return RedirectResponse(return_address(behind.return_url, intent), SEE_OTHER)


def return_address(return_url: str, intent: Json) -> str:
    """The shop's page with what Stripe adds to it."""
    parts = urlsplit(return_url)
    status = "failed" if intent["status"] == Status.REQUIRES_PAYMENT_METHOD else "succeeded"
    added = {
        "payment_intent": intent["id"],
        "payment_intent_client_secret": intent["client_secret"],
        "redirect_status": status,
    }
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *added.items()])
    return urlunsplit(parts._replace(query=query))


def _show(intent: Json, text: str, form: str) -> Response:
    amount, currency = intent["amount"], html.escape(intent["currency"].upper())
    return HTMLResponse(PAGE.format(amount=amount, currency=currency, text=html.escape(text), form=form))
