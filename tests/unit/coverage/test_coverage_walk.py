"""The walk through Stripe's list of events: what it puts back, when, and what a crash in the middle leaves."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.fake_coverage import MemoryCoverage, MemoryEvents, MemoryQueue
from tests.fake_customers import MemoryCustomerStore
from tests.fakes import MemoryStore
from tests.unit.worker.making import INTENT, NOW, SECOND, seen, story
from worker.coverage import HORIZON, Listed, Traces
from worker.domain.record import Status
from worker.errors import StripeUnavailable
from worker.jobs.coverage import AGAIN_CAP, GRACE, LEASE, MOST_PUTS, OVERLAP, CoverageWalk, Progress
from worker.ports import Ignored

HOUR = timedelta(hours=1)


@dataclass
class World:
    """One walk, and all that it meets."""

    now: datetime = NOW
    payments: MemoryStore = field(default_factory=MemoryStore)
    customers: MemoryCustomerStore = field(default_factory=MemoryCustomerStore)
    events: MemoryEvents = field(default_factory=MemoryEvents)
    queue: MemoryQueue = field(default_factory=MemoryQueue)

    def __post_init__(self) -> None:
        self.store = MemoryCoverage(self.payments, self.customers)
        self.walk = self.another()

    def another(self) -> CoverageWalk:
        return CoverageWalk(self.store, self.events, self.queue, lambda: self.now, every_s=1)

    def happen(self, *names: str, ago: timedelta = HOUR, **traces: Any) -> None:
        """Events at Stripe, each newer than the one before in the list."""
        for name in names:
            event = Listed(name, "payment_intent.succeeded", self.now - ago, Traces(**traces), name.encode())
            self.events.events.insert(0, event)

    async def ignore(self, *names: str) -> None:
        for name in names:
            await self.payments.record_ignored(Ignored(name, "t", "nobody's", self.now))

    @property
    def put(self) -> list[str]:
        return [body.decode() for body in self.queue.bodies]


async def test_what_nobody_has_recorded_is_put_back() -> None:
    """Of seven events over three pages the two that nobody knows go to the queue, as the ingress would put them there."""
    world = World()
    world.happen(*(f"evt_{number}" for number in range(7)))
    await world.ignore(*(f"evt_{number}" for number in range(7) if number not in {2, 6}))
    walked = await world.walk.walk()
    assert sorted(world.put) == ["evt_2", "evt_6"]
    assert {headers["x-stripe-event-id"] for headers in world.queue.headers} == {"evt_2", "evt_6"}
    assert (walked.listed, walked.gaps, walked.put) == (7, 2, 2)


async def test_what_is_recorded_is_left_alone() -> None:
    """An event in a payment's timeline, one that is ignored and one that a rule calls nothing for us are no gaps."""
    world = World()
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    made.tell(seen(Status.SUCCEEDED, "evt_1"))
    world.payments.payments[made.record.id] = made.record
    world.happen("evt_1", intent_id=INTENT)
    world.happen("evt_2", by_rule="no rule for this type")
    world.happen("evt_3")
    await world.ignore("evt_3")
    await world.walk.walk()
    assert (world.put, world.store.held) == ([], {})


async def test_what_another_worker_ignored_of_our_payment_is_put_back_once() -> None:
    """A record of ignoring does not stop an event of a payment that is here; once its timeline has it, it is done."""
    world = World()
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    world.payments.payments[made.record.id] = made.record
    world.happen("evt_1", intent_id=INTENT)
    await world.payments.record_ignored(Ignored("evt_1", "t", "another deployment's", world.now))
    await world.walk.walk()
    assert world.put == ["evt_1"]
    made.tell(seen(Status.SUCCEEDED, "evt_1"))
    world.payments.payments[made.record.id] = made.record
    world.now += HOUR
    await world.walk.walk()
    assert (world.put, world.store.held) == (["evt_1"], {})


