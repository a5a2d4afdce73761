"""The way to the workers: commands and queries out, replies and answers back.

A connection of its own beside the webhooks': an answer comes back on the channel that asked (docs/reliability.md, rule 1).
"""

import asyncio
from collections.abc import Callable
from enum import Enum

from structlog.typing import FilteringBoundLogger
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from contracts.client import ANSWER_TIMEOUT_S, PaymentsClient
from contracts.commands import Command
from contracts.errors import InvalidMessage, NoReply, NotStored, OutcomeUnknown, Untrusted
from contracts.queries import Answered, Query, QueryRefusal
from contracts.replies import Reply
from webhook_ingress.broker import CLOSE_TIMEOUT_S, RETRY_AT_MOST_EVERY_S, BrokerGone, Retryable

CONFIRM_SHARE_S = 0.5
"""What a request keeps of its time for the broker's confirm, so that it can tell 'stored, no answer yet' from 'not known'."""

LEAST_S = 0.1


class Unanswered(Enum):
    """Why there is no answer. The values go into log lines and metrics."""

    NOT_STORED = "not_stored"
    UNKNOWN = "not_confirmed"
    NO_REPLY = "no_reply"
    UNREADABLE = "unreadable"


class Line:
    """One PaymentsClient, opened with patience. `keep` must run beside it. `connected` tells whether there is a broker."""

    def __init__(self, url: str, *, source: str, connected: Callable[[], bool], log: FilteringBoundLogger) -> None:
        self._url = url
        self._source = source
        self._connected = connected
        self._log = log
        self._client: PaymentsClient | None = None

    @property
    def opened(self) -> bool:
        return self._client is not None

    async def keep(self) -> None:
        """Open it; afterwards it reopens itself. Raises BrokerGone for what no waiting mends."""
        async for attempt in AsyncRetrying(
            wait=wait_random_exponential(multiplier=0.5, max=RETRY_AT_MOST_EVERY_S),
            retry=retry_if_exception_type(Retryable),
            before_sleep=self._log_attempt,
            reraise=True,
        ):
            with attempt:
                self._client = await self._open()
        self._log.info("line_open")

    async def _open(self) -> PaymentsClient:
        try:
            return await PaymentsClient(self._url, source=self._source).__aenter__()
        except Untrusted as error:
            raise BrokerGone(str(error)) from None

    async def close(self) -> None:
        """Close it if it is open; never waits long."""
        if self._client is None:
            return
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._client.__aexit__(None, None, None)
        except Retryable as error:
            self._log.warning("line_close_failed", error=type(error).__name__)

    async def send(
        self, command: Command, *, command_id: str, correlation_id: str, traceparent: str, deadline: float
    ) -> Reply | Unanswered:
        """Send a command and await its reply until the deadline, in the event loop's time."""
        if self._client is None or not self._connected():
            return Unanswered.NOT_STORED
        left_s = deadline - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(deadline):
                return await self._client.send(
                    command,
                    command_id=command_id,
                    correlation_id=correlation_id,
                    traceparent=traceparent,
                    reply_timeout_s=max(LEAST_S, left_s - CONFIRM_SHARE_S),
                )
        except NotStored:
            return Unanswered.NOT_STORED
        except NoReply:
            return Unanswered.NO_REPLY
        except InvalidMessage:
            return Unanswered.UNREADABLE
        except (OutcomeUnknown, TimeoutError):
            return Unanswered.UNKNOWN

    async def ask(
        self, query: Query[Answered], *, correlation_id: str, traceparent: str, deadline: float
    ) -> Answered | QueryRefusal | Unanswered:
        """Ask a query and await its answer until the deadline, in the event loop's time."""
        if self._client is None or not self._connected():
            return Unanswered.NOT_STORED
        left_s = deadline - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(deadline):
                return await self._client.ask(
                    query,
                    correlation_id=correlation_id,
                    traceparent=traceparent,
                    timeout_s=min(ANSWER_TIMEOUT_S, max(LEAST_S, left_s)),
                )
        except NotStored:
            return Unanswered.NOT_STORED
        except (NoReply, TimeoutError):
            return Unanswered.NO_REPLY
        except InvalidMessage:
            return Unanswered.UNREADABLE
        except OutcomeUnknown:
            return Unanswered.UNKNOWN

    def _log_attempt(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self._log.warning("line_away", attempt=state.attempt_number, error=type(error).__name__)
