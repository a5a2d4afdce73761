"""The breaker: while Stripe is down nobody waits for it. Calls stay in their documents, and one probe at a time looks.

closed     everything is asked; so many failures in a row open it
open       nothing is asked, until the pause is over
half open  one call is let through as a probe: any answer closes the breaker, a failure doubles the pause

A failure is a connection that breaks, a timeout, or a 5xx. A decline, any other 4xx and "too many" are answers.
"""

import random
from collections.abc import Callable
from enum import StrEnum
from time import monotonic

import structlog

THRESHOLD = 10
"""Failures in a row. At one failure in two, which is a bad day and no outage, a thousand requests see them once."""

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
"""An outage of hours costs two requests a minute and worker; its end is noticed within half a minute."""

SERVER_ERROR = 500

log = structlog.get_logger()


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Counts failures in a row of one worker's requests to Stripe."""

    def __init__(self, clock: Callable[[], float] = monotonic, *, threshold: int = THRESHOLD) -> None:
        self._clock = clock
        self._threshold = threshold
        self._failures = 0
        self._pause_s = 0.0
        self._opened_at = self._probe_at = 0.0
        self._probing: object | None = None
        self.state = State.CLOSED
        self.opened = 0
        self.kept_back = 0

    @property
    def admits(self) -> bool:
        """Whether a call would be let through now."""
        due = self._probing is None and self._clock() >= self._probe_at
        return self.state is State.CLOSED or (self.state is State.OPEN and due)

    def admit(self) -> object | None:
        """A permit for one call, or None: not now. Give it back with `ended`."""
        if not self.admits:
            self.kept_back += 1
            return None
        permit = object()
        if self.state is State.OPEN:
            self.state, self._probing = State.HALF_OPEN, permit
        return permit

    def ended(self, permit: object) -> None:
        """A call is over. A probe of which nothing was heard, because it was canceled or never left, is made again."""
        if permit is self._probing:
            self._probing = None
            if self.state is State.HALF_OPEN:
                self.state = State.OPEN

    def answered(self, status: int) -> None:
        """Stripe, or whoever stands in for it, has answered a request."""
        if status >= SERVER_ERROR:
            self.failed(f"HTTP {status}")
            return
        self._failures = 0
        if self.state is State.HALF_OPEN:
            log.warning("stripe_back", after_s=round(self._clock() - self._opened_at, 1), kept_back=self.kept_back)
            self.state, self._pause_s = State.CLOSED, 0.0

    def failed(self, reason: str) -> None:
        """A request has got no answer, or one that says that Stripe is down."""
        self._failures += 1
        if self.state is State.HALF_OPEN:
            self._open(reason)
        elif self.state is State.CLOSED and self._failures >= self._threshold:
            self._opened_at = self._clock()
            self.opened += 1
            self._open(reason)
            log.error("stripe_away", reason=reason, failures=self._failures, calls="wait in their documents")

    def _open(self, reason: str) -> None:
        self.state = State.OPEN
        self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2) if self._pause_s else FIRST_PAUSE_S
        spread = random.uniform(0.5, 1.0)  # noqa: S311 - spreads the workers' probes, guards nothing
        self._probe_at = self._clock() + self._pause_s * spread
        log.debug("stripe_still_away", reason=reason, probe_in_s=round(self._pause_s * spread, 1))
