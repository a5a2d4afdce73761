"""Fault rows 1-8: a worker is killed with SIGKILL at a named point, and another takes over."""

import asyncio
import signal
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import pytest

from contracts.replies import Reply, Verdict
from tests.e2e.support.books import Books
from tests.e2e.support.service import Service
from tests.e2e.support.until import until
from tests.e2e.support.worker import WorkerProcess

TAKEN_OVER_S = 5.0
"""The broker gives the delivery to the next worker at once; the sweeper would need 90 s to take a send for lost."""

DIED_S = 20.0
CREATES = "/v1/payment_intents"
CONFIRMS = "/v1/payment_intents/*/confirm"


class Doomed:
    """A worker that dies at a point, once it is told to."""

    def __init__(self, service: Service, kill_at: str, *more: str) -> None:
        self._armed = service.directory / f"armed-{len(service.workers)}"
        self.process: WorkerProcess = service.make_worker("--kill-at", kill_at, "--armed-by", str(self._armed), *more)

    def arm(self) -> None:
        self._armed.touch()

    async def died(self) -> None:
        assert await self.process.child.ended(within_s=DIED_S) == -signal.SIGKILL


async def taken_over(doomed: Doomed, heir: WorkerProcess, asking: Coroutine[Any, Any, Reply]) -> Reply:
    """The doomed one dies of a command, and the heir answers it."""
    doomed.arm()
    answer = asyncio.create_task(asking)
    await doomed.died()
    return await answered(heir, answer)


async def answered(heir: WorkerProcess, answer: asyncio.Task[Reply]) -> Reply:
    """The heir starts, and answers what a dead worker left."""
    await heir.start()
    async with asyncio.timeout(TAKEN_OVER_S):
        reply = await answer
    assert reply.verdict is Verdict.ACCEPTED, reply
    return reply


async def killed(service: Service, create_at: str, confirm_at: str, webhook_at: str | None = None) -> Books:
    """A create, a confirm and the webhooks each kill the worker that handles them; the next one goes on.

    One payment is confirmed by command, the other is paid by its customer.
    """
    await service.stripe.webhooks(hold=True)
    creating, confirming = Doomed(service, create_at), Doomed(service, confirm_at)
    await creating.process.start()
    first = await taken_over(creating, confirming.process, service.create("order-1"))
    assert first.client_secret is not None
    assert first.payment is not None
    listening = Doomed(service, webhook_at or "never")
    second = await taken_over(confirming, listening.process, service.confirm(first.payment.payment_id))
    assert second.payment is not None
    assert second.payment.status == "succeeded"
    assert await service.stripe.pay(await service.created("order-2")) == "succeeded"
    if webhook_at is not None:
        await until(lambda: marked(service, "order-2"), DIED_S, "the event of the create was not marked as sent")
        listening.arm()
    assert await service.stripe.release() > 3
    if webhook_at is not None:
        await listening.died()
        await service.worker()
    return await paid_once(service)


async def marked(service: Service, order: str) -> bool:
    return "unsent_at" not in service.payment(order)


async def paid_once(service: Service) -> Books:
    """Both payments succeeded, each charged once, and all promises are kept."""
    books = await service.assert_promises()
    assert [payment["status"] for payment in books.payments] == ["succeeded", "succeeded"]
    assert books.ledger["succeeded_charges"] == books.ledger["count"] == 2
    return books


def sends(books: Books) -> Counter[str]:
    """How often each idempotency key of the first payment went out."""
    first = next(payment for payment in books.payments if payment["order_id"] == "order-1")
    keys = {call["key"]: call["operation"] for call in first["calls"]}
    return Counter(keys[post["idempotency_key"]] for post in books.posts if post["idempotency_key"] in keys)


async def test_fault_row_01_killed_after_delivery(service: Service) -> None:
    """A worker that dies before it has looked at a message leaves it whole to the next one."""
    books = await killed(service, "load:1", "load:1", "load:1")
    assert sends(books) == {"create": 1, "confirm": 1}


