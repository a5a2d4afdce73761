"""Fault rows 24 and 25: one message many times on several workers, and Stripe's events in every order."""

import asyncio
import itertools
import json

from contracts import topology
from contracts.replies import Verdict
from tests.e2e.support.publish import publish
from tests.e2e.support.service import Service
from tests.e2e.support.stripe import Json
from tests.e2e.support.until import until

TIMES = 50
ORDERED = {"PREFETCH": "1"}
"""One delivery at a time: the order of the queue is the order of handling."""

CROWD_S = 150.0
"""What nobody promises: how long a busy machine takes for the crowd."""

LATE_MS = 15_000
"""More than a busy machine takes for 120 creates, and little of the 75 s that a call may take."""


async def test_fault_row_24_one_message_50_times_on_3_workers(service: Service) -> None:
    """The same create, the same confirm and the same webhook, 50 times each at once, are one intent and one charge."""
    await service.stripe.webhooks(hold=True)
    workers = [service.make_worker() for _ in range(3)]
    await asyncio.gather(*(worker.start() for worker in workers))
    replies = await asyncio.gather(*(service.create("order-1") for _ in range(TIMES)))
    assert {reply.verdict for reply in replies} <= {Verdict.ACCEPTED, Verdict.PENDING}
    assert len({reply.client_secret for reply in replies if reply.verdict is Verdict.ACCEPTED}) == 1
    payment = str(service.payment("order-1")["_id"])
    replies = await asyncio.gather(*(service.confirm(payment) for _ in range(TIMES)))
    assert {reply.verdict for reply in replies} <= {Verdict.ACCEPTED, Verdict.PENDING}
    await service.stripe.pay(await service.created("order-2"))
    await service.stripe.release("newest")
    events = await service.stripe.events()
    await asyncio.gather(*(service.stripe.redeliver(event["id"]) for event in events for _ in range(TIMES)))
    books = await service.assert_promises()
    assert books.ledger["count"] == books.ledger["succeeded_charges"] == 2
    assert [payment["status"] for payment in books.payments] == ["succeeded", "succeeded"]
    for stored in books.payments:
        assert service.listener.types(stored["_id"]) == ["created", "succeeded", "receipt"]
    assert all(worker.lines("delivery") for worker in workers)


async def test_fault_row_24_fifty_different_creates_of_one_order(service: Service) -> None:
    """Creates of one order under 50 command ids, at once on 3 workers, are one payment and one intent."""
    workers = [service.make_worker() for _ in range(3)]
    await asyncio.gather(*(worker.start() for worker in workers))
    replies = await asyncio.gather(*(service.create("order-1", command_id=f"create-{n}") for n in range(TIMES)))
    assert {reply.verdict for reply in replies} <= {Verdict.ACCEPTED, Verdict.PENDING}
    await service.stripe.pay(await service.created("order-1"))
    books = await service.assert_promises()
    assert len(books.payments) == books.ledger["count"] == books.ledger["succeeded_charges"] == 1


async def test_fault_row_25_events_in_every_order(service: Service) -> None:
    """All 120 orders of the events of a payment that was declined once end in the same state with the same facts."""
    await service.stripe.webhooks(hold=True)
    worker = await service.worker(**ORDERED)
    orders = [f"order-{number}" for number in range(120)]
    secrets = await asyncio.gather(*(created_at_once(service, order) for order in orders))
    await asyncio.gather(*(declined_then_paid(service, secret) for secret in secrets))
    await in_every_order(service, 5)
    books = await service.assert_promises(within_s=CROWD_S)
    assert {(payment["status"], payment["captured"]) for payment in books.payments} == {("succeeded", 1999)}
    facts = {tuple(sorted(service.listener.types(payment["_id"]))) for payment in books.payments}
    assert facts == {("created", "failed", "receipt", "succeeded")}
    assert len(worker.lines("delivery")) == 120 + 120 * 5


async def test_fault_row_25_events_of_a_cancel_in_every_order(service: Service) -> None:
    """All 24 orders of the events of a payment that was declined and canceled at Stripe end the same."""
    await service.stripe.webhooks(hold=True)
    await service.worker(**ORDERED)
    secrets = await asyncio.gather(*(service.created(f"order-{number}") for number in range(24)))
    for secret in secrets:
        await service.stripe.pay(secret, "pm_card_chargeDeclined")
        await service.stripe.cancel(secret.partition("_secret_")[0])
    await in_every_order(service, 4)
    books = await service.assert_promises()
    assert {payment["status"] for payment in books.payments} == {"canceled"}
    facts = {tuple(sorted(service.listener.types(payment["_id"]))) for payment in books.payments}
    assert facts == {("canceled", "created", "failed")}


