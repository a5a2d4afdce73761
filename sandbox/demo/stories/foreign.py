"""Events that look like ours and are not: each is ignored, with the reason on record."""

from sandbox.demo.customer import VISA
from sandbox.demo.evidence import Totals
from sandbox.demo.stories.paying import PAID
from sandbox.demo.story import Scenario, Story

LIVE, CONNECTED, ELSEWHERE, NOBODYS = "of the other mode", "another account's", "another deployment's", "nobody's"


async def ignored(story: Story) -> None:
    stripe, foreign = story.stage.simulator, story.expected.foreign
    intent = await story.paid(VISA)
    story.say("Stripe → ingress", "“canceled” and “refunded”, in live mode and of a connected account")
    foreign[await stripe.send_event("payment_intent.canceled", intent, livemode=True)] = LIVE
    foreign[await stripe.send_event("payment_intent.canceled", intent, account="acct_other")] = CONNECTED
    order = story.order
    terms = {"amount": order.amount, "currency": order.currency}
    story.say("somebody → Stripe", "charges the card for another deployment, and without a word whose it is")
    named = {"payment_id": "pay_elsewhere_1", "order_id": "o-elsewhere", "deployment": "elsewhere"}
    theirs = await stripe.charge_by_hand({**terms, **{f"metadata[{name}]": value for name, value in named.items()}})
    for event_id in await stripe.events(theirs):
        foreign[event_id] = ELSEWHERE
    for event_id in await stripe.events(await stripe.charge_by_hand(terms)):
        foreign[event_id] = NOBODYS


FOREIGN = (
    Scenario(
        "foreign events", "another mode's, account's, deployment's, nobody's", ignored,
        5500, "eur", "succeeded", PAID, Totals(5500),
    ),
)  # fmt: skip
