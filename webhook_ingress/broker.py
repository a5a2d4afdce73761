"""The one connection to the broker: opened with patience, watched, and given up by name.

It only publishes (docs/reliability.md, rule 1). While it is away the HTTP side lives on and answers 503.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from aio_pika.abc import AbstractRobustConnection
from aio_pika.exceptions import AMQPError, ChannelPreconditionFailed
from structlog.typing import FilteringBoundLogger
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from contracts import transport
from contracts.errors import NotDeclared, Untrusted
from contracts.transport import Published, Publisher, Stored

CONFIRM_TIMEOUT_S = 2.5
"""A webhook is answered within 3 s whatever the broker does; this leaves half a second for everything else."""

PROBE_TIMEOUT_S = 1.0
PROBE_VALID_S = 1.0
"""A readiness answer is good for a second, so that asking for it cannot load the broker."""

DECLARE_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 2.0
"""A frozen broker never says goodbye."""

WATCH_EVERY_S = 1.0
RETRY_AT_MOST_EVERY_S = 5.0
NO_BROKER_LIMIT_S = 120.0
"""After that the process ends, so that whoever runs it starts another, perhaps elsewhere (docs/reliability.md, rule 16)."""

Retryable = (AMQPError, OSError, TimeoutError)


class BrokerGone(Exception):
    """There was no broker for longer than the limit, or there is one that we do not trust, or that lacks our topology."""


class Broker:
    """Publishes with a confirm, or says why not. `keep` must run beside it for as long as it is used."""

    def __init__(
        self, url: str, *, name: str, log: FilteringBoundLogger, no_broker_limit_s: float = NO_BROKER_LIMIT_S
    ) -> None:
        self._url = url
        self._name = name
        self._log = log
        self._no_broker_limit_s = no_broker_limit_s
        self._connection: AbstractRobustConnection | None = None
        self._publisher: Publisher | None = None
        self._reconnected = asyncio.Event()
        self._probing = asyncio.Lock()
        self._probed_at = float("-inf")
        self._probe_passed = False

    @property
    def connected(self) -> bool:
        return self._publisher is not None and self._publisher.connected

    async def publish(
        self, exchange: str, routing_key: str, body: bytes, *, content_type: str, headers: Mapping[str, Any]
    ) -> Published:
        """Publish and await the confirm for at most CONFIRM_TIMEOUT_S; without a connection say so at once."""
        if self._publisher is None or not self._publisher.connected:
            return Published(Stored.NO, "no connection to the broker")
        return await self._publisher.publish(
            exchange,
            routing_key,
            body,
            kind=routing_key,
            content_type=content_type,
            headers=headers,
            timeout_s=CONFIRM_TIMEOUT_S,
        )

    async def confirms(self) -> bool:
        """Tell whether the broker confirms what we publish; the answer may be PROBE_VALID_S old."""
        if self._publisher is None or not self._publisher.connected:
            return False
        async with self._probing:
            now = asyncio.get_running_loop().time()
            if now - self._probed_at > PROBE_VALID_S:
                self._probe_passed = await self._publisher.probe(PROBE_TIMEOUT_S)
                self._probed_at = asyncio.get_running_loop().time()
            return self._probe_passed

    async def keep(self) -> None:
        """Connect, declare, and watch until cancelled; raise BrokerGone when it has been away for too long."""
        try:
            async with asyncio.timeout(self._no_broker_limit_s):
                self._connection = await self._open()
        except TimeoutError:
            raise self._gone() from None
        self._connection.reconnect_callbacks.add(lambda *_: self._reconnected.set())
        self._publisher = Publisher(self._connection, timeout_s=CONFIRM_TIMEOUT_S)
        self._log.info("broker_connected")
        await self._watch()

    async def close(self) -> None:
        """Close the connection if there is one; never waits long."""
        if self._connection is not None:
            await self._close(self._connection)

    async def _open(self) -> AbstractRobustConnection:
        """Try until it works. Raises BrokerGone for what no waiting mends."""
        async for attempt in AsyncRetrying(
            wait=wait_random_exponential(multiplier=0.5, max=RETRY_AT_MOST_EVERY_S),
            retry=retry_if_exception_type(Retryable),
            before_sleep=self._log_attempt,
            reraise=True,
        ):
            with attempt:
                connection = await self._connect()
                try:
                    await self._declare(connection)
                except BaseException:
                    await self._close(connection)
                    raise
        return connection

    async def _connect(self) -> AbstractRobustConnection:
        try:
            return await transport.connect(self._url, self._name)
        except Untrusted as error:
            raise BrokerGone(str(error)) from None

    async def _declare(self, connection: AbstractRobustConnection) -> None:
        try:
            async with asyncio.timeout(DECLARE_TIMEOUT_S):
                may_declare = await transport.declare(connection)
        except ChannelPreconditionFailed as error:
            raise BrokerGone(f"the broker holds a topology that contradicts ours: {error}") from None
        except NotDeclared as error:
            raise BrokerGone(str(error)) from None
        if not may_declare:
            self._log.info("declare_not_permitted", meaning="the topology comes from the broker's definitions")

    async def _close(self, connection: AbstractRobustConnection) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await connection.close()
        except Retryable as error:
            self._log.warning("broker_close_failed", error=type(error).__name__)

    async def _watch(self) -> None:
        """Declare again after each reconnect (a replaced broker comes back empty), and count the time without one."""
        loop = asyncio.get_running_loop()
        seen_at = loop.time()
        was_connected = True
        while True:
            if self.connected:
                seen_at = loop.time()
            elif loop.time() - seen_at > self._no_broker_limit_s:
                raise self._gone()
            if self.connected != was_connected:
                was_connected = self.connected
                self._log.warning("broker_back" if was_connected else "broker_lost")
            if self._reconnected.is_set():
                self._reconnected.clear()
                await self._declare_again()
            await asyncio.sleep(WATCH_EVERY_S)

    async def _declare_again(self) -> None:
        assert self._connection is not None
        try:
            await self._declare(self._connection)
        except Retryable as error:
            self._log.warning("declare_failed", error=type(error).__name__)

    def _log_attempt(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self._log.warning("broker_away", attempt=state.attempt_number, error=type(error).__name__)

    def _gone(self) -> BrokerGone:
        return BrokerGone(f"no broker for {self._no_broker_limit_s:g} s")
