"""What a story of the demo is made of: an order, the people around it, and how it must end."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from contracts.commands import CaptureMethod
from contracts.events import PaymentEvent, PaymentResolved, PaymentSucceeded
from contracts.replies import RefusalCode, Reply
from sandbox.demo.evidence import Expected, Totals
from sandbox.demo.stage import Stage
from sandbox.services import amounts
from sandbox.services.asking import PaymentRefused
from sandbox.services.order import Order

Heard = TypeVar("Heard", bound=PaymentEvent)

THINK_S = 0.8
"""A customer takes time: so that the audience can follow, and the payments are really under way together."""


@dataclass(frozen=True)
class Story:
    """One order on its way through a scenario. `say(who, what)` tells the audience; `expected` is what it must come to."""

    stage: Stage
    order: Order
    say: Callable[[str, str], None]
    expected: Expected

    async def create(self, *, saved: bool = False, in_parts: bool = False) -> Reply:
        """The order service opens the payment and gives the client secret to the customer's browser."""
        self.say("order service →", f"create {self.money(self.order.amount)}")
        reply = await self.stage.orders.start_payment(self.order, saved=saved, in_parts=in_parts)
        assert reply.payment is not None
        assert reply.client_secret is not None
        self.say("order service ←", f"{reply.verdict}: {reply.payment.payment_id}")
        return reply

    async def pay(self, client_secret: str, card: str) -> str | None:
        """The customer pays at Stripe, with a card's number or a saved one; returns where the bank wants to ask something."""
        await asyncio.sleep(THINK_S)
        which = "the saved card" if card.startswith("pm_") else f"the card ending in {card[-4:]}"
        self.say("customer → Stripe", f"pays with {which}")
        shown = await self.stage.customer.pay(client_secret, card)
        self.say("customer ← Stripe", f"declined: {shown.decline}" if shown.decline else shown.status)
        return shown.redirect

    async def paid(self, card: str) -> str:
        """Create, pay, and wait until the order service has heard of the money; Stripe's id of the payment."""
        secret = secret_of(await self.create())
        await self.pay(secret, card)
        await self.hears(PaymentSucceeded)
        return intent_of(secret)

    async def hears(self, kind: type[Heard], times: int = 1) -> Heard:
        """Wait until the order service has heard of it so often; the newest of these events."""
        await self.stage.orders.until(self.order, lambda order: order.heard(kind.TYPE) >= times)
        return [event for _, event in self.order.events if isinstance(event, kind)][-1]

    async def gives_back(self, return_id: str, amount: int | None = None) -> None:
        """The order service refunds, and the answer is told."""
        self.say("order service →", f"refund {self.money(amount) if amount else 'the rest'} for {return_id}")
        refund = await self.stage.orders.refund(self.order, return_id, amount)
        self.say("order service ←", f"refund {refund.status}: {self.money(refund.amount)}")

    async def answers(self) -> None:
        """The order service is asked about money and decides."""
        await self.stage.orders.until(self.order, lambda order: order.question is not None)
        self.say("order service →", "resolve")
        self.say("order service ←", f"decided: {await self.stage.orders.answer(self.order)}")
        await self.hears(PaymentResolved)

    def money(self, amount: int) -> str:
        return amounts.text(amount, self.order.currency)


@dataclass(frozen=True)
class Scenario:
    """`events`: what the order service must hear, no more and no less. `payments`: how many the order must have, and `kept`:
    how many of them may end with money.

    `alone`: played when the others are done, because it changes what happens to everybody, such as webhooks or the clock.
    """

    name: str
    shows: str
    play: Callable[[Story], Awaitable[None]]
    amount: int
    currency: str
    status: str
    events: tuple[type[PaymentEvent], ...]
    totals: Totals = field(default_factory=Totals)
    payments: int = 1
    kept: int = 1
    capture_method: CaptureMethod = CaptureMethod.AUTOMATIC
    alone: bool = False

    def expected(self) -> Expected:
        """How one performance must end; the story notes in it what is known only while it is played."""
        return Expected(self.status, self.totals, Counter(kind.TYPE for kind in self.events), self.payments, self.kept)


def secret_of(reply: Reply) -> str:
    assert reply.client_secret is not None, "an unpaid payment comes with its client secret"
    return reply.client_secret


def intent_of(client_secret: str) -> str:
    return client_secret.partition("_secret_")[0]


async def refusal(asked: Awaitable[object]) -> RefusalCode | None:
    """Why payments will not do it; None when it is done."""
    try:
        await asked
    except PaymentRefused as refused:
        return refused.code
    return None
