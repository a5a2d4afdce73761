"""A real broker and a real database for the tests that need them.

Shared ones start once in each process of a run, at the first test that asks, and every test gets a vhost and a database of
its own, so that no test meets another's queues or documents. `TEST_RABBITMQ_URL` and `TEST_MONGO_URI` name ones to use
instead; the names that the service itself reads are never looked at, because they may point at something that somebody
works with.

Tests that break things ask for `private_broker` and `private_database`: always nodes of our own, one per test module.
Their methods are awaitable and bound to no event loop.
"""

import asyncio
import os
import secrets
import shutil
import sys
import time
from base64 import b64encode
from collections import deque
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.error import URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import Request, urlopen

import pytest
from pymongo import MongoClient

from sandbox.stack import choose
from sandbox.stack.choose import Broker, PrivateBroker, PrivateDatabase, Report
from sandbox.stack.system import INSTALLING, apt_install, this_system
from sandbox.stack.turns import one_at_a_time

T = TypeVar("T")

MANAGEMENT_S = 10.0

SETTLED_S = 10.0
"""How long a vhost outlives its test.

A killed client's declare goes on in the broker. RabbitMQ 3.10.8 starts a dead-letter worker for a queue as its last part, and
two that find their queue gone within 5 s end the supervisor of them all: every declare is a 541 from then on, until the node
starts again (rabbitmq-server issue 16652). Deleting at once broke a node in 33 tries, deleting 5 s later in none of 600.
"""


def run_apart(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run in a loop of its own, in a thread of its own: whatever loop the tests have is not disturbed."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


class Vhosts:
    """Makes and removes vhosts through the management API, which every broker that we use has."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._retired: deque[tuple[float, str]] = deque()
        place = urlsplit(broker.management_url)
        self._root = f"{place.scheme}://{place.hostname}:{place.port}/api/vhosts/"
        login = b64encode(f"{place.username}:{place.password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}

    def create(self) -> str:
        """The address of a new vhost; the login that makes one may use it."""
        name = f"test-{secrets.token_hex(6)}"
        self._call("PUT", name)
        return urlunsplit(urlsplit(self.broker.url)._replace(path=f"/{name}"))

    def retire(self, url: str) -> None:
        """Nobody needs it any more: it goes with a later call of `retire`, once nothing is under way in it."""
        self._retired.append((time.monotonic() + SETTLED_S, url))
        while self._retired and self._retired[0][0] <= time.monotonic():
            self._delete(self._retired.popleft()[1])

    def clear(self) -> None:
        """Wait until all that are retired may go, and remove them."""
        while self._retired:
            due, url = self._retired.popleft()
            time.sleep(max(0.0, due - time.monotonic()))
            self._delete(url)

    def _delete(self, url: str) -> None:
        self._call("DELETE", urlsplit(url).path.removeprefix("/"))

    def _call(self, method: str, name: str) -> None:
        request = Request(self._root + name, method=method, headers=self._headers, data=b"{}")
        try:
            with urlopen(request, timeout=MANAGEMENT_S):
                pass
        except URLError as failed:
            raise RuntimeError(
                f"{method} {self._root}{name}: {failed}. The tests need a vhost each: TEST_RABBITMQ_URL must name a broker "
                f"whose management plugin listens on port {urlsplit(self._root).port}, and a login that may make vhosts."
            ) from failed


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Report:
    """Prints a line of progress past the capture: a start of some seconds should not look like a hang.

    To stderr, which all processes that share a run have in common: their stdout leads nowhere.
    """
    who = os.environ.get("PYTEST_XDIST_WORKER")
    speaker = f"{who}: " if who else ""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n  {speaker}{line}", file=sys.stderr, flush=True)  # noqa: T201 - for whoever waits at the terminal

    return say


@pytest.fixture(scope="session")
def shared_broker(tmp_path_factory: pytest.TempPathFactory, report: Report) -> Iterator[Broker]:
    """The broker that all tests share; never to be broken."""
    given = os.environ.get("TEST_RABBITMQ_URL")
    source, broker = choose.broker(tmp_path_factory.mktemp("rabbitmq"), given, report, "TEST_RABBITMQ_URL")
    report(f"RabbitMQ for the tests: {source.value}")
    run_apart(broker.start())
    yield broker
    run_apart(broker.discard())


@pytest.fixture(scope="session")
def rabbitmq_url(shared_broker: Broker) -> str:
    """The shared broker's own vhost. Most tests want `vhost_url`."""
    return shared_broker.url


@pytest.fixture(scope="session")
def vhosts(shared_broker: Broker) -> Iterator[Vhosts]:
    made = Vhosts(shared_broker)
    yield made
    if os.environ.get("TEST_RABBITMQ_URL"):  # one of our own takes them along
        made.clear()


@pytest.fixture
def vhost_url(vhosts: Vhosts) -> Iterator[str]:
    """The address of an empty vhost that only this test uses."""
    url = vhosts.create()
    yield url
    vhosts.retire(url)


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory: pytest.TempPathFactory, report: Report) -> Iterator[str]:
    """The database server that all tests share; never to be broken."""
    given = os.environ.get("TEST_MONGO_URI")
    source, database = choose.database(tmp_path_factory.mktemp("mongodb"), given, "TEST_MONGO_URI")
    report(f"MongoDB for the tests: {source.value}")
    yield run_apart(database.start())
    run_apart(database.discard())


