"""One child process: its output in a file, its end certain."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from sandbox.stack.errors import NotReady

POLL_S = 0.05  # a foreign process gives us nothing to await; this is short beside any start
GRACE_S = 15.0  # longer than a worker's own drain takes in the sandbox, short enough for someone who pressed Ctrl-C
READY_S = 60.0  # RabbitMQ needs 5 s on a quiet machine; a loaded CI runner may need ten times that
TAIL_LINES = 25  # enough to see why a process ended, few enough to read in a terminal
HTTP_PROBE_S = 2.0

KEEPER = Path(__file__).with_name("keeper.py")


class Child:
    """A child in a session of its own, so that Ctrl-C reaches us only and we decide how it ends.

    Start it again after it ended and it appends to the same log. A keeper process kills the child's whole group should we
    disappear without stopping it.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.command = [str(part) for part in command]
        self.log = log
        self.env = env
        self.cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while it runs or before its first start."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        assert not self.alive, f"{self.name} runs already"
        self._release_keeper()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=self.cwd,
                start_new_session=True,
            )
        # -I -S: no environment, no site-packages; the keeper must start fast and whatever PYTHON* says.
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", str(KEEPER), str(self._process.pid)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def send(self, number: signal.Signals) -> None:
        """To the child alone; one that has ended is left alone."""
        if self._process is not None:
            self._process.send_signal(number)

    def freeze(self) -> None:
        """Stop the child and everything that it started in their tracks: sockets stay open, nothing answers."""
        self._signal_group(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_group(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL to the child and everything that it started; returns when the child is gone."""
        if self._process is None:
            return
        self._signal_group(signal.SIGKILL)
        self._process.wait()
        self._release_keeper()

    async def stop(self, grace_s: float = GRACE_S) -> int | None:
        """SIGTERM, then SIGKILL after the grace time. Returns the exit code, None when it was never started."""
        try:
            self.send(signal.SIGTERM)
            self.thaw()  # a frozen process sees SIGTERM only when it goes on
            with contextlib.suppress(NotReady):
                await self.ended(within_s=grace_s)
        finally:
            self.kill()  # also for what the child left behind in its group
        return self.returncode

    async def ended(self, within_s: float) -> int | None:
        """Wait for the child to end by itself. Raises NotReady when it does not."""
        deadline = time.monotonic() + within_s
        while self.alive:
            if time.monotonic() > deadline:
                raise NotReady(f"{self.name} had not ended after {within_s:g} s\n{self.tail()}")
            await asyncio.sleep(POLL_S)
        return self.returncode

    async def ready(self, probe: Callable[[], Awaitable[bool]], within_s: float = READY_S) -> None:
        """Wait until the probe says yes. Raises NotReady, with the last log lines, when the child ends or time is up."""
        deadline = time.monotonic() + within_s
        while not await probe():
            if not self.alive:
                raise NotReady(f"{self.name} ended with code {self.returncode} before it was ready\n{self.tail()}")
            if time.monotonic() > deadline:
                raise NotReady(f"{self.name} was not ready after {within_s:g} s\n{self.tail()}")
            await asyncio.sleep(POLL_S)

    async def line(self, pattern: str, within_s: float = READY_S) -> re.Match[str]:
        """Wait until the log holds a line that matches. The log survives restarts, so match what is new by its text."""
        found: re.Match[str] | None = None

        async def probe() -> bool:
            nonlocal found
            found = re.search(pattern, self.text(), re.MULTILINE)
            return found is not None

        await self.ready(probe, within_s)
        assert found is not None
        return found

    async def http_ok(self, url: str, within_s: float = READY_S) -> None:
        """Wait until the address answers 200."""

        async def probe() -> bool:
            return await asyncio.to_thread(answers_ok, url)

        await self.ready(probe, within_s)

    def text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tail(self, lines: int = TAIL_LINES) -> str:
        """The last lines of the log, each indented, under the log's path."""
        last = self.text().splitlines()[-lines:]
        return "\n".join([f"  {self.log}:", *(f"  | {line}" for line in last)])

    def _signal_group(self, number: signal.Signals) -> None:
        assert self._process is not None, f"{self.name} was never started"
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says EPERM for a group of zombies
            os.killpg(self._process.pid, number)

    def _release_keeper(self) -> None:
        """End the keeper first: after this, the number of the group may be given to somebody else."""
        if self._keeper is None:
            return
        self._keeper.kill()
        self._keeper.wait()
        if self._keeper.stdin is not None:
            self._keeper.stdin.close()
        self._keeper = None


def answers_ok(url: str) -> bool:
    try:
        with urlopen(url, timeout=HTTP_PROBE_S) as answer:  # noqa: S310 - an address of our own child
            return bool(answer.status == 200)
    except (URLError, OSError, ValueError):
        return False


def plain_environment(home: Path, **names: str) -> dict[str, str]:
    """What a private server may see: where programs are, and what we say. Never the user's settings for their own."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "HOME": str(home), **names}
