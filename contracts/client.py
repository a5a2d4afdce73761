"""The typed client that an order service imports.

    async with PaymentsClient(url, source="order-service") as payments:
        reply = await payments.create(CreatePayment(order_id="o-1", user_id="u-1", amount=1999, currency="eur"))

Every method sends one command, waits for the broker's confirm and then for the reply. After OutcomeUnknown or NoReply,
call again with the same `command_id`: it is carried out once, and the answer is the same.
"""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

import aio_pika
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection
from aio_pika.exceptions import AMQPError, DeliveryError, PublishError

from contracts import topology, transport
from contracts.commands import CancelPayment, Command, ConfirmPayment, CreatePayment
from contracts.envelope import CONTENT_TYPE, decode, encode, unwrap, wrap
from contracts.errors import InvalidMessage, NoReply, NotStored, OutcomeUnknown
from contracts.replies import Reply

REPLY_TO = "amq.rabbitmq.reply-to"
"""RabbitMQ's direct reply-to: no queue is made; request and reply must share one channel (RELIABILITY rule 1)."""

REPLY_TIMEOUT_S = 30.0
"""Longer than one call to Stripe usually takes; a slower command is answered 'pending' by the worker anyway."""

LIFETIME = timedelta(minutes=15)
"""How long a command stays wanted when its sender says nothing: a customer who waited longer has left."""


class PaymentsClient:
    """Sends commands and awaits their replies; one connection, one channel, any number of callers at once."""

    def __init__(self, url: str, *, source: str, reply_timeout_s: float = REPLY_TIMEOUT_S) -> None:
        self._url = url
        self._source = source
        self._reply_timeout_s = reply_timeout_s
        self._waiting: dict[str, asyncio.Future[Reply]] = {}
        self._connection: AbstractRobustConnection | None = None
        self._exchange: aio_pika.abc.AbstractExchange | None = None

    async def __aenter__(self) -> Self:
        self._connection = await transport.connect(self._url, f"{self._source} payments client")
        channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        replies = await channel.get_queue(REPLY_TO, ensure=False)
        await replies.consume(self._on_reply, no_ack=True)
        self._exchange = await channel.get_exchange(topology.COMMANDS, ensure=False)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for waiting in self._waiting.values():
            waiting.cancel()
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

        Raises NotStored (publish again), OutcomeUnknown or NoReply (call again with the same command_id).
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
        ticket = uuid.uuid4().hex
        waiting: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[ticket] = waiting
        try:
            await self._publish(command.TYPE, encode(envelope), ticket)
            async with asyncio.timeout(reply_timeout_s or self._reply_timeout_s):
                return await waiting
        except TimeoutError:
            raise NoReply(f"{command.TYPE} {name} is stored; no answer came in time") from None
        finally:
            del self._waiting[ticket]

    async def _publish(self, kind: str, body: bytes, ticket: str) -> None:
        if self._exchange is None:
            raise NotStored("the client is not open: use `async with PaymentsClient(...)`")
        message = aio_pika.Message(
            body,
            content_type=CONTENT_TYPE,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=ticket,
            type=kind,
            correlation_id=ticket,
            reply_to=REPLY_TO,
        )
        try:
            async with asyncio.timeout(transport.PUBLISH_TIMEOUT_S):
                await self._exchange.publish(message, kind, mandatory=True)
        except PublishError:
            raise NotStored(f"no queue takes {kind!r}: is the payments topology declared?") from None
        except DeliveryError as error:
            raise NotStored(f"the broker refused it: {error}") from error
        except TimeoutError:
            raise OutcomeUnknown(f"no confirm for {kind!r} in time") from None
        except (AMQPError, ConnectionError, OSError, RuntimeError) as error:
            raise OutcomeUnknown(f"{type(error).__name__}: {error}") from error

    async def _on_reply(self, message: AbstractIncomingMessage) -> None:
        waiting = self._waiting.get(message.correlation_id or "")
        if waiting is None or waiting.done():
            return
        try:
            waiting.set_result(unwrap(decode(message.body), {Reply.TYPE: Reply}))
        except InvalidMessage as error:
            waiting.set_exception(error)
