"""What the documents say of their money, on MongoDB."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pymongo import AsyncMongoClient, MongoClient
from pymongo.collection import Collection as MongoCollection

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

Collection = MongoCollection[dict[str, Any]]

DAY = timedelta(days=1)


@pytest.fixture
def payments(mongo_client: MongoClient[dict[str, Any]], database_name: str) -> Collection:
    return mongo_client[database_name]["payments"]


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
        made.record.created_at,
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
    created_at = made.record.created_at
    assert await proof.one(PAYMENT) == Held(PAYMENT, None, "", 0, deployment=DEPLOYMENT, created_at=created_at)


async def test_which_intents_are_known(stores: tuple[MongoStore, ProofStore]) -> None:
    """Of some intents those are named that a payment has, with what that says."""
    store, proof = stores
    await store.commit(None, story(Status.SUCCEEDED).record)
    assert await proof.known([INTENT, "pi_other"]) == {INTENT: await proof.one(PAYMENT)}


async def changed(stores: tuple[MongoStore, ProofStore], mongo: Collection, change: dict[str, Any]) -> Held:
    """What is read of a payment with two refunds and a dispute, after somebody has changed its document."""
    store, proof = stores
    made = paid()
    made.tell(refund_seen(refund_fact(500)))
    made.tell(refund_seen(refund_fact(200, number=2)))
    made.tell(dispute_seen(dispute_fact(amount=1000)))
    await store.commit(None, made.record)
    assert (await must(proof)).contradictions == ()
    mongo.update_one({"_id": PAYMENT}, change)
    held = await must(proof)
    assert [one async for batch in proof.held(NOW - DAY, NOW + DAY) for one in batch] == [held]
    return held


async def must(proof: ProofStore) -> Held:
    held = await proof.one(PAYMENT)
    assert held is not None
    return held


INVENTED = {"id": "r-9", "amount": 300, "status": "succeeded", "at": NOW}
TWICE = {"id": "re_1", "stripe_id": "re_1", "amount": 500, "status": "succeeded", "at": NOW}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"$set": {"refunded": 1999}}, [("refund", "total", -1999, -700)]),
        ({"$set": {"disputed": 0}}, [("dispute", "total", 0, -1000)]),
        (
            {"$push": {"refunds": INVENTED}},
            [("refund", "r-9", -300, 0), ("refund", "total", -700, -1000)],
        ),
        ({"$push": {"refunds": INVENTED}, "$inc": {"refunded": 300}}, [("refund", "r-9", -300, 0)]),
        ({"$push": {"refunds": TWICE}, "$inc": {"refunded": 500}}, [("refund", "re_1", -500, 0)]),
        ({"$push": {"refunds": {**INVENTED, "id": "re_1", "status": "failed"}}}, [("refund", "re_1", 0, 0)]),
    ],
)
async def test_a_document_that_contradicts_itself_is_told(
    stores: tuple[MongoStore, ProofStore], payments: Collection, change: dict[str, Any], found: list[tuple[Any, ...]]
) -> None:
    """A total that is not its list's sum, a refund that is done and unknown at Stripe, and an id that comes twice."""
    held = await changed(stores, payments, change)
    assert [(one.part, one.about, one.here, one.right) for one in held.contradictions] == found
    assert held.unreadable == ""


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"$set": {"captured": 1999.99}}, "captured is stored as float"),
        ({"$set": {"captured": "1999"}}, "captured is stored as str"),
        ({"$set": {"refunds.1.amount": 200.0}}, "refunds.amount is stored as float"),
        ({"$set": {"refunds.0.status": "gone"}}, "refunds.status is none that there is"),
        ({"$set": {"disputes.0.status": 3}}, "disputes.status is stored as int"),
        ({"$unset": {"disputes.0.id": ""}}, "disputes.id is missing"),
        ({"$unset": {"currency": ""}}, "currency is missing"),
        ({"$unset": {"created_at": ""}}, "created_at is missing"),
        ({"$set": {"refunds": {"re_1": 500}}}, "refunds is stored as dict"),
        ({"$set": {"stripe": {"payment_intent_id": 1}}}, "stripe.payment_intent_id is stored as int"),
    ],
)
async def test_a_document_that_we_never_write_is_unreadable(
    stores: tuple[MongoStore, ProofStore], payments: Collection, change: dict[str, Any], named: str
) -> None:
    """It raises nothing: it is named, with what in it cannot be read, and has no amounts."""
    held = await changed(stores, payments, change)
    assert (held.payment_id, held.captured, held.refunds) == (PAYMENT, 0, {})
    assert named in held.unreadable


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
