"""Everything random about one simulated run, the time that passes in it, and the count and the story of what was injected."""

import asyncio
import random
from collections import Counter
from datetime import datetime, timedelta
from enum import StrEnum

from tests.fake_stripe import Fault
from worker.adapters.documents import to_the_millisecond

FAULTS = (*[Fault.NONE] * 10, Fault.LOST_AFTER, Fault.LOST_AFTER, Fault.STORED_AFTER, *Fault)
FROZEN_S = 95.0
"""Longer than a send's grace: the sweeper takes a call for lost while it is on its way."""

APART = (-300, -60, 0, 2, 300)
"""Seconds that a worker's clock may be off: two of them up to ten minutes apart."""


class Trouble(StrEnum):
    """What only some runs have, so that the others stay the runs that they were before."""

    CLOCKS = "clocks apart, and leaps"
    STORM = "redelivery storm"
    CUT = "connection cut, its deliveries canceled"
    UNCONFIRMED = "events published, the confirm lost"
    WALK = "coverage walk: the list does not answer"


class Chance:
    """Nothing else draws, so the seed is the run. A tame one has none of the troubles."""

    def __init__(self, seed: int, *, tame: bool = True) -> None:
        self.random = random.Random(seed)
        self.wild = random.Random(f"wild {seed}")
        self.troubles = set() if tame else {trouble for trouble in Trouble if self.wild.random() < 0.5}
        self.calm = False
        self.injected: Counter[str] = Counter()
        self.story: list[str] = []

    def happens(self, probability: float, what: str) -> bool:
        """Whether it does, in bad times; what does is counted and told."""
        struck = not self.calm and self.random.random() < probability
        if struck:
            self.inject(what)
        return struck

    def strikes(self, trouble: Trouble, probability: float) -> bool:
        """The same for what only some runs have."""
        struck = trouble in self.troubles and not self.calm and self.wild.random() < probability
        if struck:
            self.inject(trouble)
        return struck

    def fault(self) -> Fault:
        fault = Fault.NONE if self.calm else self.random.choice(FAULTS)
        if fault is not Fault.NONE:
            self.inject(f"Stripe: {fault.value}")
        return fault

    async def while_passes(self) -> None:
        """A moment; in bad times it is long now and then."""
        await asyncio.sleep(FROZEN_S if self.happens(0.004, "frozen") else self.random.uniform(0.001, 0.2))

    def inject(self, what: str) -> None:
        self.injected[what] += 1
        self.tell(f"! {what}")

    def tell(self, what: str) -> None:
        """A line of the story, under the virtual time."""
        self.story.append(f"{asyncio.get_running_loop().time():10.3f}  {what}")


class Clock:
    """True time: the loop's, and the nights that are skipped because nothing happens in them."""

    def __init__(self, start: datetime) -> None:
        self._start = start

    def __call__(self) -> datetime:
        return to_the_millisecond(self._start + timedelta(seconds=asyncio.get_running_loop().time()))

    def skip(self, night: timedelta) -> None:
        self._start += night


class OwnClock:
    """A worker's clock: off by some seconds, and it may leap."""

    def __init__(self, clock: Clock, off_s: int) -> None:
        self._clock = clock
        self.off_s = off_s

    def __call__(self) -> datetime:
        return self._clock() + timedelta(seconds=self.off_s)
