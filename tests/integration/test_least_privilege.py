"""Each service's login on a real broker: what it needs is allowed, and everything else is refused."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity, ProbableAuthenticationError, PublishError
from aiormq.exceptions import ChannelAccessRefused
from structlog.testing import capture_logs

from contracts import definitions, logins, topology, transport
from contracts.client import PaymentsClient
from contracts.commands import CreatePayment, RefundPayment
from contracts.errors import NotDeclared, OutcomeUnknown
from contracts.events import PaymentSucceeded
from contracts.replies import Verdict
from sandbox.services import notifications, orders
from sandbox.services.notifications import NotificationService
from sandbox.stack.choose import PrivateBroker
from sandbox.stack.ports import free_port
from tests.e2e.support.service import named
from tests.e2e.support.stripe import Simulator
from tests.e2e.support.worker import WorkerProcess
from tests.guarded import Guarded
from tests.ingress_process import IngressProcess, running, users
from tests.ingress_requests import WEBHOOK_PATH
from worker.jobs.upkeep import Upkeep

COMMITTED = Path(definitions.__file__).parents[1] / "deploy" / "rabbitmq" / "definitions.json"

PATIENCE_S = 30.0
AT_ONCE = 8

WORKER, INGRESS, ADMIN = "payments-worker", "payments-ingress", "payments-admin"
OPERATOR, ORDERS, NOTIFICATIONS = "payments-operator", "order-service", "notification-service"
DEFAULT = ""
"""The default exchange, which leads to every queue by its name."""

MAY_PUBLISH = {
    WORKER: {
        *("payments.events", "payments.retry", "payments.dead", "payments.probe", DEFAULT),
        *("payments.commands", "payments.privileged", "stripe.events"),  # what it replays
    },
    INGRESS: {"stripe.events", "payments.commands", "payments.queries", "payments.probe"},
    ADMIN: {"payments.commands", "payments.privileged", "payments.queries", "payments.probe"},
    OPERATOR: {"payments.privileged"},
    ORDERS: {"payments.commands", "payments.privileged", "payments.queries"},
    NOTIFICATIONS: set(),
}

MAY_READ = {
    WORKER: {
        *("payments.commands", "payments.privileged", "stripe.events", "payments.queries"),
        *("payments.quarantine", "payments.dead-letters"),
    },
    INGRESS: set(),
    ADMIN: set(),
    OPERATOR: set(),
    ORDERS: {"orders.payment-events"},
    NOTIFICATIONS: {"notifications.payment-events"},
}

EVERYBODY = sorted(MAY_PUBLISH)
EXCHANGES = (DEFAULT, "amq.topic", "amq.direct", "amq.fanout", *topology.EXCHANGES)
QUEUES = tuple(queue.name for queue in (*topology.QUEUES, *logins.SUBSCRIPTIONS))

STOLEN = "stolen"
"""The routing key of bindings that a test makes, or fails to make."""

Act = Callable[[AbstractChannel], Awaitable[object]]


@pytest.fixture(scope="module")
def guarded(module_broker: PrivateBroker) -> Guarded:
    guarded = Guarded(module_broker)
    guarded.bring()
    return guarded


async def allowed(connection: AbstractConnection, act: Act) -> bool:
    """Whether the broker lets this connection do it. A refusal costs the channel, so each act has its own."""
    channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
    try:
        await act(channel)
    except ChannelAccessRefused:
        return False
    except PublishError:
        return True  # the exchange took it and knows no queue for it
    finally:
        await channel.close()
    return True


async def allowed_of(url: str, acts: dict[str, Act]) -> set[str]:
    """The names of those acts that the broker lets this login do."""
    waiting = list(acts.items())
    found: set[str] = set()

    async def try_some() -> None:
        """One after the other: the client may take a refused channel's number for another before the broker has let it go."""
        connection = await aio_pika.connect(url, timeout=PATIENCE_S)
        async with connection:
            while waiting:
                name, act = waiting.pop()
                if await allowed(connection, act):
                    found.add(name)

    await asyncio.gather(*(try_some() for _ in range(AT_ONCE)))
    return found


