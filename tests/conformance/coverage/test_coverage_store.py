"""Where events are found, and what the walk keeps: in memory and on MongoDB."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pymongo import AsyncMongoClient, MongoClient

from tests.conformance.coverage.conftest import Stock, prepared
from tests.conformance.store.test_indexes import Overheard, stages
from tests.fake_coverage import MemoryEvents, MemoryQueue
from tests.unit.customers.customer_making import CUS, CUSTOMER, CustomerStory, marked
from tests.unit.worker.making import DEPLOYMENT, INTENT, NOW, PAYMENT, SECOND, refund_fact, refund_seen, seen, story
from worker.coverage import Home, Listed, Traces
from worker.domain.archive import Surplus
from worker.domain.customers.record import CustomerStatus
from worker.domain.record import Status
from worker.jobs.coverage import CoverageWalk, Gap, Progress
from worker.ports import Ignored

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def gap(name: str, at: timedelta = MINUTE, **traces: Any) -> Gap:
    return Gap(name, "charge.failed", NOW, Traces(**traces), NOW + at)


async def kept(stock: Stock) -> None:
    """A paid payment with a refund, told by webhooks `evt_paid` and `evt_refund`."""
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    made.tell(seen(Status.SUCCEEDED, "evt_paid"))
    made.tell(refund_seen(refund_fact(500), "evt_refund"))
    await stock.payments.commit(None, made.record)


@pytest.mark.parametrize(
    "traces",
    [
        Traces(payment_id=PAYMENT),
        Traces(intent_id=INTENT),
        Traces(payment_id=PAYMENT, intent_id=INTENT),
        Traces(payment_id="pay_other_1", intent_id=INTENT),
    ],
)
async def test_an_event_is_found_in_its_payment(stock: Stock, traces: Traces) -> None:
    """By our id or by the intent's, what the timeline has is found and what it has not is not."""
    await kept(stock)
    sought = {"evt_paid": traces, "evt_refund": traces, "evt_lost": traces}
    assert await stock.coverage.homes(sought) == {"evt_paid": Home.PAYMENT, "evt_refund": Home.PAYMENT}


async def test_an_event_is_found_in_the_archive(stock: Stock) -> None:
    """What has moved out of the document is found where it went."""
    await kept(stock)
    payment = await stock.payments.by_id(PAYMENT)
    assert payment is not None
    entries = tuple(entry for entry in payment.timeline if entry.message_id == "evt_paid")
    assert await stock.payments.archive(payment, Surplus(timeline=entries))
    sought = dict.fromkeys(("evt_paid", "evt_refund", "evt_lost"), Traces(intent_id=INTENT))
    assert await stock.coverage.homes(sought) == {"evt_paid": Home.PAYMENT, "evt_refund": Home.PAYMENT}


async def test_an_event_of_another_payment_is_not_found_here(stock: Stock) -> None:
    """A timeline accounts only for events that are about its own payment."""
    await kept(stock)
    assert await stock.coverage.homes({"evt_paid": Traces(payment_id="pay_other_1", intent_id="pi_other")}) == {}
    assert await stock.coverage.homes({"evt_paid": Traces()}) == {}


@pytest.mark.parametrize("traces", [Traces(customer_id=CUSTOMER), Traces(stripe_customer_id=CUS)])
async def test_an_event_is_found_in_its_customer(stock: Stock, traces: Traces) -> None:
    """By our id or by Stripe's, a customer's timeline accounts for the events about it."""
    made = CustomerStory().reach(CustomerStatus.ACTIVE)
    made.tell(marked(event_id="evt_customer"))
    await stock.customers.commit(None, made.record)
    sought = {"evt_customer": traces, "evt_lost": traces}
    assert await stock.coverage.homes(sought) == {"evt_customer": Home.CUSTOMER}


async def test_an_ignored_event_is_found(stock: Stock) -> None:
    """What is recorded as ignored is accounted for, whomever it is about."""
    await stock.payments.record_ignored(Ignored("evt_1", "charge.failed", "nobody's", NOW))
    sought = {"evt_1": Traces(intent_id="pi_foreign"), "evt_2": Traces(intent_id="pi_foreign")}
    assert await stock.coverage.homes(sought) == {"evt_1": Home.IGNORED}


FOREIGN = {"by_rule": "another deployment's", "deployment": "other"}


@pytest.mark.parametrize(
    "reason", ["another deployment's", "of the other mode: livemode differs", "no such payment here", "nobody's"]
)
@pytest.mark.parametrize("traces", [Traces(payment_id=PAYMENT, deployment=DEPLOYMENT), Traces(intent_id=INTENT)])
async def test_what_the_books_have_is_not_ignored(stock: Stock, reason: str, traces: Traces) -> None:
    """A record of ignoring counts no longer once the payment is here, and still counts for what is not."""
    await kept(stock)
    for name in ("evt_1", "evt_2"):
        await stock.payments.record_ignored(Ignored(name, "charge.failed", reason, NOW))
    sought = {"evt_1": traces, "evt_2": Traces(payment_id="pay_other_1", intent_id="pi_other")}
    assert await stock.coverage.homes(sought) == {"evt_2": Home.IGNORED}


