"""Slow start: after an outage few deliveries are in work at first, and more with each that goes well and each second.

A database that answers again may have caches to fill, and all that waited for it. Under everything at once it fails again, and
each failure sends a message one delay tier further, in the end to the dead letters, though nothing is wrong with it.

What waits here has not begun and stays in this worker's hands through the next outage: given back again and again it would be
taken for a message that kills its worker.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

FIRST = 2
ENOUGH = 64
"""From here on the prefetch alone says how many: five doublings, or a minute in which nothing ends and nothing fails."""


class Pace:
    """How many may be in work at once. Each that goes well makes room for one more, so that the number doubles in a round."""

    def __init__(self) -> None:
        self._allowed: int | None = None
        self._inside = 0
        self._start = 0  # those that were in work at the last start are not counted: they may wait for Stripe
        self._waiting: deque[asyncio.Future[int]] = deque()

    @property
    def slow(self) -> bool:
        """Whether the number is limited at the moment."""
        return self._allowed is not None

    def hold(self) -> None:
        """Let nobody begin."""
        self._allowed = 0

    def start(self) -> None:
        """Begin with few."""
        self._allowed, self._inside, self._start = FIRST, 0, self._start + 1
        self._grant()

    def more(self) -> None:
        """Make room for one more, unless nobody may begin."""
        if self._allowed:
            self._allowed += 1
            if self._allowed >= ENOUGH:
                self._allowed = None
            self._grant()

    def free(self) -> None:
        """Let everybody begin: we are stopping, and what has not begun goes back."""
        self._allowed = None
        self._grant()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, in the order of arrival, and hold it."""
        start = await self._enter()
        try:
            yield
        finally:
            self._leave(start)

    async def _enter(self) -> int:
        turn: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._grant()
        try:
            return await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the place was given in the same moment
                self._leave(turn.result())
            raise

    def _leave(self, start: int) -> None:
        if start == self._start:
            self._inside -= 1
            self._grant()

    @property
    def _has_room(self) -> bool:
        return self._allowed is None or self._inside < self._allowed

    def _grant(self) -> None:
        while self._waiting and self._has_room:
            turn = self._waiting.popleft()
            if not turn.done():  # else it was canceled, and its task has not run since
                self._inside += 1
                turn.set_result(self._start)
