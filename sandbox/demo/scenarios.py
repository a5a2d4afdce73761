"""The stories that the demo plays, each a small function, in one table."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from contracts.commands import CreatePayment
from contracts.replies import Reply
from sandbox.demo.customer import DECLINED, MASTERCARD, RETURN_URL, SECURE, VISA
from sandbox.demo.evidence import Expected
from sandbox.demo.stage import Stage
from sandbox.services import amounts
from sandbox.services.orders import Order

CREATED, FAILED, ACTION = "payment.created", "payment.failed", "payment.requires_action"
SUCCEEDED, CANCELED = "payment.succeeded", "payment.canceled"

THINK_S = 0.8
"""A customer takes time: so that the audience can follow, and the payments are really under way together."""


@dataclass(frozen=True)
class Story:
    """One order on its way through a scenario. `say(who, what)` tells the audience."""

    stage: Stage
    order: Order
    say: Callable[[str, str], None]

    async def create(self) -> Reply:
        """The order service opens the payment and gives the client secret to the customer's browser."""
        self.say("order service →", f"create {amounts.text(self.order.amount, self.order.currency)}")
        reply = await self.stage.orders.start_payment(self.order)
        assert reply.payment is not None
        assert reply.client_secret is not None
        self.say("order service ←", f"{reply.verdict}: {reply.payment.payment_id}")
        return reply

    async def pay(self, client_secret: str, card: str) -> str | None:
        """The customer pays at Stripe; returns where the bank wants to ask something."""
        await asyncio.sleep(THINK_S)
        self.say("customer → Stripe", f"pays with the card ending in {card[-4:]}")
        shown = await self.stage.customer.pay(client_secret, card)
        self.say("customer ← Stripe", f"declined: {shown.decline}" if shown.decline else shown.status)
        return shown.redirect

    async def hears(self, kind: str) -> None:
        """Wait until the order service has heard of it."""
        await self.stage.orders.until(self.order, lambda order: any(kind == event.TYPE for _, event in order.events))


@dataclass(frozen=True)
class Scenario:
    """`alone`: played when the others are done, because it changes what happens to everybody's webhooks."""

    name: str
    shows: str
    play: Callable[[Story], Awaitable[None]]
    amount: int
    currency: str
    status: str
    at_orders: tuple[str, ...]
    at_notifications: tuple[str, ...]
    alone: bool = False

    @property
    def expected(self) -> Expected:
        return Expected(self.status, Counter(self.at_orders), Counter(self.at_notifications))


async def first_try(story: Story) -> None:
    reply = await story.create()
    await story.pay(_secret(reply), VISA)


async def another_card(story: Story) -> None:
    reply = await story.create()
    await story.pay(_secret(reply), DECLINED)
    await story.hears(FAILED)
    await story.pay(_secret(reply), MASTERCARD)


async def secure(story: Story) -> None:
    reply = await story.create()
    redirect = await story.pay(_secret(reply), SECURE)
    assert redirect is not None, "this card always asks for 3-D Secure"
    await story.hears(ACTION)
    await asyncio.sleep(THINK_S)
    story.say("customer → bank", "3-D Secure: it is me")
    await story.stage.customer.authenticate(redirect)


async def server_side(story: Story) -> None:
    await story.create()
    await story.hears(CREATED)
    story.say("order service →", "confirm with a payment method from an earlier order")
    reply = await story.stage.orders.confirm(story.order, "pm_card_visa", RETURN_URL)
    story.say("order service ←", str(reply.verdict))


async def canceled(story: Story) -> None:
    await story.create()
    await asyncio.sleep(THINK_S)
    story.say("customer", "has changed their mind")
    story.say("order service →", "cancel by order id")
    reply = await story.stage.orders.cancel(story.order)
    story.say("order service ←", str(reply.verdict))


async def duplicate_create(story: Story) -> None:
    story.say("order service →", "create, and the very same command again at the same moment")
    first, again = await asyncio.gather(*(story.stage.orders.start_payment(story.order) for _ in range(2)))
    assert first.payment is not None
    assert again.payment is not None
    same = (first.payment.payment_id, first.client_secret) == (again.payment.payment_id, again.client_secret)
    story.say("order service ←", "one payment, one client secret, twice" if same else "two different answers")
    assert same, "a repeated command has the same answer"
    await story.pay(_secret(again), VISA)