async def test_what_a_person_has_discarded_stays_so(stock: Stock) -> None:
    """An event of a payment that is here is accounted for when somebody has put it aside."""
    await kept(stock)
    await stock.payments.record_ignored(Ignored("evt_1", "charge.failed", "discarded by ops-ada: a test", NOW))
    assert await stock.coverage.homes({"evt_1": Traces(intent_id=INTENT)}) == {"evt_1": Home.IGNORED}


async def test_another_deployments_event_is_nothing_for_us_unless_it_is_in_the_books(stock: Stock) -> None:
    """By the intent, or by an id of the same deployment, it is ours and missing; else the rule holds without a record."""
    await kept(stock)
    sought = {
        "evt_by_intent": Traces("pay_other_1", INTENT, **FOREIGN),
        "evt_by_id": Traces(PAYMENT, "pi_new", by_rule=FOREIGN["by_rule"], deployment=DEPLOYMENT),
        "evt_of_their_order": Traces(PAYMENT, "pi_other", **FOREIGN),
        "evt_theirs": Traces("pay_other_1", "pi_other", **FOREIGN),
    }
    assert await stock.coverage.homes(sought) == {"evt_of_their_order": Home.BY_RULE, "evt_theirs": Home.BY_RULE}


async def test_a_customer_that_the_books_have_is_not_ignored(stock: Stock) -> None:
    """What was ignored of a customer before it was here, or by a worker of another name, is missing."""
    await stock.customers.commit(None, CustomerStory().reach(CustomerStatus.ACTIVE).record)
    for name in ("evt_1", "evt_2", "evt_3"):
        await stock.payments.record_ignored(Ignored(name, "customer.updated", "no customer of ours", NOW))
    sought = {
        "evt_1": Traces(stripe_customer_id=CUS),
        "evt_2": Traces(customer_id=CUSTOMER, stripe_customer_id="cus_other", by_rule="another deployment's"),
        "evt_3": Traces(stripe_customer_id="cus_other"),
    }
    assert await stock.coverage.homes(sought) == {"evt_3": Home.IGNORED}


async def test_a_turn_is_one_workers(stock: Stock) -> None:
    """Until it is over only its owner may take it again; after that anybody may."""
    assert await stock.coverage.take_turn("a", NOW, NOW + MINUTE)
    assert not await stock.coverage.take_turn("b", NOW, NOW + MINUTE)
    assert await stock.coverage.take_turn("a", NOW, NOW + 2 * MINUTE)
    assert not await stock.coverage.take_turn("b", NOW + MINUTE, NOW + 3 * MINUTE)
    assert await stock.coverage.take_turn("b", NOW + 2 * MINUTE, NOW + 3 * MINUTE)
    assert not await stock.coverage.take_turn("a", NOW + 2 * MINUTE, NOW + 3 * MINUTE)


async def test_progress_is_kept_whole(stock: Stock) -> None:
    """Where a walk stands is read as it was written, and what it no longer has is gone."""
    assert await stock.coverage.progress() == Progress()
    under_way = Progress(NOW, NOW - MINUTE, "evt_1", NOW + SECOND)
    for progress in (under_way, Progress(until=NOW)):
        await stock.coverage.advance(progress)
        assert await stock.coverage.progress() == progress


async def test_a_gap_is_noted_once(stock: Stock) -> None:
    """A gap that is known stays as it is; only the new ones are named."""
    assert await stock.coverage.note([gap("evt_1", payment_id=PAYMENT)]) == {"evt_1"}
    assert await stock.coverage.note([gap("evt_1", 5 * MINUTE), gap("evt_2")]) == {"evt_2"}
    assert sorted(await stock.coverage.gaps(10), key=lambda one: one.id) == [
        gap("evt_1", payment_id=PAYMENT),
        gap("evt_2"),
    ]


async def test_gaps_come_in_the_order_of_their_time(stock: Stock) -> None:
    """The first that are due come first, and no more than were asked for."""
    await stock.coverage.note([gap(f"evt_{minutes}", minutes * MINUTE) for minutes in (3, 1, 2)])
    assert [one.id for one in await stock.coverage.gaps(2)] == ["evt_1", "evt_2"]


async def test_a_gap_is_postponed_and_closed(stock: Stock) -> None:
    """How often it was put back is kept; once closed it is gone, and postponing it does not bring it back."""
    await stock.coverage.note([gap("evt_1"), gap("evt_2")])
    later = replace(gap("evt_1", 9 * MINUTE), puts=3)
    await stock.coverage.postpone(later)
    assert await stock.coverage.gaps(10) == [gap("evt_2"), later]
    await stock.coverage.close(["evt_1", "evt_unknown"])
    await stock.coverage.close([])
    await stock.coverage.postpone(later)
    assert await stock.coverage.gaps(10) == [gap("evt_2")]


