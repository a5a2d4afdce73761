"""What becomes of a delivery, and in which order: the ack is always the last word."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aio_pika import IncomingMessage
from aio_pika.abc import AbstractIncomingMessage
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from contracts import topology
from contracts.errors import InvalidMessage
from contracts.transport import Published, Stored
from worker.adapters import consumer
from worker.adapters.consumer import SUSPICIOUS_DELIVERIES, Consumer
from worker.errors import StoreUnavailable, StripeUnavailable
from worker.handler import Report

QUEUE = next(queue for queue in topology.QUEUES if queue.name == topology.COMMANDS_QUEUE)
LATER = (StoreUnavailable, StripeUnavailable, ZeroDivisionError)


class Bench:
    """One consumer between a broker that confirms, or does not, and a handler that ends in `error`."""

    is_closed = False

    def __init__(self, error: Exception | None = None, stored: Stored = Stored.YES) -> None:
        self.journal: list[str] = []
        self.reasons: list[Any] = []
        self._error = error
        self._stored = stored

    async def settle(self, *, deliveries: int = 0, apply: Callable[[Any], Awaitable[Any]] | None = None) -> None:
        """Let the consumer take one delivery."""
        publisher: Any = self
        made = Consumer(QUEUE, apply or self._apply, publisher, prefetch=1, on_outage=lambda: None)
        made._tag = "tag"
        await made._settle(self._delivery(deliveries))

    def _delivery(self, deliveries: int) -> AbstractIncomingMessage:
        channel: Any = self  # a channel and its connection are asked for no more than is below
        headers: dict[str, Any] = {"x-delivery-count": deliveries} if deliveries else {}
        return IncomingMessage(
            DeliveredMessage(
                delivery=Basic.Deliver("tag", 1, exchange="e", routing_key="k"),
                header=ContentHeader(properties=Basic.Properties(headers=headers)),
                body=b"{}",
                channel=channel,
            ),
        )

    async def _apply(self, _: AbstractIncomingMessage) -> Report:
        self.journal.append("applied")
        if self._error is not None:
            raise self._error
        return Report()

    async def publish(self, exchange: str, _key: str, _body: bytes, *, headers: Any, **_: Any) -> Published:
        self.journal.append(f"to {exchange}")
        self.reasons.append(headers.get(topology.HEADER_REASON))
        return Published(self._stored)

    @property
    def connection(self) -> Any:
        """What the client library asks whether the broker knows `basic.nack`."""
        return self

    async def basic_ack(self, **_: Any) -> None:
        self.journal.append("ack")

    async def basic_nack(self, **_: Any) -> None:
        self.journal.append("nack")


async def test_a_delivery_is_acked_after_it_was_applied() -> None:
    """The ack follows the commit: a worker that dies in between gets the message again."""
    bench = Bench()
    await bench.settle()
    assert bench.journal == ["applied", "ack"]


@pytest.mark.parametrize("error", LATER)
async def test_a_message_for_later_is_acked_after_its_copy_is_confirmed(error: type[Exception]) -> None:
    """What could not be applied is first confirmed in a delay tier, and acked then."""
    bench = Bench(error("why"))
    await bench.settle()
    assert bench.journal == ["applied", f"to {topology.RETRY}", "ack"]


async def test_what_is_no_message_is_a_dead_letter_by_name() -> None:
    """Bytes that are no message of ours go to the dead letters at once, with the field and the rule."""
    bench = Bench(InvalidMessage("is too large", "data.amount"))
    await bench.settle()
    assert bench.journal == ["applied", f"to {topology.DEAD}", "ack"]
    assert bench.reasons == ["invalid: data.amount: is too large"]


@pytest.mark.parametrize("stored", [Stored.NO, Stored.UNROUTABLE, Stored.UNKNOWN])
async def test_what_is_not_confirmed_is_not_acked(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message whose copy the broker has not confirmed goes back to its queue."""
    monkeypatch.setattr(consumer, "UNSETTLED_PAUSE_S", 0)
    bench = Bench(StoreUnavailable("why"), stored)
    await bench.settle()
    assert bench.journal == ["applied", f"to {topology.RETRY}", "nack"]


async def test_a_cancelled_handler_settles_nothing() -> None:
    """A handler that is cancelled is the same case as a crash: neither acked nor given back, so it comes again."""

    async def cancelled(_: Any) -> Report:
        raise asyncio.CancelledError

    bench = Bench()
    with pytest.raises(asyncio.CancelledError):
        await bench.settle(apply=cancelled)
    assert bench.journal == []


async def test_what_comes_back_too_often_is_put_apart_untried() -> None:
    """A delivery that came back three times goes to quarantine without being tried beside its neighbours."""
    bench = Bench()
    await bench.settle(deliveries=SUSPICIOUS_DELIVERIES)
    assert bench.journal == [f"to {topology.RETRY}", "ack"]
    again = Bench()
    await again.settle(deliveries=SUSPICIOUS_DELIVERIES - 1)
    assert again.journal == ["applied", "ack"]
