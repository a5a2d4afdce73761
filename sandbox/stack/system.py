"""Which system this is, what it may install by itself, and what to tell people who must do it."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sandbox.stack.errors import CommandFailed

INSTALL_S = 600.0  # Erlang is a download of 100 MB on a slow mirror
APT = ("apt-get", "-o", "DPkg::Lock::Timeout=120", "-qq")  # another apt may be at work: wait for it

INSTALLING = "installing"  # the name for one_at_a_time, for who installs and for who looks whether it is installed

SYSTEMD = Path("/run/systemd/system")  # there when systemd runs this machine: sd_booted(3)

COMMANDS = {
    "debian": "sudo apt-get install rabbitmq-server",
    "fedora": "sudo dnf install rabbitmq-server",
    "suse": "sudo zypper install rabbitmq-server",
    "arch": "sudo pacman -S rabbitmq",
    "alpine": "sudo apk add rabbitmq-server",
    "macos": "brew install rabbitmq",
}
RELATIVES = {"ubuntu": "debian", "rhel": "fedora", "centos": "fedora", "opensuse": "suse"}


@dataclass(frozen=True)
class System:
    family: str  # a key of COMMANDS, or "other"
    is_root: bool

    @property
    def can_install(self) -> bool:
        return self.family == "debian" and self.is_root

    def advice(self, setting: str | None) -> str:
        """What to do to have a RabbitMQ; the setting names one that runs, where such a one would do."""
        command = COMMANDS.get(self.family)
        install = (
            f"install RabbitMQ:  {command}" if command else "install RabbitMQ 3.10 or newer, with its scripts in PATH"
        )
        ways = [install, "start Docker (or anything that answers as Docker does)"]
        if setting:
            ways.append(f"name one that runs:  {setting}=amqp://user:password@host:5672/")
        return "\n".join(["no RabbitMQ to work with. One of these is needed:", *(f"  - {way}" for way in ways)])


def this_system() -> System:
    if sys.platform == "darwin":
        return System("macos", is_root=False)
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    return System(family(release), is_root=hasattr(os, "geteuid") and os.geteuid() == 0)


def family(release: dict[str, str]) -> str:
    """The first of ID and ID_LIKE, os-release(5), that we have advice for."""
    for name in [release.get("ID", ""), *release.get("ID_LIKE", "").split()]:
        known = RELATIVES.get(name, name)
        if known in COMMANDS:
            return known
    return "other"


def apt_install(
    package: str, log: Path, *, service: str | None = None, run: Callable[..., object] = subprocess.run
) -> None:
    """Install a package without questions, its output in the log, and stop the service it brings. Raises CommandFailed."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    commands = [[*APT, "update"], [*APT, "install", "-y", "--no-install-recommends", package]]
    # Debian starts and enables a service that it has just installed. Nobody asked for one, so it ends with us.
    if service and SYSTEMD.exists() and shutil.which("systemctl"):
        commands.append(["systemctl", "disable", "--now", service])
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        for command in commands:
            try:
                run(command, env=environment, stdout=output, stderr=output, check=True, timeout=INSTALL_S)
            except (OSError, subprocess.SubprocessError) as failed:
                last = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
                raise CommandFailed(f"{failed}\n{last}") from None
