"""Live through generated schedules and histories on all cores: `make simulate`.

A schedule is the production handler, sweeper, relay and coverage walk in a world that breaks (tests/simulation/world.py). A
history is what happens to one payment, heard in several orders (tests/stateful/histories.py). Customers are schedules of the
other aggregate. `make simulate SCHEDULES=1000000` may be interrupted: the same command goes on where it was. A seed that
fails is printed with the command that tells its run, and kept in tests/simulation/regressions.txt, which `make test` runs.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from tests.progress import Shown
from tests.simulation import regressions
from tests.simulation.crew import Crew
from tests.simulation.done import Done, fingerprint
from tests.simulation.lives import LIVES, told

AT_ONCE = 50
"""Seeds that one process takes at a time."""

SHOWN = 20
"""Failures that are printed and kept; a bug fails thousands of seeds alike."""

SAVED_EVERY_S = 2.0
USUAL = {"schedules": 10_000, "histories": 50_000, "customers": 0}
"""When nothing is asked for by number."""

KEPT = Path(".sandbox/simulate.json")
INTERRUPTED = 130
"""As a shell says of a program that Ctrl-C ended."""


def chosen(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What was asked for; of a kind that was not named nothing, unless none was."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    for kind, number in USUAL.items():
        parser.add_argument(f"--{kind}", type=int, help=f"how many; {number:,} when no number is given at all")
    parser.add_argument("--first", type=int, default=0, help="the first seed, default 0")
    parser.add_argument("--seed", type=int, help="tell one run instead")
    parser.add_argument("--kind", choices=list(LIVES), default="schedules", help="of --seed, default schedules")
    parser.add_argument("--resume", type=Path, default=KEPT, help=f"what an interrupted run keeps, default {KEPT}")
    parser.add_argument("--anew", action="store_true", help="forget what an interrupted run has done")
    parser.add_argument("--processes", type=int, help="default: one per core")
    found = parser.parse_args(arguments)
    numbers = {kind: getattr(found, kind) for kind in USUAL}
    usual: dict[str, int] = {} if any(number is not None for number in numbers.values()) else USUAL
    found.numbers = {kind: usual.get(kind, 0) if number is None else number for kind, number in numbers.items()}
    return found


def tell(kind: str, seed: int, screen: Console) -> int:
    """Print one run; 1 when it failed."""
    story, failed = told(kind, seed)
    for line in story:
        screen.print(line, markup=False)
    text = f"FAILED: {type(failed).__name__}: {failed}" if failed else "every promise holds"
    screen.print(f"{kind} seed {seed}: {text}", markup=False)
    return 1 if failed else 0


def run(asked: argparse.Namespace, crew: Crew, done: Done, screen: Console) -> Counter[str]:
    """Live through what is left; what was injected meanwhile."""
    injected: Counter[str] = Counter()
    ends = {kind: asked.first + number for kind, number in asked.numbers.items() if number}
    left = {kind: list(done.left(kind, asked.first, end, AT_ONCE)) for kind, end in ends.items()}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    saved = 0.0
    with Shown(*columns, console=screen) as progress:
        bars = {}
        for kind, pieces in left.items():
            ahead = asked.numbers[kind] - sum(end - first for first, end in pieces)
            bars[kind] = progress.add_task(kind, total=asked.numbers[kind], completed=ahead)
            if ahead:
                progress.console.print(f"{kind}: going on, {ahead:,} of {asked.numbers[kind]:,} are done")
        for piece in crew.work((kind, *seeds) for kind, pieces in left.items() for seeds in pieces):
            done.add(piece.kind, piece.first, piece.end)
            done.failed.setdefault(piece.kind, {}).update(piece.failed)
            injected += piece.injected
            progress.advance(bars[piece.kind], piece.end - piece.first)
            if time.monotonic() - saved > SAVED_EVERY_S:
                done.write(asked.resume)
                saved = time.monotonic()
    return injected


def replay(kind: str, seed: int) -> str:
    """The command that tells one run."""
    return f"make simulate SEED={seed}" + ("" if kind == "schedules" else f' ARGS="--kind {kind}"')


def report(asked: argparse.Namespace, done: Done, screen: Console) -> bool:
    """Print what failed, and keep it; tell whether anything did."""
    for kind, number in asked.numbers.items():
        failed = dict(sorted(done.failed.get(kind, {}).items())[:SHOWN])
        if number or failed:
            lived = sum(end - first for first, end in done.ranges.get(kind, []))
            screen.print(f"{lived:,} {kind}: {len(done.failed.get(kind, {}))} failed")
        for seed, how in failed.items():
            screen.print(f"  {replay(kind, seed)}   # {how}", markup=False)
        if new := regressions.keep(kind, failed):
            screen.print(f"  {new} new in {regressions.KEPT.name}")
    return any(done.failed.values())


def counts(injected: Counter[str]) -> Table:
    """What was injected, by kind."""
    table = Table("injected", "times")
    table.columns[1].justify = "right"
    for what, times in injected.most_common():
        table.add_row(what, f"{times:,}")
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, with a progress bar; 1 when a seed failed, 130 when a signal came first."""
    asked = chosen(arguments)
    screen = Console(soft_wrap=True, highlight=False)
    if asked.seed is not None:
        return tell(asked.kind, asked.seed, screen)
    code = fingerprint()
    done = Done(code) if asked.anew else Done.read(asked.resume, code)
    begun, crew = time.monotonic(), Crew(asked.processes)
    injected = run(asked, crew, done, screen)
    if injected:
        screen.print(counts(injected))
    failed = report(asked, done, screen)
    if crew.ended:
        done.write(asked.resume)
        screen.print(f"interrupted; the same command goes on ({asked.resume})")
        return INTERRUPTED
    asked.resume.unlink(missing_ok=True)
    screen.print(f"{time.monotonic() - begun:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