def publish(exchange: str) -> Act:
    async def act(channel: AbstractChannel) -> None:
        target = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
        await target.publish(aio_pika.Message(b"{}"), "nobody.listens", mandatory=True)

    return act


def consume(queue: str) -> Act:
    async def act(channel: AbstractChannel) -> None:
        found = await channel.get_queue(queue, ensure=False)
        arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        await found.cancel(await found.consume(arrived.put))

    return act


def get(queue: str) -> Act:
    async def act(channel: AbstractChannel) -> None:
        await (await channel.get_queue(queue, ensure=False)).get(fail=False)

    return act


def purge(queue: str) -> Act:
    async def act(channel: AbstractChannel) -> None:
        await (await channel.get_queue(queue, ensure=False)).purge()

    return act


def bind(queue: str, exchange: str) -> Act:
    async def act(channel: AbstractChannel) -> None:
        await (await channel.get_queue(queue, ensure=False)).bind(exchange, STOLEN)

    return act


def unbind(queue: str, exchange: str, pattern: str = "#") -> Act:
    async def act(channel: AbstractChannel) -> None:
        await (await channel.get_queue(queue, ensure=False)).unbind(exchange, pattern)

    return act


def bind_exchanges(destination: str, source: str) -> Act:
    async def act(channel: AbstractChannel) -> None:
        await (await channel.get_exchange(destination, ensure=False)).bind(source, STOLEN)

    return act


def unbind_exchanges(destination: str, source: str) -> Act:
    async def act(channel: AbstractChannel) -> None:
        await (await channel.get_exchange(destination, ensure=False)).unbind(source, STOLEN)

    return act


def delete_queue(queue: str) -> Act:
    return lambda channel: channel.queue_delete(queue)


def delete_exchange(exchange: str) -> Act:
    return lambda channel: channel.exchange_delete(exchange)


def declare_exchange(name: str) -> Act:
    return lambda channel: channel.declare_exchange(name, aio_pika.ExchangeType.TOPIC, durable=True)


def declare_queue(queue: topology.Queue) -> Act:
    return lambda channel: channel.declare_queue(queue.name, durable=True, arguments=queue.arguments)


def test_the_committed_definitions_are_those_of_the_topology() -> None:
    """What is committed is what the topology and the logins make, without a password."""
    # To make it anew: python -m contracts.definitions --output deploy/rabbitmq/definitions.json
    assert COMMITTED.read_text("utf-8") == definitions.text(definitions.definitions({}))
    assert {user["password_hash"] for user in json.loads(COMMITTED.read_text("utf-8"))["users"]} == {""}


def test_the_listeners_queues_are_those_of_the_sample_services() -> None:
    """The definitions have the queues that the order and the notification service read, with their bindings."""
    assert logins.ORDERS == orders.QUEUE
    assert logins.NOTIFICATIONS == notifications.QUEUE


async def test_nobody_logs_in_by_the_committed_definitions(guarded: Guarded) -> None:
    """With the committed file as it is no login is let in, neither without a password nor with what it had before."""
    guarded.bring({})
    try:
        for name in EVERYBODY:
            known = guarded.url(name)
            for url in (known, known.replace(f":{urlsplit(known).password}@", ":@")):
                with pytest.raises(ProbableAuthenticationError):
                    await aio_pika.connect(url, timeout=PATIENCE_S)
    finally:
        guarded.bring()


@pytest.mark.parametrize("name", EVERYBODY)
async def test_it_publishes_where_it_must_and_nowhere_else(guarded: Guarded, name: str) -> None:
    """A login may publish to the exchanges of its row of the table, and each other one refuses it."""
    acts = {exchange: publish(exchange) for exchange in EXCHANGES}
    assert await allowed_of(guarded.url(name), acts) == MAY_PUBLISH[name]
    assert await allowed_of(guarded.broker.url, {queue: purge(queue) for queue in QUEUES}) == set(QUEUES)


