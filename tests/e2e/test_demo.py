"""`make demo` and `make run` as whole programs: they show, check, and leave nothing behind."""

import asyncio
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import aio_pika
import pytest
from aio_pika.exceptions import ChannelNotFoundEntity

from contracts import topology, transport
from sandbox.demo import checks
from sandbox.demo.scenarios import SCENARIOS
from sandbox.services import notifications, orders
from sandbox.stack.processes import Child

DEMO_S = 60.0
"""What the demo promises, after set-up."""

LONG_RUN = int(os.environ.get("TEST_CROWD", "0"))
"""How many customers meet faults: `TEST_CROWD=1000 make test`. Minutes, for a create whose key keeps an error takes two, so
that the usual run leaves it out; tests/e2e/test_payments.py has a smaller one."""

CROWD_S = 700
BETWEEN_DEATHS_S = 0.2

STARTED_S = 60.0
ENDED_S = 40.0

Launch = Callable[..., Child]


@pytest.fixture
async def launch(vhost_url: str, mongo_uri: str, database_name: str, tmp_path: Path) -> AsyncIterator[Launch]:
    """Starts `payments-sandbox ARGUMENT ...` on the tests' broker and database."""
    started: list[Child] = []

    uri = urlunsplit(urlsplit(mongo_uri)._replace(path=f"/{database_name}"))
    usual = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), "RABBITMQ_URL": vhost_url, "MONGO_URI": uri}

    def start(*arguments: str, **variables: str) -> Child:
        child = Child(
            f"payments-sandbox {arguments[0]}",
            [sys.executable, "-m", "sandbox", *arguments],
            log=tmp_path / "output.txt",
            env=usual | variables,
        )
        child.start()
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()


def children(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], check=True, capture_output=True, text=True).stdout
    parents = [tuple(map(int, line.split())) for line in listed.splitlines()]
    found, fresh = [], [pid]
    while fresh:
        fresh = [child for child, parent in parents if parent in fresh]
        found += fresh
    return found


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def has_queue(vhost_url: str, name: str) -> bool:
    connection = await aio_pika.connect(vhost_url, timeout=10)
    async with connection:
        channel = await connection.channel()
        try:
            await channel.declare_queue(name, passive=True)
        except ChannelNotFoundEntity:
            return False
        return True


async def test_the_demo_shows_every_story_and_every_check_holds(launch: Launch, vhost_url: str, tmp_path: Path) -> None:
    """The whole service plays all stories in under a minute, all books agree, and only the named logs are left behind."""
    logs = tmp_path / "logs"  # with those of an earlier run, which tell another address
    logs.mkdir()
    (logs / "ingress.log").write_text('{"host": "127.0.0.1", "port": 9, "event": "listening"}\n')
    demo = launch("demo", "--logs", str(logs))
    code = await demo.ended(DEMO_S)
    text = demo.text()
    assert code == 0, text
    assert [name for name, _ in checks.CHECKS if f"✓ holds  {name}" not in text] == []
    assert [scenario.name for scenario in SCENARIOS if len(re.findall(f"s  {scenario.name} ", text)) < 4] == []
    assert not await has_queue(vhost_url, orders.QUEUE.name)
    assert not await has_queue(vhost_url, notifications.QUEUE.name)
    assert left_in(tmp_path) == []


async def test_a_check_that_fails_fails_the_demo(launch: Launch, vhost_url: str) -> None:
    """Messages among the dead letters are counted, the logs are told of, and the exit code is 1."""
    demo = launch("demo", "--payments", "1", "--settle", "1")
    await demo.line(r"^Worker: ready", STARTED_S)
    async with asyncio.TaskGroup() as tasks:
        ended = tasks.create_task(demo.ended(DEMO_S))
        tasks.create_task(die(vhost_url, ended))
    assert ended.result() == 1
    assert re.search("the collection of dead letters has [1-9][0-9]* new ones", demo.text())
    assert re.search(f"[1-9] of {len(checks.CHECKS)} checks FAIL", demo.text())
    assert "worker.log" in demo.text()


async def die(rabbitmq_url: str, ended: asyncio.Task[int | None]) -> None:
    """One more dead letter every now and then, until the demo has ended."""
    async with transport.publisher(rabbitmq_url, "test") as publisher:
        for number in itertools.takewhile(lambda _: not ended.done(), itertools.count()):
            await publisher.publish(topology.DEAD, "test", b"{" * number, kind="test")
            await asyncio.sleep(BETWEEN_DEATHS_S)


