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
from worker.pace import FIRST, Pace

QUEUE = next(queue for queue in topology.QUEUES if queue.name == topology.COMMANDS_QUEUE)
LATER = (StoreUnavailable, StripeUnavailable, ZeroDivisionError)


class Bench:
    """A consumer between a broker that confirms, or answers `stored` (the first `times`), and a handler ending in `error`."""

    is_closed = False

    def __init__(self, error: Exception | None = None, stored: Stored = Stored.YES, times: int | None = None) -> None:
        self.journal: list[str] = []
        self.reasons: list[Any] = []
        self.pace = Pace()
        self._error = error
        self._stored = stored
        self._times = times
        self.keys: list[str] = []

    async def settle(self, *, deliveries: int = 0, apply: Callable[[Any], Awaitable[Any]] | None = None) -> None:
        """Let the consumer take one delivery."""
        await self._consumer(apply or self._apply)._on_message(self._delivery(deliveries))

    async def settle_all(self, count: int, apply: Callable[[Any], Awaitable[Any]]) -> None:
        """Let the consumer take so many deliveries at once."""
        made = self._consumer(apply)
        await asyncio.gather(*(made._on_message(self._delivery(0)) for _ in range(count)))

    def _consumer(self, apply: Callable[[Any], Awaitable[Any]]) -> Consumer:
        publisher: Any = self
        made = Consumer(QUEUE, apply, publisher, prefetch=1, pace=self.pace, on_outage=lambda: None)
        made._tag = "tag"
        return made

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

    async def publish(self, exchange: str, key: str, _body: bytes, *, headers: Any, **_: Any) -> Published:
        self.journal.append(f"to {exchange}")
        self.keys.append(key)
        self.reasons.append(headers.get(topology.HEADER_REASON))
        answered = self._times is None or len(self.keys) <= self._times
        return Published(self._stored if answered else Stored.YES)

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
    """A message of which the broker has confirmed no copy goes back to its queue."""
    monkeypatch.setattr(consumer, "UNSETTLED_PAUSE_S", 0)
    bench = Bench(StoreUnavailable("why"), stored)
    await bench.settle()
    assert set(bench.journal) == {"applied", f"to {topology.RETRY}", "nack"}
    assert bench.journal[-1] == "nack"


@pytest.mark.parametrize("stored", [Stored.NO, Stored.UNROUTABLE])
async def test_a_tier_that_has_no_room_is_passed_over(stored: Stored) -> None:
    """What a full or missing delay tier does not take waits in the next longer one, and counts as tried once."""
    bench = Bench(StoreUnavailable("why"), stored, times=2)
    await bench.settle()
    assert bench.keys == [tier.key(QUEUE.name) for tier in topology.TIERS[:3]]
    assert bench.journal[-1] == "ack"


async def test_no_second_tier_is_tried_when_the_first_may_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A publish whose confirm is lost may be stored: the delivery goes back, and no copy to another tier."""
    monkeypatch.setattr(consumer, "UNSETTLED_PAUSE_S", 0)
    bench = Bench(StoreUnavailable("why"), Stored.UNKNOWN, times=1)
    await bench.settle()
    assert bench.keys == [topology.TIERS[0].key(QUEUE.name)]
    assert bench.journal[-1] == "nack"


async def test_a_cancelled_handler_settles_nothing() -> None:
    """A handler that is cancelled is the same case as a crash: neither acked nor given back, so it comes again."""

    async def cancelled(_: Any) -> Report:
        raise asyncio.CancelledError

    bench = Bench()
    with pytest.raises(asyncio.CancelledError):
        await bench.settle(apply=cancelled)
    assert bench.journal == []


class Waking:
    """A database that has just come up: it stands so many at once as it has served, and a few."""

    def __init__(self) -> None:
        self.served = self.inside = 0

    async def apply(self, _: AbstractIncomingMessage) -> Report:
        self.inside += 1
        try:
            await asyncio.sleep(0.001)
            if self.inside > self.served + FIRST:
                raise StoreUnavailable("too much at once")
            self.served += 1
        finally:
            self.inside -= 1
        return Report()


@pytest.mark.parametrize(("slowly", "sent_away"), [(False, True), (True, False)])
async def test_after_an_outage_no_message_is_sent_away(*, slowly: bool, sent_away: bool) -> None:
    """A database that stands little at first is given little: nobody walks through the delay tiers for it."""
    bench = Bench()
    if slowly:
        bench.pace.start()
    await bench.settle_all(100, Waking().apply)
    assert (f"to {topology.RETRY}" in bench.journal) is sent_away
    assert bench.journal.count("ack") == 100


async def test_what_arrives_during_an_outage_is_kept_and_not_given_back() -> None:
    """Given back at every outage, a delivery would soon be taken for one that kills its worker."""
    bench = Bench()
    bench.pace.hold()
    settling = asyncio.create_task(bench.settle())
    await asyncio.sleep(0.01)
    assert bench.journal == []
    bench.pace.start()
    await settling
    assert bench.journal == ["applied", "ack"]


async def test_what_comes_back_too_often_is_put_apart_untried() -> None:
    """A delivery that came back three times goes to quarantine without being tried beside its neighbours."""
    bench = Bench()
    await bench.settle(deliveries=SUSPICIOUS_DELIVERIES)
    assert bench.journal == [f"to {topology.RETRY}", "ack"]
    again = Bench()
    await again.settle(deliveries=SUSPICIOUS_DELIVERIES - 1)
    assert again.journal == ["applied", "ack"]
