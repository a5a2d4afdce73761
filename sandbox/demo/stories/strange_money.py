"""Money that comes late, twice or not as asked, and a sign that it may not stay: announced, asked about, settled."""

import asyncio

from contracts.commands import Resolution
from contracts.events import (
    PaymentCanceled,
    PaymentFraudWarning,
    PaymentLateMoney,
    PaymentNeedsReview,
    PaymentReceipt,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentResolved,
)
from contracts.replies import RefusalCode
from sandbox.demo.customer import REFUND_FAILS, VISA, WARNS
from sandbox.demo.evidence import Totals
from sandbox.demo.stories.paying import PAID
from sandbox.demo.stories.refunds import GIVEN_BACK
from sandbox.demo.story import Scenario, Story, intent_of, refusal, secret_of

GONE_BACK = (PaymentResolved, *GIVEN_BACK)
HELD = (PaymentLateMoney, PaymentNeedsReview)

SLOW_MS = 2000
"""Longer than the customer thinks: Stripe has the cancel in its hands, and takes the payment first."""

OPERATOR = "operator-1"


async def after_cancel(story: Story) -> None:
    simulator = story.stage.simulator
    secret = secret_of(await story.create())
    slow = f"/v1/payment_intents/{intent_of(secret)}/cancel"
    await simulator.strike("latency", slow, SLOW_MS)
    story.say("order service →", "cancel by order id; Stripe is slow")
    async with asyncio.TaskGroup() as group:
        canceling = group.create_task(refusal(story.stage.orders.cancel(story.order)))
        await simulator.struck(slow)
        await story.pay(secret, VISA)
    story.say("order service ←", f"cancel refused: {canceling.result()}")
    assert canceling.result() is RefusalCode.WRONG_STATE, canceling.result()
    await _told(story)
    await story.answers()
    await story.hears(PaymentRefunded)


async def twice(story: Story) -> None:
    orders, order = story.stage.orders, story.order
    story.say("order service →", "cancel by order id: nothing was created yet")
    await orders.cancel(order)
    await story.hears(PaymentCanceled)
    assert order.payment is not None
    first = order.payment.payment_id
    order.given_up = False
    await story.paid(VISA)
    story.say("somebody → Stripe", f"charges the card by hand, for the payment that was canceled: {first}")
    terms = {"amount": order.amount, "currency": order.currency}
    named = {"payment_id": first, "order_id": order.order_id, "deployment": "demo"}
    await story.stage.simulator.charge_by_hand(
        {**terms, **{f"metadata[{name}]": value for name, value in named.items()}}
    )
    await _told(story)
    await story.answers()
    await story.hears(PaymentRefunded)


async def other_terms(story: Story) -> None:
    secret = secret_of(await story.create())
    more = story.order.amount + 600
    story.say("somebody → Stripe", f"changes the amount to {story.money(more)}")
    await story.stage.simulator.act("payment_intents", intent_of(secret), "change", amount=more)
    await story.pay(secret, VISA)
    heard = await _told(story)
    await story.hears(PaymentNeedsReview)
    story.say("operator →", "resolve: refund")
    await story.stage.orders.decide(heard.payment_id, Resolution.REFUND, OPERATOR)
    await story.hears(PaymentRefunded)


async def fraud(story: Story) -> None:
    await story.paid(WARNS)
    heard = await story.hears(PaymentFraudWarning)
    story.say("order service ←", f"the card network warns ({heard.fraud_type}); what to do: {heard.remedy}")
    await story.answers()
    await story.hears(PaymentRefunded)


async def came_back(story: Story) -> None:
    """The first payment's refund fails when the order has been paid anew: it is paid twice after all."""
    orders, order = story.stage.orders, story.order
    await story.paid(REFUND_FAILS)
    assert order.payment is not None
    first = order.payment.payment_id
    await story.gives_back("return-1")
    await story.hears(PaymentRefunded)
    story.say("customer", "wants it after all")
    order.create_id = "another-create"
    await story.pay(secret_of(await story.create()), VISA)
    await story.hears(PaymentRefundFailed)
    await _told(story)
    await story.hears(PaymentNeedsReview)
    story.say("operator →", "resolve: keep; the customer is paid back by bank transfer")
    await orders.decide(first, Resolution.KEEP, OPERATOR)


async def _told(story: Story) -> PaymentLateMoney:
    heard = await story.hears(PaymentLateMoney)
    until = f" until {heard.answer_by:%d %B, %H:%M}" if heard.answer_by else ""
    story.say("order service ←", f"{heard.case}: {heard.reason}; what to do: {heard.remedy}{until}")
    return heard


STRANGE_MONEY = (
    Scenario(
        "refund back too late", "when the order is paid anew: a person decides", came_back,
        2200, "usd", "succeeded",
        (*2 * PAID, *GIVEN_BACK, PaymentRefundFailed, *HELD, PaymentResolved), Totals(4400), payments=2, kept=2,
    ),
    Scenario(
        "paid after cancel", "the order service is asked, and refunds", after_cancel,
        7700, "eur", "refunded", (*PAID, PaymentLateMoney, *GONE_BACK), Totals(7700, refunded=7700),
    ),
    Scenario(
        "paid twice", "a second charge of the order is found and goes back", twice,
        2600, "chf", "succeeded", (PaymentCanceled, *PAID, PaymentLateMoney, PaymentReceipt, *GONE_BACK),
        Totals(5200, refunded=2600), payments=2,
    ),
    Scenario(
        "another amount", "held for a person, who refunds", other_terms,
        1900, "eur", "refunded", (*PAID, *HELD, *GONE_BACK), Totals(2500, refunded=2500),
    ),
    Scenario(
        "fraud warning", "asked, and refunded before it becomes a dispute", fraud,
        9900, "usd", "refunded", (*PAID, PaymentFraudWarning, *GONE_BACK), Totals(9900, refunded=9900),
    ),
)  # fmt: skip