@pytest.mark.parametrize("name", EVERYBODY)
@pytest.mark.parametrize("act", [consume, get, purge])
async def test_it_reads_what_it_must_and_nothing_else(guarded: Guarded, name: str, act: Callable[[str], Act]) -> None:
    """A login may consume, get from and empty the queues of its row of the table, and each other one refuses it."""
    assert await allowed_of(guarded.url(name), {queue: act(queue) for queue in QUEUES}) == MAY_READ[name]


@pytest.mark.parametrize("name", EVERYBODY)
async def test_it_changes_nothing(guarded: Guarded, name: str) -> None:
    """No login may declare or delete anything, not even what is there as it is, nor a queue or an exchange of its own."""
    own = topology.Queue("mine", topology.QUEUES[0].arguments)
    there = (*topology.QUEUES, *logins.SUBSCRIPTIONS, own)
    acts = (
        {f"declare {queue.name}": declare_queue(queue) for queue in there}
        | {f"declare exchange {exchange}": declare_exchange(exchange) for exchange in (*topology.EXCHANGES, "mine")}
        | {f"delete {queue}": delete_queue(queue) for queue in QUEUES}
        | {f"delete exchange {exchange}": delete_exchange(exchange) for exchange in topology.EXCHANGES}
        | {"a private queue": lambda channel: channel.declare_queue(exclusive=True)}
    )
    assert await allowed_of(guarded.url(name), acts) == set()


@pytest.mark.parametrize("name", [name for name in EVERYBODY if name != WORKER])
async def test_it_binds_nothing(guarded: Guarded, name: str) -> None:
    """No login but the worker's may bind a queue or an exchange to an exchange, or unbind it, and so read along."""
    sources = topology.EXCHANGES
    acts = (
        {f"{queue} <- {source}": bind(queue, source) for queue in QUEUES for source in sources}
        | {f"{queue} -/- {source}": unbind(queue, source) for queue in QUEUES for source in sources}
        | {f"{to} <<- {source}": bind_exchanges(to, source) for to in sources for source in sources}
    )
    assert await allowed_of(guarded.url(name), acts) == set()


async def test_the_worker_binds_only_what_it_may_read_and_write_anyway(guarded: Guarded) -> None:
    """The worker may bind where it may write to what it may read: exchanges and queues share names, and so the rights."""
    sources = ("payments.commands", "payments.privileged", "payments.queries", "stripe.events")
    queues = ("payments.commands", "payments.privileged", "stripe.events")
    exchanges = MAY_PUBLISH[WORKER] - {DEFAULT}
    acts = {f"{queue} <- {source}": bind(queue, source) for queue in QUEUES for source in topology.EXCHANGES} | {
        f"{to} <<- {source}": bind_exchanges(to, source) for to in topology.EXCHANGES for source in topology.EXCHANGES
    }
    try:
        assert await allowed_of(guarded.url(WORKER), acts) == {
            *(f"{queue} <- {source}" for queue in queues for source in sources),
            *(f"{exchange} <<- {source}" for exchange in exchanges for source in sources),
        }
    finally:
        undo = {f"{queue} -/- {source}": unbind(queue, source, STOLEN) for queue in queues for source in sources} | {
            f"{to} <-/- {source}": unbind_exchanges(to, source) for to in exchanges for source in sources
        }
        assert await allowed_of(guarded.broker.url, undo) == undo.keys()


async def test_nobody_publishes_in_anothers_name(guarded: Guarded) -> None:
    """The broker refuses a message that claims to be another login's."""
    connection = await aio_pika.connect(guarded.url(ORDERS), timeout=PATIENCE_S)
    async with connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange(topology.COMMANDS, ensure=False)
        with pytest.raises(AMQPError, match="user_id property set to 'payments-admin'"):
            await exchange.publish(aio_pika.Message(b"{}", user_id=ADMIN), "x")


