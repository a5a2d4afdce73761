"""`payments stats`: statistics counted anew, with a progress bar. Needs MONGO_URI."""

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from worker.adapters.documents import to_the_millisecond
from worker.adapters.stats_store import MongoStats
from worker.adapters.store import database_of, open_client
from worker.errors import StoreUnavailable
from worker.jobs.rebuild import Phase, rebuild


def add_to(commands: Any) -> None:
    """Add `stats` to the operator's commands (an argparse subparsers object)."""
    stats: argparse.ArgumentParser = commands.add_parser("stats", help="count statistics anew")
    actions = stats.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser(
        "rebuild",
        help="count every quarter of an hour anew from all payments; workers may run meanwhile, and a repeat goes on "
        "where an interrupted one was",
    )


def run(uri: str) -> int:
    """Rebuild; exit code 0 done, 1 interrupted or no answer, and then a repeat goes on."""
    try:
        counted = asyncio.run(_rebuild(uri))
    except StoreUnavailable as error:
        sys.stderr.write(f"payments: the database does not answer: {error}; a repeat goes on from here\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("payments: interrupted; a repeat goes on from here\n")
        return 1
    sys.stdout.write(f"{counted} quarters of an hour are counted anew\n")
    return 0


async def _rebuild(uri: str) -> int:
    client = open_client(uri)
    try:
        store = MongoStats(database_of(client, uri))
        await store.prepare()
        with _bar() as progress:
            bars: dict[Phase, TaskID] = {}

            def report(phase: Phase, done: int, whole: int) -> None:
                _heed()
                if phase not in bars:
                    bars[phase] = progress.add_task(phase.value, total=whole)
                progress.update(bars[phase], completed=done, total=whole)

            return await rebuild(store, to_the_millisecond(datetime.now(UTC)), report)
    finally:
        await client.close()


def _heed() -> None:
    """Be canceled when that was asked for: the driver awaits with `asyncio.wait_for`, and Python 3.11's (cpython issue 86296)
    forgets a cancellation that comes in the moment in which its answer does. Ctrl-C would be lost.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _bar() -> Progress:
    """On stderr: what is piped on is the result alone."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))
