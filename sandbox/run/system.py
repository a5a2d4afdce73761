"""Broker, database, ingress, simulator and worker, started in the order in which each needs the other's address."""

import asyncio
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from sandbox.run.settings import Settings
from sandbox.stack import Stack, StackError
from sandbox.stack.processes import POLL_S, Child, plain_environment

WEBHOOK_PATH = "/api/payments/webhook"
SIMULATOR_KEY = "sk_test_sandbox"
SIMULATOR_PUBLISHABLE_KEY = "pk_test_sandbox"
SIMULATOR_WEBHOOK_SECRET = "whsec_sandbox"  # noqa: S105 - a well-known secret of a sandbox
SANDBOX_TOKENS = {
    "JWT_SECRET": "a-well-known-secret-of-the-sandbox",
    "JWT_ISSUER": "payments-sandbox",
    "JWT_AUDIENCE": "payments",
}
"""Whoever knows these may ask the ingress for anything: it is here for trying things out."""

STARTED_S = 60.0
"""A process imports and connects within two seconds; a loaded CI runner may need ten times that."""

DRAIN_S = 40.0
"""Above the worker's own grace time of 25 s."""

TAIL_LINES = 8

Report = Callable[[str], None]


class System:
    """`async with System(settings, report=print) as system`: then every address is set and answers.

    Everything that was started is stopped on the way out, whatever the reason. The processes log to `logs`, which is
    a temporary directory unless named; that one goes as well, except after a failure (see `keep_logs`). A named one is used
    again and its logs are written anew.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        report: Report,
        logs: Path | None = None,
    ) -> None:
        self.settings = settings
        self.logs = logs or Path()
        self.children: list[Child] = []
        self.stack = Stack(
            broker_url=settings.rabbitmq_url,
            mongo_uri=settings.mongo_uri,
            report=report,
        )
        self.ingress_url = ""
        self.worker_url = ""
        self.stripe_url = settings.real.api_base if settings.real else ""
        self._report = report
        self._own_logs = logs is None
        self._exit = AsyncExitStack()
        self._ingress: Child
        self._worker: Child

    @property
    def webhook_url(self) -> str:
        return self.ingress_url + WEBHOOK_PATH

    @property
    def publishable_key(self) -> str:
        real = self.settings.real
        return real.publishable_key if real else SIMULATOR_PUBLISHABLE_KEY

    async def __aenter__(self) -> Self:
        if self._own_logs:
            self.logs = Path(tempfile.mkdtemp(prefix="payments-logs-"))
        try:
            await self._exit.enter_async_context(self.stack)
            await self._start_ingress()
            if self.settings.real is None:
                await self._start_simulator()
            await self._start_worker()
        except StackError:
            self.keep_logs()
            await self._exit.aclose()
            raise
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._exit.aclose()
        finally:
            if self._own_logs:
                shutil.rmtree(self.logs, ignore_errors=True)

    def keep_logs(self) -> None:
        """Leave the logs where they are, for whoever must find out what went wrong."""
        self._own_logs = False

    def tails(self, lines: int = TAIL_LINES) -> str:
        """Where the processes log, and what each said last."""
        return "\n".join(child.tail(lines) for child in self.children)

    async def drain(self) -> dict[str, int | None]:
        """End the ingress, then the worker, as an operator would; the exit code of each. They stay ended."""
        return {child.name: await child.stop(DRAIN_S) for child in (self._ingress, self._worker)}

    async def ended(self) -> Child:
        """Wait until one of the processes ends by itself."""
        while True:
            for child in self.children:
                if not child.alive:
                    return child
            await asyncio.sleep(POLL_S)

    async def _start_ingress(self) -> None:
        real = self.settings.real
        self._ingress = self._child(
            "ingress",
            [sys.executable, "-m", "webhook_ingress"],
            STRIPE_WEBHOOK_SECRET=real.webhook_secret if real else SIMULATOR_WEBHOOK_SECRET,
            PORT=str(self.settings.port),
            **SANDBOX_TOKENS,
        )
        self.ingress_url = await self._listening(self._ingress)
        await self._ingress.http_ok(f"{self.ingress_url}/ready", STARTED_S)
        self._report(f"Ingress: ready on {self.ingress_url}")

    async def _start_simulator(self) -> None:
        command = [
            *(sys.executable, "-m", "sandbox", "stripe", "--port", "0", "--api-key", SIMULATOR_KEY),
            *("--webhook-url", self.webhook_url, "--webhook-secret", SIMULATOR_WEBHOOK_SECRET),
        ]
        child = self._child("simulator", command)
        child.start()
        found = await child.line(r"on (http://\S+)", STARTED_S)
        self.stripe_url = found[1]
        self._report(f"Stripe simulator: ready on {self.stripe_url}")

    async def _start_worker(self) -> None:
        real = self.settings.real
        self._worker = self._child(
            "worker",
            [sys.executable, "-m", "worker"],
            MONGO_URI=self.stack.mongo_uri,
            STRIPE_API_BASE=self.stripe_url,
            STRIPE_SECRET_KEY=real.secret_key if real else SIMULATOR_KEY,
            WORKER_PORT=str(self.settings.worker_port),
        )
        self.worker_url = await self._listening(self._worker)
        await self._worker.http_ok(f"{self.worker_url}/ready", STARTED_S)
        self._report(f"Worker: ready on {self.worker_url}")

    def _child(self, name: str, command: list[str], **names: str) -> Child:
        """A child that is stopped when we leave. It sees the settings given here and none of the user's."""
        shared = {
            "RABBITMQ_URL": self.stack.rabbitmq_url,
            "HOST": "127.0.0.1",
            "DEPLOYMENT": self.settings.deployment,
            "LOG_LEVEL": self.settings.log_level,
            "PYTHONUNBUFFERED": "1",
        }
        environment = plain_environment(self.stack.directory, **shared, **names)
        child = Child(name, command, log=self.logs / f"{name}.log", env=environment)
        child.log.unlink(missing_ok=True)  # the last run's, which tells other addresses
        self.children.append(child)
        self._exit.push_async_callback(child.stop)
        return child

    async def _listening(self, child: Child) -> str:
        """Start it and read its address from its own log line."""
        child.start()
        found: dict[str, Any] = {}

        async def probe() -> bool:
            found.update(announcement(child.text()))
            return bool(found)

        await child.ready(probe, STARTED_S)
        return f"http://127.0.0.1:{found['port']}"


def announcement(log: str) -> dict[str, Any]:
    """The line in which a process says where it listens; empty while there is none."""
    for line in log.rpartition("\n")[0].splitlines():
        if re.match(r'\{.*"event": ?"listening"', line):
            found: dict[str, Any] = json.loads(line)
            return found
    return {}
