"""The real stack under a seeded stream of commands, while workers are killed: `make soak MESSAGES=100000 KILLS=200`.

A private broker and database, the Stripe simulator, an ingress and several workers as processes. Commands are sent with
duplicates; all workers but the first are killed with kill -9 again and again. When all has settled, the ledger is printed,
judged by Stripe's own and by what a consumer has heard. Exit code 0 only when nothing was lost, nothing was done twice, every
answer was the expected one, and the memory of the worker that lives through and of the ingress stayed flat.

The first Ctrl-C (or SIGTERM, SIGHUP) ends the stream, settles and judges what was sent; the second one stops everything.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from rich.console import Console

from sandbox.stack import StackError
from tests.soak.run import Outcome, Wanted, soak
from tests.soak.tally import SHOWN, failures, table

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FAILED, INTERRUPTED = 1, 130


def chosen(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--messages", type=int, default=2000, help="to send, copies and repeats counted; default 2,000")
    parser.add_argument("--kills", type=int, default=10, help="of workers, spread over the stream; default 10")
    parser.add_argument("--workers", type=int, default=3, help="of which the first is never killed; default 3")
    parser.add_argument("--seed", type=int, default=1, help="of the stream and the kills; default 1")
    found = parser.parse_args(arguments)
    if found.workers < 2 or min(found.messages, found.kills + 1) < 1:
        parser.error("need at least one message and two workers")
    return found


def report(outcome: Outcome, console: Console) -> int:
    """Print the ledger and what is wrong; the exit code."""
    tally, verdict = outcome.tally, outcome.verdict
    console.print(table(tally, verdict))
    console.print(
        f"{tally.messages:,} messages of {len(tally.orders):,} orders in {tally.took_s:.0f} s, {tally.kills} kills;"
        f" {verdict.heard_again} events came more than once, as they may"
    )
    for growth in outcome.growths:
        console.print(str(growth))
    found = failures(tally, verdict, outcome.growths)
    for line in found[:SHOWN]:
        console.print(line, style="red", markup=False)
    if len(found) > SHOWN:
        console.print(f"and {len(found) - SHOWN} more", style="red")
    console.print("FAILED" if found else "nothing lost, nothing twice, memory flat", style="bold")
    return FAILED if found else 0


async def attended(asked: argparse.Namespace, console: Console) -> int:
    """Soak under signals: the first ends the stream, the second everything, a third at once."""
    stop, came = asyncio.Event(), 0
    wanted = Wanted(asked.messages, asked.kills, asked.workers, asked.seed, stop)
    task = asyncio.create_task(soak(wanted, console))

    def on_signal(number: signal.Signals) -> None:
        nonlocal came
        came += 1
        stop.set()
        if came == 2:
            task.cancel()
        elif came > 2:
            os._exit(128 + number)

    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, on_signal, number)
    try:
        return report(await task, console)
    except asyncio.CancelledError:
        console.print("stopped")
        return INTERRUPTED
    except (StackError, TimeoutError) as error:
        console.print(f"{type(error).__name__}: {error}", style="red", markup=False)
        return FAILED


def main(arguments: Sequence[str] | None = None) -> int:
    return asyncio.run(attended(chosen(arguments), Console(soft_wrap=True, highlight=False)))


if __name__ == "__main__":
    sys.exit(main())
