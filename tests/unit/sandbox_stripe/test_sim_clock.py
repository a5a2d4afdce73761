"""The simulator's clock: advancing, timers, and what they are not allowed to do."""

import asyncio

from sandbox.stripe.clock import Clock
from tests.unit.sandbox_stripe.raw import Raw


class HandClock:
    """Real time that stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_timers_fire_in_the_order_of_their_time() -> None:
    """One jump over several timers fires each once, earliest first."""
    clock, fired = Clock(HandClock()), list[str]()
    clock.call_later(20, lambda: fired.append("late"))
    clock.call_later(10, lambda: fired.append("early"))
    clock.call_later(99, lambda: fired.append("not yet"))
    clock.advance(20)
    assert fired == ["early", "late"]
    assert clock.pending == 1
    clock.advance(0)
    assert fired == ["early", "late"]


def test_a_timer_set_by_a_timer_fires_if_it_is_due() -> None:
    """What a callback schedules within the jump happens in the same jump."""
    clock, fired = Clock(HandClock()), list[str]()
    clock.call_later(1, lambda: clock.call_later(0, lambda: fired.append("second")))
    clock.advance(1)
    assert fired == ["second"]


def test_real_time_counts_too() -> None:
    """A timer is due when real time alone has passed it."""
    real, fired = HandClock(), list[str]()
    clock = Clock(real)
    clock.call_later(5, lambda: fired.append("x"))
    real.now += 5
    clock.fire()
    assert fired == ["x"]


def test_the_clock_may_leap_back() -> None:
    """After a leap back nothing fires twice, and later timers wait longer."""
    clock, fired = Clock(HandClock()), list[str]()
    clock.call_later(10, lambda: fired.append("x"))
    clock.advance(-100)
    clock.advance(50)
    assert fired == []
    clock.advance(60)
    clock.advance(-60)
    clock.advance(60)
    assert fired == ["x"]


async def test_a_waiting_timer_fires_by_itself() -> None:
    """Inside an event loop a due timer needs nobody to push it."""
    clock, fired = Clock(), asyncio.Event()
    clock.call_later(0.01, fired.set)
    assert await asyncio.wait_for(fired.wait(), 5)


async def test_objects_and_events_are_dated_by_it(raw: Raw) -> None:
    """After a jump of a day what is created carries the new time."""
    before = (await raw.post("/v1/customers")).body["created"]
    state = await raw.control("clock", {"advance_s": 86400})
    after = (await raw.post("/v1/customers")).body["created"]
    assert 86400 <= after - before <= 86410
    assert state["offset_s"] == 86400
    (event, _) = (await raw.get("/v1/events")).body["data"]
    assert event["created"] >= after
