"""The worker: settings → store, gateway, broker → consumers, relay, sweeper → drain. Read next: handler.py.

One event loop. Three connections to the broker: an alarm blocks a publishing one whole, acks included, and a reply to a bad
address may end the one it goes out on. Every part is made here and handed to those that need it.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import structlog
import uvloop
from aio_pika.abc import AbstractRobustConnection
from aio_pika.exceptions import AMQPError
from pymongo.errors import PyMongoError

from contracts import topology
from contracts.environment import SettingError
from contracts.errors import NotDeclared, Untrusted
from contracts.transport import Publisher
from worker import patience, settings
from worker.adapters.breaker import Breaker
from worker.adapters.budget import Budget
from worker.adapters.consumer import Consumer
from worker.adapters.coverage_store import MongoCoverage
from worker.adapters.customer_gateway import StripeCustomerGateway
from worker.adapters.customer_store import MongoCustomerStore
from worker.adapters.dead_letters import MongoDeadLetters
from worker.adapters.documents import to_the_millisecond
from worker.adapters.gateway import StripeGateway
from worker.adapters.guard import GuardedCustomerGateway, GuardedGateway
from worker.adapters.inbound import Inbound
from worker.adapters.line import Line, MeteredClient
from worker.adapters.outbox import EventOutbox
from worker.adapters.query_consumer import QueryConsumer
from worker.adapters.read_store import ReadStore
from worker.adapters.reviews import MongoReviews
from worker.adapters.stats_store import MongoStats
from worker.adapters.store import MongoStore, database_of, open_client
from worker.adapters.stories import Stories
from worker.adapters.stripe_events import EventList
from worker.adapters.trust import refuse_untrusted
from worker.customers import CustomerHandler
from worker.ending import end, why_ended
from worker.erasure import Erasure
from worker.errors import StoreUnavailable, WorkerError
from worker.forgetting import Forgetting
from worker.handler import Handler
from worker.jobs.coverage import CoverageWalk
from worker.jobs.dead_letters import Drain
from worker.jobs.outage import Outage
from worker.jobs.relay import Relay
from worker.jobs.replays import Replays
from worker.jobs.rollups import Rollups
from worker.jobs.sweeper import Sweeper
from worker.jobs.upkeep import Upkeep
from worker.jobs.watchdog import BrokerGone, Watchdog
from worker.ops import health, logs
from worker.ops.metrics import WorkerMetrics
from worker.pace import Pace
from worker.period import Periods
from worker.ports import Gateway, Store
from worker.queries import Queries
from worker.settings import Settings

LAST_WORDS_S = 2
"""What a drain that has used up its grace still spends on unsent events."""

GIVING_UP = (AMQPError, PyMongoError, OSError, TimeoutError, WorkerError, BrokerGone, NotDeclared, Untrusted)
"""What ends the worker by name, with exit code 1; anything else is a bug and ends it with its traceback."""

Part = TypeVar("Part")
log = structlog.get_logger()


def now() -> datetime:
    """The worker's clock; MongoDB keeps milliseconds, so nothing finer ever enters."""
    return to_the_millisecond(datetime.now(UTC))


def _bare(part: Part) -> Part:
    return part


@dataclass(frozen=True)
class Wraps:
    """What a test puts around a part, to crash in the middle of it; in production nothing."""

    store: Callable[[Store], Store] = _bare
    gateway: Callable[[Gateway], Gateway] = _bare
    publisher: Callable[[Publisher], Publisher] = _bare
    consumer: Callable[[Consumer], Consumer] = _bare


