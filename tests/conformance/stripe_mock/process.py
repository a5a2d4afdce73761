"""Stripe's own validating mock as a child process: found, or installed where Go is, or the reason why not."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.stack.turns import one_at_a_time

VERSION = "v0.203.0"  # its OpenAPI document is of 2026-08-26, two months before the SDK's
MODULE = f"github.com/stripe/stripe-mock@{VERSION}"
INSTALL_TIMEOUT_S = 300
LISTENING = re.compile(r"Listening for HTTP at address: (\S+)")
MAX_START_LINES = 20


class NotHereError(Exception):
    """stripe-mock can neither be found nor installed; the text says why."""


def find() -> str:
    """The path of stripe-mock: on PATH, in Go's bin folder, or freshly installed there."""
    on_path = shutil.which("stripe-mock")
    if on_path:
        return on_path
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    with one_at_a_time("go-install"):
        return _installed(go)


def _installed(go: str | None) -> str:
    candidates = [Path.home() / "go/bin/stripe-mock"]
    if go is not None:
        gopath = subprocess.run([go, "env", "GOPATH"], capture_output=True, text=True, check=True).stdout.strip()
        candidates.append(Path(gopath) / "bin/stripe-mock")
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return str(candidate)
    if go is None:
        raise NotHereError("neither stripe-mock nor Go is installed")
    made = subprocess.run(
        [go, "install", MODULE], capture_output=True, text=True, check=False, timeout=INSTALL_TIMEOUT_S
    )
    if made.returncode != 0:
        raise NotHereError(f"go install {MODULE} failed: {made.stderr.strip()[-300:]}")
    return str(candidates[-1])


@contextmanager
def running() -> Iterator[str]:
    """A stripe-mock on a free port; yields its address."""
    with subprocess.Popen(
        [find(), "-http-addr", "127.0.0.1:0", "-https-addr", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as child:
        try:
            yield _address(child)
        finally:
            child.kill()


def _address(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    seen: list[str] = []
    for line in child.stdout:
        if found := LISTENING.search(line):
            return f"http://{found[1]}"
        seen.append(line)
        if len(seen) == MAX_START_LINES:
            break
    raise NotHereError(f"stripe-mock did not start: {''.join(seen)}")
