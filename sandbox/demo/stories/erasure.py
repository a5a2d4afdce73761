"""A user who wants to be forgotten: amounts stay, the name goes."""

from contracts.events import PaymentErased, PaymentRefunded, PaymentSucceeded
from sandbox.demo.customer import VISA
from sandbox.demo.evidence import Totals
from sandbox.demo.stories.paying import PAID
from sandbox.demo.stories.refunds import GIVEN_BACK
from sandbox.demo.story import Scenario, Story, secret_of


async def erased(story: Story) -> None:
    orders, order, user = story.stage.orders, story.order, story.order.user_id
    await story.pay(secret_of(await story.create(saved=True)), VISA)
    await story.hears(PaymentSucceeded)
    await orders.refund(order, "return-1", 700, note=f"{user} rang up")
    await story.hears(PaymentRefunded)
    story.expected.forgotten.add(user)
    story.say("order service →", "erase the user")
    story.say("order service ←", f"{await orders.erase(user)} payment")
    heard = await story.hears(PaymentErased)
    story.say(
        "order service ←", f"the user is called “{heard.user_id}” now; {story.money(heard.captured)} stay captured"
    )


ERASURE = (
    Scenario(
        "user erased", "forgotten everywhere; the amounts stay", erased,
        4200, "eur", "partially_refunded", (*PAID, *GIVEN_BACK, PaymentErased), Totals(4200, refunded=700),
    ),
)  # fmt: skip