def main(
    arguments: Sequence[str] | None = None,
    variables: Mapping[str, str] = os.environ,
    wraps: Wraps | None = None,
) -> int:
    """Run until a signal; return the exit code: 0 drained, 1 gave up, 2 a setting is missing or malformed."""
    argparse.ArgumentParser(
        prog="payments-worker",
        description="Consumes payment commands and Stripe's webhooks, drives Stripe, announces what happened.",
        epilog=settings.HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args(arguments)
    try:
        chosen = settings.read(variables)
    except SettingError as error:
        print(f"payments-worker: {error}", file=sys.stderr)
        return 2
    logs.configure(chosen.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run(chosen, wraps or Wraps()))


async def run(chosen: Settings, wraps: Wraps) -> int:
    """Answer `/health` at once, start every part, run until told to stop, drain."""
    stop = asyncio.Event()
    _on_signals(stop)
    probe: health.Probe = _starting
    details: health.Details = health.no_details
    page: health.Page = health.no_metrics
    try:
        listening = health.listen(chosen.port)
    except OSError as error:
        log.critical("cannot_listen", port=chosen.port, reason=error.strerror)
        return 1
    async with AsyncExitStack() as closing:
        app = health.health_app(lambda: probe(), lambda: details(), lambda: page())  # noqa: PLW0108 - they change once all is started
        serving = health.server(app)
        server = asyncio.create_task(serving.serve(sockets=[listening]))
        log.info("listening", host="0.0.0.0", port=listening.getsockname()[1], deployment=chosen.deployment)  # noqa: S104
        code = 0
        try:
            worker = await _start(chosen, wraps, stop, closing)
            probe, details, page = worker.probe, worker.details, worker.metrics.page
            await worker.run(stop)
        except* patience.Stopped:
            log.info("stopped_while_starting")
        except* GIVING_UP as gone:
            log.critical("giving_up", reason=f"{type(gone.exceptions[0]).__name__}: {gone.exceptions[0]}")
            code = 1
        serving.should_exit = True
        await server
    log.info("stopped")
    return code


@dataclass
class Worker:
    """All parts, started together and drained in order."""

    consuming: AbstractRobustConnection
    passive: bool
    consumers: list[Consumer]
    queries: QueryConsumer
    watchdog: Watchdog
    metrics: WorkerMetrics
    outage: Outage
    relay: Relay
    sweepers: tuple[Sweeper, Sweeper]
    rollups: Rollups
    coverage: CoverageWalk
    line: Line
    replays: Replays
    outbox: EventOutbox
    upkeep: Upkeep
    ping: Callable[[], Awaitable[bool]]
    grace_s: float
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, stop: asyncio.Event) -> None:
        """Consume and do what is due until `stop`, then drain. Raises what ended a job, such as BrokerGone, in a group."""
        for consumer in self.consumers:
            await consumer.start(self.consuming, passive=self.passive)
        await self.queries.start(self.consuming, passive=self.passive)
        sweeps = (*(sweeper.run for sweeper in self.sweepers), self.coverage.run)
        keeping = (self.rollups.run, self.replays.run, self.outbox.run, self.upkeep.run)
        runs = (self.relay.run, *sweeps, *keeping, self.outage.run, self.watchdog.run)
        jobs = [asyncio.create_task(job(), name=getattr(job, "__qualname__", None)) for job in runs]
        told = asyncio.create_task(stop.wait())
        try:
            log.info("ready", queues=[consumer.name for consumer in self.consumers])
            over, _ = await asyncio.wait([told, *jobs], return_when=asyncio.FIRST_COMPLETED)
            self.stopping.set()
            if ended := [why_ended(job) for job in jobs if job in over]:
                raise BaseExceptionGroup("a job ended", ended)
            for job in jobs:
                job.cancel()
            await self._drain()
        finally:
            await end([told, *jobs])
        if failed := [error for job in jobs if not job.cancelled() and (error := job.exception())]:
            raise BaseExceptionGroup("a job failed while it was ended", failed)

    async def probe(self) -> dict[str, bool]:
        """Each part by name, for `/ready`; not ready from the moment a stop is asked for."""
        parts = await self.watchdog.probe(self.ping)
        return {"running": not self.stopping.is_set(), **parts, "topology": self.upkeep.whole}

    def details(self) -> dict[str, str]:
        """What `/ready` tells beside: a worker is ready while Stripe is down, for what comes is stored and waits."""
        return {"stripe": str(self.line.breaker.state)}

    async def _drain(self) -> None:
        """Take nothing new, finish what runs, send what is unsent; without a broker there is only less to do.

        All of it within the grace time, but for the moment that is kept for what is unsent.
        """
        log.info("draining")
        ends = asyncio.get_running_loop().time() + self.grace_s
        await asyncio.gather(*(consumer.pause() for consumer in self.consumers))
        self.outage.over()
        left_s = max(0.0, ends - asyncio.get_running_loop().time())
        await asyncio.gather(self.queries.drain(left_s), *(consumer.drain(left_s) for consumer in self.consumers))
        try:
            async with asyncio.timeout_at(max(ends, asyncio.get_running_loop().time() + LAST_WORDS_S)):
                await self.outbox.flush()
                await self.relay.sweep(timedelta())
                await self.outbox.flush()
        except (StoreUnavailable, TimeoutError):
            log.warning("unsent_left", reason="the next worker sends them")


