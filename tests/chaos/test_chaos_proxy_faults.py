"""The proxy itself: without a fault it changes nothing, and every fault bites."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.chaos.tcp_proxy import LOCAL, Fault, Kind, TcpProxy, Way

BOUND_S = 5.0
SILENT_S = 0.2
LATE_S = 0.2

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """A server that says everything back; `heard` is what it was told."""

    def __init__(self) -> None:
        self.heard = b""
        self.news = asyncio.Event()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(65536):
                self.heard += chunk
                self.news.set()
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    async def hears(self, text: bytes) -> None:
        async with asyncio.timeout(BOUND_S):
            while text not in self.heard:
                await self.news.wait()
                self.news.clear()


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[TcpProxy]:
    server = await asyncio.start_server(echo.talk, LOCAL, 0)
    async with TcpProxy(server.sockets[0].getsockname()[1]) as started:
        yield started
    server.close()


@pytest.fixture
async def ends(proxy: TcpProxy) -> AsyncIterator[Ends]:
    """A connection through the proxy that has been used once."""
    reader, writer = await asyncio.open_connection(LOCAL, proxy.port)
    writer.write(b"hello")
    assert await asyncio.wait_for(reader.readexactly(5), BOUND_S) == b"hello"
    yield reader, writer
    writer.close()


async def works(proxy: TcpProxy) -> bool:
    """Whether a new connection says back what it is told."""
    reader, writer = await asyncio.open_connection(LOCAL, proxy.port)
    try:
        writer.write(b"again")
        return await asyncio.wait_for(reader.readexactly(5), BOUND_S) == b"again"
    finally:
        writer.close()


async def test_without_a_fault_bytes_arrive_as_they_are(proxy: TcpProxy, ends: Ends) -> None:
    """A megabyte comes back unchanged, an end of sending is handed on, and nothing counts as a strike."""
    reader, writer = ends
    sent = bytes(range(256)) * 4096
    writer.write(sent)
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(-1), BOUND_S) == sent
    assert not proxy.struck
    assert proxy.most_open == 1


async def test_a_reset_is_a_reset(proxy: TcpProxy, ends: Ends) -> None:
    """At the next bytes the client gets a reset and no orderly end, and after the healing a new connection works."""
    reader, writer = ends
    proxy.inject(Fault(Kind.RESET))
    writer.write(b"lost")
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(1), BOUND_S)
    await proxy.bitten(within_s=BOUND_S)
    proxy.heal()
    assert await works(proxy)


async def test_a_half_close_ends_one_way_only(proxy: TcpProxy, ends: Ends, echo: Echo) -> None:
    """The client is told that nothing more comes, and what it sends afterwards still arrives."""
    reader, writer = ends
    proxy.inject(Fault(Kind.HALF_CLOSE))
    writer.write(b"first")
    assert await asyncio.wait_for(reader.read(-1), BOUND_S) == b""
    writer.write(b"second")
    await echo.hears(b"firstsecond")
    assert proxy.struck == {Kind.HALF_CLOSE: 1}


async def test_a_blackhole_tells_nobody(proxy: TcpProxy, ends: Ends, echo: Echo) -> None:
    """Nothing arrives and nothing ends, not even after the healing; new connections work then."""
    reader, writer = ends
    proxy.inject(Fault(Kind.BLACKHOLE))
    writer.write(b"lost")
    await proxy.bitten(within_s=BOUND_S)
    proxy.heal()
    writer.write(b"lost too")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), SILENT_S)
    assert b"lost" not in echo.heard
    assert await works(proxy)


async def test_latency_is_added_each_way(proxy: TcpProxy, ends: Ends) -> None:
    """An answer comes whole, and later by both delays."""
    reader, writer = ends
    proxy.inject(Fault(Kind.LATENCY, delay_s=LATE_S))
    began = time.monotonic()
    writer.write(b"late")
    assert await asyncio.wait_for(reader.readexactly(4), BOUND_S) == b"late"
    assert time.monotonic() - began >= 2 * LATE_S
    assert proxy.struck == {Kind.LATENCY: 2}


@pytest.mark.parametrize("after", [0, 3])
async def test_a_cut_lets_so_many_bytes_through(proxy: TcpProxy, ends: Ends, echo: Echo, after: int) -> None:
    """Of an answer so many bytes arrive and then the end, while the server has got the whole question."""
    reader, writer = ends
    proxy.inject(Fault(Kind.CUT, after=after))
    writer.write(b"question")
    assert await asyncio.wait_for(reader.read(-1), BOUND_S) == b"question"[:after]
    assert echo.heard == b"helloquestion"
    assert proxy.struck == {Kind.CUT: 1}


async def test_a_cut_towards_the_server_keeps_the_rest(proxy: TcpProxy, ends: Ends, echo: Echo) -> None:
    """Of a question so many bytes arrive, and the client is told by the end."""
    reader, writer = ends
    proxy.inject(Fault(Kind.CUT, Way.TO_SERVER, after=4))
    writer.write(b"question")
    await echo.hears(b"helloques")
    await asyncio.wait_for(reader.read(-1), BOUND_S)
    assert b"t" not in echo.heard
    assert proxy.struck == {Kind.CUT: 1}


async def test_nobody_behind_it_is_an_end(proxy: TcpProxy) -> None:
    """When the server cannot be reached, the client's connection ends."""
    async with TcpProxy(1) as lonely:
        reader, writer = await asyncio.open_connection(LOCAL, lonely.port)
        assert await asyncio.wait_for(reader.read(-1), BOUND_S) == b""
        writer.close()
    assert await works(proxy)
