"""The container-backed nodes over a hand-written container: the calls that they make, and in which order."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from testcontainers.core.container import DockerContainer

from sandbox.stack import CommandFailed, containers
from sandbox.stack.containers import MongoContainer, RabbitMQContainer


class FakeContainer:
    """What testcontainers offers, as far as we use it; `script` holds the calls."""

    def __init__(self) -> None:
        self.script: list[str] = []
        self.exit_code = 0

    def start(self) -> None:
        self.script.append("create")

    def stop(self) -> None:
        self.script.append("remove")

    def get_container_host_ip(self) -> str:
        return "engine.example"

    def get_logs(self) -> tuple[bytes, bytes]:
        return b"out\n", b"err\n"

    def exec(self, command: list[str]) -> SimpleNamespace:
        self.script.append(" ".join(command[:2]))
        return SimpleNamespace(exit_code=self.exit_code, output=b"said")

    def get_wrapped_container(self) -> SimpleNamespace:
        names = ("start", "kill", "pause", "unpause")
        return SimpleNamespace(**{name: lambda name=name: self.script.append(name) for name in names})


def disguised(fake: FakeContainer) -> DockerContainer:
    return cast("DockerContainer", fake)


@pytest.fixture
def fake() -> FakeContainer:
    return FakeContainer()


@pytest.fixture
def broker(fake: FakeContainer, monkeypatch: pytest.MonkeyPatch) -> RabbitMQContainer:
    async def speaks(host: str, port: int) -> bool:
        return host == "engine.example" and port > 0

    monkeypatch.setattr(containers, "speaks_amqp", speaks)
    return RabbitMQContainer(disguised(fake))


async def test_a_killed_container_is_started_again_not_made_anew(
    fake: FakeContainer, broker: RabbitMQContainer
) -> None:
    """A broker in a container keeps its data over a kill: the same container is started again."""
    first = await broker.start()
    broker.kill()
    assert not broker.alive
    assert await broker.restart() == first
    await broker.discard()
    assert fake.script == ["create", "kill", "start", "remove"]


async def test_the_address_is_the_engines(broker: RabbitMQContainer) -> None:
    """The addresses name the host that the engine publishes ports on."""
    assert await broker.start() == f"amqp://guest:guest@engine.example:{broker.port}/"
    assert broker.management_url.endswith(f"@engine.example:{broker.management_port}")


async def test_freezing_a_container_pauses_it(fake: FakeContainer, broker: RabbitMQContainer) -> None:
    """Freezing pauses the container, thawing goes on."""
    await broker.start()
    broker.freeze()
    broker.thaw()
    assert fake.script[1:] == ["pause", "unpause"]


async def test_a_refused_command_carries_its_output(fake: FakeContainer, broker: RabbitMQContainer) -> None:
    """A command runs inside, and a non-zero exit is an error with what it said."""
    await broker.start()
    assert await broker.ctl("status") == "said"
    fake.exit_code = 70
    with pytest.raises(CommandFailed, match=r"exit code 70\nsaid"):
        await broker.ctl("status")


async def test_a_new_database_is_made_a_replica_set_of_one(
    fake: FakeContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is no primary yet is told to initiate its set, and is ready when it is one."""
    answers: list[dict[str, Any]] = [{}, {"isWritablePrimary": False}, {"isWritablePrimary": True}]
    monkeypatch.setattr(containers, "hello", lambda _: answers.pop(0))
    monkeypatch.setattr(containers, "POLL_S", 0)
    database = MongoContainer(disguised(fake))
    assert await database.start() == f"mongodb://engine.example:{database.port}/?directConnection=true"
    assert fake.script == ["create", "mongosh --quiet"]
