"""The local stack: a RabbitMQ and a MongoDB to work with, found or started, and ended again without a trace."""

import asyncio
import shutil
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from sandbox.stack import choose
from sandbox.stack.choose import Broker, Database, Report, Source
from sandbox.stack.errors import CommandFailed, NothingToRun, NotReady, StackError

__all__ = ["Broker", "CommandFailed", "Database", "NotReady", "NothingToRun", "Stack", "StackError"]


class Stack:
    """`async with Stack(...) as stack`, then use `stack.rabbitmq_url` and `stack.mongo_uri`.

    An address that is given is used and left alone. Everything else is started, in the directory (a temporary one unless
    named), and stopped on the way out, also when the start itself fails or is cancelled. `keep` leaves the directory, with
    the logs, where it is. `report` is called with one line of progress at a time.
    """

    def __init__(
        self,
        *,
        broker_url: str | None = None,
        mongo_uri: str | None = None,
        directory: Path | None = None,
        keep: bool = False,
        report: Report = print,
    ) -> None:
        self._given = (broker_url, mongo_uri)
        self._named_directory = directory
        self._keep = keep
        self._report = report
        self._exit = AsyncExitStack()
        self.directory = Path()
        self.rabbitmq_url = ""
        self.mongo_uri = ""
        self.broker: Broker
        self.database: Database

    async def __aenter__(self) -> Self:
        try:
            self.directory = self._make_directory()
            broker_url, mongo_uri = self._given
            # Choosing may run apt-get for minutes: in a thread, so that Ctrl-C is noticed.
            source, self.broker = await asyncio.to_thread(
                choose.broker, self.directory / "rabbitmq", broker_url, self._report
            )
            self.rabbitmq_url = await self._start("RabbitMQ", source, self.broker)
            source, self.database = await asyncio.to_thread(choose.database, self.directory / "mongodb", mongo_uri)
            self.mongo_uri = await self._start("MongoDB", source, self.database)
        except BaseException:
            await self._exit.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exit.aclose()

    async def _start(self, name: str, source: Source, node: Broker | Database) -> str:
        if source is Source.GIVEN:
            self._report(f"{name}: {source.value}")
            return await node.start()
        self._report(f"{name}: starting {source.value} …")
        began = time.monotonic()
        self._exit.push_async_callback(node.stop if self._keep or self._named_directory else node.discard)
        address = await node.start()
        self._report(f"{name}: ready in {time.monotonic() - began:.0f} s")
        return address

    def _make_directory(self) -> Path:
        if self._named_directory is not None:
            self._named_directory.mkdir(parents=True, exist_ok=True)
        directory = self._named_directory or Path(tempfile.mkdtemp(prefix="payments-"))
        if self._keep:
            self._exit.callback(lambda: self._report(f"kept: {directory}"))
        elif self._named_directory is None:
            self._exit.callback(shutil.rmtree, directory, ignore_errors=True)
        return directory
