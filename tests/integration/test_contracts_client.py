"""PaymentsClient against a real broker and a responder of a few lines in place of the worker."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import cast

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage
from yarl import URL

from contracts import topology, transport
from contracts.client import LIFETIME, PaymentsClient
from contracts.commands import (
    COMMANDS,
    PRIVILEGED_COMMANDS,
    CancelPayment,
    CapturePayment,
    Command,
    ConfirmPayment,
    CreatePayment,
    RefundPayment,
)
from contracts.envelope import Envelope, decode, encode, unwrap, wrap
from contracts.errors import InvalidMessage, NoReply, NotStored, OutcomeUnknown
from contracts.generate.catalogue import messages
from contracts.generate.examples import bodies
from contracts.replies import Reply, Verdict
from sandbox.stack.choose import PrivateBroker

PATIENCE_S = 20.0
CREATE = CreatePayment(order_id="o-1", user_id="u-1", amount=1999, currency="eur")

Answer = Callable[[Envelope], bytes | None]


def pending(envelope: Envelope) -> bytes:
    """What the worker would say when Stripe is slow, made to measure for this command."""
    reply = Reply(command_id=envelope.id, verdict=Verdict.PENDING)
    return encode(wrap(reply, kind=Reply.TYPE, version=Reply.VERSION, message_id=f"r-{envelope.id}", source="test"))


def silent(_: Envelope) -> None:
    """Take the command and never answer."""


class Responder:
    """Consumes both queues of commands, keeps what it saw by queue, and answers as it is told."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.seen: list[Envelope] = []
        self.privileged: list[Envelope] = []
        self.messages: list[AbstractIncomingMessage] = []
        self.arrived = asyncio.Event()
        self._exchange: aio_pika.abc.AbstractExchange | None = None

    async def consume(self, connection: aio_pika.abc.AbstractRobustConnection) -> None:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=100)
        self._exchange = channel.default_exchange
        for name, seen in ((topology.COMMANDS_QUEUE, self.seen), (topology.PRIVILEGED_QUEUE, self.privileged)):
            queue = await channel.declare_queue(name, durable=True, arguments=topology.QUEUES[0].arguments)
            await queue.consume(partial(self._on_command, seen))

    async def _on_command(self, seen: list[Envelope], message: AbstractIncomingMessage) -> None:
        envelope = decode(message.body)
        seen.append(envelope)
        self.messages.append(message)
        self.arrived.set()
        body = self.answer(envelope)
        if body is not None:
            await self.say(body, to=message)
        await message.ack()

    async def say(self, body: bytes, *, to: AbstractIncomingMessage) -> None:
        assert to.reply_to is not None
        assert self._exchange is not None
        answer = aio_pika.Message(body, correlation_id=to.correlation_id)
        await self._exchange.publish(answer, to.reply_to, mandatory=False)


Respond = Callable[[Answer], Awaitable[Responder]]


async def _respond(url: str) -> AsyncIterator[Respond]:
    connection = await transport.connect(url, "test responder")
    await transport.declare(connection)

    async def start(answer: Answer) -> Responder:
        responder = Responder(answer)
        await responder.consume(connection)
        return responder

    yield start
    await connection.close()


@pytest.fixture
async def respond(vhost_url: str) -> AsyncIterator[Respond]:
    async for start in _respond(vhost_url):
        yield start


@pytest.fixture
async def respond_fragile(private_vhost_url: str) -> AsyncIterator[Respond]:
    async for start in _respond(private_vhost_url):
        yield start


async def test_a_reply_is_typed_and_for_its_command(vhost_url: str, respond: Respond) -> None:
    """Each method sends its command under the given id and returns the reply as a Reply."""
    responder = await respond(pending)
    async with PaymentsClient(vhost_url, source="orders") as payments:
        created = await payments.create(CREATE, command_id="c-1")
        confirm = ConfirmPayment(payment_id="pay_a_1", payment_method="pm_1", return_url="https://shop.example/back")
        confirmed = await payments.confirm(confirm, command_id="c-2")
        canceled = await payments.cancel(CancelPayment(order_id="o-1"), command_id="c-3")
    assert [reply.command_id for reply in (created, confirmed, canceled)] == ["c-1", "c-2", "c-3"]
    assert {reply.verdict for reply in (created, confirmed, canceled)} == {Verdict.PENDING}
    assert [type(unwrap(envelope, COMMANDS)) for envelope in responder.seen] == [
        CreatePayment,
        ConfirmPayment,
        CancelPayment,
    ]


