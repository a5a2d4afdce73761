"""The stack as its users see it, without starting anything."""

from pathlib import Path

import pytest

from sandbox.stack import NotReady, Stack, choose
from sandbox.stack.choose import Broker, Database, GivenDatabase, Report, Source


class FailingBroker:
    """Starts nothing, and writes down that it was ended."""

    url = management_url = ""

    def __init__(self) -> None:
        self.ended = ""

    async def start(self) -> str:
        raise NotReady("no luck")

    async def stop(self) -> None:
        self.ended = "stop"

    async def discard(self) -> None:
        self.ended = "discard"


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> FailingBroker:
    broker = FailingBroker()

    def pick(directory: Path, given: str | None, report: Report) -> tuple[Source, Broker]:
        assert given is None
        directory.mkdir(parents=True)
        report("picked")
        return Source.INSTALLED, broker

    monkeypatch.setattr(choose, "broker", pick)
    return broker


async def test_given_addresses_are_used_as_they_are() -> None:
    """With both addresses given nothing is started, and the directory is gone afterwards."""
    lines: list[str] = []
    async with Stack(broker_url="amqp://b/", mongo_uri="mongodb://m/", report=lines.append) as stack:
        assert (stack.rabbitmq_url, stack.mongo_uri) == ("amqp://b/", "mongodb://m/")
        assert stack.directory.is_dir()
    assert not stack.directory.exists()
    assert lines == ["RabbitMQ: the address given", "MongoDB: the address given"]


async def test_a_failed_start_leaves_nothing(failing: FailingBroker) -> None:
    """A broker that does not start is ended, the directory is removed, and the error gets out."""
    stack = Stack(report=lambda _: None)
    with pytest.raises(NotReady, match="no luck"):
        await stack.__aenter__()
    assert failing.ended == "discard"
    assert not stack.directory.exists()


async def test_a_named_directory_is_left_with_orderly_data(failing: FailingBroker, tmp_path: Path) -> None:
    """In a directory that the caller named, nodes are shut down in order and the directory stays."""
    stack = Stack(directory=tmp_path / "mine", report=lambda _: None)
    with pytest.raises(NotReady):
        await stack.__aenter__()
    assert failing.ended == "stop"
    assert stack.directory.is_dir()


async def test_a_kept_directory_is_named_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that is kept is reported on the way out."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    lines: list[str] = []
    async with Stack(broker_url="amqp://b/", mongo_uri="mongodb://m/", keep=True, report=lines.append) as stack:
        pass
    assert stack.directory.is_dir()
    assert lines[-1] == f"kept: {stack.directory}"


def test_a_given_database_is_a_database() -> None:
    """What stands for a given address has the shape of what is started."""
    database: Database = GivenDatabase("mongodb://m/")
    assert database.uri == "mongodb://m/"
