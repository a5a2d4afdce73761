"""How a start waits for a world that may come up after us (rule 16): the database, the broker and its topology."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog
from aio_pika.abc import AbstractRobustConnection
from aio_pika.exceptions import AMQPError, AuthenticationError, ChannelPreconditionFailed, ProbableAuthenticationError
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    retry_if_not_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from contracts import transport
from worker.settings import Settings

START_LIMIT_S = 120
"""How long a start waits for the broker and the database before it gives up and exits non-zero (rule 16)."""

DECLARE_S = 10
"""A broker that is there declares within a second; one that is not never answers."""

BROKER_AWAY = (AMQPError, OSError, TimeoutError)
REFUSALS = (AuthenticationError, ProbableAuthenticationError, ChannelPreconditionFailed)
"""The broker knows us, or our topology, and says no: waiting mends nothing."""

CLOSE_S = 3
"""A frozen broker never says goodbye."""

Made = TypeVar("Made")
log = structlog.get_logger()


class Stopped(Exception):
    """A signal came before the start was through."""


async def keep_trying(
    what: str,
    make: Callable[[], Awaitable[Made]],
    errors: tuple[type[BaseException], ...],
    stop: asyncio.Event,
) -> Made:
    """Await a part of the world that may come up after us. Raises its last error after START_LIMIT_S, Stopped on a signal."""

    def waiting(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.warning("waiting", what=what, attempt=state.attempt_number, reason=type(error).__name__)

    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(errors) & retry_if_not_exception_type(REFUSALS),
        reraise=True,
        wait=wait_random_exponential(multiplier=0.5, max=5),
        stop=stop_after_delay(START_LIMIT_S),
        before_sleep=waiting,
    ):
        if stop.is_set():
            raise Stopped
        with attempt:
            return await make()
    raise AssertionError("tenacity returns or raises")


async def connect(
    chosen: Settings, role: str, stop: asyncio.Event, opened: list[AbstractRobustConnection]
) -> AbstractRobustConnection:
    """Connect to the broker, and put the connection among those that are `opened`."""

    async def make() -> AbstractRobustConnection:
        return await transport.connect(chosen.rabbitmq_url, f"payments worker {chosen.deployment} {role}")

    connection = await keep_trying("broker", make, BROKER_AWAY, stop)
    opened.append(connection)
    return connection


async def close(opened: Sequence[AbstractRobustConnection]) -> None:
    """Close them at the same time, so that a broker which does not answer is waited for once."""
    await asyncio.gather(*(_close(connection) for connection in opened))


async def _close(connection: AbstractRobustConnection) -> None:
    try:
        async with asyncio.timeout(CLOSE_S):
            await connection.close()
    except (AMQPError, OSError, RuntimeError, TimeoutError):
        log.info("broker_close_failed")


async def declare(connection: AbstractRobustConnection, stop: asyncio.Event) -> bool:
    """See transport.declare; begun again when the connection is lost on the way, which opens itself again meanwhile."""

    async def make() -> bool:
        try:
            async with asyncio.timeout(DECLARE_S):
                return await transport.declare(connection)
        except RuntimeError as error:  # of a connection that is opening itself again
            raise ConnectionError(str(error)) from error

    return await keep_trying("topology", make, BROKER_AWAY, stop)
