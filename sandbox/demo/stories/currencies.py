"""Amounts without decimals: 1,250 yen are 1250, not 125000. Dinars, which have three, are in refunds.py."""

from contracts.commands import CaptureMethod
from contracts.events import PaymentAuthorized, PaymentSucceeded
from sandbox.demo.customer import VISA
from sandbox.demo.evidence import Totals
from sandbox.demo.stories.paying import PAID
from sandbox.demo.stories.refunds import GIVEN_BACK
from sandbox.demo.story import Scenario, Story, secret_of

TAKEN, BACK = 1000, 450


async def yen(story: Story) -> None:
    orders = story.stage.orders
    await story.pay(secret_of(await story.create()), VISA)
    await story.hears(PaymentAuthorized)
    story.say("order service →", f"capture {story.money(TAKEN)} of {story.money(story.order.amount)}")
    await orders.capture(story.order, TAKEN)
    await story.hears(PaymentSucceeded)
    await story.gives_back("return-1", BACK)


CURRENCIES = (
    Scenario(
        "yen", "captured and refunded in part, without decimals", yen,
        1250, "jpy", "partially_refunded", (*PAID, PaymentAuthorized, *GIVEN_BACK), Totals(TAKEN, refunded=BACK),
        capture_method=CaptureMethod.MANUAL,
    ),
)  # fmt: skip
