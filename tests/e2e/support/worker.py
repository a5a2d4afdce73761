"""A worker as a process."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from sandbox.stack.processes import Child, plain_environment
from tests.e2e.support.until import until

PLAIN = (sys.executable, "-m", "worker")
WITH_HOOKS = (sys.executable, str(Path(__file__).parents[2] / "worker_process.py"))

STRIPE_KEY = "sk_test_abcdef0123456789"
STARTED_S = 30.0
PROBE_S = 5.0


def lines(log: str, event: str) -> list[dict[str, Any]]:
    """The whole log lines of this event, so far."""
    whole = log.rpartition("\n")[0].splitlines()
    parsed = [json.loads(line) for line in whole if line.startswith("{")]
    return [line for line in parsed if line.get("event") == event]


class WorkerProcess:
    """One worker on a free port. With `hooks` it is the one that can be told to die: see tests/worker_process.py."""

    def __init__(
        self,
        directory: Path,
        rabbitmq_url: str,
        mongo_uri: str,
        stripe_url: str,
        *,
        hooks: Sequence[str] = (),
        **variables: str,
    ) -> None:
        environment = {
            "RABBITMQ_URL": rabbitmq_url,
            "MONGO_URI": mongo_uri,
            "STRIPE_SECRET_KEY": STRIPE_KEY,
            "STRIPE_API_BASE": stripe_url,
            "WORKER_PORT": "0",
            **variables,
        }
        program = (*WITH_HOOKS, *hooks) if hooks else PLAIN
        self.child = Child(
            directory.name, program, log=directory / "worker.log", env=plain_environment(directory, **environment)
        )
        self.url = ""

    async def start(self) -> None:
        """Start it, and wait until it consumes."""
        await self.listen()
        await self.until_ready(200)

    async def listen(self) -> None:
        """Start it, and wait for the line with the address."""
        before = len(self.lines("listening"))
        self.child.start()

        async def probe() -> bool:
            return len(self.lines("listening")) > before

        await self.child.ready(probe, STARTED_S)
        self.url = f"http://127.0.0.1:{self.lines('listening')[-1]['port']}"

    async def until_ready(self, status: int, within_s: float = STARTED_S) -> None:
        """Ask for readiness until the answer is this status."""

        async def probe() -> bool:
            return await status_of(f"{self.url}/ready") == status

        await self.child.ready(probe, within_s)

    async def logged(self, event: str, within_s: float, **fields: object) -> None:
        """Wait for a log line of this event with these fields."""

        async def probe() -> bool:
            return any(fields.items() <= line.items() for line in self.lines(event))

        await until(probe, within_s, f"{self.child.name} did not log {event} {fields}\n{self.child.tail()}")

    def lines(self, event: str) -> list[dict[str, Any]]:
        return lines(self.child.text(), event)


async def status_of(url: str) -> int:
    """The status that a GET is answered with, 0 for none."""
    return await asyncio.to_thread(_status_of, url)


def _status_of(url: str) -> int:
    try:
        with urlopen(url, timeout=PROBE_S) as answer:
            return int(answer.status)
    except HTTPError as refused:
        with refused:
            return refused.code
    except (URLError, OSError):
        return 0
