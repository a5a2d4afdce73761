"""Workers that are killed with kill -9 while they work, and started again."""

import asyncio
import random
from collections.abc import Callable, Sequence

from tests.e2e.support.worker import WorkerProcess


class Killer:
    """Kills some worker whenever so many messages have gone out, `kills` times over the stream; each starts again at once."""

    def __init__(self, workers: Sequence[WorkerProcess], kills: int, messages: int, seed: int) -> None:
        self._chance = random.Random(f"kills {seed}")
        self._due = sorted(self._chance.uniform(0.03, 0.97) * messages for _ in range(kills))
        self._free = list(workers)
        self._moved = asyncio.Event()
        self._sent = 0
        self.done = 0

    def on_message(self) -> None:
        self._sent += 1
        self._moved.set()

    async def run(self, on_kill: Callable[[], None]) -> None:
        """Until all kills are done; cancel it when the stream ends before."""
        async with asyncio.TaskGroup() as starting:
            for due in self._due:
                while self._sent < due or not self._free:
                    self._moved.clear()
                    await self._moved.wait()
                victim = self._free.pop(self._chance.randrange(len(self._free)))
                victim.child.kill()
                self.done += 1
                on_kill()
                starting.create_task(self._start(victim))

    async def _start(self, victim: WorkerProcess) -> None:
        victim.child.log.unlink(missing_ok=True)  # whoever waits for a line in it reads it whole
        await victim.start()
        self._free.append(victim)
        self._moved.set()
