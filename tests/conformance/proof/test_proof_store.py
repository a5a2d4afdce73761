"""What the documents say of their money, on MongoDB."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pymongo import AsyncMongoClient, MongoClient

from contracts.views import DisputeStatus, RefundStatus
from tests.conformance.store.test_indexes import Overheard, stages
from tests.unit.worker.making import (
    DEPLOYMENT,
    INTENT,
    NOW,
    PAYMENT,
    SECOND,
    Story,
    cancel_order,
    create,
    dispute_fact,
    dispute_seen,
    paid,
    refund,
    refund_fact,
    refund_seen,
    story,
)
from worker.adapters.proof_store import ProofStore
from worker.adapters.stats_store import MongoStats
from worker.adapters.store import MongoStore
from worker.domain.record import Status
from worker.proof import Held

DAY = timedelta(days=1)


@pytest.fixture
async def stores(mongo_uri: str, database_name: str) -> AsyncIterator[tuple[MongoStore, ProofStore]]:
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_uri, tz_aware=True)
    store = MongoStore(client[database_name])
    await store.prepare()
    yield store, ProofStore(client[database_name])
    await client.close()


async def test_a_document_tells_its_money(stores: tuple[MongoStore, ProofStore]) -> None:
    """Captured, refunds with Stripe's ids, disputes; a refund of which Stripe has not spoken is no movement."""
    store, proof = stores
    made = paid()
    made.tell(refund_seen(refund_fact(500)))
    made.tell(refund("r-2", amount=100))
    made.tell(dispute_seen(dispute_fact()))
    await store.commit(None, made.record)
    held = await proof.one(PAYMENT)
    assert held == Held(
        PAYMENT,
        INTENT,
        "eur",
        2000,
        {"re_1": (500, RefundStatus.SUCCEEDED)},
        {"dp_1": (2000, DisputeStatus.NEEDS_RESPONSE)},
        made.record.needs_review,
        made.record.deployment,
    )
    assert await proof.one("pay_none_1") is None


async def test_payments_of_a_span_are_walked(stores: tuple[MongoStore, ProofStore]) -> None:
    """Those created within it come, whenever they changed; those before and after do not."""
    store, proof = stores
    for number in range(250):
        made = Story(now=NOW + number * SECOND)
        made.tell(create(order_id=f"order-{number}", issued_at=made.now))
        await store.commit(None, made.record)
    since, until = NOW + 11 * SECOND, NOW + 211 * SECOND
    found = [held async for batch in proof.held(since, until) for held in batch]
    assert len(found) == len({held.payment_id for held in found}) == 200
    assert await proof.count(NOW) == 250


async def test_a_tombstone_has_no_money(stores: tuple[MongoStore, ProofStore]) -> None:
    """A payment that was canceled before its create came has no currency and no intent."""
    store, proof = stores
    made = Story()
    made.tell(cancel_order())
    await store.commit(None, made.record)
    assert await proof.one(PAYMENT) == Held(PAYMENT, None, "", 0, deployment=DEPLOYMENT)


async def test_which_intents_are_known(stores: tuple[MongoStore, ProofStore]) -> None:
    """Of some intents those are named that a payment has."""
    store, proof = stores
    await store.commit(None, story(Status.SUCCEEDED).record)
    assert await proof.known([INTENT, "pi_other"]) == {INTENT}


async def test_every_look_up_uses_an_index(
    mongo_uri: str, database_name: str, mongo_client: MongoClient[dict[str, Any]]
) -> None:
    """Each find of the proof, as it goes over the wire, is planned over an index that workers keep anyway."""
    overheard = Overheard()
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_uri, tz_aware=True, event_listeners=[overheard])
    await MongoStore(client[database_name]).prepare()
    await MongoStats(client[database_name]).prepare()
    proof = ProofStore(client[database_name])
    assert [batch async for batch in proof.held(NOW, NOW + DAY)] == [[]]
    await proof.one(PAYMENT)
    await proof.known([INTENT])
    await client.close()
    assert len(overheard.finds) == 3
    for find in overheard.finds:
        plan = mongo_client[database_name].command("explain", find)["queryPlanner"]["winningPlan"]
        assert "COLLSCAN" not in stages(plan), find
