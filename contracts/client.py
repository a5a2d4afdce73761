"""The typed client that an order service imports.

    async with PaymentsClient(url, source="order-service") as payments:
        reply = await payments.create(CreatePayment(order_id="o-1", user_id="u-1", amount=1999, currency="eur"))

Every method sends one command, waits for the broker's confirm and then for the reply. After OutcomeUnknown or NoReply,
call again with the same `command_id`: it is carried out once, and the answer is the same. `ask` asks and changes nothing.
"""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from ssl import SSLContext
from types import TracebackType
from typing import Self, cast

from aio_pika import Message
from aio_pika.abc import AbstractExchange, AbstractIncomingMessage, AbstractRobustChannel, AbstractRobustConnection

from contracts import topology, transport
from contracts.commands import (
    PRIVILEGED_COMMANDS,
    CancelPayment,
    CapturePayment,
    Command,
    ConfirmPayment,
    CreatePayment,
    RefundPayment,
)
from contracts.envelope import decode, encode, unwrap, wrap
from contracts.errors import NoReply, NotStored
from contracts.queries import ANSWERS, Answered, Query, QueryRefusal
from contracts.replies import Reply

REPLY_TO = "amq.rabbitmq.reply-to"
"""RabbitMQ's direct reply-to: no queue is made; request and reply must share one channel (docs/reliability.md, rule 1)."""

REPLY_TIMEOUT_S = 30.0
"""Longer than one call to Stripe usually takes; a slower command is answered 'pending' by the worker anyway."""

ANSWER_TIMEOUT_S = 8.0
"""Longer than the worker takes for any query (5 s); after 10 s the broker drops one that nobody took."""

LIFETIME = timedelta(minutes=15)
"""How long a command stays wanted when its sender says nothing: a customer who waited longer has left."""


