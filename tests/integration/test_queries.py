"""Queries over a real broker and a real database, asked by the client and answered by the consumer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractRobustConnection

from contracts import topology, transport
from contracts.client import REPLY_TO, PaymentsClient
from contracts.envelope import decode, encode, unwrap, wrap
from contracts.errors import NoReply
from contracts.queries import (
    ANSWERS,
    AnyAnswer,
    AnyQuery,
    GetEvents,
    GetOrder,
    GetPayment,
    GetPaymentStats,
    GetTimeline,
    ListPaymentMethods,
    ListUserPayments,
    OrderPayments,
    PaymentDetails,
    QueryRefusal,
    QueryRefusalCode,
)
from contracts.transport import Publisher
from tests.unit.queries.making import NOW, paid
from worker.adapters.customer_store import MongoCustomerStore
from worker.adapters.documents import to_document
from worker.adapters.query_consumer import QueryConsumer
from worker.adapters.read_store import ReadStore
from worker.adapters.stats_store import MongoStats
from worker.adapters.store import open_client
from worker.domain.record import payment_id
from worker.period import Periods
from worker.queries import Queries

PATIENCE_S = 20.0
PAYMENT = payment_id("o-1", 1)
ONE_OF_EACH: list[AnyQuery] = [
    GetPayment(payment_id=PAYMENT),
    GetOrder(order_id="o-1"),
    ListUserPayments(user_id="u-1"),
    GetTimeline(payment_id=PAYMENT),
    GetPaymentStats(since=NOW, until=NOW + timedelta(days=1)),
    GetEvents(payment_id=PAYMENT),
    ListPaymentMethods(user_id="u-1"),
]

Answer = Callable[[AnyQuery], Awaitable[AnyAnswer]]
Serve = Callable[..., Awaitable[QueryConsumer]]


@pytest.fixture
async def connection(vhost_url: str) -> AsyncIterator[AbstractRobustConnection]:
    """A connection to a broker on which everything is declared."""
    async with await transport.connect(vhost_url, "test") as opened:
        await transport.declare(opened)
        yield opened


@pytest.fixture
async def serve(connection: AbstractRobustConnection, vhost_url: str) -> AsyncIterator[Serve]:
    """Start a consumer that answers as it is told."""
    async with transport.publisher(vhost_url, "test answers") as publisher, AsyncExitStack() as closing:

        async def start(answer: Answer, **options: Any) -> QueryConsumer:
            consumer = QueryConsumer(answer, Publisher(publisher._connection), **({"prefetch": 10} | options))
            await consumer.start(connection)
            closing.push_async_callback(consumer.drain, 1.0)
            return consumer

        yield start


@pytest.fixture
async def answer(mongo_uri: str, database_name: str) -> AsyncIterator[Answer]:
    """What a worker answers that has one payment in its database."""
    client = open_client(mongo_uri)
    database = client[database_name]
    reading, stats = ReadStore(database), MongoStats(database)
    await reading.prepare()
    await stats.prepare()
    await database["payments"].insert_one(to_document(paid(intent_id="pi_1")))
    yield Queries(reading, MongoCustomerStore(database), Periods(stats), deployment="test").answer
    await client.close()


@pytest.fixture
async def payments(vhost_url: str, connection: AbstractRobustConnection) -> AsyncIterator[PaymentsClient]:
    del connection  # opened first: the exchanges must be there
    async with PaymentsClient(vhost_url, source="tests") as opened:
        yield opened


async def waiting(connection: AbstractRobustConnection) -> int:
    """Queries that no consumer has settled."""
    async with await connection.channel() as channel:
        queue = await channel.declare_queue(topology.QUERIES_QUEUE, passive=True)
        return queue.declaration_result.message_count or 0


@pytest.mark.parametrize("query", ONE_OF_EACH, ids=lambda query: str(query.TYPE))
async def test_each_query_is_answered_with_its_own_answer(
    query: AnyQuery, payments: PaymentsClient, serve: Serve, answer: Answer
) -> None:
    """Each query comes back as the answer that it names."""
    await serve(answer)
    got: Any = await payments.ask(query)
    assert type(got) is query.ANSWER


async def test_a_hundred_at_once_are_each_answered(payments: PaymentsClient, serve: Serve, answer: Answer) -> None:
    """Of many queries at once, by more askers than the prefetch, each gets the answer to its own."""
    await serve(answer)
    queries = [GetOrder(order_id=f"o-{n % 2 + 1}") for n in range(100)]
    answers = await asyncio.gather(*(payments.ask(query) for query in queries))
    for query, got in zip(queries, answers, strict=True):
        assert isinstance(got, OrderPayments) == (query.order_id == "o-1")


async def test_a_query_of_the_wrong_shape_is_answered_by_field_and_rule(
    payments: PaymentsClient, serve: Serve, answer: Answer
) -> None:
    """A field that breaks its rule is answered `invalid` with the field's path and the rule."""
    await serve(answer)
    order = await payments.ask(GetOrder.model_construct(order_id="no blanks"))
    history = await payments.ask(ListUserPayments.model_construct(user_id="u-1", limit=101))
    for got, field in ((order, "data.order_id"), (history, "data.limit")):
        assert isinstance(got, QueryRefusal)
        assert (got.code, got.field) == (QueryRefusalCode.INVALID, field)
        assert got.message


