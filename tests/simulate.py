"""Live through generated histories and schedules on all cores: `make simulate`.

A history is what happens to one payment, heard in several orders (tests/stateful/histories.py). A schedule is the
production handler, sweeper and relay in a world that breaks (tests/simulation/world.py). A seed that fails is printed,
and is the same run again: `make simulate ARGS="--histories 1 --first 4711"`.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.simulation import virtual_time
from tests.simulation.world import World, judge
from tests.stateful.test_any_order import lived as history

AT_ONCE = 50
"""Seeds that one process takes at a time."""

SHOWN = 20
"""Failures that are printed; a bug fails thousands of seeds alike."""

Failures = list[tuple[int, str]]


def schedule(seed: int) -> None:
    """One run of the workers in virtual time, judged by Stripe's ledger."""
    structlog.configure(processors=[_silent])
    world = World(seed)
    virtual_time.run(world.run())
    judge(world)


def _silent(*_: object) -> str:
    raise structlog.DropEvent


KINDS: dict[str, Callable[[int], object]] = {"histories": history, "schedules": schedule}


def batch(kind: str, first: int, end: int) -> Failures:
    """Live through some seeds; what failed, and how."""
    failures = []
    for seed in range(first, end):
        try:
            KINDS[kind](seed)
        except Exception as error:  # noqa: BLE001 - whatever it is, the seed has failed and the others go on
            failures.append((seed, f"{type(error).__name__}: {error}".partition("\n")[0][:300]))
    return failures


def _batches(chosen: argparse.Namespace) -> Iterator[tuple[str, int, int]]:
    for kind in KINDS:
        end = chosen.first + getattr(chosen, kind)
        for first in range(chosen.first, end, AT_ONCE):
            yield kind, first, min(first + AT_ONCE, end)


def main() -> int:
    """Run, with a progress bar; 1 when a seed failed."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--histories", type=int, default=50_000, help="of one payment, default 50,000")
    parser.add_argument("--schedules", type=int, default=10_000, help="of the whole worker, default 10,000")
    parser.add_argument("--first", type=int, default=0, help="the first seed, to go on where a run ended; default 0")
    chosen = parser.parse_args()
    failed: dict[str, Failures] = {kind: [] for kind in KINDS}
    begun = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    context = multiprocessing.get_context("spawn")
    with Progress(*columns) as progress, ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        bars = {kind: progress.add_task(kind, total=getattr(chosen, kind)) for kind in KINDS}
        work = {pool.submit(batch, *seeds): seeds for seeds in _batches(chosen)}
        for done in as_completed(work):
            kind, first, end = work[done]
            failed[kind] += done.result()
            progress.advance(bars[kind], end - first)
    screen = Console(soft_wrap=True, highlight=False)
    for kind, failures in failed.items():
        screen.print(f"{getattr(chosen, kind)} {kind} from seed {chosen.first}: {len(failures)} failed")
        for seed, text in sorted(failures)[:SHOWN]:
            screen.print(f"  {kind} seed {seed}: {text}", markup=False)
    screen.print(f"{time.monotonic() - begun:.0f} s")
    return 1 if any(failed.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
