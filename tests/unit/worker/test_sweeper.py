"""Whom the sweeper looks at first, when more is due than it has places for."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.simulation import virtual_time
from tests.unit.worker.making import NOW
from worker.adapters.budget import Priority
from worker.handler import Report
from worker.jobs.sweeper import AT_ONCE, IN_TURN, LOOK_AGAIN_S, Sweeper
from worker.ports import Due

READ_S = 1.0


@dataclass
class Backlog:
    """Payments that are due, the longest overdue first. A tick takes a second, settles its payment and is noted."""

    due_now: list[Due]
    slow_s: float = 0.0
    looks: int = 0
    ticked: list[str] = field(default_factory=list)

    async def due(self, now: datetime, limit: int) -> list[Due]:
        del now
        self.looks += 1
        found = self.due_now[:limit]
        await asyncio.sleep(self.slow_s)
        return found

    async def tick(self, name: str, /) -> Report:
        self.ticked.append(name)
        await asyncio.sleep(READ_S)
        self.due_now = [one for one in self.due_now if one.id != name]
        return Report()

    async def sweep(self, for_s: float) -> None:
        """Sweep so long."""
        started = asyncio.get_running_loop().time()

        def clock() -> datetime:
            return NOW + timedelta(seconds=asyncio.get_running_loop().time() - started)

        try:
            async with asyncio.timeout(for_s):
                await Sweeper(self, self, clock).run()
        except TimeoutError:
            return


def reads(count: int) -> list[Due]:
    return [Due(f"read-{number}", Priority.READ) for number in range(count)]


def test_a_capture_that_was_due_last_goes_before_three_hundred_reads() -> None:
    """Among all that is due the rank decides, not how long it has been overdue."""
    backlog = Backlog([*reads(300), Due("refund", Priority.REFUND), Due("capture", Priority.MONEY)])
    virtual_time.run(backlog.sweep(3 * READ_S))
    assert backlog.ticked[:2] == ["capture", "refund"]
    assert backlog.ticked[2:4] == ["read-0", "read-1"]


def test_a_capture_that_becomes_due_is_seen_while_a_backlog_is_worked_off() -> None:
    """The next look comes soon, although there is enough to do for long."""
    backlog = Backlog(reads(1000))

    async def later() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(backlog.sweep(10 * READ_S))
            await asyncio.sleep(READ_S / 2)
            backlog.due_now.append(Due("capture", Priority.MONEY))

    virtual_time.run(later())
    assert "capture" in backlog.ticked
    assert backlog.ticked.index("capture") <= AT_ONCE * (LOOK_AGAIN_S / READ_S + 1)


def test_a_stream_of_captures_keeps_no_read_for_ever() -> None:
    """Every fourth place is the longest overdue's, whatever it is."""
    backlog = Backlog([*reads(3), *(Due(f"capture-{number}", Priority.MONEY) for number in range(1000))])
    virtual_time.run(backlog.sweep(READ_S / 2))
    found = [place for place, name in enumerate(backlog.ticked, start=1) if name.startswith("read")]
    assert found == [IN_TURN, 2 * IN_TURN, 3 * IN_TURN]


def test_nothing_is_looked_at_twice_at_once() -> None:
    """A look that still finds what is being looked at does not give it a second place."""
    backlog = Backlog(reads(AT_ONCE - 1))
    virtual_time.run(backlog.sweep(READ_S * 0.9))
    assert backlog.looks > 1
    assert sorted(backlog.ticked) == sorted(one.id for one in reads(AT_ONCE - 1))


def test_a_slow_database_is_looked_at_less_often() -> None:
    """A look that takes three seconds is not made again two seconds later, while there is enough to do."""
    backlog = Backlog(reads(2000), slow_s=3.0)
    virtual_time.run(backlog.sweep(30.0))
    assert backlog.looks == 1
