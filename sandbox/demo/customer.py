"""A customer at the checkout page: what the browser does there, without the browser.

Cards go straight to Stripe under the publishable key and the client secret, as Stripe.js sends them.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import aiohttp

from sandbox.run.system import SIMULATOR_PUBLISHABLE_KEY

VISA = "4242424242424242"
MASTERCARD = "5555555555554444"
DECLINED = "4000000000000002"
NO_FUNDS = "4000000000009995"
SECURE = "4000000000003220"
ASKS_ALWAYS = "4000002760003184"
REFUND_FAILS = "4000000000005126"
DISPUTES = "4000000000000259"
WARNS = "4000000000005423"

RETURN_URL = "https://shop.example/return"

TRIES = 60
"""At a fault rate of 60 % a request fails that often in a row once in 10^13 times: then something else is wrong."""

BETWEEN_TRIES_S = 0.25

PAYABLE = frozenset({"requires_payment_method", "requires_confirmation"})

Json = dict[str, Any]


@dataclass(frozen=True)
class Shown:
    """What the page shows after a try: the intent's status, why the card was declined, where the bank wants to ask."""

    status: str
    decline: str | None = None
    redirect: str | None = None


class Customer:
    """Pays. Broken answers are looked up and tried again, so that no try is lost or made twice without need."""

    def __init__(self, session: aiohttp.ClientSession, stripe_url: str) -> None:
        self._session = session
        self._stripe_url = stripe_url
        self._declines: set[str] = set()

    async def pay(self, client_secret: str, method: str) -> Shown:
        """Confirm the payment with a card number or a saved method (`pm_…`); returns what came of this very try.

        The secret of a SetupIntent saves the method instead.
        """
        intent_url = self._intent_url(client_secret)
        for _ in range(TRIES):
            answer = await self._ask(
                "POST", f"{intent_url}/confirm", _method(method) | {"client_secret": client_secret}
            )
            if answer is not None and answer[0] == 200:
                return _shown(answer[1])
            if answer is not None and answer[0] == 402:
                error = answer[1]["error"]
                self._declines.add(_name(error))
                return Shown("requires_payment_method", decline=error["message"])
            # No usable answer, or "not in this state": the try before was perhaps carried out after all.
            intent = await self._look(client_secret)
            error = intent.get("last_payment_error")
            if intent["status"] not in PAYABLE:
                return _shown(intent)
            if error is not None and _name(error) not in self._declines:
                self._declines.add(_name(error))
                return Shown(intent["status"], decline=error["message"])
            await asyncio.sleep(BETWEEN_TRIES_S)
        raise RuntimeError(f"Stripe did not take a payment in {TRIES} tries")

    async def authenticate(self, redirect: str, *, passed: bool = True) -> None:
        """Answer the bank's 3-D Secure page."""
        form = {"outcome": "succeed" if passed else "fail"}
        async with self._session.post(redirect, data=form, allow_redirects=False) as answer:
            await answer.read()
            answer.raise_for_status()

    async def _look(self, client_secret: str) -> Json:
        url = f"{self._intent_url(client_secret)}?client_secret={client_secret}"
        for _ in range(TRIES):
            answer = await self._ask("GET", url)
            if answer is not None and answer[0] == 200:
                return answer[1]
            await asyncio.sleep(BETWEEN_TRIES_S)
        raise RuntimeError(f"Stripe did not show a payment in {TRIES} tries")

    async def _ask(self, method: str, url: str, form: Json | None = None) -> tuple[int, Json] | None:
        """Status and body; None when nothing can be learnt from the answer."""
        headers = {"Authorization": f"Bearer {SIMULATOR_PUBLISHABLE_KEY}"}
        try:
            async with self._session.request(method, url, data=form, headers=headers) as answer:
                body: Json = await answer.json()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return None
        return None if answer.status in {409, 429} or answer.status >= 500 else (answer.status, body)

    def _intent_url(self, client_secret: str) -> str:
        name = client_secret.partition("_secret_")[0]
        return f"{self._stripe_url}/v1/{'setup_intents' if name.startswith('seti_') else 'payment_intents'}/{name}"


def _shown(intent: Json) -> Shown:
    action = intent.get("next_action") or {}
    return Shown(intent["status"], redirect=action.get("redirect_to_url", {}).get("url"))


def _name(error: Json) -> str:
    """Tell one decline from the next: by its charge, or by the method that failed without one."""
    return str(error.get("charge") or error["payment_method"]["id"])


def _method(name: str) -> Json:
    if name.startswith("pm_"):
        return {"payment_method": name, "return_url": RETURN_URL}
    return {
        "payment_method_data[type]": "card",
        "payment_method_data[card][number]": name,
        "payment_method_data[card][exp_month]": "12",
        "payment_method_data[card][exp_year]": "2034",
        "payment_method_data[card][cvc]": "123",
        "return_url": RETURN_URL,
    }
