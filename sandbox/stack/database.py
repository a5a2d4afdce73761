"""The embedded MongoDB: SecantusDB in a process of its own, so that it can be killed and started on the same data."""

import asyncio
import shutil
import sys
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from sandbox.stack.ports import free_port
from sandbox.stack.processes import READY_S, Child, plain_environment

PROBE_MS = 500


class SecantusNode:
    """One node. `start` may be called again after `stop` or `kill`: same port, same data."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.uri = f"mongodb://127.0.0.1:{self.port}/?directConnection=true"
        config = directory / "secantusd.toml"  # named, or else it would look for the user's own
        self._server = Child(
            "SecantusDB",
            [
                *(sys.executable, "-m", "secantus", "--config", config),
                *("--host", "127.0.0.1", "--port", str(self.port)),
                *("--storage-path", directory / "data", "--cache-size", "256M", "--log-level", "WARNING"),
                # Or else a kill -9 loses the last writes of clients that ask for no journal; MongoDB's default keeps them.
                "--sync-on-commit",
            ],
            log=directory / "secantus.log",
            env=plain_environment(directory),
            cwd=directory,
        )

    @property
    def alive(self) -> bool:
        return self._server.alive

    @property
    def pid(self) -> int:
        return self._server.pid

    async def start(self) -> str:
        """Start, wait until it says hello, return its address. Raises NotReady with the last log lines."""
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "secantusd.toml").touch()
        try:
            self._server.start()
            await self._server.ready(self.answers, READY_S)
        except BaseException:
            self.kill()
            raise
        return self.uri

    async def stop(self) -> None:
        await self._server.stop()

    def kill(self) -> None:
        """SIGKILL, as by a power cut of the process."""
        self._server.kill()

    async def discard(self) -> None:
        """End at once and remove the data; logs stay."""
        self.kill()
        await asyncio.to_thread(shutil.rmtree, self.directory / "data", ignore_errors=True)

    async def restart(self) -> str:
        """Kill what runs and start on the same data and port."""
        self.kill()
        return await self.start()

    def freeze(self) -> None:
        self._server.freeze()

    def thaw(self) -> None:
        self._server.thaw()

    async def answers(self) -> bool:
        return bool(await asyncio.to_thread(hello, self.uri))


def hello(uri: str) -> dict[str, Any]:
    """What the server says about itself; empty while it says nothing.

    Blocking, because the asynchronous client leaves its monitor's socket open when it is closed right after it connected.
    """
    try:
        with MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=PROBE_MS) as client:
            return client.admin.command("hello")
    except PyMongoError:
        return {}