@pytest.mark.parametrize("kind", [*COMMANDS, *PRIVILEGED_COMMANDS])
async def test_a_command_goes_where_its_permission_is_asked(vhost_url: str, respond: Respond, kind: str) -> None:
    """An ordinary command is published to `payments.commands`, a privileged one to `payments.privileged`, both answered."""
    (message,) = (message for message in messages() if message.kind == kind)
    command = cast("Command", next(iter(bodies(message).values())))
    responder = await respond(pending)
    async with PaymentsClient(vhost_url, source="orders") as payments:
        assert (await payments.send(command, command_id="c-1")).command_id == "c-1"
    privileged = [kind] if kind in PRIVILEGED_COMMANDS else []
    assert [envelope.type for envelope in responder.privileged] == privileged
    assert [envelope.type for envelope in responder.seen] == ([] if privileged else [kind])


async def test_money_is_taken_and_given_back_by_name(vhost_url: str, respond: Respond) -> None:
    """`capture` and `refund` send their commands under the given id, whole."""
    responder = await respond(pending)
    capture = CapturePayment(payment_id="pay_a_1", requested_by="shop", amount=500, final=False)
    refund = RefundPayment(payment_id="pay_a_1", requested_by="shop", refund_id="return-1")
    async with PaymentsClient(vhost_url, source="orders") as payments:
        replies = [await payments.capture(capture, command_id="c-1"), await payments.refund(refund, command_id="c-2")]
    assert [reply.command_id for reply in replies] == ["c-1", "c-2"]
    sent = [unwrap(envelope, PRIVILEGED_COMMANDS) for envelope in responder.privileged]
    assert [command.model_copy(update={"expires_at": None}) for command in sent] == [capture, refund]


async def test_a_command_expires_unless_it_says_otherwise(vhost_url: str, respond: Respond) -> None:
    """A command without `expires_at` gets one, a command with one keeps it, and the issue time is the client's now."""
    responder = await respond(pending)
    theirs = datetime(2030, 1, 1, tzinfo=UTC)
    async with PaymentsClient(vhost_url, source="orders") as payments:
        await payments.create(CREATE)
        await payments.create(CREATE.model_copy(update={"expires_at": theirs}))
    ours, kept = [unwrap(envelope, COMMANDS).expires_at for envelope in responder.seen]
    assert ours == responder.seen[0].time + LIFETIME
    assert kept == theirs
    assert abs((responder.seen[0].time - datetime.now(UTC)).total_seconds()) < PATIENCE_S


async def test_a_trace_travels_along(vhost_url: str, respond: Respond) -> None:
    """The caller's correlation id and trace parent are in the envelope."""
    responder = await respond(pending)
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    async with PaymentsClient(vhost_url, source="orders") as payments:
        await payments.send(CREATE, correlation_id="checkout-7", traceparent=trace)
    (envelope,) = responder.seen
    assert (envelope.source, envelope.correlationid, envelope.traceparent) == ("orders", "checkout-7", trace)


async def test_no_answer_is_no_reply_and_the_id_may_be_used_again(vhost_url: str, respond: Respond) -> None:
    """Without an answer in time the caller gets NoReply naming the command, and asks again under the same id."""
    responder = await respond(silent)
    async with PaymentsClient(vhost_url, source="orders") as payments:
        with pytest.raises(NoReply, match=r"payment\.create c-1 is stored"):
            await payments.send(CREATE, command_id="c-1", reply_timeout_s=0.1)
        responder.answer = pending
        assert (await payments.create(CREATE, command_id="c-1")).command_id == "c-1"
    assert [envelope.id for envelope in responder.seen] == ["c-1", "c-1"]


async def test_a_late_answer_is_dropped(vhost_url: str, respond: Respond) -> None:
    """An answer that comes after its caller gave up, or that nobody asked for, disturbs nobody."""
    responder = await respond(silent)
    async with PaymentsClient(vhost_url, source="orders") as payments:
        with pytest.raises(NoReply):
            await payments.send(CREATE, command_id="c-1", reply_timeout_s=0.1)
        await responder.say(pending(responder.seen[0]), to=responder.messages[0])
        responder.answer = pending
        assert (await payments.create(CREATE, command_id="c-2")).command_id == "c-2"


