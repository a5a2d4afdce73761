"""The roll-up under crashes, repeats and company: what it counts is what a plain recount counts."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.queries.making import MINUTE, NOW, announced, counted, go_on, paid
from tests.unit.queries.memory_stats import MemoryStats
from tests.unit.queries.plain import flattened
from tests.unit.queries.storm import Crash, Storm
from worker.domain.record import Payment, Status
from worker.errors import StepsExhausted
from worker.jobs import rollups
from worker.jobs.rebuild import Phase, rebuild
from worker.jobs.rollups import Rollups
from worker.stats import Tally


class Stormy(MemoryStats):
    """Gives others their turn around every read and write, and crashes there as the storm says."""

    def __init__(self) -> None:
        super().__init__({})
        self.storm: Storm | None = None

    async def pause(self) -> None:
        if self.storm is not None:
            await self.storm.strike()


class Kept:
    """The payments of a MemoryStats."""

    def __init__(self, store: MemoryStats) -> None:
        self._store = store

    async def put(self, payment: Payment) -> None:
        self._store.payments[payment.id] = payment


def tallies(store: MemoryStats) -> dict[Any, Any]:
    return flattened({start: found for start, (_, found) in store.quarters.items()})


def storm_over(store: Stormy, seed: int) -> Storm:
    store.storm = Storm(seed, Kept(store), store)
    return store.storm


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2**32))
def test_after_a_storm_of_crashes_the_count_is_a_plain_recount(seed: int) -> None:
    """However payments change, clocks differ and workers crash or meet, at rest every quarter is what it should be."""

    async def run() -> None:
        store = Stormy()
        storm = storm_over(store, seed)
        for _ in range(storm.chance.randint(1, 30)):
            await storm.round()
        await storm.calm()
        assert tallies(store) == counted(list(storm.payments.values()))

    asyncio.run(run())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_a_rebuild_after_crashes_is_a_plain_recount(seed: int) -> None:
    """A rebuild that crashes again and again goes on until it is done, and wrong quarters are put right by it."""

    async def run() -> None:
        store = Stormy()
        chance = Random(seed)
        for number in range(chance.randint(1, 12)):
            payment = paid(f"o-{number}", NOW + number * 37 * MINUTE)
            for step in range(chance.randint(0, 5)):
                payment = go_on(payment, payment.created_at + step * 20 * MINUTE, chance)
            store.payments[payment.id] = payment
        store.quarters[NOW] = (7, {"eur": Tally(captured=1)})
        storm_over(store, seed).freezing = False
        await until_done(store)
        assert tallies(store) == counted(list(store.payments.values()))
        assert store.progress == {}

    asyncio.run(run())


async def until_done(store: MemoryStats) -> None:
    while True:
        try:
            await rebuild(store, NOW + timedelta(days=2), lambda *_: None)
        except Crash:
            continue
        return


async def test_a_rebuild_goes_on_where_it_was() -> None:
    """A rebuild that was interrupted after the first half counts only the second half again."""
    store = MemoryStats({})
    for number in range(120):
        payment = paid(f"o-{number}", NOW + number * 15 * MINUTE)
        store.payments[payment.id] = payment
    told: list[tuple[Phase, int, int]] = []

    def interrupted(*said: Any) -> None:
        if said[0] is Phase.COUNTING and said[1] == 70:
            raise Crash

    with pytest.raises(Crash):
        await rebuild(store, NOW + timedelta(days=2), interrupted)
    assert await rebuild(store, NOW + timedelta(days=2), lambda *said: told.append(said)) == 70
    assert told[0] == (Phase.COUNTING, 1, 70)


async def test_nothing_is_counted_twice_by_a_repeat() -> None:
    """Catching up again, by the same worker or another, changes no tally."""
    store = MemoryStats({})
    payment = announced(paid(), "payment.succeeded", NOW + MINUTE, status=Status.SUCCEEDED, captured=2000)
    store.payments[payment.id] = payment
    worker = Rollups(store, lambda: NOW + 2 * MINUTE)
    assert await worker.catch_up() == 1
    first = tallies(store)
    assert await worker.catch_up() == 0
    assert await Rollups(store, lambda: NOW + 3 * MINUTE).catch_up() == 1
    assert tallies(store) == first == counted([payment])


async def test_a_long_pause_is_caught_up_with() -> None:
    """What changed during days without a worker is counted, and it is noted until when."""
    store = MemoryStats({})
    now = NOW
    worker = Rollups(store, lambda: now)
    await worker.catch_up()
    for hours in range(0, 72, 5):
        payment = paid(f"o-{hours}", NOW + timedelta(hours=hours))
        store.payments[payment.id] = payment
    now = NOW + timedelta(hours=80)
    await worker.catch_up()
    assert tallies(store) == counted(list(store.payments.values()))
    assert await store.mark() == now


async def test_a_clock_far_ahead_hides_no_change() -> None:
    """Where a worker's clock was a day ahead, what changes meanwhile is found all the same."""
    store = MemoryStats({})
    await Rollups(store, lambda: NOW + timedelta(days=1)).catch_up()
    payment = paid("o-1", NOW + MINUTE)
    store.payments[payment.id] = payment
    await Rollups(store, lambda: NOW + 2 * MINUTE).catch_up()
    assert tallies(store) == counted([payment])


async def test_an_older_count_never_overwrites_a_newer_one() -> None:
    """A worker that stood still between reading and writing finds the quarter changed, and counts again."""

    class Standing(MemoryStats):
        def __init__(self) -> None:
            super().__init__({})
            self.stood = False

        async def of_quarter(self, quarter: datetime) -> AsyncIterator[Payment]:
            async for payment in super().of_quarter(quarter):
                yield payment
            if not self.stood:
                self.stood = True
                changed = announced(self.payments["p"], "payment.canceled", NOW + MINUTE, status=Status.CANCELED)
                self.payments["p"] = changed
                await rollups.recount(self, quarter)

    store = Standing()
    store.payments["p"] = paid(id="p")
    store.found_by["p"] = {NOW}
    await rollups.recount(store, NOW)
    assert store.stood
    assert tallies(store) == counted([store.payments["p"]])


async def test_a_quarter_that_is_never_left_alone_is_given_up() -> None:
    """A count that is spoilt by others again and again ends by name."""

    class Busy(MemoryStats):
        async def put(self, quarter: datetime, version: int | None, tallies: dict[str, Tally]) -> bool:
            del quarter, version, tallies
            return False

    with pytest.raises(StepsExhausted):
        await rollups.recount(Busy({}), NOW)


async def test_workers_take_turns() -> None:
    """Of two workers one keeps the turn while it lives, the other takes it over, and a turn a year ahead is no turn."""
    store = MemoryStats({})
    every = timedelta(seconds=10)
    assert await store.take_turn("a", NOW, every)
    assert not await store.take_turn("b", NOW + every, every)
    assert await store.take_turn("a", NOW + every, every)
    assert await store.take_turn("b", NOW + 4 * every, every)
    assert await store.take_turn("b", NOW + timedelta(days=365), every)
    assert await store.take_turn("a", NOW, every)
