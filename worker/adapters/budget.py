"""How many requests a second this worker may send to Stripe, and who goes first when that is not enough.

Stripe takes 100 requests a second with a live key and 25 with a test key, from all of an account's senders together (Stripe
docs, "Rate limits"); each worker is given a share. Small code of our own, because the known limiters serve in the order of
arrival, and here money that is to be taken goes before money that is to be looked at.
"""

import asyncio
import heapq
from collections.abc import Callable, Mapping
from enum import IntEnum
from time import monotonic

import structlog

from worker.domain.customers.record import CustomerOperation
from worker.domain.record import Operation

PATIENCE_S = 10.0
"""How long a call waits for its place. With the 75 s that it may take after that it ends before another worker takes it for
lost (limits.SEND_GRACE), and far within the delivery's deadline. Then it is not executed, and its document brings it back."""

BURST = 10
"""A tenth of the rate may go out at once; the rest is spread, so that no second sees more than the rate."""

PER_REFUSAL = 0.5
"""Places a second that one refusal costs: a second of nothing but refusals halves the rate, and one refusal in a hundred
answers hardly moves it. A rate that was halved for a single refusal fell to a third where Stripe took 99 of 100."""

HALVED_AT_MOST_EVERY_S = 1.0
"""A crowd in flight is refused as one: a rate that was lowered for each of them without a limit would be zero."""

RECOVERY = 10
"""Additive increase: a tenth of the share every second, from half to whole in five. So refusals settle at a fifth of the
share a second: where Stripe refuses one request in two, whatever we do, two fifths of the share go out. And where it refuses
all, the rate stays above a tenth of the share: somebody must find out that it takes requests again."""

LONGEST_PAUSE_S = 60.0
"""What `Retry-After` may ask for at most."""

TICK_S = 0.001
"""No timer is shorter: what rounding leaves of a place would make it spin."""

TOO_MANY = 429

log = structlog.get_logger()


class Priority(IntEnum):
    """Who goes first (docs/reliability.md, rule 20)."""

    MONEY = 0
    CREATE = 1
    CANCEL = 2
    REFUND = 3
    READ = 4


OF_CALL: Mapping[Operation, Priority] = {
    Operation.CAPTURE: Priority.MONEY,
    Operation.CONFIRM: Priority.MONEY,
    Operation.CREATE: Priority.CREATE,
    Operation.CANCEL: Priority.CANCEL,
    Operation.REFUND: Priority.REFUND,
    Operation.EVIDENCE: Priority.REFUND,
    Operation.ACCEPT: Priority.REFUND,
}
"""A dispute has days."""

OF_CUSTOMER_CALL: Mapping[CustomerOperation, Priority] = {
    CustomerOperation.CREATE: Priority.CREATE,
    CustomerOperation.SET_UP: Priority.CREATE,
    CustomerOperation.SET_DEFAULT: Priority.CREATE,
    CustomerOperation.DETACH: Priority.CREATE,
    CustomerOperation.DELETE: Priority.REFUND,
}
"""Somebody waits at the checkout for the first four."""


class Budget:
    """Hands out places, at most `rate` in any second. It waits on the event loop, and nothing of it is shared."""

    def __init__(self, rate: int, clock: Callable[[], float] = monotonic) -> None:
        assert rate >= 1, "a share of nothing would stop everything"
        self._rate = rate
        self._room_s = max(1.0, rate / BURST)
        self._clock = clock
        self._pace_s = self._whole_pace()
        self._free_s = self._room_s
        self._least_s = self._pace_s
        self._filled_at = self._slowed_at = clock()
        self._paused_until = self._filled_at
        self._waiting: list[tuple[Priority, int, asyncio.Future[bool]]] = []
        self._arrivals = 0
        self._timer: asyncio.TimerHandle | None = None
        self.taken = 0
        self.turned_away = 0
        self.slowed_down = 0

    @property
    def rate_s(self) -> float:
        """Places a second that are handed out now."""
        self._fill()
        return self._pace_s

    async def place(self, priority: Priority, patience_s: float = PATIENCE_S) -> bool:
        """Wait for a place behind those of the same priority; False when none has come in time."""
        self._fill()
        if not self._waiting and self._free_s >= 1:
            self._take()
            return True
        self._arrivals += 1
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, self._arrivals, turn))
        self._hand_out()
        try:
            async with asyncio.timeout(patience_s):
                return await turn
        except TimeoutError:
            if not turn.cancelled():  # it came in the very moment
                return True
            self.turned_away += 1
            return False

    def heard(self, status: int, headers: Mapping[str, str]) -> None:
        """Told of every answer of Stripe's. Too many: lower the rate, and be silent for as long as Stripe asks for.

        With `Stripe-Should-Retry: true` it is no rate limit: somebody else holds the object for a moment.
        """
        if status != TOO_MANY or _header(headers, "stripe-should-retry") == "true":
            return
        self._fill()
        now = self._clock()
        self._paused_until = max(self._paused_until, now + _retry_after_s(headers))
        first = now - self._slowed_at >= HALVED_AT_MOST_EVERY_S or not self.slowed_down
        if first:
            self._slowed_at = now
            self.slowed_down += 1
            self._least_s = self._pace_s / 2
            self._free_s = min(self._free_s, 0.0)
        self._pace_s = max(self._least_s, self._pace_s - PER_REFUSAL)
        if first:
            log.warning("stripe_says_too_many", rate=round(self._pace_s, 1), share=self._rate)

    def _whole_pace(self) -> float:
        """The pace that together with the room for a burst makes the rate. A share of one or two has room for one."""
        return max(self._rate / 2, self._rate - self._room_s)

    def _fill(self) -> None:
        now = self._clock()
        passed_s, self._filled_at = max(0.0, now - self._filled_at), now
        self._pace_s = min(self._whole_pace(), self._pace_s + passed_s * self._rate / RECOVERY)
        if now >= self._paused_until:
            open_s = min(passed_s, now - self._paused_until)
            self._free_s = min(self._room_s, self._free_s + open_s * self._pace_s)

    def _take(self) -> None:
        self._free_s -= 1
        self.taken += 1

    def _hand_out(self) -> None:
        """Give what is free to those who wait, and wake up when the next place is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._fill()
        while self._waiting and (self._free_s >= 1 or self._waiting[0][2].done()):
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                self._take()
                turn.set_result(True)
        if self._waiting:
            pause_s = max(0.0, self._paused_until - self._clock())
            next_s = max(TICK_S, pause_s + (1 - self._free_s) / self._pace_s)
            self._timer = asyncio.get_running_loop().call_later(next_s, self._hand_out)


def _header(headers: Mapping[str, str], wanted: str) -> str:
    return next((value for name, value in headers.items() if name.lower() == wanted), "")


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds; a date, which HTTP also allows and Stripe does not send, counts as none."""
    told = _header(headers, "retry-after")
    return min(float(told), LONGEST_PAUSE_S) if told.isascii() and told.isdecimal() else 0.0