class PaymentsClient:
    """Sends commands and queries and awaits the answers: one connection, a channel per exchange, any number of callers."""

    def __init__(
        self,
        url: str,
        *,
        source: str,
        reply_timeout_s: float = REPLY_TIMEOUT_S,
        ssl_context: SSLContext | None = None,
    ) -> None:
        self._url = url
        self._source = source
        self._reply_timeout_s = reply_timeout_s
        self._ssl_context = ssl_context
        self._connection: AbstractRobustConnection | None = None
        self._lines: dict[str, _Line] = {}

    async def __aenter__(self) -> Self:
        name = f"{self._source} payments client"
        self._connection = await transport.connect(self._url, name, ssl_context=self._ssl_context)
        try:
            for exchange in (topology.COMMANDS, topology.PRIVILEGED, topology.QUERIES):
                self._lines[exchange] = await _open_line(self._connection, exchange)
        except BaseException:
            await self._connection.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        lines, self._lines = self._lines, {}
        for line in lines.values():
            line.give_up()
        if self._connection is not None:
            await self._connection.close()

    async def create(self, command: CreatePayment, *, command_id: str | None = None) -> Reply:
        """Open a payment; the reply carries the client secret that the customer's browser pays with."""
        return await self.send(command, command_id=command_id)

    async def confirm(self, command: ConfirmPayment, *, command_id: str | None = None) -> Reply:
        """Charge a payment method; a declined card is a refusal `card_declined`, and the payment can be tried again."""
        return await self.send(command, command_id=command_id)

    async def cancel(self, command: CancelPayment, *, command_id: str | None = None) -> Reply:
        """Give a payment up, by its id or by its order's."""
        return await self.send(command, command_id=command_id)

    async def capture(self, command: CapturePayment, *, command_id: str | None = None) -> Reply:
        """Take money that is held. The broker login must be allowed to write to `payments.privileged`."""
        return await self.send(command, command_id=command_id)

    async def refund(self, command: RefundPayment, *, command_id: str | None = None) -> Reply:
        """Give money back; the reply's `refund` says how far it is. Needs a login as for `capture`."""
        return await self.send(command, command_id=command_id)

    async def send(
        self,
        command: Command,
        *,
        command_id: str | None = None,
        correlation_id: str | None = None,
        traceparent: str | None = None,
        reply_timeout_s: float | None = None,
    ) -> Reply:
        """Publish a command and await its reply.

        Raises NotStored (publish again), OutcomeUnknown or NoReply (call again with the same command_id), and
        InvalidMessage for an answer that this version cannot read.
        """
        name = command_id or f"cmd_{uuid.uuid4().hex}"
        now = datetime.now(UTC)
        body = command if command.expires_at else command.model_copy(update={"expires_at": now + LIFETIME})
        envelope = wrap(
            body,
            kind=command.TYPE,
            version=command.VERSION,
            message_id=name,
            source=self._source,
            time=now,
            correlation_id=correlation_id,
            traceparent=traceparent,
        )
        exchange = topology.PRIVILEGED if command.TYPE in PRIVILEGED_COMMANDS else topology.COMMANDS
        timeout_s = reply_timeout_s or self._reply_timeout_s
        try:
            answer = await self._carry(exchange, command.TYPE, encode(envelope), timeout_s)
        except TimeoutError:
            raise NoReply(f"{command.TYPE} {name} is stored; no answer came in time") from None
        if answer is None:
            raise NoReply(f"{command.TYPE} {name} is stored; the connection closed before its answer")
        return unwrap(decode(answer), {Reply.TYPE: Reply})

    async def ask(
        self,
        query: Query[Answered],
        *,
        correlation_id: str | None = None,
        traceparent: str | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> Answered | QueryRefusal:
        """Publish a query and await its answer, or why there is none.

        Raises NotStored, OutcomeUnknown, NoReply (ask again: nothing changes by it), and InvalidMessage for an answer that
        this version cannot read.
        """
        envelope = wrap(
            query,
            kind=query.TYPE,
            version=query.VERSION,
            message_id=f"query_{uuid.uuid4().hex}",
            source=self._source,
            correlation_id=correlation_id,
            traceparent=traceparent,
        )
        try:
            answer = await self._carry(topology.QUERIES, query.TYPE, encode(envelope), timeout_s)
        except TimeoutError:
            raise NoReply(f"{query.TYPE}: no answer came in time") from None
        if answer is None:
            raise NoReply(f"{query.TYPE}: the connection closed before the answer")
        return cast("Answered | QueryRefusal", unwrap(decode(answer), ANSWERS))

    async def _carry(self, exchange: str, kind: str, body: bytes, timeout_s: float) -> bytes | None:
        """Send one message and await what comes back. Raises TimeoutError when nothing does."""
        line = self._lines.get(exchange)
        if line is None:
            raise NotStored("the client is not open: use `async with PaymentsClient(...)`")
        return await line.ask(kind, body, timeout_s)


class _Line:
    """One channel to one exchange: what is asked on it, and the answers, which come back to it alone."""

    def __init__(self, channel: AbstractRobustChannel, exchange: AbstractExchange) -> None:
        self._channel = channel
        self._exchange = exchange
        self._waiting: dict[str, asyncio.Future[bytes | None]] = {}

    async def ask(self, kind: str, body: bytes, reply_timeout_s: float) -> bytes | None:
        """Publish and await the answer; None when the channel died first.

        Raises NotStored or OutcomeUnknown while it is not known to be stored, TimeoutError when it is and nobody answers.
        """
        ticket = uuid.uuid4().hex
        waiting: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._waiting[ticket] = waiting
        try:
            message = transport.persistent(body, kind=kind, correlation_id=ticket, reply_to=REPLY_TO)
            sending = self._publish(message, kind)
            destination = f"{kind!r} on {self._exchange.name!r}"
            published = await transport.outcome(sending, destination, transport.PUBLISH_TIMEOUT_S)
            published.require()
            async with asyncio.timeout(reply_timeout_s):
                return await waiting
        finally:
            del self._waiting[ticket]

    async def _publish(self, message: Message, kind: str) -> None:
        """Not before the channel is ready: one that fails while it opens itself again stays closed for good."""
        await self._channel.ready()
        await self._exchange.publish(message, kind, mandatory=True)

    async def on_reply(self, message: AbstractIncomingMessage) -> None:
        self._answer(message.correlation_id or "", message.body)

    def on_channel_lost(self, *_: object) -> None:
        self.give_up()

    def give_up(self) -> None:
        """An answer is addressed to the channel that asked: when it is gone, waiting is in vain."""
        for ticket in self._waiting:
            self._answer(ticket, None)

    def _answer(self, ticket: str, body: bytes | None) -> None:
        waiting = self._waiting.get(ticket)
        if waiting is not None and not waiting.done():
            waiting.set_result(body)


async def _open_line(connection: AbstractRobustConnection, exchange: str) -> _Line:
    """A channel of its own: the broker closes it when the login may not write there, and no neighbour's with it."""
    channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
    line = _Line(channel, await channel.get_exchange(exchange, ensure=False))
    channel.close_callbacks.add(line.on_channel_lost)
    # Declared, not just named: the channel then consumes it again before anybody publishes after a reconnect.
    replies = await channel.declare_queue(REPLY_TO, passive=True)
    await replies.consume(line.on_reply, no_ack=True)
    return line