async def test_a_foreign_deployments_events_are_never_put_back() -> None:
    """Their metadata says whose they are, and no payment here is: recorded or not, they are no gaps."""
    world = World()
    world.happen("evt_1", "evt_2", intent_id="pi_theirs", by_rule="another deployment's", deployment="other")
    await world.ignore("evt_1")
    for _ in range(3):
        await world.walk.walk()
        world.now += HOUR
    assert (world.put, world.store.held) == ([], {})


async def test_a_young_event_is_given_time() -> None:
    """One whose webhook is on its way is only noted; when it comes the gap is closed, and nothing was put back."""
    world = World()
    world.happen("evt_1", ago=SECOND)
    await world.walk.walk()
    assert (world.put, set(world.store.held)) == ([], {"evt_1"})
    await world.ignore("evt_1")
    world.now += GRACE
    await world.walk.walk()
    assert (world.put, world.store.held) == ([], {})


async def test_a_young_event_that_stays_away_is_put_back() -> None:
    """Two minutes after it was made it is read at Stripe again and put back, by whichever walk comes then."""
    world = World()
    world.happen("evt_1", ago=SECOND)
    await world.walk.walk()
    world.now += GRACE
    await world.another().walk()
    assert world.put == ["evt_1"]


async def test_a_walk_goes_on_from_the_newest_of_the_last() -> None:
    """The second walk asks for what is newer than the newest event, and five minutes before it, in Stripe's time."""
    world = World()
    world.happen("evt_1", ago=2 * HOUR)
    world.happen("evt_2", ago=HOUR)
    await world.ignore("evt_1", "evt_2")
    await world.walk.walk()
    progress = await world.store.progress()
    assert progress == Progress(until=NOW - HOUR)
    world.happen("evt_late", ago=HOUR + OVERLAP)
    world.happen("evt_3", ago=SECOND * 200)
    walked = await world.walk.walk()
    assert walked.listed == 3
    assert sorted(world.put) == ["evt_3", "evt_late"]


async def test_the_first_walk_looks_at_all_that_stripe_lists() -> None:
    """With nothing stored it goes thirty days back and no further."""
    world = World()
    world.happen("evt_old", ago=HORIZON + SECOND)
    world.happen("evt_1", ago=HORIZON)
    await world.walk.walk()
    assert world.put == ["evt_1"]


async def test_a_walk_that_was_interrupted_is_gone_on_with() -> None:
    """When Stripe goes away in the middle, the next walk begins at the page that was missing, whoever walks it."""
    world = World()
    world.happen(*(f"evt_{number}" for number in range(9)))
    await world.ignore(*(f"evt_{number}" for number in range(9)))
    begun = Progress(since=NOW - HORIZON, after="evt_3", newest=NOW - HOUR)
    await world.store.advance(begun)
    await world.another().walk()
    assert world.events.asked == ["page after evt_3"]
    assert await world.store.progress() == Progress(until=NOW - HOUR)


async def test_stripe_away_leaves_the_walk_where_it_is() -> None:
    """An error between two pages loses nothing: the place is stored, and the next walk takes it up."""
    world = World()
    world.happen(*(f"evt_{number}" for number in range(6)))
    original = world.events.page

    async def once(since: datetime, after: str | None) -> Any:
        page = await original(since, after)
        world.events.away = 1
        return page

    world.events.page = once  # type: ignore[method-assign] # Stripe goes away after the first page
    with pytest.raises(StripeUnavailable):
        await world.walk.walk()
    world.events.page = original  # type: ignore[method-assign] # and is back
    assert (await world.store.progress()).after == "evt_3"
    await world.another().walk()
    assert sorted(world.put) == [f"evt_{number}" for number in range(6)]


async def test_a_place_that_is_gone_begins_the_walk_anew() -> None:
    """When the event that marks the place has left Stripe's list, all of the walk is done again."""
    world = World()
    world.happen("evt_1")
    await world.store.advance(Progress(since=NOW - HORIZON, after="evt_gone", newest=NOW))
    await world.walk.walk()
    assert world.put == ["evt_1"]


