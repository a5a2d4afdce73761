"""What runs on a clock: two sweepers at once, an outbox that nobody listens to, an outage of everything."""

import asyncio
from collections import Counter
from pathlib import Path

from contracts.replies import Verdict
from sandbox.stack.choose import PrivateBroker, PrivateDatabase
from tests.e2e.support.service import Service
from tests.e2e.support.until import until

PAYMENTS = 40
NOTICED_S = 20.0
BACK_S = 35.0


async def test_two_sweepers_at_once(service: Service) -> None:
    """While Stripe is away for forty creates, two workers' sweepers repeat each under its key until it is done, once."""
    workers = [service.make_worker() for _ in range(2)]
    await asyncio.gather(*(worker.start() for worker in workers))
    await service.stripe.rates({"503": 1.0}, seed=1)
    replies = await asyncio.gather(*(service.create(f"order-{number}") for number in range(PAYMENTS)))
    assert {reply.verdict for reply in replies} == {Verdict.PENDING}
    await service.stripe.clear_faults()
    books = await service.assert_promises()
    assert books.ledger["count"] == PAYMENTS
    assert {payment["status"] for payment in books.payments} == {"requires_payment_method"}
    assert all(worker.lines("tick") for worker in workers)
    sends = Counter(post["idempotency_key"] for post in books.posts)
    assert sum(sends.values()) <= 6 * PAYMENTS


async def test_an_event_that_nobody_is_bound_for_counts_as_sent(service: Service) -> None:
    """With no queue bound for events a payment has nothing unsent, and the worker tries no event again."""
    await service.worker()
    await service.listener.unbind()
    await service.create("order-1")
    await until(lambda: nothing_unsent(service), 5, "an event is unsent")
    assert service.payment("order-1")["events"][0]["sent"] is True


async def nothing_unsent(service: Service) -> bool:
    return "unsent_at" not in service.payment("order-1")


async def test_broker_and_database_away_at_once(
    tmp_path: Path,
    private_broker: PrivateBroker,
    private_vhost_url: str,
    private_database: PrivateDatabase,
    database_name: str,
) -> None:
    """A worker that has lost its database and then its broker lives, and works when both are back."""
    async with Service(tmp_path, private_vhost_url, private_database.uri, database_name) as service:
        worker = await service.worker()
        await service.created("order-1")
        await service.quiesce()
        await private_broker.settle()
        private_database.kill()
        asking = asyncio.create_task(service.created("order-2", within_s=90))
        await worker.logged("database_away", NOTICED_S)
        private_broker.kill()
        await private_database.restart()
        await private_broker.restart()
        await worker.until_ready(200, BACK_S)
        assert await asking
        books = await service.assert_promises(60)
        assert books.ledger["count"] == 2
        assert worker.child.alive