@pytest.mark.parametrize("name", EVERYBODY)
async def test_what_is_there_is_found(guarded: Guarded, name: str) -> None:
    """A login that may not declare is told so, and that everything is there."""
    connection = await transport.connect(guarded.url(name), "test")
    async with connection:
        assert await transport.declare(connection) is False
        assert await transport.declare(connection) is False


async def test_what_is_missing_is_named(guarded: Guarded) -> None:
    """A login that may not declare what is not there gets an error that names it and says who must bring it."""
    connection = await transport.connect(guarded.url(WORKER), "test")
    async with connection:
        with pytest.raises(NotDeclared, match=r"no queue 'nobodys'.*may not declare it, the broker's definitions must"):
            await transport.declare(connection, (topology.subscription("nobodys"),))
        channel = await connection.channel()
        with pytest.raises(ChannelNotFoundEntity):
            await transport.declare_queue(channel, topology.subscription("nobodys"), passive=True)


async def test_a_right_to_declare_that_is_taken_away_is_said_once(guarded: Guarded) -> None:
    """A worker that could declare says that it no longer may, names what is missing then, and declares again when it may."""
    tier = topology.TIERS[0].queue
    connection = await transport.connect(guarded.url(WORKER), "test")
    above = await aio_pika.connect(guarded.broker.url, timeout=PATIENCE_S)
    everything = (".*", ".*", ".*")
    async with connection, above:
        upkeep = Upkeep(connection, passive=False)
        try:
            with capture_logs() as lines:
                await guarded.broker.ctl("set_permissions", WORKER, *everything)
                await upkeep._declare()
                assert (upkeep.whole, lines) == (True, [])
                guarded.bring()
                for _ in range(3):
                    await upkeep._declare()
                    assert upkeep.whole
                await (await above.channel()).queue_delete(tier)
                for _ in range(2):
                    await upkeep._declare()
                    assert not upkeep.whole
                await guarded.broker.ctl("set_permissions", WORKER, *everything)
                await upkeep._declare()
                assert upkeep.whole
                assert await allowed(above, purge(tier))
        finally:
            guarded.bring()
    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("warning", "declare_refused"),
        ("error", "topology_missing"),
        ("info", "topology_whole"),
    ]
    assert "may no longer declare" in lines[0]["reason"]
    assert tier in lines[1]["reason"]


async def test_a_queue_that_was_only_looked_for_is_consumed_again_after_a_reconnect(guarded: Guarded) -> None:
    """A login that may not declare goes on consuming when its connection was closed under it."""
    arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    connection = await transport.connect(guarded.url(NOTIFICATIONS), "test")
    async with connection:
        queue = await transport.declare_queue(await connection.channel(), logins.NOTIFICATIONS, passive=True)
        await queue.consume(arrived.put, no_ack=True)
        lost = asyncio.Event()
        connection.close_callbacks.add(lambda *_: lost.set())
        await guarded.broker.ctl("close_all_connections", "--global", "a test")
        await asyncio.wait_for(lost.wait(), PATIENCE_S)
        async with transport.publisher(guarded.url(WORKER), "test") as publisher:
            (await publisher.publish(topology.EVENTS, PaymentSucceeded.TYPE, b"{}", kind="test")).require()
        assert (await asyncio.wait_for(arrived.get(), PATIENCE_S)).body == b"{}"


async def test_no_reply_goes_to_a_queue_of_payments(guarded: Guarded) -> None:
    """A requester that names one of payments' queues as its address cannot make the worker write there for it."""
    async with transport.publisher(guarded.url(WORKER), "test") as publisher:
        for queue in topology.QUEUES:
            await publisher.reply(queue.name, "c-1", b"{}", kind="payment.reply")
        assert await publisher.probe(PATIENCE_S)
    connection = await aio_pika.connect(guarded.broker.url, timeout=PATIENCE_S)
    async with connection:
        channel = await connection.channel()
        declared = [await channel.declare_queue(queue.name, passive=True) for queue in topology.QUEUES]
        assert {queue.name: queue.declaration_result.message_count for queue in declared} == dict.fromkeys(
            (queue.name for queue in topology.QUEUES), 0
        )


