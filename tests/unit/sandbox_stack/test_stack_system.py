"""Installing a package: the commands, and what is said when one fails."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.stack import CommandFailed, system
from sandbox.stack.system import apt_install


def recorder(commands: list[list[str]], fail_on: str = "nothing") -> Callable[..., object]:
    """A subprocess.run that writes down what it is asked, and fails on a command that has this word."""

    def run(command: list[str], *, stdout: Any, env: dict[str, str], **_: object) -> None:
        assert env["DEBIAN_FRONTEND"] == "noninteractive"
        commands.append(command)
        if fail_on in command:
            stdout.write(b"E: no such package\n")
            stdout.flush()
            raise subprocess.CalledProcessError(100, command)

    return run


@pytest.mark.parametrize("booted", [True, False])
def test_a_service_that_the_package_started_is_stopped(
    booted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under systemd the service that the new package started is stopped; in a container there is none."""
    monkeypatch.setattr(system, "SYSTEMD", tmp_path if booted else tmp_path / "missing")
    monkeypatch.setattr("shutil.which", lambda _: "systemctl")
    commands: list[list[str]] = []
    apt_install("rabbitmq-server", tmp_path / "apt.log", service="rabbitmq-server", run=recorder(commands))
    assert [command[0] for command in commands] == ["apt-get", "apt-get"] + ["systemctl"] * booted
    assert commands[1][-1] == "rabbitmq-server"


def test_a_failed_install_says_what_apt_said(tmp_path: Path) -> None:
    """A package that cannot be installed is an error with apt's last words."""
    with pytest.raises(CommandFailed, match="no such package"):
        apt_install("nonsense", tmp_path / "apt.log", run=recorder([], fail_on="nonsense"))
