"""How many deliveries are in work at once, after an outage and else."""

import asyncio

from worker.pace import ENOUGH, FIRST, Pace

MANY = 200


class Crowd:
    """Many who want a place at the same time and keep it until they are let go."""

    def __init__(self, pace: Pace) -> None:
        self.inside = 0
        self._pace = pace
        self._go = asyncio.Event()
        self.tasks = [asyncio.create_task(self._stay()) for _ in range(MANY)]

    async def _stay(self) -> None:
        async with self._pace.place():
            self.inside += 1
            await self._go.wait()
            self.inside -= 1

    async def settled(self) -> int:
        """How many are inside once all who can be are."""
        for _ in range(MANY):
            await asyncio.sleep(0)
        return self.inside

    async def end(self) -> None:
        self._go.set()
        await asyncio.gather(*self.tasks)


async def test_usually_nobody_waits() -> None:
    """Without an outage the pace limits nothing."""
    crowd = Crowd(Pace())
    assert await crowd.settled() == MANY
    await crowd.end()


async def test_after_an_outage_few_are_in_work() -> None:
    """A few begin, and each that goes well, or each second, makes room for one more."""
    pace = Pace()
    pace.start()
    crowd = Crowd(pace)
    assert await crowd.settled() == FIRST
    pace.more()
    pace.more()
    assert await crowd.settled() == FIRST + 2
    await crowd.end()
    assert crowd.inside == 0


async def test_in_the_end_it_is_as_before() -> None:
    """Once enough are in work at the same time, the pace limits nothing any more."""
    pace = Pace()
    pace.start()
    for _ in range(ENOUGH - FIRST):
        assert pace.slow
        pace.more()
    assert not pace.slow
    crowd = Crowd(pace)
    assert await crowd.settled() == MANY
    await crowd.end()


async def test_during_an_outage_nobody_begins() -> None:
    """What arrives while the database is away waits, also through a second outage, and begins when all is well, or we stop."""
    pace = Pace()
    pace.hold()
    crowd = Crowd(pace)
    pace.more()
    assert await crowd.settled() == 0
    pace.start()
    assert await crowd.settled() == FIRST
    pace.hold()
    pace.more()
    assert await crowd.settled() == FIRST
    pace.free()
    assert await crowd.settled() == MANY
    await crowd.end()


async def test_those_in_work_at_the_start_take_nobodys_place() -> None:
    """A delivery that was begun before the outage may wait for Stripe for long: it is not counted among the few."""
    pace = Pace()
    before = Crowd(pace)
    assert await before.settled() == MANY
    pace.hold()
    pace.start()
    after = Crowd(pace)
    assert await after.settled() == FIRST
    await before.end()
    assert await after.settled() == FIRST
    await after.end()


async def test_a_place_that_is_given_and_not_taken_is_given_on() -> None:
    """Who is cancelled in the moment in which a place is given leaves it to the next."""
    pace = Pace()
    pace.start()
    crowd = Crowd(pace)
    await crowd.settled()
    pace.more()
    crowd.tasks[FIRST].cancel()
    await asyncio.gather(crowd.tasks.pop(FIRST), return_exceptions=True)
    assert await crowd.settled() == FIRST + 1
    await crowd.end()


async def test_who_waits_and_is_cancelled_takes_no_place_along() -> None:
    """A stop cancels what waits for a place; those that come later find as many places as before."""
    pace = Pace()
    pace.start()
    crowd = Crowd(pace)
    await crowd.settled()
    for task in crowd.tasks[FIRST:]:
        task.cancel()
    await asyncio.gather(*crowd.tasks[FIRST:], return_exceptions=True)
    crowd.tasks = crowd.tasks[:FIRST]
    await crowd.end()
    later = Crowd(pace)
    assert await later.settled() == FIRST
    await later.end()
