"""Many payments at once while Stripe has a bad day: `payments-sandbox demo --payments N --faults RATE --seed S`."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sandbox.demo.customer import DECLINED, MASTERCARD, NO_FUNDS, SECURE, VISA
from sandbox.demo.evidence import Drain, Evidence, Expected
from sandbox.demo.stage import Stage
from sandbox.services.orders import Order
from sandbox.stripe.faults import KINDS, TIMED

AT_ONCE = 100
"""Customers at a time. Under faults most of them wait: for a call that is made again, or for two minutes."""

SETTLE_S = 600.0
"""A create that Stripe answered with a stored 500 is settled after two minutes, and under a storm again and again."""

LATENCY_MS = 300
REORDER_WINDOW_MS = 400

PRICES = ((1999, "eur"), (4900, "usd"), (12500, "gbp"), (980, "jpy"), (7250, "kwd"), (3000, "chf"))


@dataclass(frozen=True)
class Buyer:
    """What one customer will do; drawn before anything begins, so that a seed always gives the same crowd."""

    order_id: str
    amount: int
    currency: str
    kind: str


@dataclass
class Tally:
    """`seconds`: from the create to the last event, per order."""

    seconds: list[float] = field(default_factory=list)
    troubles: dict[str, str] = field(default_factory=dict)
    took_s: float = 0.0
    settled_s: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)


async def _pays(stage: Stage, secret: str, card: str) -> None:
    shown = await stage.customer.pay(secret, card)
    if shown.redirect is not None:
        await stage.customer.authenticate(shown.redirect)


async def _at_once(stage: Stage, _order: Order, secret: str) -> None:
    await _pays(stage, secret, VISA)


async def _second_card(stage: Stage, _order: Order, secret: str) -> None:
    await _pays(stage, secret, DECLINED)
    await _pays(stage, secret, MASTERCARD)


async def _third_card(stage: Stage, _order: Order, secret: str) -> None:
    await _pays(stage, secret, NO_FUNDS)
    await _second_card(stage, _order, secret)


async def _secure(stage: Stage, _order: Order, secret: str) -> None:
    await _pays(stage, secret, SECURE)


async def _asks_twice(stage: Stage, order: Order, secret: str) -> None:
    reply = await stage.orders.start_payment(order)
    await _pays(stage, reply.client_secret or secret, VISA)


async def _cancels(stage: Stage, order: Order, _secret: str) -> None:
    await stage.orders.cancel(order)


Act = Callable[[Stage, Order, str], Awaitable[None]]

# How a hundred customers behave, and how their orders end.
BEHAVIOURS: dict[str, tuple[int, Act, str]] = {
    "pays at once": (60, _at_once, "succeeded"),
    "second card": (12, _second_card, "succeeded"),
    "third card": (4, _third_card, "succeeded"),
    "3-D Secure": (12, _secure, "succeeded"),
    "asks twice": (6, _asks_twice, "succeeded"),
    "cancels": (6, _cancels, "canceled"),
}


def draw(count: int, seed: int, run: str) -> list[Buyer]:
    """The crowd of a seed; `run` keeps the order ids of two runs apart."""
    chance = random.Random(seed)
    kinds = chance.choices(list(BEHAVIOURS), [share for share, _, _ in BEHAVIOURS.values()], k=count)
    return [
        Buyer(f"crowd-{run}-{number}", *chance.choice(PRICES), kind=kind) for number, kind in enumerate(kinds, start=1)
    ]


def fault_rates(rate: float) -> dict[str, float | dict[str, float]]:
    """The same rate for every kind of fault that the simulator has."""
    return {kind: {"rate": rate, "ms": LATENCY_MS} if kind in TIMED else rate for kind in KINDS}


def expected_of(buyers: list[Buyer]) -> dict[str, Expected]:
    return {buyer.order_id: Expected(BEHAVIOURS[buyer.kind][2]) for buyer in buyers}


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

            def report(open_ends: str) -> None:
                if open_ends:
                    tally.settled_s = time.monotonic() - began
                progress.update(bar, description=f"settling: {open_ends}" if open_ends else "settled")

            found = await stage.books.conclude(expected_of(self.buyers), self.settle_s, report, drain)
        tally.faults = await stage.simulator.faults()
        return replace(found, troubles=tally.troubles), tally


async def _buy(stage: Stage, buyer: Buyer, room: asyncio.Semaphore, tally: Tally, done: Callable[[], None]) -> None:
    """One customer from the create to the last event."""
    _, act, status = BEHAVIOURS[buyer.kind]
    async with room:
        began = time.monotonic()
        order = stage.orders.place("something", buyer.amount, buyer.currency, f"user-{buyer.order_id}", buyer.order_id)
        try:
            async with asyncio.timeout(SETTLE_S):
                reply = await stage.orders.start_payment(order)
                assert reply.client_secret is not None, "an unpaid payment comes with its client secret"
                await act(stage, order, reply.client_secret)
                await stage.orders.until(order, lambda order: order.status == status)
        except Exception as error:  # noqa: BLE001 - the others go on, and the checks report it
            tally.troubles[buyer.order_id] = f"{buyer.kind}: {type(error).__name__}: {error}".rstrip(": ")
        tally.seconds.append(time.monotonic() - began)
    done()


def summary(buyers: list[Buyer], found: Evidence, tally: Tally, inbox_duplicates: int) -> list[str]:
    """The run in numbers."""
    seconds = sorted(tally.seconds)
    kinds = Counter(buyer.kind for buyer in buyers)
    events = len(found.announced)
    return [
        f"{len(buyers)} payments in {tally.took_s:.1f} s, {len(buyers) / tally.took_s:.1f} a second",
        f"all settled after {tally.settled_s:.1f} s",
        f"an order's time: median {_at(seconds, 0.5):.2f} s, 99 % {_at(seconds, 0.99):.2f} s, longest {seconds[-1]:.2f} s",
        "customers: " + ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()),
        f"events: {events} announced, {inbox_duplicates} repeats recognised by the services",
        "faults: " + (", ".join(f"{kind} {count} times" for kind, count in sorted(tally.faults.items())) or "none"),
    ]


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
