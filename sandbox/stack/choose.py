"""Where the broker and the database come from: the decision as values, then the thing itself."""

import importlib.util
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from sandbox.stack.broker import RabbitMQNode, find_server
from sandbox.stack.containers import MongoContainer, RabbitMQContainer, docker_answers
from sandbox.stack.database import SecantusNode
from sandbox.stack.errors import NothingToRun
from sandbox.stack.system import INSTALLING, System, apt_install, this_system
from sandbox.stack.turns import one_at_a_time

Report = Callable[[str], None]  # is told one line of progress at a time

MANAGEMENT_PORT = 15672  # where the management plugin listens unless told otherwise


class Broker(Protocol):
    """What everyone may do with a broker. Private ones can do more: see RabbitMQNode."""

    @property
    def url(self) -> str: ...
    @property
    def management_url(self) -> str: ...
    async def start(self) -> str: ...
    async def stop(self) -> None: ...
    async def discard(self) -> None: ...


class PrivateBroker(Broker, Protocol):
    """A broker that is ours alone, so that it may be broken."""

    @property
    def alive(self) -> bool: ...
    def kill(self) -> None: ...
    async def restart(self) -> str: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...
    async def ctl(self, *arguments: str) -> str: ...
    async def settle(self) -> None: ...
    async def diagnose(self) -> str: ...


class Database(Protocol):
    @property
    def uri(self) -> str: ...
    async def start(self) -> str: ...
    async def stop(self) -> None: ...
    async def discard(self) -> None: ...


class PrivateDatabase(Database, Protocol):
    @property
    def alive(self) -> bool: ...
    def kill(self) -> None: ...
    async def restart(self) -> str: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...


class GivenBroker:
    """A broker that somebody else runs: never started, stopped or administered by us."""

    def __init__(self, url: str) -> None:
        self.url = url
        place = urlsplit(url)
        login = f"{place.username or 'guest'}:{place.password or 'guest'}"
        self.management_url = f"http://{login}@{place.hostname}:{MANAGEMENT_PORT}"

    async def start(self) -> str:
        return self.url

    async def stop(self) -> None:
        pass

    async def discard(self) -> None:
        pass


class GivenDatabase:
    """A database that somebody else runs."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    async def start(self) -> str:
        return self.uri

    async def stop(self) -> None:
        pass

    async def discard(self) -> None:
        pass


class Source(Enum):
    """Where one comes from; the value is what people read while they wait."""

    GIVEN = "the address given"
    DOCKER = "a container"
    INSTALLED = "a private node"
    APT = "a private node, after apt-get install"
    EMBEDDED = "an embedded node"


def choose_broker(
    *, given: str | None, docker: Callable[[], bool], installed: bool, system: System, setting: str | None
) -> Source:
    """Raises NothingToRun, naming what to install on this system and the setting that names an address."""
    if given:
        return Source.GIVEN
    if docker():
        return Source.DOCKER
    if installed:
        return Source.INSTALLED
    if system.can_install:
        return Source.APT
    raise NothingToRun(system.advice(setting))


def choose_private_broker(*, docker: Callable[[], bool], installed: bool, system: System) -> Source:
    """For tests that break it: a process of our own answers signals at once and needs no image."""
    if installed:
        return Source.INSTALLED
    return choose_broker(given=None, docker=docker, installed=False, system=system, setting=None)


def choose_database(*, given: str | None, docker: Callable[[], bool], embeddable: bool, setting: str | None) -> Source:
    """Raises NothingToRun."""
    if given:
        return Source.GIVEN
    if docker():
        return Source.DOCKER
    if embeddable:
        return Source.EMBEDDED
    ways = ["start Docker (or anything that answers as Docker does)"]
    if setting:
        ways.append(f"name one that runs:  {setting}=mongodb://host:27017/")
    raise NothingToRun("\n".join(["no MongoDB to work with. One of these is needed:", *(f"  - {way}" for way in ways)]))


def broker(directory: Path, given: str | None, report: Report, setting: str = "RABBITMQ_URL") -> tuple[Source, Broker]:
    """A broker to start. Blocks, for minutes when it must be installed first."""
    source = choose_broker(
        given=given,
        docker=docker_answers,
        installed=installed_server() is not None,
        system=this_system(),
        setting=setting,
    )
    if source is Source.GIVEN:
        assert given is not None
        return source, GivenBroker(given)
    return source, _own_broker(source, directory, report)


def private_broker(directory: Path, report: Report) -> tuple[Source, PrivateBroker]:
    """A broker to start and to break. Blocks as `broker` does."""
    source = choose_private_broker(
        docker=docker_answers, installed=installed_server() is not None, system=this_system()
    )
    return source, _own_broker(source, directory, report)


def database(directory: Path, given: str | None, setting: str = "MONGO_URI") -> tuple[Source, Database]:
    source = choose_database(given=given, docker=docker_answers, embeddable=can_embed(), setting=setting)
    if source is Source.GIVEN:
        assert given is not None
        return source, GivenDatabase(given)
    return source, MongoContainer() if source is Source.DOCKER else SecantusNode(directory)


def private_database(directory: Path) -> tuple[Source, PrivateDatabase]:
    if can_embed():
        return Source.EMBEDDED, SecantusNode(directory)
    return choose_database(given=None, docker=docker_answers, embeddable=False, setting=None), MongoContainer()


def installed_server() -> Path | None:
    """The start script of a server that is whole: while somebody installs one, wait until that is done."""
    with one_at_a_time(INSTALLING):
        return find_server()


def can_embed() -> bool:
    """Whether SecantusDB has a wheel for this platform and was installed."""
    return importlib.util.find_spec("secantus") is not None


def _own_broker(source: Source, directory: Path, report: Report) -> PrivateBroker:
    if source is Source.DOCKER:
        return RabbitMQContainer()
    if source is Source.APT:
        with one_at_a_time(INSTALLING):
            if find_server() is None:  # nobody was quicker
                report("RabbitMQ: none here, installing rabbitmq-server with apt-get; this can take some minutes …")
                apt_install("rabbitmq-server", directory / "apt.log", service="rabbitmq-server")
    server = find_server()
    if server is None:
        raise NothingToRun("rabbitmq-server was installed, but its start script is in none of the usual places")
    return RabbitMQNode(directory, server)