async def test_a_thousand_commands_get_their_own_replies(vhost_url: str, respond: Respond) -> None:
    """A thousand callers at once each get the answer to their own command."""
    await respond(pending)
    names = [f"c-{number}" for number in range(1000)]
    async with PaymentsClient(vhost_url, source="orders") as payments:
        replies = await asyncio.gather(*(payments.create(CREATE, command_id=name) for name in names))
    assert [reply.command_id for reply in replies] == names


async def test_an_unreadable_answer_is_an_error_of_its_own(vhost_url: str, respond: Respond) -> None:
    """An answer that is no reply of ours raises InvalidMessage for its caller alone."""
    responder = await respond(lambda _: b"not json")
    async with PaymentsClient(vhost_url, source="orders") as payments:
        with pytest.raises(InvalidMessage):
            await payments.create(CREATE)
        responder.answer = pending
        assert (await payments.create(CREATE)).verdict is Verdict.PENDING


async def test_without_a_queue_nothing_is_stored(vhost_url: str) -> None:
    """Where nobody declared the payments queues the caller learns at once that the command is not stored."""
    connection = await transport.connect(vhost_url, "test")
    async with connection:
        await transport.declare(connection, ())
    async with PaymentsClient(vhost_url, source="orders") as payments:
        with pytest.raises(NotStored, match=r"no queue is bound for 'payment\.create'"):
            await payments.create(CREATE)


async def test_a_missing_exchange_is_not_known_to_be_stored(vhost_url: str) -> None:
    """Where not even the exchange exists the caller learns it, and the client goes on working."""
    async with PaymentsClient(vhost_url, source="orders") as payments:
        with pytest.raises((NotStored, OutcomeUnknown), match=r"payments\.commands"):
            await payments.create(CREATE)
        connection = await transport.connect(vhost_url, "test")
        async with connection:
            await transport.declare(connection)
        with pytest.raises(NoReply):
            await payments.send(CREATE, reply_timeout_s=0.1)


async def test_a_missing_exchange_breaks_the_client_for_nobody(vhost_url: str) -> None:
    """However many call again and again while the exchange is missing, the first call after it is back is stored."""
    failed: list[Exception] = []

    async def call_again(payments: PaymentsClient) -> None:
        for _ in range(10):
            with pytest.raises((NotStored, OutcomeUnknown)) as caught:
                await payments.create(CREATE)
            failed.append(caught.value)

    connection = await transport.connect(vhost_url, "test")
    async with connection, PaymentsClient(vhost_url, source="orders") as payments:
        for _ in range(3):
            await asyncio.gather(*(call_again(payments) for _ in range(6)))
            await transport.declare(connection)
            with pytest.raises(NoReply):
                await payments.send(CREATE, reply_timeout_s=0.1)
            await (await connection.channel()).exchange_delete(topology.COMMANDS)
    assert any("payments.commands" in str(error) for error in failed)


async def test_a_client_that_is_not_open_stores_nothing(vhost_url: str) -> None:
    """Before `async with` and after it a command is refused with the reason."""
    payments = PaymentsClient(vhost_url, source="orders")
    with pytest.raises(NotStored, match="not open"):
        await payments.create(CREATE)
    async with payments:
        pass
    with pytest.raises(NotStored, match="not open"):
        await payments.create(CREATE)


async def test_closing_ends_the_waiting(vhost_url: str, respond: Respond) -> None:
    """Callers that still wait when the client closes get NoReply, not a cancellation that nobody asked for."""
    responder = await respond(silent)
    async with PaymentsClient(vhost_url, source="orders", reply_timeout_s=PATIENCE_S) as payments:
        waiting = asyncio.create_task(payments.create(CREATE, command_id="c-1"))
        await asyncio.wait_for(responder.arrived.wait(), PATIENCE_S)
        await asyncio.wait({waiting}, timeout=0.2)
    with pytest.raises(NoReply, match="c-1 is stored; the connection closed"):
        await waiting


