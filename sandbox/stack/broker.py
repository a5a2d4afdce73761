"""A private RabbitMQ node: its own ports, cookie, epmd and directory, so that it cannot meet one that the user runs."""

import asyncio
import contextlib
import shutil
import subprocess
from pathlib import Path

from sandbox.stack.errors import CommandFailed
from sandbox.stack.ports import free_port
from sandbox.stack.processes import Child, plain_environment

COMMAND_S = 60.0  # rabbitmqctl takes 0.4 s; a node that is down or frozen must not hold it for ever
PROBE_S = 2.0

# Debian's and Fedora's /usr/sbin/rabbitmq-server switches to the user rabbitmq and to the system's directories; the scripts
# below it do neither. Homebrew links its scripts into the PATH, or leaves them in its sbin.
SERVER_PROGRAMS = (
    "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "/opt/homebrew/sbin/rabbitmq-server",
    "/usr/local/sbin/rabbitmq-server",
)

# Only what 3.10 and 4.x both know. `guest` may log in because every listener is on the loopback interface.
CONFIG = """\
listeners.tcp.1 = 127.0.0.1:{amqp_port}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management_port}
# Absolute, because a share of a big machine's memory is no limit, and a laptop's disk may be nearly full.
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 50MB
# Small write-ahead segments: a node that was killed reads them all again at its start.
raft.wal_max_size_bytes = 32000000
log.console.level = info
"""

NODE = "payments@localhost"
LOOPBACK = "-kernel inet_dist_use_interface {127,0,0,1}"
GUEST = "guest:guest"


def find_server() -> Path | None:
    """The server's own start script, never a distribution's wrapper that needs its system user."""
    for program in SERVER_PROGRAMS:
        if Path(program).exists():
            return Path(program)
    found = shutil.which("rabbitmq-server")
    return Path(found) if found else None


async def speaks_amqp(host: str, port: int) -> bool:
    """Whether a protocol header is answered, which happens only when the node is up."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    try:
        writer.write(b"AMQP\x00\x00\x09\x01")
        return bool(await asyncio.wait_for(reader.read(1), timeout=PROBE_S))
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


class RabbitMQNode:
    """One node. `start` may be called again after `stop` or `kill`: same ports, same data."""

    def __init__(self, directory: Path, server: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"amqp://{GUEST}@127.0.0.1:{self.port}/"
        self.management_port = free_port()
        self.management_url = f"http://{GUEST}@127.0.0.1:{self.management_port}"
        self.more_config = ""
        """Lines of configuration beside ours, from the next start on."""
        self._epmd_port = free_port()
        self._ctl = server.with_name("rabbitmqctl")
        self._env = self._environment()
        self._epmd = Child(
            "epmd",
            ["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"],
            log=directory / "epmd.log",
            env=self._env,
        )
        self._server = Child("RabbitMQ", [server], log=directory / "rabbitmq.log", env=self._env, cwd=directory)

    @property
    def alive(self) -> bool:
        return self._server.alive

    @property
    def pid(self) -> int:
        """The Erlang VM itself."""
        return self._server.pid

    async def start(self) -> str:
        """Start, wait until it speaks AMQP, return its address. Raises NotReady with the last log lines."""
        self._write_config()
        try:
            # Erlang's port mapper would otherwise start as a daemon of its own and outlive the node.
            if not self._epmd.alive:
                self._epmd.start()
            self._server.start()
            await self._server.ready(self.answers)
        except BaseException:
            self.kill()
            raise
        return self.url

    async def stop(self) -> None:
        """An orderly shutdown. Data stays in the directory."""
        await self._server.stop()
        await self._epmd.stop()

    def kill(self) -> None:
        """SIGKILL, as by a power cut of the process."""
        self._server.kill()
        self._epmd.kill()

    async def discard(self) -> None:
        """End at once and remove the data; logs stay. An orderly shutdown would take RabbitMQ 6 s."""
        self.kill()
        await asyncio.to_thread(shutil.rmtree, self.directory / "data", ignore_errors=True)

    async def restart(self) -> str:
        """Kill what runs and start on the same data and ports."""
        self.kill()
        return await self.start()

    def freeze(self) -> None:
        """Sockets stay open, nothing answers. The port mapper is left out: nobody talks to it after the start."""
        self._server.freeze()

    def thaw(self) -> None:
        self._server.thaw()

    async def ctl(self, *arguments: str, within_s: float = COMMAND_S) -> str:
        """The output of `rabbitmqctl --quiet ARGUMENT ...`. Raises CommandFailed."""
        return await asyncio.to_thread(self._run, self._ctl, ["--quiet", *arguments], within_s)

    async def settle(self) -> None:
        """Make sure that a kill -9 finds every quorum queue again.

        The table of their names is written up to 3 s after a declare. A queue that is missing in it comes back empty and
        without a leader, for good (rabbitmq-server issue 15725). Await this between a declare and a `kill`.
        """
        await self.ctl("eval", "[dets:sync(Table) || Table <- dets:all()].")

    async def diagnose(self) -> str:
        """What the node says about itself, and what it logged last: for a failed test's report."""
        try:
            status = await self.ctl("status")
        except CommandFailed as failed:
            status = str(failed)
        return f"{status}\n{self._server.tail()}"

    async def answers(self) -> bool:
        return await speaks_amqp("127.0.0.1", self.port)

    def _environment(self) -> dict[str, str]:
        directory = self.directory
        return plain_environment(
            directory / "home",  # the Erlang cookie is made here, so that no other node can join
            RABBITMQ_NODENAME=NODE,  # names are unique per port mapper, and the data lies under the name
            RABBITMQ_MNESIA_BASE=str(directory / "data"),
            RABBITMQ_LOG_BASE=str(directory / "log"),
            RABBITMQ_LOGS="-",
            RABBITMQ_CONFIG_FILE=str(directory / "rabbitmq.conf"),
            RABBITMQ_CONF_ENV_FILE=str(directory / "rabbitmq-env.conf"),
            RABBITMQ_ENABLED_PLUGINS_FILE=str(directory / "enabled_plugins"),
            RABBITMQ_DIST_PORT=str(free_port()),
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=LOOPBACK,
            RABBITMQ_CTL_ERL_ARGS=f"+S 1 {LOOPBACK}",
            ERL_EPMD_PORT=str(self._epmd_port),
            ERL_EPMD_ADDRESS="127.0.0.1",
            ERL_CRASH_DUMP=str(directory / "erl_crash.dump"),
            # The script then becomes the VM instead of waiting for it, so that a signal to our child reaches the VM.
            RUNNING_UNDER_SYSTEMD="true",
        )

    def _write_config(self) -> None:
        for name in ("home", "data", "log"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        config = CONFIG.format(amqp_port=self.port, management_port=self.management_port)
        (self.directory / "rabbitmq.conf").write_text(config + self.more_config)
        (self.directory / "rabbitmq-env.conf").write_text("")  # in place of the system's
        (self.directory / "enabled_plugins").write_text("[rabbitmq_management].\n")

    def _run(self, program: Path, arguments: list[str], within_s: float) -> str:
        what = f"{program.name} {' '.join(arguments)}"
        try:
            done = subprocess.run(
                [program, *arguments], env=self._env, capture_output=True, text=True, timeout=within_s, check=False
            )
        except subprocess.TimeoutExpired:
            raise CommandFailed(f"{what}: no answer after {within_s:g} s") from None
        if done.returncode != 0:
            raise CommandFailed(f"{what}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout
