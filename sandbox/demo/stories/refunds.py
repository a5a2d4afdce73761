"""Money that goes back: in part, whole, by somebody at Stripe, by a crowd at once, and one refund that comes back."""

import asyncio
from collections import Counter

from contracts.events import PaymentRefunded, PaymentRefundFailed, PaymentRefundRequested
from contracts.replies import RefusalCode
from sandbox.demo.customer import REFUND_FAILS, VISA
from sandbox.demo.evidence import Totals
from sandbox.demo.stories.paying import PAID
from sandbox.demo.story import Scenario, Story, refusal

GIVEN_BACK = (PaymentRefundRequested, PaymentRefunded)

CROWD, SHARE, FIT = 20, 1000, 8
"""So many ask at once for this much each, and so many of them can be served."""


async def returns(story: Story) -> None:
    orders, order = story.stage.orders, story.order
    await story.paid(VISA)
    await story.gives_back("return-1", 1230)
    await story.gives_back("return-1", 1230)
    await story.hears(PaymentRefunded)
    assert order.status == "partially_refunded", order.status
    code = await refusal(orders.refund(order, "return-2", 1234))
    story.say("order service ←", f"a refund of 1.234 is refused: {code}")
    assert code is RefusalCode.AMOUNT_NOT_CHARGEABLE, code
    await story.gives_back("return-3")


async def comes_back(story: Story) -> None:
    await story.paid(REFUND_FAILS)
    await story.gives_back("return-1", 2000)
    await story.hears(PaymentRefunded)
    heard = await story.hears(PaymentRefundFailed)
    story.say(
        "order service ←", f"it came back: {heard.refund.failure_reason}; refundable {story.money(heard.refundable)}"
    )


async def at_the_dashboard(story: Story) -> None:
    intent = await story.paid(VISA)
    story.say("somebody → Stripe", f"refunds {story.money(1500)} in the dashboard, without asking the service")
    await story.stage.simulator.act("payment_intents", intent, "refund", amount=1500)
    heard = await story.hears(PaymentRefunded)
    story.say("order service ←", f"refunded, {'made at Stripe' if heard.refund.made_at_stripe else 'made by us'}")
    assert heard.refund.made_at_stripe, "nobody here has asked for it"


async def crowd(story: Story) -> None:
    await story.paid(VISA)
    story.say("order service →", f"{CROWD} refunds of {story.money(SHARE)} at once, for which {FIT} there is money")

    async def one(number: int) -> str:
        return str(await refusal(story.stage.orders.refund(story.order, f"return-{number}", SHARE)) or "refunded")

    answers = Counter(await asyncio.gather(*(one(number) for number in range(CROWD))))
    story.say("order service ←", ", ".join(f"{count} {answer}" for answer, count in answers.items()))
    assert answers == {"refunded": FIT, str(RefusalCode.NOT_REFUNDABLE): CROWD - FIT}, answers


REFUNDS = (
    Scenario(
        "refund fails later", "refunded, and the bank sends it back", comes_back,
        4500, "usd", "succeeded", (*PAID, *GIVEN_BACK, PaymentRefundFailed), Totals(4500),
    ),
    Scenario(
        "returns in dinars", "refunded in part, then whole; KWD has three decimals", returns,
        7250, "kwd", "refunded", (*PAID, *2 * GIVEN_BACK), Totals(7250, refunded=7250),
    ),
    Scenario(
        "dashboard refund", "made at Stripe, heard of and counted once", at_the_dashboard,
        5000, "gbp", "partially_refunded", (*PAID, PaymentRefunded), Totals(5000, refunded=1500),
    ),
    Scenario(
        "crowd of refunds", "twenty at once, money for eight", crowd,
        FIT * SHARE, "eur", "refunded", (*PAID, *FIT * GIVEN_BACK), Totals(FIT * SHARE, refunded=FIT * SHARE),
    ),
)  # fmt: skip