async def _start(chosen: Settings, wraps: Wraps, stop: asyncio.Event, closing: AsyncExitStack) -> Worker:
    """Make every part and connect it; the world may come up after us."""
    client = open_client(chosen.mongo_uri)
    closing.push_async_callback(client.close)
    mongo = MongoStore(database_of(client, chosen.mongo_uri))
    line = Line(Budget(chosen.stripe_rate), Breaker())
    stripe = StripeGateway(chosen.stripe_secret_key, chosen.stripe_api_base, MeteredClient(line))
    closing.push_async_callback(stripe.close)
    customer_store = MongoCustomerStore(database_of(client, chosen.mongo_uri))
    reading = ReadStore(database_of(client, chosen.mongo_uri))
    stats = MongoStats(database_of(client, chosen.mongo_uri))
    coverage_store = MongoCoverage(database_of(client, chosen.mongo_uri), livemode=chosen.livemode)
    desk = MongoDeadLetters(database_of(client, chosen.mongo_uri))
    reviews = MongoReviews(database_of(client, chosen.mongo_uri))
    stories = Stories(database_of(client, chosen.mongo_uri))

    async def prepare() -> None:
        for part in (mongo, customer_store, reading, stats, coverage_store, desk, reviews, stories):
            try:
                await part.prepare()
            except StoreUnavailable as error:
                refuse_untrusted(error)
                raise

    await patience.keep_trying("database", prepare, (StoreUnavailable,), stop)
    opened: list[AbstractRobustConnection] = []
    closing.push_async_callback(patience.close, opened)
    publishing = await patience.connect(chosen, "publisher", stop, opened)
    replying = await patience.connect(chosen, "replies", stop, opened)
    consuming = await patience.connect(chosen, "consumer", stop, opened)
    passive = not await patience.declare(publishing, stop)

    store, publisher = wraps.store(mongo), wraps.publisher(Publisher(publishing, replying=replying))
    gateway = wraps.gateway(GuardedGateway(stripe, line))
    outbox = EventOutbox(publisher, store)
    asking = GuardedCustomerGateway(StripeCustomerGateway(stripe.client), line)
    customers = CustomerHandler(customer_store, asking, outbox, store, now, deployment=chosen.deployment)
    handler = Handler(store, gateway, outbox, customers, now, policy=chosen.policy)
    erasure = Erasure(store, handler, Forgetting(customers, desk), outbox)
    inbound = _inbound(chosen, handler, customers, erasure, store=store, gateway=gateway, outbox=outbox)
    consumers: list[Consumer] = []
    pace = Pace()
    outage = Outage(consumers, pace, mongo.writable)
    made = (
        *_consumers(inbound, publisher, pace, outage, chosen.prefetch),
        Drain(desk, publisher, now, pace=pace, on_outage=outage.begin),
    )
    consumers.extend(wraps.consumer(consumer) for consumer in made)
    events = EventList(stripe.client, line, deployment=chosen.deployment, livemode=chosen.livemode)
    answer = Queries(reading, customer_store, Periods(stats), deployment=chosen.deployment).answer
    queries = QueryConsumer(answer, publisher, prefetch=chosen.prefetch)
    return Worker(
        consuming=consuming,
        passive=passive,
        consumers=consumers,
        queries=queries,
        watchdog=Watchdog(consumers, queries, publisher, outage),
        metrics=WorkerMetrics(consumers, queries, outbox, line, lambda: outage.on),
        outage=outage,
        relay=Relay(store, outbox, now),
        sweepers=(Sweeper(store, handler, now), Sweeper(customer_store, customers, now)),
        rollups=Rollups(stats, now),
        coverage=CoverageWalk(coverage_store, events, publisher, now, every_s=chosen.coverage_every_s),
        line=line,
        replays=Replays(desk, events, publisher, now),
        outbox=outbox,
        upkeep=Upkeep(consuming, passive=passive),
        ping=mongo.ping,
        grace_s=chosen.grace_s,
    )


def _consumers(inbound: Inbound, publisher: Publisher, pace: Pace, outage: Outage, prefetch: int) -> Iterator[Consumer]:
    declared = {queue.name: queue for queue in topology.QUEUES}
    for name, apply, at_once in (
        (topology.COMMANDS_QUEUE, inbound.command, prefetch),
        (topology.PRIVILEGED_QUEUE, inbound.privileged, prefetch),
        (topology.STRIPE_QUEUE, inbound.stripe, prefetch),
        (topology.QUARANTINE_QUEUE, inbound.by_origin, 1),
    ):
        yield Consumer(declared[name], apply, publisher, prefetch=at_once, pace=pace, on_outage=outage.begin)


def _inbound(
    chosen: Settings,
    handler: Handler,
    customers: CustomerHandler,
    erasure: Erasure,
    *,
    store: Store,
    gateway: Gateway,
    outbox: EventOutbox,
) -> Inbound:
    return Inbound(
        handler=handler,
        customers=customers,
        erasure=erasure,
        store=store,
        gateway=gateway,
        outbox=outbox,
        clock=now,
        deployment=chosen.deployment,
        livemode=chosen.livemode,
    )


async def _starting() -> dict[str, bool]:
    return {"started": False}


def _on_signals(stop: asyncio.Event) -> None:
    """The first signal drains, the second ends at once."""

    def asked(number: int) -> None:
        if stop.is_set():
            log.warning("ended_at_once", signal=signal.Signals(number).name)
            os._exit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked, number)


if __name__ == "__main__":
    sys.exit(main())
