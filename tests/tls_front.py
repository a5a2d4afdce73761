"""A TLS server in front of one that does not speak it: what ends the encryption in many deployments, too."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

CHUNK = 64 * 1024


@asynccontextmanager
async def tls_front(context: ssl.SSLContext, port: int) -> AsyncIterator[int]:
    """Listen on the loopback interface, and hand on, decrypted, to a port of it; lends the port that it listens on."""
    opened: list[asyncio.StreamWriter] = []
    talks: list[asyncio.Future[tuple[None, None]]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", port)
        opened.extend((writer, behind_writer))
        talks.append(asyncio.gather(_hand_on(reader, behind_writer), _hand_on(behind_reader, writer)))

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in opened:
            writer.close()
        await asyncio.gather(*talks)


async def _hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        return  # whoever went away, the other one is told by the close
    finally:
        writer.close()
