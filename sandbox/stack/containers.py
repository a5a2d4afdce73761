"""RabbitMQ and MongoDB in containers, through testcontainers, wherever a Docker engine answers.

testcontainers starts a reaper beside them that removes whatever a killed process leaves behind.
"""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from sandbox.stack.broker import GUEST, speaks_amqp
from sandbox.stack.database import hello
from sandbox.stack.errors import CommandFailed, NotReady
from sandbox.stack.ports import free_port

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

RABBITMQ_IMAGE = "rabbitmq:4-management"
MONGO_IMAGE = "mongo:8"
READY_S = 90.0  # after the image is there; the first start writes its files
POLL_S = 0.2
ENGINE_S = 10.0  # a socket whose engine hangs must not hold us for ever

# In a process of its own: the client leaves its socket open when it finds no engine, and some engines never answer.
ASK_ENGINE = "from testcontainers.core.docker_client import DockerClient; DockerClient().client.ping()"

INITIATE = """\
try { rs.status() } catch (e) { rs.initiate({_id: 'rs0', members: [{_id: 0, host: 'localhost:27017'}]}) }
"""


def docker_answers() -> bool:
    try:
        asked = subprocess.run([sys.executable, "-c", ASK_ENGINE], capture_output=True, timeout=ENGINE_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


class Container:
    """A container with a fixed host port, so that clients find it again after a kill and a restart."""

    def __init__(self, name: str, container: "DockerContainer", probe: Callable[[], Awaitable[bool]]) -> None:
        self.name = name
        self.container = container
        self.host = "127.0.0.1"  # corrected by `start`: a remote engine has another
        self._probe = probe
        self._created = False

    async def start(self) -> None:
        """Pull the image if need be, start, wait until it answers. Raises NotReady with the last log lines."""
        if self._created:
            await asyncio.to_thread(self.container.get_wrapped_container().start)
        else:
            await asyncio.to_thread(self.container.start)
            self._created = True
            self.host = await asyncio.to_thread(self.container.get_container_host_ip)
        deadline = time.monotonic() + READY_S
        while not await self._probe():
            if time.monotonic() > deadline:
                raise NotReady(f"{self.name} was not ready after {READY_S:g} s\n{await asyncio.to_thread(self.tail)}")
            await asyncio.sleep(POLL_S)

    async def stop(self) -> None:
        """Stop and remove, with the data."""
        await asyncio.to_thread(self.container.stop)
        self._created = False

    def kill(self) -> None:
        self.container.get_wrapped_container().kill()

    def freeze(self) -> None:
        self.container.get_wrapped_container().pause()

    def thaw(self) -> None:
        self.container.get_wrapped_container().unpause()

    async def run(self, *command: str) -> str:
        """The output of a command inside. Raises CommandFailed."""
        done = await asyncio.to_thread(self.container.exec, list(command))
        output = done.output.decode(errors="replace")
        if done.exit_code != 0:
            raise CommandFailed(f"{command[0]} in {self.name}: exit code {done.exit_code}\n{output}")
        return output

    def tail(self) -> str:
        logs = b"".join(self.container.get_logs()).decode(errors="replace")
        return "\n".join(f"  | {line}" for line in logs.splitlines()[-25:])


class RabbitMQContainer:
    """The same shape as RabbitMQNode."""

    def __init__(self, container: "DockerContainer | None" = None) -> None:
        self.port = free_port()
        self.management_port = free_port()
        ports = {5672: self.port, 15672: self.management_port}
        self._container = Container("RabbitMQ", container or build(RABBITMQ_IMAGE, ports), self.answers)
        self.alive = False

    @property
    def url(self) -> str:
        return f"amqp://{GUEST}@{self._container.host}:{self.port}/"

    @property
    def management_url(self) -> str:
        return f"http://{GUEST}@{self._container.host}:{self.management_port}"

    async def start(self) -> str:
        await self._container.start()
        self.alive = True
        return self.url

    async def stop(self) -> None:
        await self._container.stop()
        self.alive = False

    async def discard(self) -> None:
        await self.stop()

    def kill(self) -> None:
        if self.alive:
            self._container.kill()
        self.alive = False

    async def restart(self) -> str:
        self.kill()
        return await self.start()

    def freeze(self) -> None:
        self._container.freeze()

    def thaw(self) -> None:
        self._container.thaw()

    async def ctl(self, *arguments: str) -> str:
        return await self._container.run("rabbitmqctl", "--quiet", *arguments)

    async def settle(self) -> None:
        await self.ctl("eval", "[dets:sync(Table) || Table <- dets:all()].")

    async def diagnose(self) -> str:
        return await asyncio.to_thread(self._container.tail)

    async def answers(self) -> bool:
        return await speaks_amqp(self._container.host, self.port)


class MongoContainer:
    """The same shape as SecantusNode: a replica set of one, as production has it, minus the redundancy."""

    def __init__(self, container: "DockerContainer | None" = None) -> None:
        self.port = free_port()
        command = "--replSet rs0 --bind_ip_all"
        self._container = Container(
            "MongoDB", container or build(MONGO_IMAGE, {27017: self.port}, command), self.answers
        )
        self.alive = False

    @property
    def uri(self) -> str:
        # Direct: the set's only member calls itself localhost:27017, which is another place from out here.
        return f"mongodb://{self._container.host}:{self.port}/?directConnection=true"

    async def start(self) -> str:
        await self._container.start()
        self.alive = True
        return self.uri

    async def stop(self) -> None:
        await self._container.stop()
        self.alive = False

    async def discard(self) -> None:
        await self.stop()

    def kill(self) -> None:
        if self.alive:
            self._container.kill()
        self.alive = False

    async def restart(self) -> str:
        self.kill()
        return await self.start()

    def freeze(self) -> None:
        self._container.freeze()

    def thaw(self) -> None:
        self._container.thaw()

    async def answers(self) -> bool:
        """Whether it is a writable primary; asks for the replica set to be initiated until it is."""
        said = await asyncio.to_thread(hello, self.uri)
        if said and not said.get("isWritablePrimary"):
            with contextlib.suppress(CommandFailed):  # still starting
                await self._container.run("mongosh", "--quiet", "--eval", INITIATE)
        return bool(said.get("isWritablePrimary"))


def build(image: str, ports: dict[int, int], command: str | None = None) -> "DockerContainer":
    from testcontainers.core.container import DockerContainer

    container = DockerContainer(image, command=command)
    for inside, outside in ports.items():
        container.with_bind_ports(inside, outside)
    return container
