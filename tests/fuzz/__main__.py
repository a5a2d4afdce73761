"""Any bytes from outside, for as long as you ask, guided by what they reach: `make fuzz SECONDS=60`.

Two targets share the time: the webhook's door with the worker's reading of what it lets in, and the worker's reading of
commands. An input that does something unforeseen is kept in .fuzz, and is the same run again:
`python -m tests.fuzz.drive webhook .fuzz/webhook-crash-…`.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tests.fuzz.drive import ORDINARY, PRIVILEGED, SIGNED
from tests.progress import Shown
from tests.unit.fuzz.bending import commands, webhooks

KEPT = Path(".fuzz")
TARGETS = ("webhook", "command")
POLL_S = 0.5
GRACE_S = 60
"""To start and to say what was found; after it a target hangs, and that is a finding, too."""

MAX_INPUT_BYTES = 16_384
"""Larger inputs teach nothing new here and are slow; the limits on size have tests of their own."""

WITHOUT = (
    "skipped: atheris is not installed. It has wheels for Linux on x86-64 only, and is an extra of its own: [fuzz]"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run each target, with a progress bar; 1 when one found something."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together; default 60")
    parser.add_argument("--target", choices=TARGETS, help="one of them; default: all")
    chosen = parser.parse_args(arguments)
    if importlib.util.find_spec("atheris") is None:
        print(WITHOUT)
        return 0
    KEPT.mkdir(exist_ok=True)
    targets = (chosen.target,) if chosen.target else TARGETS
    share_s = max(1, chosen.seconds // len(targets))
    screen = Console(soft_wrap=True, highlight=False)
    codes = []
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Shown(*columns, console=screen) as progress:
        for target in targets:
            code, said = _fuzzed(target, share_s, progress)
            codes.append(code)
            screen.print(f"{target}: {_story(said) if code == 0 else said}", markup=False)
    return 1 if any(codes) else 0


def _fuzzed(target: str, seconds: int, progress: Progress) -> tuple[int, str]:
    """One target's exit code, and what it said; the sound messages are where it begins."""
    bar = progress.add_task(target, total=seconds)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as directory:
        for number, raw in enumerate(_sound(target)):
            (Path(directory) / f"{number:04}").write_bytes(raw)
        options = [f"-max_total_time={seconds}", f"-max_len={MAX_INPUT_BYTES}", "-print_final_stats=1"]
        command = [sys.executable, "-m", "tests.fuzz.drive", target, directory, *options]
        log = Path(directory).with_suffix(".log")
        with log.open("wb") as output:
            child = subprocess.Popen(
                [*command, f"-artifact_prefix={KEPT}/{target}-"], stdout=output, stderr=subprocess.STDOUT
            )
            begun = time.monotonic()
            while child.poll() is None and time.monotonic() - begun < seconds + GRACE_S:
                time.sleep(POLL_S)
                progress.update(bar, completed=min(seconds, time.monotonic() - begun))
            if child.poll() is None:
                child.kill()
        code = child.wait()
        said = log.read_text(errors="replace")
        log.unlink()
    return code, said


def _sound(target: str) -> Iterator[bytes]:
    if target == "webhook":
        yield from (SIGNED + json.dumps(event).encode() for event in webhooks())
        return
    for command in commands():
        yield from (place + json.dumps(command).encode() for place in (ORDINARY, PRIVILEGED))


def _story(said: str) -> str:
    """What libFuzzer counts at its end, in one line."""
    stats = dict(line.removeprefix("stat::").split(":", 1) for line in said.splitlines() if line.startswith("stat::"))
    found = [line for line in said.splitlines() if " cov: " in line]
    reached = found[-1].split(" cov: ")[1].split()[0] if found else "?"
    return (
        f"{stats.get('number_of_executed_units', '?').strip()} inputs, {reached} branches reached, nothing unforeseen"
    )


if __name__ == "__main__":
    sys.exit(main())
