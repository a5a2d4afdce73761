"""Remove every safeguard in turn from a copy of the project, and show that a test turns red: `make safeguards`.

    make safeguards ARGS="--list"
    make safeguards ARGS="--only 'compare-and-swap' --only tombstone"

Exit code 1: one does not bite, or its text is not where the table says. See docs/safeguards.md.
"""

import argparse
import json
import queue
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.progress import Shown
from tests.safeguards.safeguard import Safeguard
from tests.safeguards.scratch import ALL_PASSED, Bite, Outcome, Scratch
from tests.safeguards.table import SAFEGUARDS

AT_ONCE = 2
"""Copies in use: each runs an interpreter of its own, and some a database."""

COLOURS = {Bite.BITES: "green", Bite.SILENT: "red", Bite.BROKEN: "red", Bite.GONE: "red"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, with a progress bar; 1 when a safeguard does not bite, 2 for a name that is none."""
    chosen = _parser().parse_args(arguments)
    known = {safeguard.name: safeguard for safeguard in SAFEGUARDS}
    if unknown := [name for name in chosen.only if name not in known]:
        print(f"no such safeguard: {', '.join(unknown)}; `--list` names them", file=sys.stderr)
        return 2
    asked = [known[name] for name in chosen.only] or list(SAFEGUARDS)
    if chosen.list:
        _list(asked, as_json=chosen.json)
        return 0
    begun = time.monotonic()
    screen = Console(stderr=True, highlight=False)
    with ExitStack() as closing:
        copies: queue.Queue[Scratch] = queue.Queue()
        for _ in range(min(chosen.jobs, len(asked))):
            copies.put(Scratch(Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="safeguards-")))))
        problem = _red_before(copies, asked, screen)
        outcomes = (
            [] if problem else sorted(_removed(copies, asked, screen), key=lambda one: asked.index(one.safeguard))
        )
    if problem:
        print(f"the tests are red with every safeguard in place:\n{problem}", file=sys.stderr)
        return 1
    (_print_json if chosen.json else _print_table)(outcomes)
    idle = [outcome for outcome in outcomes if outcome.bite is not Bite.BITES]
    screen.print(f"{len(outcomes)} removed, {len(idle)} unnoticed, {time.monotonic() - begun:.0f} s")
    return 1 if idle else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make safeguards", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="one of them; may be repeated")
    parser.add_argument("--list", action="store_true", help="name them, and remove none")
    parser.add_argument("--json", action="store_true", help="for programs, on standard output")
    parser.add_argument("--jobs", type=int, default=AT_ONCE, help=f"copies of the project in use; default {AT_ONCE}")
    return parser


def _red_before(copies: "queue.Queue[Scratch]", asked: Sequence[Safeguard], screen: Console) -> str:
    """What is wrong with the untouched copy, which must be green on all the tests that are going to turn red."""
    tests = dict.fromkeys(test for safeguard in asked for test in safeguard.tests)
    scratch = copies.get()
    with screen.status(f"{len(tests)} tests, with every safeguard in place"):
        tested = scratch.tested(tests)
    copies.put(scratch)
    return "" if tested.code == ALL_PASSED else tested.output


def _removed(copies: "queue.Queue[Scratch]", asked: Sequence[Safeguard], screen: Console) -> Iterator[Outcome]:
    def remove(safeguard: Safeguard) -> Outcome:
        scratch = copies.get()
        try:
            return scratch.without(safeguard)
        finally:
            copies.put(scratch)

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Shown(*columns, console=screen) as progress, ThreadPoolExecutor(copies.qsize()) as pool:
        bar = progress.add_task("removed", total=len(asked))
        for done in as_completed([pool.submit(remove, safeguard) for safeguard in asked]):
            progress.advance(bar)
            yield done.result()


def _print_table(outcomes: Sequence[Outcome]) -> None:
    table = Table("safeguard", "without it", "what is said then", title="Safeguards, each removed in turn")
    for outcome in outcomes:
        table.add_row(outcome.safeguard.name, f"[{COLOURS[outcome.bite]}]{outcome.bite}[/]", _plain(outcome.told))
    Console(highlight=False).print(table)


def _print_json(outcomes: Sequence[Outcome]) -> None:
    found = [
        {
            "name": outcome.safeguard.name,
            "promise": outcome.safeguard.promise,
            "file": outcome.safeguard.file,
            "bite": outcome.bite,
            "told": outcome.told,
            "failed": outcome.failed,
        }
        for outcome in outcomes
    ]
    print(json.dumps(found, indent=2))


def _list(asked: Sequence[Safeguard], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([{"name": one.name, "promise": one.promise, "file": one.file} for one in asked], indent=2))
        return
    table = Table("safeguard", "what it keeps", "file")
    for safeguard in asked:
        table.add_row(safeguard.name, safeguard.promise, safeguard.file)
    Console(highlight=False).print(table)


def _plain(text: str) -> str:
    """A test's words are no markup."""
    return text.replace("[", r"\[")


if __name__ == "__main__":
    sys.exit(main())
