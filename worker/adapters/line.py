"""The one way to Stripe: every request takes a place in the budget, and the breaker hears how each of them went.

A call is let in as a whole (`enter`): without a place, or while Stripe is away, nothing of it is sent. What the SDK sends
beyond a call's first request (its retry, a list's next page, a payment's refunds) waits for places of its own.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import stripe

from worker.adapters.breaker import Breaker
from worker.adapters.budget import PATIENCE_S, Budget, Priority
from worker.adapters.gateway import TRY_S


class Kept(StrEnum):
    """Why a call was kept back: nothing of it was sent."""

    BUDGET = "budget"
    AWAY = "stripe_away"


@dataclass
class _Call:
    priority: Priority
    prepaid: bool = True


_current: ContextVar[_Call | None] = ContextVar("call", default=None)


class Line:
    """One worker's budget and breaker."""

    def __init__(self, budget: Budget, breaker: Breaker) -> None:
        self.budget = budget
        self.breaker = breaker

    @asynccontextmanager
    async def enter(self, priority: Priority) -> AsyncIterator[Kept | None]:
        """Let one call in; its requests are made inside. Yields why not, when nothing may be sent."""
        if not self.breaker.admits:
            self.breaker.kept_back += 1
            yield Kept.AWAY
            return
        if not await self.budget.place(priority):
            yield Kept.BUDGET
            return
        permit = self.breaker.admit()
        if permit is None:
            yield Kept.AWAY
            return
        before = _current.set(_Call(priority))
        try:
            yield None
        finally:
            _current.reset(before)
            self.breaker.ended(permit)

    async def request(self) -> None:
        """Wait for the place of one request. Raises stripe.APIConnectionError: what the call sent before stays unknown."""
        call = _current.get()
        if call is not None and call.prepaid:
            call.prepaid = False
        elif not await self.budget.place(call.priority if call else Priority.READ, PATIENCE_S):
            raise stripe.APIConnectionError("no place in the budget in time", should_retry=False)  # type: ignore[no-untyped-call] # the SDK types only its resources

    def heard(self, status: int, headers: Mapping[str, str]) -> None:
        """Told of every answer."""
        self.breaker.answered(status)
        self.budget.heard(status, headers)


class MeteredClient(stripe.AIOHTTPClient):
    """The SDK's own client, whose every request goes over a line."""

    def __init__(self, line: Line) -> None:
        super().__init__(timeout=TRY_S)
        self._line = line

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """See stripe.HTTPClient: the body, the status, the headers."""
        await self._line.request()
        try:
            answer = await super().request_async(method, url, headers, post_data)
        except Exception as error:
            self._line.breaker.failed(type(error).__name__)
            raise
        self._line.heard(answer[1], answer[2])
        return answer