class House:
    """The services under their logins: simulator, worker, two ingresses, a notification service."""

    def __init__(self, guarded: Guarded, directory: Path, mongo_uri: str) -> None:
        port = free_port()
        self.stripe = Simulator(directory, f"http://127.0.0.1:{port}{WEBHOOK_PATH}")
        self.ingress = IngressProcess(
            directory / "ingress", guarded.url(INGRESS), PORT=str(port), ROUTES="webhook,public"
        )
        self.admin = IngressProcess(directory / "admin", guarded.url(ADMIN), ROUTES="admin")
        self.worker = WorkerProcess(directory / "worker", guarded.url(WORKER), mongo_uri, self.stripe.url)
        self.mails: asyncio.Queue[str] = asyncio.Queue()
        self.notifications = NotificationService(
            guarded.url(NOTIFICATIONS), lambda event, _mail: self.mails.put_nowait(f"{event.TYPE} {event.payment_id}")
        )

    async def heard(self, event: str, payment: str) -> bool:
        """Wait until the notification service has written to somebody about this."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.mails.get() != f"{event} {payment}":
                pass
        return True


@asynccontextmanager
async def living(house: House) -> AsyncIterator[House]:
    async with AsyncExitStack() as closing:
        closing.push_async_callback(house.stripe.stop)
        closing.callback(house.worker.child.kill)
        await house.stripe.start()
        sender, admin, _ = await asyncio.gather(
            closing.enter_async_context(running(house.ingress)),
            closing.enter_async_context(running(house.admin)),
            house.worker.start(),
        )
        await asyncio.gather(sender.until_ready(200, PATIENCE_S), admin.until_ready(200, PATIENCE_S))
        listening = asyncio.create_task(house.notifications.run())
        closing.push_async_callback(_ended, listening)
        await asyncio.wait_for(house.notifications.inbox.ready.wait(), PATIENCE_S)
        yield house


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_services_work_under_their_logins(
    guarded: Guarded, tmp_path: Path, mongo_uri: str, database_name: str
) -> None:
    """Created by the order service and paid, created and paid over HTTP, refunded by each who may: every service hears."""
    async with (
        living(House(guarded, tmp_path, named(mongo_uri, database_name))) as house,
        PaymentsClient(guarded.url(ORDERS), source="orders") as order_service,
        users(house.ingress.url) as public,
        users(house.admin.url) as desk,
    ):
        reply = await order_service.create(CreatePayment(order_id="o-1", user_id="user-1", amount=1999, currency="eur"))
        assert reply.payment is not None
        assert await house.stripe.pay(reply.client_secret or "") == "succeeded"
        first = reply.payment.payment_id
        assert await house.heard(PaymentSucceeded.TYPE, first)

        customer, administrator = public("user-1", "customer"), desk("admin-1", "admin")
        opened = await customer.post("/api/payments/intent", {"order_id": "o-2", "amount": 1999, "currency": "eur"})
        assert opened.status == 201, opened
        second = opened.body["payment"]["payment_id"]
        assert await house.stripe.pay(opened.body["client_secret"]) == "succeeded"
        assert await house.heard(PaymentSucceeded.TYPE, second)

        refund = RefundPayment(payment_id=first, requested_by="orders", refund_id="return-1")
        async with PaymentsClient(guarded.url(INGRESS), source="intruder") as intruder:
            with pytest.raises(OutcomeUnknown, match=r"ACCESS_REFUSED.*payments\.privileged"):
                await intruder.refund(refund)
        assert (await order_service.refund(refund)).verdict is not Verdict.REFUSED
        given_back = await administrator.post(f"/api/payments/{second}/refund", {"amount": 999})
        assert given_back.status in {200, 202}, given_back
        assert await house.heard("payment.refunded", first)
        assert await house.heard("payment.refunded", second)
    assert not house.worker.lines("broker_away")