@pytest.fixture(scope="session")
def mongo_client(mongo_uri: str) -> Iterator[MongoClient[dict[str, Any]]]:
    """A blocking client for set-up and clean-up; the code under test makes its own."""
    with MongoClient[dict[str, Any]](mongo_uri, tz_aware=True) as client:
        yield client


@pytest.fixture
def database_name(mongo_client: MongoClient[dict[str, Any]]) -> Iterator[str]:
    """The name of an empty database that only this test uses."""
    name = f"test_{secrets.token_hex(6)}"
    yield name
    mongo_client.drop_database(name)


@pytest.fixture(scope="module")
def module_broker(tmp_path_factory: pytest.TempPathFactory, report: Report) -> Iterator[PrivateBroker]:
    source, broker = choose.private_broker(tmp_path_factory.mktemp("private-rabbitmq"), report)
    report(f"RabbitMQ to break: {source.value}")
    run_apart(broker.start())
    yield broker
    run_apart(broker.discard())


@pytest.fixture
def private_broker(module_broker: PrivateBroker) -> PrivateBroker:
    """A broker to kill, freeze and misconfigure. It runs when the test begins, whatever the one before did to it."""
    if module_broker.alive:
        module_broker.thaw()
    else:
        run_apart(module_broker.restart())
    return module_broker


@pytest.fixture
def private_vhost_url(private_broker: PrivateBroker) -> str:
    """The address of an empty vhost on the private broker. Not removed: the test may leave the broker dead."""
    return Vhosts(private_broker).create()


@pytest.fixture(scope="module")
def module_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateDatabase]:
    _, database = choose.private_database(tmp_path_factory.mktemp("private-mongodb"))
    run_apart(database.start())
    yield database
    run_apart(database.discard())


@pytest.fixture
def private_database(module_database: PrivateDatabase) -> PrivateDatabase:
    """A database to kill and freeze. It runs when the test begins; take a database name of your own."""
    if module_database.alive:
        module_database.thaw()
    else:
        run_apart(module_database.restart())
    return module_database


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory, report: Report) -> str:
    """The path of a Chromium for the tests in a browser: what is installed, or else installed now where that is possible."""
    with one_at_a_time(INSTALLING):
        found = find_chromium()
        if found is None and this_system().can_install:
            report("Chromium: none here, installing it with apt-get; this can take some minutes …")
            apt_install("chromium", tmp_path_factory.mktemp("chromium") / "apt.log")
            found = find_chromium()
    if found is None:
        pytest.skip("needs a Chromium or Chrome in PATH")
    return found


def find_chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)
