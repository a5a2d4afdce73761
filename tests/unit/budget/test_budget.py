"""The budget of requests to Stripe: how many go out, who goes first, and what Stripe's refusals do to it."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from itertools import pairwise
from typing import Any

import pytest

from tests.simulation import virtual_time
from worker.adapters.budget import PATIENCE_S, RECOVERY, Budget, Priority
from worker.domain import limits
from worker.domain.messages import Result

OK, TOO_MANY = 200, 429
LONG_S = 20
A_MINUTE_S = 60


def live(story: Coroutine[Any, Any, None]) -> None:
    """Live through it in virtual time."""
    virtual_time.run(story)


def now() -> float:
    return asyncio.get_running_loop().time()


async def took(budget: Budget, priority: Priority, times: list[tuple[float, Priority]]) -> bool:
    """Ask for a place; note when it came."""
    placed = await budget.place(priority)
    if placed:
        times.append((now(), priority))
    return placed


def most_in_a_second(times: list[float]) -> int:
    return max(sum(1 for time in times if start <= time < start + 1) for start in times)


@pytest.mark.parametrize("rate", [1, 2, 7, 25, 100])
def test_no_second_sees_more_than_the_rate(rate: int) -> None:
    """Whatever is asked for at once, no second has more places than the rate, and a while has nearly all of them."""

    async def story() -> None:
        budget, times = Budget(rate, now), list[tuple[float, Priority]]()

        async def keep_asking() -> None:
            while now() < LONG_S:
                await took(budget, Priority.READ, times)

        await asyncio.gather(*(keep_asking() for _ in range(3 * rate)))
        moments = [time for time, _ in times]
        assert most_in_a_second(moments) <= max(2, rate)
        assert len([time for time in moments if time < LONG_S]) >= LONG_S * rate * 0.5

    live(story())


def test_money_goes_first() -> None:
    """Of all who wait, captures and confirms come before creates, these before cancels, refunds and reads."""

    async def story() -> None:
        budget, times = Budget(10, now), list[tuple[float, Priority]]()
        while await budget.place(Priority.READ, 0):
            pass
        backwards = [priority for priority in reversed(Priority) for _ in range(5)]
        await asyncio.gather(*(took(budget, priority, times) for priority in backwards))
        served = [priority for _, priority in sorted(times, key=lambda one: one[0])]
        assert served == sorted(backwards)

    live(story())


def test_who_came_first_is_served_first() -> None:
    """Among equals the order is that of their arrival."""

    async def story() -> None:
        budget, served = Budget(1, now), list[int]()

        async def ask(number: int) -> None:
            await budget.place(Priority.REFUND, 1000)
            served.append(number)

        await asyncio.gather(*(ask(number) for number in range(20)))
        assert served == list(range(20))

    live(story())


def test_a_place_that_does_not_come_in_time_is_none() -> None:
    """Who has waited for ten seconds is told that there is no place, and keeps none from the others."""

    async def story() -> None:
        budget, times = Budget(1, now), list[tuple[float, Priority]]()
        asked = now()
        placed = await asyncio.gather(*(took(budget, Priority.READ, times) for _ in range(50)))
        assert now() - asked == pytest.approx(PATIENCE_S)
        assert Counter(placed)[True] == len(times) <= PATIENCE_S + 1
        assert budget.turned_away == Counter(placed)[False]
        assert await budget.place(Priority.READ, 2)

    live(story())


def test_one_who_stops_waiting_takes_no_place() -> None:
    """A call that is canceled while it waits leaves the next place to the next."""

    async def story() -> None:
        budget = Budget(1, now)
        assert await budget.place(Priority.READ)
        first = asyncio.create_task(budget.place(Priority.MONEY))
        second = asyncio.create_task(budget.place(Priority.READ))
        await asyncio.sleep(0.1)
        first.cancel()
        assert await second
        assert budget.taken == 2

    live(story())


def test_a_second_of_refusals_halves_the_rate_and_it_comes_back() -> None:
    """A crowd that is refused halves the rate, however large it is, and five seconds later it is whole again."""

    async def story() -> None:
        budget = Budget(100, now)
        whole = budget.rate_s
        for _ in range(300):
            budget.heard(TOO_MANY, {})
        assert budget.rate_s == pytest.approx(whole / 2)
        await asyncio.sleep(1)
        assert whole / 2 < budget.rate_s < whole
        await asyncio.sleep(5)
        assert budget.rate_s == whole
        assert budget.slowed_down == 1

    live(story())


async def refused_one_in(every: int, share: int) -> float:
    """Send for a minute with all that is given, while Stripe refuses one request in so many; the part of the share sent."""
    budget, began = Budget(share, now), now()
    while now() - began < A_MINUTE_S:
        assert await budget.place(Priority.READ)
        budget.heard(TOO_MANY if budget.taken % every == 0 else OK, {})
    return budget.taken / A_MINUTE_S / share


@pytest.mark.parametrize("share", [10, 100])
@pytest.mark.parametrize(("every", "low", "high"), [(100, 0.85, 1.0), (10, 0.8, 1.0), (2, 0.35, 0.6), (1, 0.1, 0.3)])
def test_the_rate_falls_with_the_part_that_is_refused(share: int, every: int, low: float, high: float) -> None:
    """One refusal in ten hardly slows us down, one in two leaves two fifths of the share, nothing but refusals a fifth."""

    async def story() -> None:
        assert low <= await refused_one_in(every, share) <= high

    live(story())


def test_the_rate_never_falls_to_nothing() -> None:
    """However often Stripe refuses, a tenth of the share is left."""

    async def story() -> None:
        budget = Budget(100, now)
        for _ in range(20):
            for _ in range(200):
                budget.heard(TOO_MANY, {})
            assert budget.rate_s >= 100 / RECOVERY
            await asyncio.sleep(1)
        assert await budget.place(Priority.READ)

    live(story())


@pytest.mark.parametrize(("told", "silent_s"), [("3", 3), ("0", 0), ("soon", 0), ("-5", 0), ("86400", 60)])
def test_retry_after_is_obeyed(told: str, silent_s: int) -> None:
    """For as many seconds as Stripe asks for nothing is sent, at most a minute; nonsense asks for nothing."""

    async def story() -> None:
        budget = Budget(100, now)
        budget.heard(TOO_MANY, {"Retry-After": told})
        began = now()
        assert await budget.place(Priority.MONEY, 100)
        assert silent_s <= now() - began < silent_s + 0.2

    live(story())


@pytest.mark.parametrize(
    ("status", "headers"),
    [(200, {}), (402, {}), (503, {"Retry-After": "9"}), (TOO_MANY, {"Stripe-Should-Retry": "true"})],
)
def test_what_is_no_rate_limit_slows_nothing(status: int, headers: dict[str, str]) -> None:
    """Other answers, and a lock that Stripe says to try again, leave the rate alone."""

    async def story() -> None:
        budget = Budget(100, now)
        whole = budget.rate_s
        budget.heard(status, headers)
        assert (budget.rate_s, budget.slowed_down) == (whole, 0)
        assert await budget.place(Priority.READ, 0.1)

    live(story())


def test_the_rate_is_even() -> None:
    """After the first tenth the places come one by one, not in a heap each second."""

    async def story() -> None:
        budget, times = Budget(50, now), list[tuple[float, Priority]]()
        await asyncio.gather(*(took(budget, Priority.CREATE, times) for _ in range(100)))
        gaps = [after - before for (before, _), (after, _) in pairwise(times[10:])]
        assert max(gaps) < 0.05

    live(story())


def test_a_wait_and_a_call_end_before_a_twin_would_begin() -> None:
    """A place is waited for so briefly that the call ends before another worker takes it for lost."""
    assert limits.SEND_GRACE.total_seconds() > PATIENCE_S + 75
    assert Result.NOT_EXECUTED.value == "not_executed"
