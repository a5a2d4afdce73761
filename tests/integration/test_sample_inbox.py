"""The sample services' inbox over a real broker."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aio_pika
import pytest

from contracts import topology, transport
from contracts.envelope import Envelope
from contracts.events import Event
from sandbox.run.services import running
from sandbox.services.inbox import Inbox
from sandbox.services.notifications import NotificationService
from sandbox.stack.choose import PrivateBroker
from tests.unit.sandbox_demo import books
from tests.unit.sandbox_demo.test_sample_services import raw

QUEUE = topology.subscription("test.payment-events", "payment.#")
PATIENCE_S = 60.0


@asynccontextmanager
async def consuming(inbox: Inbox) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(inbox.run())
    try:
        await inbox.ready.wait()
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def collector() -> tuple[asyncio.Queue[str], Callable[[Envelope, Event], None]]:
    handled: asyncio.Queue[str] = asyncio.Queue()
    return handled, lambda envelope, _event: handled.put_nowait(envelope.id)


async def announce(url: str, sequence: int) -> None:
    """Publish an event as the worker does."""
    async with transport.publisher(url, "test") as publisher:
        event = books.event("payment.created", sequence)
        (await publisher.publish(topology.EVENTS, event.TYPE, raw(event), kind=event.TYPE)).require()


async def waiting(url: str, name: str = QUEUE.name) -> int | None:
    """How many messages a queue has; None when there is no such queue."""
    connection = await aio_pika.connect(url, timeout=10)
    async with connection:
        channel = await connection.channel()
        try:
            declared = await channel.declare_queue(name, passive=True)
        except aio_pika.exceptions.ChannelNotFoundEntity:
            return None
        return declared.declaration_result.message_count


async def test_an_event_is_acknowledged_after_it_was_handled(vhost_url: str) -> None:
    """What was handled does not come again to the next one who reads the queue."""
    handled, handle = collector()
    async with consuming(Inbox(vhost_url, QUEUE, handle, name="test")):
        await announce(vhost_url, 1)
        assert await asyncio.wait_for(handled.get(), PATIENCE_S) == "pay_1_1.1"
    assert await waiting(vhost_url) == 0


async def test_a_handler_that_fails_ends_the_service_and_loses_nothing(vhost_url: str) -> None:
    """The error comes out of `run`, and the event is back in the queue for the next start."""

    def fail(*_: object) -> None:
        raise RuntimeError("no room")

    async with consuming(Inbox(vhost_url, QUEUE, fail, name="test")) as task:
        await announce(vhost_url, 1)
        with pytest.raises(RuntimeError, match="no room"):
            await asyncio.wait_for(task, PATIENCE_S)
    handled, handle = collector()
    async with consuming(Inbox(vhost_url, QUEUE, handle, name="test")):
        assert await asyncio.wait_for(handled.get(), PATIENCE_S) == "pay_1_1.1"


async def test_events_come_again_after_the_broker_was_killed(
    private_broker: PrivateBroker, private_vhost_url: str
) -> None:
    """A service that was connected when the broker died hears what is announced after it is back."""
    handled, handle = collector()
    async with consuming(Inbox(private_vhost_url, QUEUE, handle, name="test")):
        await private_broker.settle()
        await private_broker.restart()
        await announce(private_vhost_url, 2)
        assert await asyncio.wait_for(handled.get(), PATIENCE_S) == "pay_1_1.2"


async def test_services_that_end_leave_no_queue(vhost_url: str) -> None:
    """While they run their queue is there, and afterwards it is not."""
    service = NotificationService(vhost_url, lambda *_: None)
    async with running(service):
        assert await waiting(vhost_url, service.inbox.queue.name) == 0
    assert await waiting(vhost_url, service.inbox.queue.name) is None
