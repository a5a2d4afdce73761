"""`payments-sandbox demo`: exit code 0 only if every check holds."""

import argparse
import os
import secrets
import sys
import time
from pathlib import Path

from rich.console import Console

from contracts.environment import SettingError
from sandbox.demo import checks, crowd, screen
from sandbox.demo.buyers import draw
from sandbox.demo.evidence import Evidence
from sandbox.demo.scenarios import SCENARIOS
from sandbox.demo.show import Show, row
from sandbox.demo.stage import set_up
from sandbox.run import settings
from sandbox.run.interrupt import run_until_signal
from sandbox.run.system import System
from sandbox.stack import StackError
from sandbox.stripe.faults import KINDS

MAX_PAYMENTS = 100_000
ROWS_SHOWN = 10

FAILED, INTERRUPTED = 1, 130


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="payments-sandbox demo",
        description="Run worker, ingress and the sample services against the Stripe simulator, tell each payment's story, "
        "and check all books. Uses RABBITMQ_URL and MONGO_URI if they are set, else Docker, else private nodes.",
    )
    add = made.add_argument
    add("--payments", type=int, metavar="N", help="instead of the stories: a crowd of N payments")
    add("--faults", type=float, default=0.0, metavar="RATE", help="rate of each kind of fault; with --payments")
    add("--seed", type=int, default=1, help="of the crowd and its faults (%(default)s)")
    add("--settle", type=float, default=crowd.SETTLE_S, metavar="S", help="the crowd's time to settle (%(default)g)")
    add("--logs", type=Path, metavar="DIR", help="keep the processes' logs there, not only after a failure")
    return made


def main(argv: list[str]) -> int:
    """0 all checks hold, 1 one does not or something would not start, 2 a setting is wrong, 130 interrupted."""
    made = parser()
    chosen = made.parse_args(argv)
    rates = len(KINDS)
    if chosen.payments is not None and not 1 <= chosen.payments <= MAX_PAYMENTS:
        made.error(f"--payments: from 1 to {MAX_PAYMENTS}")
    if not 0 <= chosen.faults * rates <= 1:
        made.error(f"--faults: from 0 to {1 / rates:.3f}, because it is the rate of each of {rates} kinds")
    try:
        found = settings.for_demo(os.environ)
    except SettingError as error:
        print(f"payments-sandbox demo: {error}", file=sys.stderr)
        return 2
    code = run_until_signal(_demo(chosen, found))
    if code is None:
        print("interrupted; everything that was started is stopped", file=sys.stderr)
        return INTERRUPTED
    return code


async def _demo(chosen: argparse.Namespace, found: settings.Settings) -> int:
    console = screen.make_console()
    began = time.monotonic()
    system = System(found, report=lambda line: console.print(line, style="dim", markup=False), logs=chosen.logs)
    try:
        async with system:
            play = _crowd if chosen.payments else _show
            results = checks.run(await play(system, chosen, console))
            held = all(result.ok for result in results)
            screen.show_checks(console, results)
            if not held:
                system.keep_logs()
                console.print(system.tails(), style="dim", markup=False)
    except StackError as error:
        console.print(str(error), style="red", markup=False)
        return FAILED
    wrong = sum(not result.ok for result in results)
    verdict = f"{wrong} of {len(results)} checks FAIL" if wrong else f"all {len(results)} checks hold"
    console.print(f"{verdict}, {time.monotonic() - began:.0f} s", style="bold red" if wrong else "bold green")
    return FAILED if wrong else 0


async def _show(system: System, _chosen: argparse.Namespace, console: Console) -> Evidence:
    """The stories, then the table."""
    with screen.Screen(console, [scenario.name for scenario in SCENARIOS]) as stories:
        show = Show(stories)
        async with set_up(system, show.tell) as stage:
            found = await show.play(stage, system.drain)
    screen.show_payments(console, show.rows(found))
    return found


async def _crowd(system: System, chosen: argparse.Namespace, console: Console) -> Evidence:
    """The crowd, then the run in numbers and the first few payments."""
    buyers = draw(chosen.payments, chosen.seed, secrets.token_hex(2))
    sent = crowd.Crowd(buyers, chosen.faults, chosen.seed, chosen.settle)
    async with set_up(system, lambda *_: None) as stage:
        found, tally = await sent.play(stage, system.drain, console)
        repeats = stage.orders.inbox.duplicates + stage.notifications.inbox.duplicates
    rows = [row(found, found.orders[buyer.order_id], buyer.kind) for buyer in buyers[:ROWS_SHOWN]]
    screen.show_payments(console, rows)
    for line in crowd.summary(buyers, found, tally, repeats):
        console.print(line, markup=False)
    return found
