"""Child processes: what they say is kept, and they end, whatever happens to us."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.stack import NotReady
from sandbox.stack.ports import FIRST_PORT, LAST_PORT, free_port, is_free
from sandbox.stack.processes import Child, plain_environment

SOON_S = 10.0

LISTEN = "import socket, sys, time; s = socket.create_server(('127.0.0.1', {port})); print('listening', flush=True);"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)


def python(source: str, log: Path) -> Child:
    return Child("a child", [sys.executable, "-c", source], log=log)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "child.log"


@pytest.fixture
def sleeper(log: Path) -> Iterator[Child]:
    child = python("import time; print('up', flush=True); time.sleep(60)", log)
    child.start()
    yield child
    child.kill()


def eventually_free(port: int) -> bool:
    deadline = time.monotonic() + SOON_S
    while not is_free(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


async def test_a_line_of_the_log_can_be_awaited(sleeper: Child) -> None:
    """A child is ready when its log holds the line."""
    assert (await sleeper.line(r"^u(.)$", SOON_S)).group(1) == "p"


async def test_a_child_that_ends_too_early_says_why(log: Path) -> None:
    """A child that ends before it is ready is an error with its exit code and its last lines."""
    child = python("import sys; print('no such thing', flush=True); sys.exit(3)", log)
    child.start()
    with pytest.raises(NotReady, match=r"ended with code 3(.|\n)*no such thing"):
        await child.line("ready", SOON_S)
    child.kill()


async def test_a_child_that_is_never_ready_says_so(sleeper: Child) -> None:
    """A child that is not ready in time is an error with its last lines."""
    with pytest.raises(NotReady, match=r"not ready after 0\.1 s(.|\n)*up"):
        await sleeper.line("up\nready", 0.1)


async def test_a_child_is_asked_before_it_is_killed(sleeper: Child) -> None:
    """Stopping sends SIGTERM, and the exit code says that this was what ended it."""
    assert await sleeper.stop() == -signal.SIGTERM
    assert not sleeper.alive


async def test_a_deaf_child_is_killed_after_the_grace_time(log: Path) -> None:
    """A child that ignores SIGTERM is killed when its grace time is over."""
    child = python(STUBBORN, log)
    child.start()
    await child.line("deaf", SOON_S)
    assert await child.stop(grace_s=0.1) == -signal.SIGKILL


async def test_a_frozen_child_can_be_stopped(sleeper: Child) -> None:
    """A frozen child still ends by SIGTERM: it is thawed for it."""
    sleeper.freeze()
    assert await sleeper.stop() == -signal.SIGTERM


async def test_a_killed_child_takes_its_own_children_along(log: Path) -> None:
    """Killing a child kills what it started."""
    port = free_port()
    grandchild = LISTEN.format(port=port) + " time.sleep(60)"
    child = python(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])", log)
    child.start()
    await child.line("listening", SOON_S)
    child.kill()
    assert eventually_free(port)


async def test_a_child_starts_again_on_the_same_log(log: Path) -> None:
    """A child may be started again, and its log goes on."""
    child = python("print('once', flush=True)", log)
    for _ in range(2):
        child.start()
        await child.ended(SOON_S)
    child.kill()
    assert child.text() == "once\nonce\n"


async def test_an_http_answer_can_be_awaited(log: Path) -> None:
    """A child is ready when an address answers 200."""
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    child = Child("a web server", command, log=log, env=plain_environment(log.parent), cwd=log.parent.parent)
    child.start()
    await child.http_ok(f"http://127.0.0.1:{port}/", SOON_S)
    assert "GET / " in child.tail()
    await child.stop()


def test_children_end_when_their_starter_is_killed(tmp_path: Path) -> None:
    """When the starter is killed with -9, its child ends, even a frozen one."""
    port = free_port()
    source = LISTEN.format(port=port) + " time.sleep(60)"
    starter = f"""
import asyncio, os, signal, sys
from pathlib import Path
from sandbox.stack.processes import Child
child = Child("c", [sys.executable, "-c", {source!r}], log=Path({str(tmp_path / "log")!r}))
child.start()
asyncio.run(child.line("listening"))
child.freeze()
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", starter], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert eventually_free(port)


def test_a_private_server_sees_none_of_the_users_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment of a private server has where programs are, and nothing of what the user set."""
    monkeypatch.setenv("RABBITMQ_NODENAME", "mine@here")
    environment = plain_environment(tmp_path, A="1")
    assert environment == {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(tmp_path), "A": "1"}


def test_ports_are_free_distinct_and_not_for_outgoing_connections() -> None:
    """Ports are handed out once, nobody listens on them, and no outgoing connection is given one."""
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    assert all(FIRST_PORT <= port <= LAST_PORT and is_free(port) for port in ports)


def test_a_port_that_is_listened_on_is_not_free() -> None:
    """A port that somebody listens on is not free; it is again when they have gone."""
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)
    assert is_free(port)


async def test_waiting_can_be_cancelled(sleeper: Child) -> None:
    """Waiting for a child can be cancelled; the child is left as it is."""
    waiting = asyncio.create_task(sleeper.line("never"))
    await sleeper.line("up", SOON_S)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert sleeper.alive