@pytest.mark.timeout(CROWD_S + 60)
@pytest.mark.parametrize(
    ("customers", "faults"),
    [
        (100, "0"),
        pytest.param(LONG_RUN, "0.05", marks=pytest.mark.skipif(not LONG_RUN, reason="TEST_CROWD is not set")),
    ],
)
async def test_a_crowd_settles(launch: Launch, customers: int, faults: str) -> None:
    """A crowd pays at once, in the long run with every kind of fault in a twentieth of the calls, and all books agree."""
    demo = launch("demo", "--payments", str(customers), "--faults", faults, "--seed", "11")
    code = await demo.ended(CROWD_S)
    assert code == 0, demo.text()
    assert f"all {len(checks.CHECKS)} checks hold" in demo.text()


@pytest.mark.skipif(shutil.which("ps") is None, reason="no ps on the PATH")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupted_demo_stops_what_it_started(
    launch: Launch, number: signal.Signals, tmp_path: Path
) -> None:
    """Ctrl-C in the middle of the stories ends every process, removes the files, and is no success."""
    demo = launch("demo")
    await demo.line(r"customer → Stripe", STARTED_S)
    started = children(demo.pid)
    demo.send(number)
    assert await demo.ended(ENDED_S) == 130, demo.text()
    assert len(started) >= 3
    assert [pid for pid in started if runs(pid)] == []
    assert left_in(tmp_path) == []


@pytest.mark.skipif(shutil.which("ps") is None, reason="no ps on the PATH")
async def test_run_prints_every_address_until_it_is_told_to_stop(launch: Launch) -> None:
    """Each printed address answers; Ctrl-C ends everything and is the normal end."""
    run = launch("run")
    await run.line(r"^Ctrl-C stops everything", STARTED_S)
    names = ("Sample shop", r"Worker \(health\)")
    shop, ready = (re.search(rf"^{name} +(http://\S+)$", run.text(), re.MULTILINE) for name in names)
    assert shop is not None
    assert ready is not None
    await run.http_ok(shop[1])
    await run.http_ok(ready[1])
    started = children(run.pid)
    run.send(signal.SIGINT)
    assert await run.ended(ENDED_S) == 0, run.text()
    assert [pid for pid in started if runs(pid)] == []


async def test_run_with_keys_of_an_account_starts_no_simulator(launch: Launch) -> None:
    """With a key and a signing secret the worker talks to the Stripe that is named, and the way in for webhooks is told."""
    keys = {
        "STRIPE_SECRET_KEY": "sk_test_1",
        "STRIPE_WEBHOOK_SECRET": "whsec_1",
        "STRIPE_API_BASE": "http://127.0.0.1:9",
    }
    run = launch("run", **keys)
    await run.line(r"^Ctrl-C stops everything", STARTED_S)
    text = run.text()
    assert "http://127.0.0.1:9 (test mode)" in text
    assert "simulator" not in text
    assert re.search(r"stripe listen --forward-to http://127\.0\.0\.1:\d+/api/payments/webhook", text)


async def test_run_ends_when_one_of_its_processes_does(launch: Launch, tmp_path: Path) -> None:
    """A worker that is gone stops the rest; the exit code is not 0, and the log's last lines are shown and kept."""
    run = launch("run")
    await run.line(r"^Ctrl-C stops everything", STARTED_S)
    os.kill(command_of(children(run.pid), "worker"), signal.SIGKILL)
    assert await run.ended(ENDED_S) == 1
    assert "the worker has ended with code -9: stopping" in run.text()
    assert "worker.log" in [path.name for path in left_in(tmp_path)]


async def test_a_malformed_address_is_told_of(launch: Launch) -> None:
    """The demo ends at once, with the name of the setting."""
    demo = launch("demo", MONGO_URI="nonsense")
    assert await demo.ended(ENDED_S) == 2
    assert "MONGO_URI must be an address" in demo.text()


def left_in(directory: Path) -> list[Path]:
    """What the programs have made among temporary files and not removed."""
    return list(directory.glob("payments-*/**/*"))


def command_of(pids: list[int], module: str) -> int:
    """The one of these processes that runs `python -m MODULE`."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,args="], check=True, capture_output=True, text=True).stdout
    found = [int(line.split()[0]) for line in listed.splitlines() if line.split()[-2:] == ["-m", module]]
    (pid,) = set(found) & set(pids)
    return pid
