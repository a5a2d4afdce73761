"""A TCP proxy on the loopback interface that does to a connection what networks do.

async with TcpProxy(port) as proxy:
    proxy.inject(Fault(Kind.RESET))
    await proxy.bitten()
    proxy.heal()

A fault strikes every connection at its next bytes, and new connections too, until it is healed. Every strike is counted, so
that a test can show that what it is about has happened.
"""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Self

CHUNK = 64 * 1024
LOCAL = "127.0.0.1"
LINGER_NOT = struct.pack("ii", 1, 0)
"""SO_LINGER of no time: a close sends a reset."""


class Way(StrEnum):
    """Where bytes are going."""

    TO_SERVER = "to_server"
    TO_CLIENT = "to_client"


class Kind(StrEnum):
    """What happens at the next bytes.

    reset       both ends get a reset, the bytes are lost
    half_close  the client is told that no more will come, while what it sends still arrives
    blackhole   nothing arrives on this connection any more, and nobody is told, also not after the fault is healed
    latency     bytes arrive late, and in order
    cut         after so many bytes of one way both ends are closed
    """

    RESET = "reset"
    HALF_CLOSE = "half_close"
    BLACKHOLE = "blackhole"
    LATENCY = "latency"
    CUT = "cut"


@dataclass(frozen=True)
class Fault:
    """`after` bytes on the way `way` are let through before a cut; `delay_s` seconds are added by latency."""

    kind: Kind
    way: Way = Way.TO_CLIENT
    after: int = 0
    delay_s: float = 0.0


@dataclass(eq=False)
class Link:
    """One connection: both ends, how many bytes it let through under the fault, and whether it is silent for good."""

    writers: dict[Way, asyncio.StreamWriter]
    passed: Counter[Way] = field(default_factory=Counter)
    silent: bool = False
    half_closed: bool = False

    def reset(self) -> None:
        for writer in self.writers.values():
            held: socket.socket = writer.get_extra_info("socket")
            held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
            writer.transport.abort()

    def close(self) -> None:
        for writer in self.writers.values():
            writer.close()


class TcpProxy:
    """Listens on `port`, and hands on to the server's port. `struck` counts strikes by kind; `most_open`, connections."""

    def __init__(self, server_port: int) -> None:
        self.port = 0
        self.struck: Counter[Kind] = Counter()
        self.most_open = 0
        self._server_port = server_port
        self._fault: Fault | None = None
        self._links: set[Link] = set()
        self._talks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._talk, LOCAL, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    def inject(self, fault: Fault) -> None:
        self._fault = fault
        for link in self._links:
            link.passed.clear()

    def heal(self) -> None:
        """What comes now goes through; connections that were struck stay as they are."""
        self._fault = None

    async def bitten(self, times: int = 1, within_s: float = 30.0) -> None:
        """Wait until faults have struck so often. Raises TimeoutError."""

        async def enough(count: Callable[[], int]) -> None:
            async with self._changed:
                await self._changed.wait_for(lambda: count() >= times)

        await asyncio.wait_for(enough(self.struck.total), within_s)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        try:
            await self._between(reader, writer)
        except asyncio.CancelledError:
            return  # the proxy closes; asyncio would report the cancellation of a callback of its own
        finally:
            writer.close()
            self._talks.discard(talk)

    async def _between(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            behind, server = await asyncio.open_connection(LOCAL, self._server_port)
        except OSError:
            return  # nobody is there: the client is told by the close
        link = Link({Way.TO_CLIENT: writer, Way.TO_SERVER: server})
        self._links.add(link)
        self.most_open = max(self.most_open, len(self._links))
        try:
            await asyncio.gather(self._hand_on(link, Way.TO_SERVER, reader), self._hand_on(link, Way.TO_CLIENT, behind))
        finally:
            link.close()
            self._links.discard(link)

    async def _hand_on(self, link: Link, way: Way, reader: asyncio.StreamReader) -> None:
        writer = link.writers[way]
        try:
            while chunk := await reader.read(CHUNK):
                if through := await self._through(link, way, chunk):
                    writer.write(through)
                    await writer.drain()
            if writer.can_write_eof() and not writer.is_closing():
                writer.write_eof()
        except OSError:
            link.close()  # whoever went away, the other one is told

    async def _through(self, link: Link, way: Way, chunk: bytes) -> bytes:
        """What of these bytes arrives."""
        fault = self._fault
        if link.silent or link.half_closed:
            return chunk if link.half_closed and way is Way.TO_SERVER else b""
        if fault is None:
            return chunk
        match fault.kind:
            case Kind.LATENCY:
                await self._strike(fault)
                await asyncio.sleep(fault.delay_s)
                return chunk
            case Kind.CUT:
                return await self._cut(link, way, chunk, fault)
            case Kind.RESET:
                link.reset()
            case Kind.BLACKHOLE:
                link.silent = True
            case Kind.HALF_CLOSE:
                link.half_closed = True
                link.writers[Way.TO_CLIENT].write_eof()
        await self._strike(fault)
        return chunk if link.half_closed and way is Way.TO_SERVER else b""

    async def _cut(self, link: Link, way: Way, chunk: bytes, fault: Fault) -> bytes:
        if way is not fault.way:
            return chunk
        left = fault.after - link.passed[way]
        link.passed[way] += len(chunk)
        if len(chunk) <= left:
            return chunk
        link.writers[way].write(chunk[:left])
        link.close()
        link.silent = True
        await self._strike(fault)
        return b""

    async def _strike(self, fault: Fault) -> None:
        self.struck[fault.kind] += 1
        async with self._changed:
            self._changed.notify_all()