async def test_a_cancelled_caller_is_cancelled(vhost_url: str, respond: Respond) -> None:
    """A caller's own cancellation is passed on and leaves nothing behind in the client."""
    responder = await respond(silent)
    async with PaymentsClient(vhost_url, source="orders") as payments:
        waiting = asyncio.create_task(payments.create(CREATE))
        await asyncio.wait_for(responder.arrived.wait(), PATIENCE_S)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not any(line._waiting for line in payments._lines.values())


async def test_a_lost_connection_ends_the_waiting_and_is_made_good(
    private_broker: PrivateBroker, private_vhost_url: str, respond_fragile: Respond
) -> None:
    """A dropped connection ends the waiting at once, as its answers are lost with it, and later commands are answered."""
    responder = await respond_fragile(silent)
    async with PaymentsClient(private_vhost_url, source="orders", reply_timeout_s=PATIENCE_S) as payments:
        waiting = asyncio.create_task(payments.create(CREATE, command_id="c-1"))
        await asyncio.wait_for(responder.arrived.wait(), PATIENCE_S)
        await asyncio.wait({waiting}, timeout=0.2)
        began = time.monotonic()
        await private_broker.ctl("close_all_connections", "--global", "a test")
        with pytest.raises(NoReply, match="c-1 is stored; the connection closed"):
            await waiting
        assert time.monotonic() - began < PATIENCE_S / 2
        responder.answer = pending
        assert (await until_stored(payments, "c-1")).command_id == "c-1"
        names = [f"d-{number}" for number in range(100)]
        replies = await asyncio.gather(*(payments.create(CREATE, command_id=name) for name in names))
        assert [reply.command_id for reply in replies] == names


async def test_a_login_without_the_permission_harms_nobody_else(
    private_broker: PrivateBroker, private_vhost_url: str, respond_fragile: Respond
) -> None:
    """A login that may not write to `payments.privileged` is told so, while its ordinary commands go on."""
    vhost = URL(private_vhost_url).path.removeprefix("/")
    ordinary = str(URL(private_vhost_url).with_user("shop").with_password("shop"))
    await private_broker.ctl("add_user", "shop", "shop")
    await private_broker.ctl("set_permissions", "-p", vhost, "shop", "^$", f"^{re.escape(topology.COMMANDS)}$", "^$")
    responder = await respond_fragile(silent)
    refund = RefundPayment(payment_id="pay_a_1", requested_by="shop", refund_id="return-1")
    async with PaymentsClient(ordinary, source="orders", reply_timeout_s=PATIENCE_S) as payments:
        waiting = asyncio.create_task(payments.create(CREATE, command_id="c-1"))
        await asyncio.wait_for(responder.arrived.wait(), PATIENCE_S)
        with pytest.raises(OutcomeUnknown, match=r"ACCESS_REFUSED.*payments\.privileged"):
            await payments.refund(refund)
        assert not waiting.done()
        await responder.say(pending(responder.seen[0]), to=responder.messages[0])
        assert (await waiting).command_id == "c-1"
        with pytest.raises(OutcomeUnknown):
            await payments.refund(refund)
    assert responder.privileged == []


async def test_a_killed_broker_is_an_unknown_outcome(
    private_broker: PrivateBroker, private_vhost_url: str, respond_fragile: Respond
) -> None:
    """A broker that dies under an unconfirmed command raises OutcomeUnknown, and the client works with the next one."""
    await respond_fragile(pending)
    async with (
        PaymentsClient(private_vhost_url, source="orders", reply_timeout_s=2) as payments,
        transport.publisher(private_vhost_url, "test watcher") as watcher,
    ):
        assert (await payments.create(CREATE)).verdict is Verdict.PENDING
        private_broker.freeze()
        while await watcher.probe(0.5):
            pass
        waiting = [asyncio.create_task(payments.create(CREATE)) for _ in range(20)]
        await asyncio.wait(waiting, timeout=0.2)
        private_broker.kill()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {OutcomeUnknown}
        await private_broker.restart()
        assert (await until_stored(payments, "c-9")).command_id == "c-9"


async def until_stored(payments: PaymentsClient, command_id: str) -> Reply:
    """Ask again under the same id, as a caller should, until there is an answer."""
    async with asyncio.timeout(2 * PATIENCE_S):
        while True:
            try:
                return await payments.create(CREATE, command_id=command_id)
            except (NoReply, NotStored, OutcomeUnknown):
                await asyncio.sleep(0.1)
