"""A worker's `/metrics`, and its readiness for queries, with the real parts."""

import asyncio
from urllib.request import urlopen

import aio_pika
from prometheus_client.parser import text_string_to_metric_families

from contracts import topology, transport
from contracts.errors import NoReply, NotStored
from contracts.queries import AnyAnswer, AnyQuery, GetOrder, QueryRefusal, QueryRefusalCode
from contracts.replies import Verdict
from contracts.transport import Publisher
from tests.e2e.support.service import Service
from tests.e2e.support.until import until
from worker.adapters.query_consumer import QueryConsumer
from worker.jobs.outage import Outage
from worker.jobs.watchdog import Watchdog
from worker.pace import Pace

NOTICED_S = 20.0

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scraped(url: str) -> Samples:
    """Every sample of the page, by its name and labels."""

    def read() -> str:
        with urlopen(f"{url}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    page = await asyncio.to_thread(read)
    families = text_string_to_metric_families(page)
    return {(each.name, frozenset(each.labels.items())): each.value for family in families for each in family.samples}


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"payments_worker_{name}", frozenset(labels.items())]


async def no_answer(_: AnyQuery) -> AnyAnswer:
    return QueryRefusal(code=QueryRefusalCode.UNAVAILABLE, message="nobody asks here")


async def well() -> bool:
    return True


async def publish_nonsense(service: Service) -> None:
    async with await aio_pika.connect(service.rabbitmq_url) as connection:
        exchange = await (await connection.channel()).get_exchange(topology.COMMANDS)
        await exchange.publish(aio_pika.Message(b"nonsense", type="payment.create"), "payment.create")


async def test_the_page_counts_deliveries_queries_events_and_requests(service: Service) -> None:
    """What was settled, answered, announced and sent to Stripe stands under its name, and nothing of it names a payment."""
    worker = await service.worker()
    assert (await service.create("order-1")).verdict is Verdict.ACCEPTED
    await publish_nonsense(service)
    await service.quiesce()
    assert not isinstance(await service.payments.ask(GetOrder(order_id="order-1")), QueryRefusal)

    async def drained() -> bool:
        counted = await scraped(worker.url)
        return value(counted, "deliveries_total", queue=topology.DEAD_LETTERS_QUEUE, way="done") == 1

    await until(drained, NOTICED_S, "the dead letter was not counted")
    samples = await scraped(worker.url)
    commands = topology.COMMANDS_QUEUE
    assert value(samples, "deliveries_total", queue=commands, way="done") == 1
    assert value(samples, "deliveries_total", queue=commands, way="dead") == 1
    assert value(samples, "delivery_seconds_count", queue=commands) == 2
    assert value(samples, "delivery_seconds_sum", queue=commands) > 0
    assert value(samples, "queries_total", answer="ok") == 1
    assert value(samples, "events_total", outcome="stored") == 1
    assert value(samples, "stripe_requests_total") >= await service.stripe.requests("POST", "/v1/payment_intents") == 1
    assert value(samples, "stripe_breaker", payments_worker_stripe_breaker="closed") == 1
    assert value(samples, "database_away") == 0
    assert not any("order-1" in text for _, labels in samples for pair in labels for text in pair)


async def test_a_worker_that_answers_no_queries_is_not_ready(vhost_url: str) -> None:
    """Readiness names the consumer of queries: well while the broker knows it, and not after it has gone."""
    async with await transport.connect(vhost_url, "tests") as connection:
        await transport.declare(connection)
        publisher = Publisher(connection)
        queries = QueryConsumer(no_answer, publisher, prefetch=1)
        watchdog = Watchdog([], queries, publisher, Outage([], Pace(), well))
        await queries.start(connection)
        assert (await watchdog.probe(well))["answering"]
        await queries.drain(grace_s=1)
        assert not (await watchdog.probe(well))["answering"]


async def test_a_query_queue_that_is_deleted_comes_back(service: Service) -> None:
    """The worker declares it anew, and queries are answered again."""
    await service.worker()
    async with await aio_pika.connect(service.rabbitmq_url) as connection:
        await (await connection.channel()).queue_delete(topology.QUERIES_QUEUE)

    async def answered() -> bool:
        try:
            return isinstance(await service.payments.ask(GetOrder(order_id="order-1"), timeout_s=2), QueryRefusal)
        except (NotStored, NoReply):
            return False

    await until(answered, NOTICED_S, "queries are not answered again")
    answer = await service.payments.ask(GetOrder(order_id="order-1"))
    assert isinstance(answer, QueryRefusal)
    assert answer.code is QueryRefusalCode.NOT_FOUND