async def test_fault_row_02_killed_after_the_first_commit(service: Service) -> None:
    """A call that was recorded and never sent is sent by the next worker."""
    books = await killed(service, "committed:1", "committed:1")
    assert sends(books) == {"create": 1, "confirm": 1}


@pytest.mark.parametrize("fault", ["latency", "latency_after"])
async def test_fault_row_03_killed_during_the_stripe_call(service: Service, fault: str) -> None:
    """Whether or not Stripe had executed the request in flight, the next worker repeats it under its key."""
    await service.stripe.webhooks(hold=True)
    creating, confirming = service.make_worker(), service.make_worker()
    await creating.start()
    for path, dying, heir in ((CREATES, creating, confirming), (CONFIRMS, confirming, service.make_worker())):
        await service.stripe.clear_faults()
        await service.stripe.fault(fault, path=path, ms=1500)
        asking = service.create("order-1") if path is CREATES else service.confirm(service.payment("order-1")["_id"])
        answer = asyncio.create_task(asking)
        await until(lambda: struck(service, fault), DIED_S, "the request did not reach Stripe")
        dying.child.kill()
        await heir.start()
        async with asyncio.timeout(TAKEN_OVER_S):
            assert (await answer).verdict is not Verdict.REFUSED
        await service.created("order-1")
    assert await service.stripe.pay(await service.created("order-2")) == "succeeded"
    await service.stripe.release()
    books = await paid_once(service)
    assert all(count > 1 for count in sends(books).values())


async def struck(service: Service, fault: str) -> bool:
    return (await service.stripe.fired()).get(fault, 0) > 0


async def test_fault_row_04_killed_after_stripes_200(service: Service) -> None:
    """What Stripe has executed and nobody has noted is asked again under the same key, and is not done twice."""
    books = await killed(service, "sent:1", "sent:1")
    assert sends(books) == {"create": 2, "confirm": 2}


@pytest.mark.parametrize("point", ["commit:2", "committing:2"])
async def test_fault_row_05_killed_in_the_second_commit(service: Service, point: str) -> None:
    """Stripe's answer, lost before or while it is written, is asked for again under the same key."""
    books = await killed(service, point, point)
    assert sends(books)["create"] == 2 if point == "commit:2" else sends(books)["create"] in {1, 2}


async def test_fault_row_06_killed_after_the_second_commit(service: Service) -> None:
    """What is recorded and neither announced nor answered is announced and answered by the next worker."""
    books = await killed(service, "committed:2", "committed:2", "committed:1")
    assert sends(books) == {"create": 1, "confirm": 1}


async def test_fault_row_06_killed_before_the_ack(service: Service) -> None:
    """A message that is applied and not acknowledged is recognised when it comes again."""
    books = await killed(service, "handled:1", "handled:1", "handled:1")
    assert sends(books) == {"create": 1, "confirm": 1}


async def test_fault_row_07_killed_after_the_publish(service: Service) -> None:
    """An event that is out and not marked as sent goes out again under the same id with the same body."""
    await killed(service, "published:1", "mark:1", "published:1")
    assert service.listener.repeated()


async def test_fault_row_08_killed_after_the_delay_tier(service: Service) -> None:
    """A message that is both in a delay tier and redelivered is applied once."""
    await service.stripe.webhooks(hold=True)
    doomed = Doomed(service, "tiered:1", "--crash-at", "load:1")
    await doomed.process.start()
    heir = service.make_worker()
    doomed.arm()
    asking = asyncio.create_task(service.create("order-1"))
    await doomed.died()
    assert (await service.queues())["payments.retry.5s"] == 1
    reply = await answered(heir, asking)
    assert reply.payment is not None
    await service.confirm(reply.payment.payment_id)
    assert await service.stripe.pay(await service.created("order-2")) == "succeeded"
    await service.stripe.release()
    books = await paid_once(service)
    assert sends(books) == {"create": 1, "confirm": 1}
    assert [line["why"] for line in heir.lines("delivery") if line["kind"] == "payment.create"].count("duplicate")
