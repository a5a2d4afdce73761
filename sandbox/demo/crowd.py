"""Many payments at once while Stripe has a bad day: `payments-sandbox demo --payments N --faults RATE --seed S`."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sandbox.demo.buyers import Buyer
from sandbox.demo.evidence import Drain, Evidence, totals_of
from sandbox.demo.stage import Stage
from sandbox.services import amounts
from sandbox.stripe.faults import KINDS, TIMED

AT_ONCE = 100
"""Customers at a time. Under faults most of them wait: for a call that is made again, or for two minutes."""

SETTLE_S = 600.0
"""A create that Stripe answered with a stored 500 is settled after two minutes, and under a storm again and again."""

LATENCY_MS = 300
REORDER_WINDOW_MS = 400


@dataclass
class Tally:
    """`seconds`: from the create to the last event, per order."""

    seconds: list[float] = field(default_factory=list)
    troubles: dict[str, str] = field(default_factory=dict)
    took_s: float = 0.0
    settled_s: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)


def fault_rates(rate: float) -> dict[str, float | dict[str, float]]:
    """The same rate for every kind of fault that the simulator has."""
    return {kind: {"rate": rate, "ms": LATENCY_MS} if kind in TIMED else rate for kind in KINDS}


@dataclass(frozen=True)
class Crowd:
    """The buyers, and how bad a day Stripe has."""

    buyers: list[Buyer]
    rate: float
    seed: int
    settle_s: float = SETTLE_S

    async def play(self, stage: Stage, drain: Drain, console: Console) -> tuple[Evidence, Tally]:
        """Send the crowd, wait until everything has settled, end worker and ingress, and give the books."""
        if self.rate:
            await stage.simulator.set_faults(fault_rates(self.rate), self.seed)
            await stage.simulator.disturb_webhooks(
                duplicate_rate=self.rate, reorder_window_ms=REORDER_WINDOW_MS, seed=self.seed
            )
        tally = Tally()
        began = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=not console.is_terminal) as progress:
            bar = progress.add_task("payments", total=len(self.buyers))
            room = asyncio.Semaphore(AT_ONCE)
            async with asyncio.TaskGroup() as group:
                for buyer in self.buyers:
                    group.create_task(_buy(stage, buyer, room, tally, lambda: progress.advance(bar)))
            tally.took_s = tally.settled_s = time.monotonic() - began
            tally.faults = await stage.simulator.faults()
            await stage.simulator.behave()

            def report(open_ends: str) -> None:
                if open_ends:
                    tally.settled_s = time.monotonic() - began
                progress.update(bar, description=f"settling: {open_ends}" if open_ends else "settled")

            expected = {buyer.order_id: buyer.expected for buyer in self.buyers}
            found = await stage.books.conclude(expected, self.settle_s, report, drain)
        return replace(found, troubles=tally.troubles), tally


async def _buy(stage: Stage, buyer: Buyer, room: asyncio.Semaphore, tally: Tally, done: Callable[[], None]) -> None:
    """One customer from the create to the last event."""
    how, due = buyer.behaviour, buyer.expected.totals
    async with room:
        began = time.monotonic()
        order = stage.orders.place(
            *("something", buyer.amount, buyer.currency, f"user-{buyer.order_id}", buyer.order_id),
            capture_method=how.capture_method,
        )
        try:
            async with asyncio.timeout(SETTLE_S):
                reply = await stage.orders.start_payment(order)
                assert reply.client_secret is not None, "an unpaid payment comes with its client secret"
                await how.act(stage, order, reply.client_secret)
                await stage.orders.until(order, lambda order: order.status == how.status and totals_of(order) == due)
        except Exception as error:  # noqa: BLE001 - the others go on, and the checks report it
            tally.troubles[buyer.order_id] = f"{buyer.kind}: {type(error).__name__}: {error}".rstrip(": ")
        tally.seconds.append(time.monotonic() - began)
    done()


def summary(buyers: list[Buyer], found: Evidence, tally: Tally, inbox_duplicates: int) -> list[str]:
    """The run in numbers."""
    seconds = sorted(tally.seconds)
    kinds = Counter(buyer.kind for buyer in buyers)
    events = len(found.announced)
    moved: dict[str, Counter[str]] = {}
    for buyer in buyers:
        for name, amount in asdict(found.charged(buyer.order_id)).items():
            moved.setdefault(name, Counter())[buyer.currency] += amount
    return [
        f"{len(buyers)} payments in {tally.took_s:.1f} s, {len(buyers) / tally.took_s:.1f} a second",
        f"all settled after {tally.settled_s:.1f} s",
        f"an order's time: median {_at(seconds, 0.5):.2f} s, 99 % {_at(seconds, 0.99):.2f} s, longest {seconds[-1]:.2f} s",
        "customers: " + ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()),
        *(f"{name}: {_sums(sums)}" for name, sums in moved.items()),
        f"events: {events} announced, {inbox_duplicates} repeats recognised by the services",
        "faults: " + (", ".join(f"{kind} {count} times" for kind, count in sorted(tally.faults.items())) or "none"),
    ]


def _sums(sums: Counter[str]) -> str:
    return ", ".join(amounts.text(amount, currency) for currency, amount in sorted(sums.items()) if amount) or "nothing"


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
