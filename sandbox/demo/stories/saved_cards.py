"""Cards that are saved, and charged while the customer is away."""

import asyncio

from contracts.events import PaymentCreated, PaymentFailed, PaymentRequiresAction
from contracts.replies import RefusalCode
from contracts.views import MethodView
from sandbox.demo.customer import ASKS_ALWAYS, VISA
from sandbox.demo.evidence import Totals
from sandbox.demo.stories.paying import PAID
from sandbox.demo.story import THINK_S, Scenario, Story, refusal, secret_of


async def off_session(story: Story) -> None:
    method = await _saves(story, VISA)
    await story.create(saved=True)
    await story.hears(PaymentCreated)
    story.say("order service →", f"confirm off session with the {method.brand} card ending in {method.last4}")
    reply = await story.stage.orders.confirm(story.order, method.payment_method)
    story.say("order service ←", str(reply.verdict))


async def needed(story: Story) -> None:
    method = await _saves(story, ASKS_ALWAYS)
    await story.create(saved=True)
    await story.hears(PaymentCreated)
    story.say("order service →", f"confirm off session with the {method.brand} card ending in {method.last4}")
    code = await refusal(story.stage.orders.confirm(story.order, method.payment_method))
    story.say("order service ←", f"refused: {code}; an e-mail asks the customer to come")
    assert code is RefusalCode.AUTHENTICATION_REQUIRED, code
    await story.hears(PaymentFailed)
    redirect = await story.pay(secret_of(await story.create(saved=True)), method.payment_method)
    assert redirect is not None, "this card always asks for 3-D Secure"
    await story.hears(PaymentRequiresAction)
    story.say("customer → bank", "3-D Secure: it is me")
    await story.stage.customer.authenticate(redirect)


async def _saves(story: Story, card: str) -> MethodView:
    """The customer saves a card without paying; the order service asks for it until it is there."""
    orders, customer, user = story.stage.orders, story.stage.customer, story.order.user_id
    secret = secret_of(await orders.start_saving(user))
    await asyncio.sleep(THINK_S)
    story.say("customer → Stripe", f"saves the card ending in {card[-4:]}")
    shown = await customer.pay(secret, card)
    if shown.redirect is not None:
        await customer.authenticate(shown.redirect)
    return await orders.saved(user)


SAVED_CARDS = (
    Scenario(
        "saved card", "charged while the customer is away", off_session,
        1490, "eur", "succeeded", PAID, Totals(1490),
    ),
    Scenario(
        "saved card asks", "the bank wants the customer, who comes", needed,
        3490, "eur", "succeeded", (*PAID, PaymentFailed, PaymentRequiresAction), Totals(3490),
    ),
)  # fmt: skip
