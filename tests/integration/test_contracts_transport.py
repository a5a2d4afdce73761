"""What a publish says it did, against what a real broker did."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aio_pika.exceptions import ChannelPreconditionFailed

from contracts import topology, transport
from contracts.envelope import CONTENT_TYPE
from contracts.transport import MAX_PUBLISH_BYTES, Published, Publisher, Stored
from sandbox.stack.choose import PrivateBroker

PATIENCE_S = 20.0
FULL = topology.Queue(
    "full",
    {"x-queue-type": "quorum", "x-max-length": 1, "x-overflow": "reject-publish"},
    ((topology.EVENTS, "full"),),
)


@asynccontextmanager
async def channel_to(url: str) -> AsyncIterator[AbstractChannel]:
    connection = await aio_pika.connect(url, timeout=10)
    async with connection:
        yield await connection.channel()


async def arrivals(channel: AbstractChannel, queue: str) -> asyncio.Queue[AbstractIncomingMessage]:
    """Consume a queue; what arrives is for the test to ack."""
    found: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    await (await channel.get_queue(queue)).consume(found.put)
    return found


async def next_of(found: asyncio.Queue[AbstractIncomingMessage]) -> AbstractIncomingMessage:
    return await asyncio.wait_for(found.get(), PATIENCE_S)


@pytest.fixture
async def publisher(vhost_url: str) -> AsyncIterator[Publisher]:
    async with transport.publisher(vhost_url, "test publisher") as opened:
        await transport.declare(opened._connection, (*topology.QUEUES, FULL))
        yield opened


@pytest.fixture
async def fragile(private_vhost_url: str) -> AsyncIterator[Publisher]:
    """A publisher on a broker that the test may break."""
    async with transport.publisher(private_vhost_url, "test publisher") as opened:
        await transport.declare(opened._connection)
        yield opened


async def command(publisher: Publisher, body: bytes = b"{}", *, timeout_s: float | None = None) -> Published:
    return await publisher.publish(
        topology.COMMANDS, "payment.create", body, kind="payment.create", timeout_s=timeout_s
    )


async def freeze(broker: PrivateBroker, publisher: Publisher) -> None:
    """Return when the broker has really stopped: the signal takes effect a little later than it is sent."""
    broker.freeze()
    while await publisher.probe(0.5):
        pass


async def works_again(publisher: Publisher) -> None:
    """Publish until the broker confirms; the reconnect takes up to three seconds."""
    async with asyncio.timeout(PATIENCE_S):
        while (await command(publisher, b"again", timeout_s=1)).stored is not Stored.YES:  # noqa: ASYNC110 - no event says that the channel is back
            await asyncio.sleep(0.1)


async def test_a_confirmed_publish_is_in_the_queue(publisher: Publisher, vhost_url: str) -> None:
    """What is reported as stored arrives whole: body, type, content type, headers, reply address, persistence."""
    answer = await publisher.publish(
        topology.COMMANDS,
        "payment.create",
        b'{"a": 1}',
        kind="payment.create",
        headers={topology.HEADER_ATTEMPT: 3},
        correlation_id="c-1",
        reply_to="somewhere",
    )
    assert answer == Published(Stored.YES)
    async with channel_to(vhost_url) as channel:
        got = await next_of(await arrivals(channel, topology.COMMANDS_QUEUE))
        await got.ack()
    assert (got.body, got.type, got.content_type, got.reply_to) == (
        b'{"a": 1}',
        "payment.create",
        CONTENT_TYPE,
        "somewhere",
    )
    assert got.headers == {topology.HEADER_ATTEMPT: 3}
    assert got.delivery_mode is aio_pika.DeliveryMode.PERSISTENT
    assert got.correlation_id == "c-1"
    assert got.message_id


async def test_an_unroutable_publish_says_so(publisher: Publisher) -> None:
    """A message that no queue is bound for is reported as unroutable, which callers may treat as not stored."""
    answer = await publisher.publish(topology.EVENTS, "nobody.listens", b"{}", kind="x")
    assert answer.stored is Stored.UNROUTABLE
    assert "no queue is bound for 'nobody.listens' on 'payments.events'" in answer.reason


async def test_a_missing_exchange_harms_no_neighbour(publisher: Publisher) -> None:
    """A publish to an exchange that is not there is not reported as stored, and those to other exchanges are."""
    lost, *kept = await asyncio.gather(
        publisher.publish("not.there", "key", b"{}", kind="x"), *(command(publisher) for _ in range(20))
    )
    assert lost.stored in {Stored.NO, Stored.UNKNOWN}
    assert "not.there" in lost.reason
    assert {answer.stored for answer in kept} == {Stored.YES}


async def test_a_full_queue_refuses(publisher: Publisher) -> None:
    """A queue that rejects what it has no room for makes the publish `not stored`."""
    answers = [await publisher.publish(topology.EVENTS, "full", b"{}", kind="x") for _ in range(10)]
    assert answers[0].stored is Stored.YES
    assert answers[-1].stored is Stored.NO
    assert "refused" in answers[-1].reason


async def test_an_oversized_body_is_not_sent(publisher: Publisher) -> None:
    """A body above the limit is refused before it reaches the channel, so that it cannot close it under others."""
    big, small = await asyncio.gather(command(publisher, b"x" * (MAX_PUBLISH_BYTES + 1)), command(publisher))
    assert (big.stored, small.stored) == (Stored.NO, Stored.YES)
    assert str(MAX_PUBLISH_BYTES) in big.reason


async def test_many_publishes_in_flight_are_all_confirmed(publisher: Publisher, vhost_url: str) -> None:
    """A thousand publishes at once are each confirmed and all in the queue."""
    answers = await asyncio.gather(*(command(publisher, b"%d" % number) for number in range(1000)))
    assert {answer.stored for answer in answers} == {Stored.YES}
    async with channel_to(vhost_url) as channel:
        found = await arrivals(channel, topology.COMMANDS_QUEUE)
        assert {(await next_of(found)).body for _ in range(1000)} == {b"%d" % number for number in range(1000)}


async def test_the_probe_leaves_nothing_behind(publisher: Publisher, vhost_url: str) -> None:
    """A probe is answered by the broker and reaches no queue that listens to payment events."""
    mine = topology.subscription("mine", "payment.#")
    async with channel_to(vhost_url) as channel:
        declared = await transport.declare_queue(channel, mine)
        assert await publisher.probe(5)
        assert await declared.get(fail=False) is None


async def test_a_blocked_publish_is_unknown_and_stored_later(
    fragile: Publisher, private_broker: PrivateBroker, private_vhost_url: str
) -> None:
    """Under a memory alarm a publish ends as unknown in time, and the broker stores it when the alarm is over."""
    assert (await command(fragile)).stored is Stored.YES
    await private_broker.ctl("set_vm_memory_high_watermark", "absolute", "1")
    try:
        answer = await command(fragile, b"blocked", timeout_s=1)
        assert answer == Published(Stored.UNKNOWN, "no confirm in time")
    finally:
        await private_broker.ctl("set_vm_memory_high_watermark", "absolute", "1GB")
    async with channel_to(private_vhost_url) as channel:
        found = await arrivals(channel, topology.COMMANDS_QUEUE)
        assert [(await next_of(found)).body for _ in range(2)] == [b"{}", b"blocked"]


async def test_a_frozen_broker_is_unknown_in_time(fragile: Publisher, private_broker: PrivateBroker) -> None:
    """A broker that stopped answering makes the publish unknown within its timeout, and it works again afterwards."""
    assert (await command(fragile)).stored is Stored.YES
    await freeze(private_broker, fragile)
    began = time.monotonic()
    answer = await command(fragile, timeout_s=0.5)
    took = time.monotonic() - began
    private_broker.thaw()
    assert answer.stored is Stored.UNKNOWN
    assert took < transport.PUBLISH_TIMEOUT_S
    await works_again(fragile)


async def test_a_lost_connection_is_unknown(
    fragile: Publisher, private_broker: PrivateBroker, private_vhost_url: str
) -> None:
    """Closed by the broker amid publishes, some are unknown, none raises, and every one reported as stored is there."""
    answers: dict[bytes, Published] = {}
    lost = asyncio.Event()

    async def keep_publishing(name: int) -> None:
        number = 0
        while not lost.is_set():
            body = b"%d.%d" % (name, number)
            answers[body] = await command(fragile, body, timeout_s=PATIENCE_S)
            if answers[body].stored is not Stored.YES:
                lost.set()
            number += 1

    async with asyncio.TaskGroup() as group:
        for name in range(50):
            group.create_task(keep_publishing(name))
        await private_broker.ctl("close_all_connections", "--global", "a test")
    assert {answer.stored for answer in answers.values()} == {Stored.YES, Stored.UNKNOWN}
    assert not any("in time" in answer.reason for answer in answers.values())
    await works_again(fragile)
    missing = {body for body, answer in answers.items() if answer.stored is Stored.YES}
    async with channel_to(private_vhost_url) as channel:
        found = await arrivals(channel, topology.COMMANDS_QUEUE)
        while missing:
            message = await next_of(found)
            missing.discard(message.body)
            await message.ack()  # a quorum queue hands out 2,000 unacknowledged messages and waits


async def test_a_killed_broker_is_unknown(fragile: Publisher, private_broker: PrivateBroker) -> None:
    """A broker that dies under unconfirmed publishes leaves them unknown, and the publisher recovers with it."""
    await freeze(private_broker, fragile)
    waiting = [asyncio.create_task(command(fragile, timeout_s=PATIENCE_S)) for _ in range(20)]
    await asyncio.wait(waiting, timeout=0.2)
    private_broker.kill()
    assert {answer.stored for answer in await asyncio.gather(*waiting)} == {Stored.UNKNOWN}
    await private_broker.restart()
    await works_again(fragile)


async def test_a_cancelled_publish_is_cancelled(fragile: Publisher, private_broker: PrivateBroker) -> None:
    """A caller's own cancellation is passed on, not reported as an outcome of the broker."""
    assert (await command(fragile)).stored is Stored.YES
    await freeze(private_broker, fragile)
    try:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(command(fragile, timeout_s=PATIENCE_S), 0.3)
        task = asyncio.create_task(command(fragile, timeout_s=PATIENCE_S))
        await asyncio.wait({task}, timeout=0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    finally:
        private_broker.thaw()


async def test_a_reply_never_raises(publisher: Publisher) -> None:
    """An answer to a requester that is gone, or was never there, is dropped without a word."""
    for address in ("amq.rabbitmq.reply-to.g2dkABByYWJiaXRAbG9jYWxob3N0", "no-such-queue", ""):
        await publisher.reply(address, "c-1", b"{}", kind="payment.reply")
    assert (await command(publisher)).stored is Stored.YES


@pytest.mark.parametrize("address", ["!!!!.abc", "AAAA.abc", "g2EB.k", "g1h3CWFAMS4yLjMuNAAAAx8AAAAAaw3txw==.abc"])
async def test_no_reply_fails_a_publish(publisher: Publisher, vhost_url: str, address: str) -> None:
    """The broker ends the connection of a reply to an address that it cannot make sense of: events' publishes go on."""
    replying = await transport.connect(vhost_url, "test replies")
    lost = asyncio.Event()
    replying.close_callbacks.add(lambda *_: lost.set())
    answering = Publisher(publisher._connection, replying=replying)
    asked = [asyncio.create_task(command(answering)) for _ in range(20)]
    await answering.reply(f"amq.rabbitmq.reply-to.{address}", "c-1", b"{}", kind="payment.reply")
    asked += [asyncio.create_task(command(answering)) for _ in range(20)]
    await asyncio.wait_for(lost.wait(), PATIENCE_S)
    assert not answering.can_reply
    assert {outcome.stored for outcome in await asyncio.gather(*asked)} == {Stored.YES}
    assert answering.connected
    async with channel_to(vhost_url) as channel:
        found = await arrivals(channel, "full")
        async with asyncio.timeout(PATIENCE_S):
            while found.empty():
                await answering.reply("full", "c-2", b"{}", kind="payment.reply")
                await asyncio.sleep(0.1)
        assert (await next_of(found)).correlation_id == "c-2"
    await replying.close()


async def test_declaring_twice_is_harmless(publisher: Publisher) -> None:
    """The whole topology may be declared again by every process that starts."""
    await transport.declare(publisher._connection)
    await transport.declare(publisher._connection)
    assert (await command(publisher)).stored is Stored.YES


async def test_another_argument_is_an_error_that_names_the_queue(publisher: Publisher) -> None:
    """A queue that exists with other arguments stops the start with the queue's name and the argument."""
    ours = topology.QUEUES[0]
    other = topology.Queue(ours.name, ours.arguments | {"x-delivery-limit": 7})
    with pytest.raises(ChannelPreconditionFailed, match=r"x-delivery-limit.*payments\.commands"):
        await transport.declare(publisher._connection, (other,))
    assert (await command(publisher)).stored is Stored.YES


async def test_a_retry_comes_back_as_it_was(publisher: Publisher, vhost_url: str) -> None:
    """A message sent to the 5 s tier returns to the queue it came from after 5 s, body and our headers intact."""
    headers = {topology.HEADER_ATTEMPT: 1, topology.HEADER_ORIGIN: topology.COMMANDS_QUEUE}
    tier = topology.TIERS[0]
    async with channel_to(vhost_url) as channel:
        found = await arrivals(channel, topology.COMMANDS_QUEUE)
        began = time.monotonic()
        answer = await publisher.publish(
            topology.RETRY, tier.key(topology.COMMANDS_QUEUE), b"\xff raw", kind="payment.create", headers=headers
        )
        assert answer.stored is Stored.YES
        got = await next_of(found)
        await got.ack()
    assert time.monotonic() - began > tier.delay_ms / 1000 - 0.1
    assert (got.body, got.type) == (b"\xff raw", "payment.create")
    assert {name: got.headers[name] for name in headers} == headers


@pytest.mark.parametrize("origin", topology.INBOUND_QUEUES)
@pytest.mark.parametrize("tier", topology.TIERS, ids=lambda tier: tier.name)
async def test_every_tier_takes_every_origin(publisher: Publisher, origin: str, tier: topology.Tier) -> None:
    """Each delay tier has a queue for each inbound queue's retries."""
    answer = await publisher.publish(topology.RETRY, tier.key(origin), b"{}", kind="x")
    assert answer.stored is Stored.YES


async def test_quarantine_gives_up_after_its_limit(publisher: Publisher, vhost_url: str) -> None:
    """A message in quarantine that is returned more often than the limit becomes a dead letter, body and headers kept."""
    answer = await publisher.publish(
        topology.RETRY,
        topology.quarantine_key(topology.COMMANDS_QUEUE),
        b"poison",
        kind="payment.create",
        headers={topology.HEADER_ORIGIN: topology.COMMANDS_QUEUE},
    )
    assert answer.stored is Stored.YES
    async with channel_to(vhost_url) as channel, channel_to(vhost_url) as other:
        found = await arrivals(channel, topology.QUARANTINE_QUEUE)
        dead = await arrivals(other, topology.DEAD_LETTERS_QUEUE)
        for _ in range(topology.QUARANTINE_DELIVERY_LIMIT + 1):
            await (await next_of(found)).nack(requeue=True)
        letter = await next_of(dead)
        await letter.ack()
    assert letter.body == b"poison"
    assert letter.headers[topology.HEADER_ORIGIN] == topology.COMMANDS_QUEUE
    assert found.empty()


async def test_a_subscriber_gets_the_events_it_binds(publisher: Publisher, vhost_url: str) -> None:
    """A subscriber's own queue receives what its patterns match and nothing else."""
    async with channel_to(vhost_url) as channel:
        await transport.declare_queue(channel, topology.subscription("orders", "payment.succeeded", "payment.refund.#"))
        found = await arrivals(channel, "orders")
        for key in ("payment.created", "payment.succeeded"):
            await publisher.publish(topology.EVENTS, key, key.encode(), kind=key)
        assert (await next_of(found)).body == b"payment.succeeded"
        assert found.empty()