async def two_creates(story: Story) -> None:
    order, payments = story.order, story.stage.payments
    reply = await story.create()
    terms = CreatePayment(order_id=order.order_id, user_id=order.user_id, amount=order.amount, currency=order.currency)
    story.say("order service →", "a second create for this order, under another command id")
    second = await payments.create(terms)
    story.say("order service ←", f"{second.verdict}: the same payment")
    story.say("order service →", "a third one, for twice the amount")
    third = await payments.create(terms.model_copy(update={"amount": 2 * order.amount}))
    story.say("order service ←", f"{third.verdict}: {third.refusal.code if third.refusal else 'nothing'}")
    assert second.client_secret == reply.client_secret, "an order's second create finds its payment"
    assert third.refusal is not None, "other terms are refused"
    await story.pay(_secret(reply), VISA)


async def overtaken(story: Story) -> None:
    order, slow = story.order, story.stage.slow
    command = CreatePayment(
        order_id=order.order_id, user_id=order.user_id, amount=order.amount, currency=order.currency
    )
    story.say("order service →", "create; the network holds it up")
    async with asyncio.TaskGroup() as group:
        late = group.create_task(slow.create(command))
        await slow.on_the_road.wait()
        story.say("order service →", "cancel by order id, which arrives first")
        reply = await story.stage.orders.cancel(order)
        story.say("order service ←", str(reply.verdict))
        slow.open_road.set()
    answer = late.result()
    story.say("order service ←", f"create {answer.verdict}: {answer.refusal.code if answer.refusal else 'nothing'}")
    assert answer.refusal is not None, "a create from before the cancel is refused"


async def twice_and_out_of_order(story: Story) -> None:
    simulator = story.stage.simulator
    reply = await story.create()
    await story.hears(CREATED)
    await simulator.hold_webhooks()
    await story.pay(_secret(reply), DECLINED)
    await story.pay(_secret(reply), MASTERCARD)
    released = await simulator.release_webhooks("newest")
    story.say("Stripe → ingress", f"{released} webhooks, the newest first")
    await story.hears(SUCCEEDED)
    intent = _secret(reply).partition("_secret_")[0]
    events = await simulator.events(intent)
    for event_id in events:
        await simulator.redeliver(event_id)
    story.say("Stripe → ingress", f"all {len(events)} webhooks of this payment once more")


def _secret(reply: Reply) -> str:
    assert reply.client_secret is not None, "an unpaid payment comes with its client secret"
    return reply.client_secret


PAID = (CREATED, SUCCEEDED)

SCENARIOS = (
    Scenario("paid", "paid at the first try", first_try, 4990, "eur", "succeeded", PAID, (SUCCEEDED,)),
    Scenario(
        "another card", "declined, then paid with another card", another_card,
        12900, "usd", "succeeded", (CREATED, FAILED, SUCCEEDED), (FAILED, SUCCEEDED),
    ),
    Scenario(
        "3-D Secure", "the bank asks the customer first", secure,
        25000, "gbp", "succeeded", (CREATED, ACTION, SUCCEEDED), (SUCCEEDED,),
    ),
    Scenario(
        "saved card", "confirmed by a command, without a browser", server_side,
        7250, "kwd", "succeeded", PAID, (SUCCEEDED,),
    ),
    Scenario("canceled", "the customer gives up", canceled, 3000, "chf", "canceled", (CREATED, CANCELED), (CANCELED,)),
    Scenario("same create twice", "a duplicate command", duplicate_create, 980, "jpy", "succeeded", PAID, (SUCCEEDED,)),
    Scenario("two creates", "two commands for one order", two_creates, 1999, "eur", "succeeded", PAID, (SUCCEEDED,)),
    Scenario(
        "cancel overtakes create", "the create is refused when it comes", overtaken,
        5900, "eur", "canceled", (CANCELED,), (CANCELED,),
    ),
    Scenario(
        "unruly webhooks", "delivered twice and out of order", twice_and_out_of_order,
        8400, "eur", "succeeded", (CREATED, FAILED, SUCCEEDED), (FAILED, SUCCEEDED), alone=True,
    ),
)  # fmt: skip
