"""The simulator's clock: real time plus an offset, with timers that fire when it passes them, by waiting or by advancing."""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable

Callback = Callable[[], None]


class Clock:
    """Seconds since the epoch. `advance` moves it (also back: Stripe's clock and ours need not agree)."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._offset_s = 0.0
        self._timers: list[tuple[float, int, Callback]] = []
        self._order = itertools.count()
        self._wake: asyncio.TimerHandle | None = None
        self._on_advance: list[Callback] = []

    def time(self) -> float:
        return self._now() + self._offset_s

    def seconds(self) -> int:
        """The clock as Stripe writes it: whole seconds."""
        return int(self.time())

    @property
    def offset_s(self) -> float:
        return self._offset_s

    @property
    def pending(self) -> int:
        """How many timers have not fired yet."""
        return len(self._timers)

    def is_due_within(self, seconds: float) -> bool:
        """Whether a timer would fire in that time without a jump."""
        return bool(self._timers) and self._timers[0][0] <= self.time() + seconds

    def on_advance(self, callback: Callback) -> None:
        """Call back after every jump: what waits in real time may want to hurry."""
        self._on_advance.append(callback)

    def call_later(self, delay_s: float, callback: Callback) -> None:
        """Run the callback once, when the clock has passed `delay_s` from now."""
        timer = (self.time() + delay_s, next(self._order), callback)
        heapq.heappush(self._timers, timer)
        if self._timers[0] is timer:
            self._arm()

    def advance(self, seconds: float) -> None:
        """Jump, and run every timer that is due by then, in order of its time."""
        self._offset_s += seconds
        self.fire()
        for callback in self._on_advance:
            callback()

    def fire(self) -> None:
        """Run what is due. A callback may set new timers; those due already run too."""
        while self._timers and self._timers[0][0] <= self.time():
            _, _, callback = heapq.heappop(self._timers)
            callback()
        self._arm()

    def close(self) -> None:
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None

    def _arm(self) -> None:
        """Wake up for the next timer if an event loop runs; without one only `advance` and `fire` move things."""
        self.close()
        if not self._timers:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._wake = loop.call_later(max(0.0, self._timers[0][0] - self.time()), self.fire)
