"""One process at a time: who comes second waits, and nobody waits for the dead."""

import select
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sandbox.stack.turns import one_at_a_time

PROGRAM = """
import sys
from sandbox.stack.turns import one_at_a_time

print("asks", flush=True)
with one_at_a_time("test"):
    print("is inside", flush=True)
    sys.stdin.read()
"""
LONG_S = 0.5
"""Beside a look at a lock that is free. A slow machine can only make the test easier, never red."""


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock's file lies in the test's own folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def asking() -> "subprocess.Popen[bytes]":
    """A process that has said that it asks for its turn. It stays inside until its input ends."""
    command = [sys.executable, "-c", PROGRAM]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    assert said(process) == b"asks\n"
    return process


def said(process: "subprocess.Popen[bytes]", within_s: float | None = None) -> bytes:
    """The next line that it prints; empty when there is nothing in time."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], within_s)
    return process.stdout.readline() if ready else b""


def test_the_second_waits_for_the_first() -> None:
    """A process gets in when the one before it has left, and not before."""
    with one_at_a_time("test"):
        second = asking()
        while_inside = said(second, LONG_S)
    with second:
        assert (while_inside, said(second)) == (b"", b"is inside\n")


def test_a_process_that_was_killed_holds_nobody_up() -> None:
    """The turn of a process that was killed inside is over."""
    with asking() as first:
        assert said(first) == b"is inside\n"
        first.kill()
    with one_at_a_time("test"):
        assert first.returncode < 0
