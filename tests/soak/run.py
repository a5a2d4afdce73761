"""One soak: start everything, send the stream while workers are killed, wait until all has settled, and judge."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

from sandbox.stack import Stack
from tests.e2e.support.books import Books, unsettled
from tests.e2e.support.service import Service
from tests.e2e.support.worker import WorkerProcess
from tests.progress import Shown
from tests.soak.killing import Killer
from tests.soak.memory import Growth, Meter
from tests.soak.orders import Order, stream
from tests.soak.sending import Sender
from tests.soak.tally import Tally, Verdict

AT_ONCE = 20
"""Orders at a time: enough that every kill hits deliveries in work."""

LOOK_EVERY_S = 1.0
QUIET_LOOKS = 2

START_S = 120.0
SLOWEST_PER_S = 3
"""Messages a second; a stack that is slower than this has run into something."""

SETTLE_S = 180.0
"""A call whose answer died with its worker is looked after within seconds, and with backoff within a minute or two."""

OPEN = ("check_at", "unsent_at", "read_at")
"""Fields that a payment has while something of it is open; each has a sparse index or is rare."""


@dataclass(frozen=True)
class Wanted:
    """What to do; `stop` is set when somebody wants it to end early: then what was sent is settled and judged."""

    messages: int
    kills: int
    workers: int
    seed: int
    stop: asyncio.Event


@dataclass(frozen=True)
class Outcome:
    """What a soak came to."""

    tally: Tally
    verdict: Verdict
    growths: Sequence[Growth]


async def soak(wanted: Wanted, console: Console) -> Outcome:
    """Raises StackError or NotReady when the stack cannot be had, TimeoutError when the stream does not end in time."""
    async with AsyncExitStack() as closing:
        directory = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="payments-soak-")))
        stack = await closing.enter_async_context(Stack(report=console.print))
        async with asyncio.timeout(START_S):
            service = Service(directory, stack.rabbitmq_url, stack.mongo_uri, "soak")
            await closing.enter_async_context(service)
            workers = [service.make_worker() for _ in range(wanted.workers)]
            await asyncio.gather(*(worker.start() for worker in workers))
        tally = Tally()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Shown(*columns, console=console) as progress:
            bar = progress.add_task("messages", total=wanted.messages)

            def show() -> None:
                progress.update(bar, completed=tally.messages, description=f"messages, {tally.kills} kills")

            growths = await _stream(wanted, service, tally, workers, show)
            await _settle(service, lambda text: progress.update(bar, description=text))
        books = await _books(service)
        return Outcome(tally, Verdict.of(books, tally.orders), growths)


async def _stream(
    wanted: Wanted,
    service: Service,
    tally: Tally,
    workers: Sequence[WorkerProcess],
    show: Callable[[], None],
) -> list[Growth]:
    """Send everything, killing and measuring meanwhile; what the memory of those that live through it did."""
    killer = Killer(workers[1:], wanted.kills, wanted.messages, wanted.seed)
    meters = [Meter("worker-1", workers[0].child.pid), Meter("ingress", service.ingress.child.pid)]
    ended, begun = asyncio.Event(), time.monotonic()

    def on_message() -> None:
        killer.on_message()
        show()

    def on_kill() -> None:
        tally.kills = killer.done
        show()

    sender = Sender(service, tally, SETTLE_S, on_message)
    async with asyncio.timeout(START_S + wanted.messages / SLOWEST_PER_S), asyncio.TaskGroup() as beside:
        for meter in meters:
            beside.create_task(meter.run(ended.is_set))
        killing = beside.create_task(killer.run(on_kill))
        await _play(sender, stream(wanted.seed, wanted.messages), wanted.stop)
        tally.took_s = time.monotonic() - begun
        ended.set()
        killing.cancel()
    return [meter.growth() for meter in meters]


async def _play(sender: Sender, orders: Iterable[Order], stop: asyncio.Event) -> None:
    """So many orders at a time, until there are none or somebody says stop."""
    room = asyncio.Semaphore(AT_ONCE)

    async def play(order: Order) -> None:
        try:
            await sender.play(order)
        finally:
            room.release()

    async with asyncio.TaskGroup() as playing:
        for order in orders:
            await room.acquire()
            if stop.is_set():
                return
            playing.create_task(play(order))


async def _settle(service: Service, tell: Callable[[str], None]) -> None:
    """Wait until nothing is on its way in two looks in a row, or the time is up: the books tell what is left."""
    deadline, quiet = time.monotonic() + SETTLE_S, 0
    while quiet < QUIET_LOOKS and time.monotonic() < deadline:
        left = await _left(service)
        quiet = 0 if left else quiet + 1
        tell(f"settling: {', '.join(left)}" if left else "settled")
        await asyncio.sleep(LOOK_EVERY_S)


async def _left(service: Service) -> list[str]:
    payments = service.database["payments"]
    counts = {field: payments.count_documents({field: {"$exists": True}}) for field in OPEN}
    counts |= {"messages": sum((await service.queues()).values()), "webhooks": await service.stripe.pending()}
    return [f"{count} {name}" for name, count in counts.items() if count]


async def _books(service: Service) -> Books:
    """Everybody's books. A delivery that a worker has in its hands is in no queue: what is missing gets a moment more."""
    deadline = time.monotonic() + SETTLE_S / 6
    while True:
        books = await service.books()
        if not unsettled(books) or time.monotonic() > deadline:
            return books
        await asyncio.sleep(LOOK_EVERY_S)
