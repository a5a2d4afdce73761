"""The demo's customer pays once per try, whatever the network does to the answer."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from sandbox.demo.customer import DECLINED, MASTERCARD, SECURE, VISA, Customer
from sandbox.run.system import SIMULATOR_KEY
from sandbox.stripe.app import create_app
from sandbox.stripe.faults import KINDS
from sandbox.stripe.server import Running, serve


class Checkout:
    """A payment at a simulator of its own, and somebody who pays it."""

    def __init__(self, running: Running, session: aiohttp.ClientSession) -> None:
        self.customer = Customer(session, running.address)
        self.secret = ""
        self._running = running
        self._session = session

    async def create(self) -> None:
        form = {"amount": "1999", "currency": "eur", "automatic_payment_methods[enabled]": "true"}
        async with self._session.post(
            f"{self._running.address}/v1/payment_intents",
            data=form,
            headers={"Authorization": f"Bearer {SIMULATOR_KEY}"},
        ) as answer:
            self.secret = (await answer.json())["client_secret"]

    async def strike(self, kind: str, path: str = "*/confirm") -> None:
        """The next such request meets a fault."""
        shot = {"kind": kind, "path": path, "ms": 10}
        async with self._session.post(f"{self._running.address}/_sim/faults", json=shot) as answer:
            assert answer.status == 200

    def charges(self) -> list[str]:
        """The outcome of each charge that was made."""
        return [charge["status"] for charge in self._running.simulator.world.charges]

    def intent(self) -> dict[str, Any]:
        return self._running.simulator.world.payment_intents.need(self.secret.partition("_secret_")[0])


@pytest.fixture
async def checkout(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Checkout]:
    """A created payment."""
    monkeypatch.setattr("sandbox.demo.customer.BETWEEN_TRIES_S", 0.0)
    async with serve(create_app(seed=1)) as running, aiohttp.ClientSession() as session:
        made = Checkout(running, session)
        await made.create()
        yield made


@pytest.mark.parametrize("kind", KINDS)
async def test_a_broken_answer_is_no_second_payment(checkout: Checkout, kind: str) -> None:
    """Whatever fault a good card's confirmation meets, the customer sees success and is charged once."""
    await checkout.strike(kind)
    shown = await checkout.customer.pay(checkout.secret, VISA)
    assert (shown.status, checkout.charges()) == ("succeeded", ["succeeded"])


@pytest.mark.parametrize("kind", KINDS)
async def test_a_broken_answer_is_no_second_decline(checkout: Checkout, kind: str) -> None:
    """Whatever fault a bad card's confirmation meets, the customer is told of one decline, and there was one."""
    await checkout.strike(kind)
    shown = await checkout.customer.pay(checkout.secret, DECLINED)
    assert (shown.decline, checkout.charges()) == ("Your card was declined.", ["failed"])


async def test_an_old_decline_is_not_taken_for_a_new_one(checkout: Checkout) -> None:
    """A second card whose request was lost is tried again, though the intent still tells of the first card's decline."""
    await checkout.customer.pay(checkout.secret, DECLINED)
    await checkout.strike("reset_before")
    shown = await checkout.customer.pay(checkout.secret, MASTERCARD)
    assert (shown.status, checkout.charges()) == ("succeeded", ["failed", "succeeded"])


@pytest.mark.parametrize(("passed", "status"), [(True, "succeeded"), (False, "requires_payment_method")])
async def test_the_bank_decides_on_its_page(checkout: Checkout, *, passed: bool, status: str) -> None:
    """3-D Secure is answered where the intent says, and passes or fails as the customer does."""
    shown = await checkout.customer.pay(checkout.secret, SECURE)
    assert shown.redirect is not None
    await checkout.customer.authenticate(shown.redirect, passed=passed)
    assert checkout.intent()["status"] == status
