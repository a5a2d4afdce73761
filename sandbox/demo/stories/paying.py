"""How customers pay, change their minds, and how commands and webhooks go astray on the way."""

import asyncio

from contracts.commands import CreatePayment
from contracts.events import (
    PaymentCanceled,
    PaymentCreated,
    PaymentFailed,
    PaymentReceipt,
    PaymentRequiresAction,
    PaymentSucceeded,
)
from sandbox.demo.customer import DECLINED, MASTERCARD, RETURN_URL, SECURE, VISA
from sandbox.demo.evidence import Totals
from sandbox.demo.story import THINK_S, Scenario, Story, intent_of, secret_of

PAID = (PaymentCreated, PaymentSucceeded, PaymentReceipt)


async def first_try(story: Story) -> None:
    await story.paid(VISA)


async def another_card(story: Story) -> None:
    secret = secret_of(await story.create())
    await story.pay(secret, DECLINED)
    await story.hears(PaymentFailed)
    await story.pay(secret, MASTERCARD)


async def secure(story: Story) -> None:
    redirect = await story.pay(secret_of(await story.create()), SECURE)
    assert redirect is not None, "this card always asks for 3-D Secure"
    await story.hears(PaymentRequiresAction)
    await asyncio.sleep(THINK_S)
    story.say("customer → bank", "3-D Secure: it is me")
    await story.stage.customer.authenticate(redirect)


async def server_side(story: Story) -> None:
    await story.create()
    await story.hears(PaymentCreated)
    story.say("order service →", "confirm with a payment method that the customer chose")
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
    await story.pay(secret_of(again), VISA)


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
    await story.pay(secret_of(reply), VISA)


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
    secret = secret_of(await story.create())
    await story.hears(PaymentCreated)
    await simulator.hold_webhooks()
    await story.pay(secret, DECLINED)
    await story.pay(secret, MASTERCARD)
    released = await simulator.release_webhooks("newest")
    story.say("Stripe → ingress", f"{released} webhooks, the newest first")
    await story.hears(PaymentSucceeded)
    events = await simulator.events(intent_of(secret))
    for event_id in events:
        await simulator.redeliver(event_id)
    story.say("Stripe → ingress", f"all {len(events)} webhooks of this payment once more")


PAYING = (
    Scenario("paid", "paid at the first try", first_try, 4990, "eur", "succeeded", PAID, Totals(4990)),
    Scenario(
        "another card", "declined, then paid with another card", another_card,
        12900, "usd", "succeeded", (*PAID, PaymentFailed), Totals(12900),
    ),
    Scenario(
        "3-D Secure", "the bank asks the customer first", secure,
        25000, "gbp", "succeeded", (*PAID, PaymentRequiresAction), Totals(25000),
    ),
    Scenario(
        "by command", "confirmed by a command, without a browser", server_side,
        1250, "eur", "succeeded", PAID, Totals(1250),
    ),
    Scenario("canceled", "the customer gives up", canceled, 3000, "chf", "canceled", (PaymentCreated, PaymentCanceled)),
    Scenario(
        "same create twice", "a duplicate command", duplicate_create, 980, "jpy", "succeeded", PAID, Totals(980)
    ),
    Scenario(
        "two creates", "two commands for one order", two_creates, 1999, "eur", "succeeded", PAID, Totals(1999)
    ),
    Scenario(
        "cancel overtakes create", "the create is refused when it comes", overtaken,
        5900, "eur", "canceled", (PaymentCanceled,),
    ),
    Scenario(
        "unruly webhooks", "delivered twice and out of order", twice_and_out_of_order,
        8400, "eur", "succeeded", (*PAID, PaymentFailed), Totals(8400), alone=True,
    ),
)  # fmt: skip