async def test_bytes_that_are_no_query_are_answered_and_gone(
    connection: AbstractRobustConnection, serve: Serve, answer: Answer
) -> None:
    """Malformed bytes, an unknown type and an unknown field are answered `invalid`, and none of them comes back."""
    await serve(answer)
    unknown = wrap(GetOrder(order_id="o-1"), kind="order.guess", version=1, message_id="q-1", source="test")
    surplus = wrap(GetOrder(order_id="o-1"), kind=GetOrder.TYPE, version=1, message_id="q-2", source="test")
    surplus = surplus.model_copy(update={"data": {**surplus.data, "coupon": "x"}})
    fields = [await asked(connection, body) for body in (b"{", b"\xff", encode(unknown), encode(surplus))]
    assert fields == [None, None, "type", "data.coupon"]
    assert await waiting(connection) == 0


async def asked(connection: AbstractRobustConnection, body: bytes) -> str | None:
    """Publish these bytes as a query; the field that the refusal names."""
    channel = await connection.channel(publisher_confirms=True)
    replies = await channel.declare_queue(REPLY_TO, passive=True)
    answered: asyncio.Queue[aio_pika.abc.AbstractIncomingMessage] = asyncio.Queue()
    await replies.consume(answered.put, no_ack=True)
    exchange = await channel.get_exchange(topology.QUERIES, ensure=False)
    await exchange.publish(aio_pika.Message(body, reply_to=REPLY_TO, correlation_id="c"), "order.get")
    got = await asyncio.wait_for(answered.get(), PATIENCE_S)
    assert got.correlation_id == "c"
    refusal = unwrap(decode(got.body), ANSWERS)
    await channel.close()
    assert isinstance(refusal, QueryRefusal)
    assert refusal.code is QueryRefusalCode.INVALID
    return refusal.field


async def test_without_the_database_a_query_is_unavailable(payments: PaymentsClient, serve: Serve) -> None:
    """Where the database does not answer the asker is told so, and the consumer goes on."""
    client = open_client("mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=100&timeoutMS=200")
    database = client["payments"]
    queries = Queries(
        ReadStore(database), MongoCustomerStore(database), Periods(MongoStats(database)), deployment="test"
    )
    await serve(queries.answer)
    asking: list[Awaitable[Any]] = [payments.ask(query) for query in ONE_OF_EACH]
    for got in await asyncio.gather(*asking):
        assert isinstance(got, QueryRefusal)
        assert got.code is QueryRefusalCode.UNAVAILABLE
    await client.close()


async def test_a_query_that_takes_too_long_or_crashes_is_unavailable(
    payments: PaymentsClient, serve: Serve, connection: AbstractRobustConnection
) -> None:
    """An answer that does not come within the deadline, and one that crashes, are answered and not asked again."""
    seen = []

    async def never(query: AnyQuery) -> AnyAnswer:
        seen.append(query)
        if isinstance(query, GetOrder):
            raise ZeroDivisionError
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    await serve(never, deadline_s=0.1)
    for query in (GetOrder(order_id="o-1"), GetPayment(payment_id=PAYMENT)):
        got: Any = await payments.ask(query)
        assert isinstance(got, QueryRefusal)
        assert got.code is QueryRefusalCode.UNAVAILABLE
    assert len(seen) == 2
    assert await waiting(connection) == 0


async def test_an_answer_that_nobody_could_read_is_not_sent(payments: PaymentsClient, serve: Serve) -> None:
    """An answer larger than a reader takes is refused instead, so that the asker knows what to do."""

    async def endless(_: AnyQuery) -> AnyAnswer:
        return OrderPayments(order_id="o" * 300_000)

    await serve(endless)
    got = await payments.ask(GetOrder(order_id="o-1"))
    assert isinstance(got, QueryRefusal)
    assert got.code is QueryRefusalCode.INVALID


async def test_a_query_without_an_address_is_answered_to_nobody(
    connection: AbstractRobustConnection, serve: Serve, answer: Answer
) -> None:
    """A query that leaves no address to reply to is settled all the same, and its neighbours are answered."""
    settled = asyncio.Event()

    async def told(query: AnyQuery) -> AnyAnswer:
        settled.set()
        return await answer(query)

    consumer = await serve(told)
    channel = await connection.channel(publisher_confirms=True)
    exchange = await channel.get_exchange(topology.QUERIES, ensure=False)
    query = wrap(GetOrder(order_id="o-1"), kind=GetOrder.TYPE, version=1, message_id="q-1", source="test")
    await exchange.publish(aio_pika.Message(encode(query)), GetOrder.TYPE)
    await asyncio.wait_for(settled.wait(), PATIENCE_S)
    await consumer.drain(PATIENCE_S)
    assert await waiting(connection) == 0


async def test_a_stopping_consumer_finishes_what_it_has_begun(
    payments: PaymentsClient, serve: Serve, answer: Answer
) -> None:
    """A query that is being answered when the stop comes is answered; what comes later waits for another worker."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(query: AnyQuery) -> AnyAnswer:
        begun.set()
        await go_on.wait()
        return await answer(query)

    consumer = await serve(slow)
    asking = asyncio.create_task(payments.ask(GetPayment(payment_id=PAYMENT)))
    await asyncio.wait_for(begun.wait(), PATIENCE_S)
    draining = asyncio.create_task(consumer.drain(PATIENCE_S))
    go_on.set()
    await draining
    assert isinstance(await asking, PaymentDetails)
    late = asyncio.create_task(payments.ask(GetPayment(payment_id=PAYMENT)))
    await serve(answer)
    assert isinstance(await late, PaymentDetails)


async def test_a_query_that_nobody_answers_is_no_reply(payments: PaymentsClient) -> None:
    """Without a worker the asker hears so after its own time limit."""
    began = datetime.now(UTC)
    with pytest.raises(NoReply, match="no answer came in time"):
        await payments.ask(GetOrder(order_id="o-1"), timeout_s=0.2)
    assert datetime.now(UTC) - began < timedelta(seconds=PATIENCE_S)
