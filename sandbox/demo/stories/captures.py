"""Money that is held first: captured in two parts, and released because nobody took it in time."""

from contracts.commands import CaptureMethod
from contracts.events import (
    PaymentAuthorizationExpiring,
    PaymentAuthorized,
    PaymentCanceled,
    PaymentCaptured,
    PaymentCreated,
)
from sandbox.demo.customer import VISA
from sandbox.demo.evidence import Totals
from sandbox.demo.stories.paying import PAID
from sandbox.demo.story import Scenario, Story, intent_of, secret_of

FIRST, SECOND = 8000, 4000

LATE_S = 150 * 3600
"""Stripe holds a card's money for seven days. Six and a quarter ago, it has eighteen hours left, and is announced."""


async def two_parts(story: Story) -> None:
    orders = story.stage.orders
    await story.pay(secret_of(await story.create(in_parts=True)), VISA)
    await story.hears(PaymentAuthorized)
    story.say("order service →", f"the first parcel leaves: capture {story.money(FIRST)}, the rest stays held")
    await orders.capture(story.order, FIRST, final=False)
    heard = await story.hears(PaymentCaptured)
    story.say("order service ←", f"captured {story.money(heard.captured)}, {story.money(heard.capturable)} held")
    story.say("order service →", f"the second parcel: capture {story.money(SECOND)}, and release what is left")
    await orders.capture(story.order, SECOND)


async def expires(story: Story) -> None:
    simulator = story.stage.simulator
    secret = secret_of(await story.create())
    story.say("Stripe", "its clock says that it is six days ago")
    await simulator.move_clock(-LATE_S)
    try:
        await story.pay(secret, VISA)
        await story.hears(PaymentAuthorized)
        heard = await story.hears(PaymentAuthorizationExpiring)
        story.say("order service ←", f"held until {heard.capture_before:%d %B, %H:%M}: capture it, or let it go")
        story.say("Stripe", "seven days are over: the money is released")
        await simulator.act("payment_intents", intent_of(secret), "expire")
    finally:
        await simulator.move_clock(LATE_S)


CAPTURES = (
    Scenario(
        "two captures", "held, captured in two parts, the rest released", two_parts,
        15000, "eur", "succeeded", (*PAID, PaymentAuthorized, PaymentCaptured), Totals(FIRST + SECOND),
        capture_method=CaptureMethod.MANUAL,
    ),
    Scenario(
        "authorization expires", "announced before it does, and when it has", expires,
        6000, "usd", "canceled", (PaymentCreated, PaymentAuthorized, PaymentAuthorizationExpiring, PaymentCanceled),
        capture_method=CaptureMethod.MANUAL, alone=True,
    ),
)  # fmt: skip