async def test_a_gap_is_put_back_again_and_again_but_not_for_ever() -> None:
    """What does not get applied is put back after 5, 10, 20 … minutes, eight times; after that it stays a gap, and is said."""
    world = World()
    world.happen("evt_1")
    pauses: list[timedelta] = []
    for _ in range(MOST_PUTS + 3):
        await world.walk.walk()
        (gap,) = world.store.held.values()
        pauses.append(gap.next_at - world.now)
        world.now = gap.next_at
    assert world.put == ["evt_1"] * MOST_PUTS
    assert pauses[:3] == [timedelta(minutes=5), timedelta(minutes=10), timedelta(minutes=20)]
    assert max(pauses) == AGAIN_CAP


async def test_a_gap_is_not_put_back_before_its_time() -> None:
    """Walks that come meanwhile leave it alone."""
    world = World()
    world.happen("evt_1")
    for _ in range(3):
        await world.walk.walk()
        world.now += SECOND
    assert world.put == ["evt_1"]


async def test_one_gap_holds_up_no_other() -> None:
    """While one event cannot be applied, later ones are found and the walk goes on."""
    world = World()
    world.happen("evt_bad")
    await world.walk.walk()
    for number in range(5):
        world.happen(f"evt_{number}", ago=GRACE)
        world.now += SECOND
        await world.walk.walk()
        await world.ignore(f"evt_{number}")
    assert world.put == ["evt_bad", *(f"evt_{number}" for number in range(5))]
    await world.walk.walk()
    assert set(world.store.held) == {"evt_bad"}


async def test_a_queue_that_takes_nothing_costs_no_try() -> None:
    """What could not be published is due at the next walk."""
    world = World()
    world.happen("evt_1")
    world.queue.full = True
    walked = await world.walk.walk()
    assert (walked.put, world.store.held["evt_1"].puts) == (0, 0)
    world.queue.full = False
    await world.walk.walk()
    assert world.put == ["evt_1"]


async def test_what_stripe_lists_no_longer_is_let_go() -> None:
    """A gap whose event has left the list can never be filled: it is told and forgotten."""
    world = World()
    world.happen("evt_1", ago=SECOND)
    await world.walk.walk()
    world.events.events.clear()
    world.now += HORIZON
    await world.walk.walk()
    assert (world.put, world.store.held) == ([], {})


async def test_a_young_event_that_stripe_does_not_know_stays_a_gap() -> None:
    """A worker with another account's key knows none of our events, and must not close the gaps of the others."""
    world = World()
    world.happen("evt_1", ago=SECOND)
    await world.walk.walk()
    theirs, world.events.events = world.events.events, []
    world.now += GRACE
    await world.another().walk()
    assert (world.put, set(world.store.held)) == ([], {"evt_1"})
    world.events.events = theirs
    world.now += HOUR
    await world.walk.walk()
    assert world.put == ["evt_1"]


async def test_one_walks_at_a_time() -> None:
    """A worker whose turn it is not leaves the walk alone; when the one that walks is silent, the next takes over."""
    world = World()
    first, second = world.walk, world.another()
    assert await first._turn()
    assert not await second._turn()
    world.now += LEASE
    assert await second._turn()
    assert not await first._turn()


async def test_two_walks_at_once_do_no_harm() -> None:
    """Two that walk at once put back what is missing, at most twice, which its timeline makes one."""
    world = World()
    world.happen(*(f"evt_{number}" for number in range(9)))
    await asyncio.gather(world.walk.walk(), world.another().walk())
    assert set(world.put) == {f"evt_{number}" for number in range(9)}
    assert len(world.put) <= 2 * 9
    assert await world.store.progress() == Progress(until=NOW - HOUR)


async def test_an_empty_account_is_covered() -> None:
    """With no event there is nothing to store and nothing missing."""
    world = World()
    walked = await world.walk.walk()
    assert (walked.listed, walked.gaps) == (0, 0)
    assert await world.store.progress() == Progress()


def test_raw_events_are_not_printed() -> None:
    """An event's JSON holds client secrets, so that a listed one never shows it."""
    events: Sequence[Listed] = [Listed("evt_1", "t", NOW, raw=b"hush")]
    assert "hush" not in repr(events)
    assert replace(events[0], raw=b"") == events[0]