async def test_a_mode_has_its_own_turn_and_place(stock: Stock) -> None:
    """Workers of two modes walk at the same time, and neither moves the place of the other."""
    for mine, others in ((stock.coverage, stock.live), (stock.live, stock.coverage)):
        assert await mine.take_turn("a", NOW, NOW + MINUTE)
        assert not await mine.take_turn("b", NOW, NOW + MINUTE)
        before = await others.progress()
        under_way = Progress(NOW, NOW - MINUTE, f"evt_{id(mine)}", NOW + SECOND)
        await mine.advance(under_way)
        assert (await mine.progress(), await others.progress()) == (under_way, before)


async def test_a_mode_has_its_own_gaps(stock: Stock) -> None:
    """Gaps of the other mode are not brought, however few there are of one's own."""
    assert await stock.coverage.note([gap("evt_test")]) == {"evt_test"}
    assert await stock.live.note([gap("evt_live"), gap("evt_live_later", 2 * MINUTE)]) == {"evt_live", "evt_live_later"}
    assert await stock.coverage.gaps(1) == [gap("evt_test")]
    assert await stock.live.gaps(10) == [gap("evt_live"), gap("evt_live_later", 2 * MINUTE)]
    await stock.live.close(["evt_live", "evt_live_later"])
    assert (await stock.coverage.gaps(10), await stock.live.gaps(10)) == ([gap("evt_test")], [])


async def test_two_modes_walk_side_by_side(stock: Stock) -> None:
    """Each goes through its own list from where it stands, asks for nothing of the other's, and puts its own back."""
    now = NOW
    lists = {"live": MemoryEvents(), "test": MemoryEvents()}
    queues = {"live": MemoryQueue(), "test": MemoryQueue()}
    stores = {"live": stock.live, "test": stock.coverage}
    walks = {mode: CoverageWalk(stores[mode], lists[mode], queues[mode], lambda: now, every_s=1) for mode in stores}
    for mode, ago in (("live", 3 * MINUTE), ("test", HOUR)):
        names = [f"evt_{mode}_{number}" for number in range(4)]
        lists[mode].events = [Listed(name, "charge.failed", now - ago, Traces(), name.encode()) for name in names]
    for puts in (1, 2):
        for mode, walk in walks.items():
            assert (await walk.walk()).listed == 4, f"walk {puts} of {mode}"
        for mode, store in stores.items():
            assert [one.puts for one in await store.gaps(10)] == [puts] * 4
            put = sorted(body.decode() for body in queues[mode].bodies)
            assert put == sorted([event.id for event in lists[mode].events] * puts)
        now += HOUR
    for mode, events in lists.items():
        assert all(mode in asked for asked in events.asked if "None" not in asked)


async def test_what_an_older_release_kept(
    mongo_uri: str, database_name: str, mongo_client: MongoClient[dict[str, Any]]
) -> None:
    """Nobody knows whose its place was, so a walk begins anew; a gap of its belongs to the mode whose list has the event."""
    database = mongo_client[database_name]
    busy = {"owner": "older", "until": NOW + MINUTE}
    database["coverage"].insert_many([{"_id": "turn"} | busy, {"_id": "walk", "until": NOW, "since": None}])
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_uri, tz_aware=True)
    async with client:
        real = await prepared(client[database_name])
        await real.coverage.note([replace(gap("evt_old"), puts=3), gap("evt_older")])
        database["coverage_gaps"].update_many({}, {"$unset": {"mode": ""}})
        for store in (real.coverage, real.live):
            assert await store.progress() == Progress()
            assert await store.take_turn("newer", NOW, NOW + MINUTE)
            assert await store.gaps(10) == []
        assert await real.live.note([gap("evt_old"), gap("evt_new")]) == {"evt_new"}
        assert {one.id: one.puts for one in await real.live.gaps(10)} == {"evt_old": 3, "evt_new": 0}
        assert await real.coverage.gaps(10) == []


async def test_every_look_up_uses_an_index(
    mongo_uri: str, database_name: str, mongo_client: MongoClient[dict[str, Any]]
) -> None:
    """Each find of the walk, as it goes over the wire, is planned over an index."""
    overheard = Overheard()
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_uri, tz_aware=True, event_listeners=[overheard])
    real = await prepared(client[database_name])
    await kept(real)
    payment = await real.payments.by_id(PAYMENT)
    assert payment is not None
    await real.payments.archive(payment, Surplus(timeline=payment.timeline[:1]))
    overheard.finds.clear()
    whole = Traces(PAYMENT, INTENT, CUSTOMER, CUS)
    await real.coverage.homes({"evt_1": whole, "evt_2": whole})
    await real.coverage.note([gap("evt_1")])
    await real.coverage.gaps(10)
    await real.coverage.progress()
    await client.close()
    assert len(overheard.finds) == 9
    for find in overheard.finds:
        plan = mongo_client[database_name].command("explain", find)["queryPlanner"]["winningPlan"]
        assert "COLLSCAN" not in stages(plan), find