async def test_fault_row_25_events_of_an_unpaid_payment_in_every_order(service: Service) -> None:
    """All 24 orders of the events of a payment that was declined and now waits for 3-D Secure end the same."""
    await service.stripe.webhooks(hold=True)
    worker = await service.worker(**ORDERED)
    secrets = await asyncio.gather(*(service.created(f"order-{number}") for number in range(24)))
    for secret in secrets:
        await service.stripe.pay(secret, "pm_card_chargeDeclined")
        assert await service.stripe.pay(secret, "pm_card_threeDSecure2Required") == "requires_action"
    await in_every_order(service, 4)
    books = await service.assert_promises()
    assert {payment["status"] for payment in books.payments} == {"requires_action"}
    facts = {tuple(sorted(service.listener.types(payment["_id"]))) for payment in books.payments}
    assert facts == {("created", "failed", "requires_action")}
    assert any(":read" in call for line in worker.lines("delivery") for call in line.get("calls", []))


async def test_fault_row_25_events_overtake_the_answer_in_every_order(service: Service) -> None:
    """In all 120 orders the events stand in for a create's answer that comes last, to workers that were frozen."""
    await service.stripe.webhooks(hold=True)
    await service.stripe.fault("latency_after", path="/v1/payment_intents", times=120, ms=LATE_MS)
    frozen = [service.make_worker("--deaf", topology.STRIPE_QUEUE, PREFETCH="60") for _ in range(2)]
    listening = service.make_worker("--deaf", topology.COMMANDS_QUEUE, **ORDERED)  # ready before time counts
    await asyncio.gather(*(worker.start() for worker in (*frozen, listening)))
    asking = [asyncio.create_task(service.create(f"order-{n}", reply_s=CROWD_S)) for n in range(120)]
    await until(lambda: known_to_stripe(service, 120), CROWD_S, "the intents were not created")
    for worker in frozen:
        worker.child.freeze()
    intents = await service.stripe.intents()
    await asyncio.gather(*(declined_then_paid(service, intent["client_secret"]) for intent in intents))
    await in_every_order(service, 5)
    await until(lambda: all_succeeded(service), CROWD_S, "not all payments succeeded")
    assert not any(asked.done() for asked in asking)
    for worker in frozen:
        worker.child.thaw()
    replies = await asyncio.gather(*asking)
    assert {(reply.verdict, reply.payment and reply.payment.status) for reply in replies} == {("accepted", "succeeded")}
    await service.assert_promises()
    facts = {tuple(sorted(service.listener.types(str(payment["_id"])))) for payment in service.payments_stored()}
    assert facts == {("created", "failed", "receipt", "succeeded")}
    assert [len(worker.lines("delivery")) for worker in frozen] == [60, 60]


async def created_at_once(service: Service, order: str) -> str:
    """The client secret of a create that is sent only once, however late its answer comes."""
    reply = await service.create(order, reply_s=CROWD_S)
    assert reply.client_secret is not None
    return reply.client_secret


async def all_succeeded(service: Service) -> bool:
    return {payment["status"] for payment in service.payments_stored()} == {"succeeded"}


async def declined_then_paid(service: Service, secret: str) -> None:
    assert await service.stripe.pay(secret, "pm_card_chargeDeclined") == "requires_payment_method"
    assert await service.stripe.pay(secret) == "succeeded"


async def known_to_stripe(service: Service, count: int) -> bool:
    return len(await service.stripe.intents()) == count


async def in_every_order(service: Service, count: int) -> None:
    """Publish the events of each intent, `count` of them, in an order of its own: as Stripe signed them, held till now."""
    stories: dict[str, list[Json]] = {}
    for event in await service.stripe.events():
        if event["type"] == "charge.updated":
            continue  # its balance transaction, which tells a payment nothing
        about = event["data"]["object"]
        stories.setdefault(about.get("payment_intent") or about["id"], []).append(event)
    assert {len(story) for story in stories.values()} == {count}
    orders = itertools.cycle(itertools.permutations(range(count)))
    ordered = [story[place] for story, order in zip(stories.values(), orders, strict=False) for place in order]
    service.commands |= {event["id"] for event in ordered}
    bodies = [json.dumps(event).encode() for event in ordered]
    await publish(service.rabbitmq_url, topology.STRIPE, *bodies, kind="stripe")
