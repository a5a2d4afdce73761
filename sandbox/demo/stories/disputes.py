"""What cardholders' banks take back, and how it is answered."""

import time

from contracts.events import PaymentDisputeClosed, PaymentDisputeDeadline, PaymentDisputeOpened, PaymentDisputeUpdated
from sandbox.demo.customer import DISPUTES, VISA
from sandbox.demo.evidence import Totals
from sandbox.demo.stories.paying import PAID
from sandbox.demo.story import Scenario, Story

ANSWERED = (PaymentDisputeOpened, PaymentDisputeUpdated, PaymentDisputeClosed)

CONVINCES = "winning_evidence"
"""Stripe's test evidence: the bank decides for us a moment later."""

DAY_S = 24 * 3600
SOON_S = 3
"""From the opening to the moment at which a deadline is three days away."""


async def won(story: Story) -> None:
    await story.paid(DISPUTES)
    dispute = await _opened(story)
    story.say("order service →", "submit evidence: tracking number and signature")
    await story.stage.orders.submit_evidence(story.order, dispute, CONVINCES)
    await story.hears(PaymentDisputeUpdated)
    await story.hears(PaymentDisputeClosed)
    story.say("order service ←", f"the dispute is {story.order.disputes[dispute].status}")


async def accepted(story: Story) -> None:
    await story.paid(DISPUTES)
    dispute = await _opened(story)
    story.say("order service →", "accept it: the parcel never left")
    await story.stage.orders.accept_dispute(story.order, dispute)
    await story.hears(PaymentDisputeClosed)
    story.say("order service ←", f"the dispute is {story.order.disputes[dispute].status}")


async def deadline(story: Story) -> None:
    simulator = story.stage.simulator
    intent = await story.paid(VISA)
    due = int(time.time()) + 3 * DAY_S + SOON_S
    await simulator.act("payment_intents", intent, "dispute", reason="product_not_received", amount=2500, due_by=due)
    dispute = await _opened(story)
    heard = await story.hears(PaymentDisputeDeadline)
    story.say("order service ←", f"{heard.days_left} days left to answer")
    story.say("order service →", "submit evidence: the carrier found it")
    await story.stage.orders.submit_evidence(story.order, dispute, "Delivered on Monday, signed for.")
    await story.hears(PaymentDisputeUpdated)
    story.say("bank → Stripe", "decides for the shop")
    await simulator.act("disputes", dispute, "move", to="won")
    await story.hears(PaymentDisputeClosed)


async def _opened(story: Story) -> str:
    heard = await story.hears(PaymentDisputeOpened)
    taken = story.money(heard.dispute.amount)
    story.say(
        "order service ←",
        f"disputed ({heard.dispute.reason}): {taken} withdrawn, {story.money(heard.refundable)} refundable",
    )
    return heard.dispute.dispute_id


DISPUTES_TOLD = (
    Scenario(
        "dispute deadline", "announced three days before, then answered", deadline,
        6400, "eur", "succeeded", (*PAID, *ANSWERED, PaymentDisputeDeadline), Totals(6400),
    ),
    Scenario(
        "dispute won", "answered with evidence: the money comes back", won,
        8800, "usd", "succeeded", (*PAID, *ANSWERED), Totals(8800),
    ),
    Scenario(
        "dispute accepted", "given up: the money is gone", accepted,
        3300, "eur", "succeeded", (*PAID, PaymentDisputeOpened, PaymentDisputeClosed), Totals(3300, disputed=3300),
    ),
)  # fmt: skip
