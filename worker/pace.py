"""Slow start: after an outage few deliveries are in work at first, and more with each that goes well and each second.

A database that answers again may have caches to fill, and all that waited for it. Under everything at once it fails again, and
each failure sends a message one delay tier further, in the end to the dead letters, though nothing is wrong with it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

FIRST = 2
ENOUGH = 64
"""From here on the prefetch alone says how many: six doublings, or a minute in which nothing ends and nothing fails."""


class Pace:
    """How many may be in work at once. Each that goes well makes room for one more, so that the number doubles in a round."""

    def __init__(self) -> None:
        self._places: asyncio.Semaphore | None = None
        self._number = 0

    @property
    def slow(self) -> bool:
        """Whether the number is limited at the moment."""
        return self._places is not None

    def start(self) -> None:
        """Begin with few. Those that are in work already are not counted."""
        self._places, self._number = asyncio.Semaphore(FIRST), FIRST

    def more(self) -> None:
        """Make room for one more."""
        if self._places is None:
            return
        self._number += 1
        self._places.release()
        if self._number >= ENOUGH:
            self._places = None

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, and hold it."""
        places = self._places
        if places is None:
            yield
            return
        async with places:
            yield
