"""What cannot be applied already: delay tiers, the database away, Stripe away, the last tier, the quarantine."""

import asyncio
import json
import time
from pathlib import Path

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage

from contracts import topology
from contracts.commands import CreatePayment
from contracts.envelope import encode, wrap
from contracts.replies import Verdict
from sandbox.stack.choose import PrivateDatabase
from tests.e2e.support.publish import publish, take_dead
from tests.e2e.support.service import Service
from tests.e2e.support.until import until
from tests.e2e.support.worker import status_of

FIRST, SECOND = topology.TIERS[0], topology.TIERS[1]
NOTICED_S = 20.0
PROBED_S = 4.0


def create(order: str) -> bytes:
    body = CreatePayment(order_id=order, user_id="user-1", amount=1999, currency="eur")
    return encode(wrap(body, kind=body.TYPE, version=1, message_id=f"create-{order}", source="tests"))


async def publish_create(service: Service, order: str, **headers: object) -> None:
    service.commands.add(f"create-{order}")
    await publish(service.rabbitmq_url, topology.COMMANDS, create(order), kind="payment.create", headers=headers)


async def waiting(service: Service, queue: str, count: int = 1) -> bool:
    return (await service.queues())[queue] >= count


async def take(service: Service, queue: str) -> AbstractIncomingMessage:
    """Take one message out of a queue."""
    async with await aio_pika.connect(service.rabbitmq_url) as connection:
        channel = await connection.channel()
        taken = await (await channel.get_queue(queue, ensure=False)).get(no_ack=True)
        assert taken is not None
        return taken


async def test_a_crashed_handler_is_tried_again_later(service: Service) -> None:
    """A command whose handler crashes waits in the first tier, is answered when it comes back, and counts one attempt."""
    worker = await service.worker("--crash-at", "load:1")
    asking = asyncio.create_task(service.create("order-1"))
    await until(lambda: waiting(service, FIRST.queue), NOTICED_S, "nothing waits in the first tier")
    assert (await asking).verdict is Verdict.ACCEPTED
    await worker.logged("delivery", NOTICED_S, queue=topology.COMMANDS_QUEUE, way="done")
    ways = [line["way"] for line in worker.lines("delivery") if line["queue"] == topology.COMMANDS_QUEUE]
    assert ways == ["later", "done"]
    await service.assert_promises()


async def test_the_headers_of_a_delayed_message_tell_its_story(service: Service) -> None:
    """A delayed message carries its attempt, origin, first failure, error and sender's headers, and none of the broker's."""
    await service.worker("--crash-at", "load")
    await publish_create(service, "order-1", tenant="blue", **{"x-death": "mine", topology.HEADER_ATTEMPT: 1})
    await until(lambda: waiting(service, SECOND.queue), NOTICED_S, "nothing waits in the second tier")
    headers = dict((await take(service, SECOND.queue)).headers)
    headers.pop("x-delivery-count", None)  # of this delivery
    assert headers.pop(topology.HEADER_FIRST_FAILED_AT)
    assert headers == {
        "tenant": "blue",
        topology.HEADER_ATTEMPT: 2,
        topology.HEADER_ORIGIN: topology.COMMANDS_QUEUE,
        topology.HEADER_ERROR_TYPE: "Crash",
        topology.HEADER_ERROR_TEXT: "Crash: load",
    }


async def test_after_the_last_tier_it_is_a_dead_letter(service: Service) -> None:
    """A message that failed in every tier is a dead letter with the count, the error and its bytes."""
    await service.worker("--crash-at", "load", "--deaf", topology.DEAD_LETTERS_QUEUE)
    await publish_create(service, "order-1", **{topology.HEADER_ATTEMPT: len(topology.TIERS)})
    await until(lambda: waiting(service, topology.DEAD_LETTERS_QUEUE), NOTICED_S, "there is no dead letter")
    (letter,) = await take_dead(service.rabbitmq_url)
    assert decode_id(letter) == "create-order-1"
    assert letter.headers[topology.HEADER_REASON] == "given up after 5 tries: Crash: load"
    assert letter.headers[topology.HEADER_ORIGIN] == topology.COMMANDS_QUEUE


def decode_id(message: AbstractIncomingMessage) -> str:
    return str(json.loads(message.body)["id"])


NONSENSE: list[dict[str, object]] = [
    {topology.HEADER_ATTEMPT: -100},
    {topology.HEADER_ATTEMPT: "many"},
    {topology.HEADER_ATTEMPT: 1.5},
    {topology.HEADER_ORIGIN: "nowhere"},
    {topology.HEADER_ORIGIN: topology.DEAD_LETTERS_QUEUE},
    {topology.HEADER_ORIGIN: 7},
    {"x-delivery-count": 10**6},
    {"x-delivery-count": -1},
]


async def test_headers_that_make_no_sense_lose_nothing(service: Service) -> None:
    """Whatever senders write into our headers, their commands are carried out later when the handler crashes now."""
    armed = service.directory / "armed"
    armed.touch()
    worker = await service.worker("--crash-at", "load", "--armed-by", str(armed))
    for number, headers in enumerate(NONSENSE):
        await publish_create(service, f"order-{number}", **headers)
    await until(
        lambda: waiting(service, FIRST.queue, len(NONSENSE)), NOTICED_S, "they do not all wait in the first tier"
    )
    armed.unlink()
    await service.assert_promises()
    assert {line["queue"] for line in worker.lines("delivery")} <= {*topology.INBOUND_QUEUES, topology.QUARANTINE_QUEUE}


async def test_an_origin_does_not_lead_to_another_queue(service: Service) -> None:
    """A command whose sender names the privileged queue as its origin comes back to the queue that it was sent to."""
    worker = await service.worker("--crash-at", "load:1")
    await publish_create(service, "order-1", **{topology.HEADER_ORIGIN: topology.PRIVILEGED_QUEUE})
    await service.assert_promises()
    queues = [line["queue"] for line in worker.lines("delivery") if line["kind"] == "payment.create"]
    assert queues == [topology.COMMANDS_QUEUE, topology.COMMANDS_QUEUE]


async def test_an_event_whose_payment_stripe_must_name_waits_uncounted(service: Service) -> None:
    """An event of an unknown intent waits, uncounted, while Stripe is away, and is settled when Stripe says whose it is."""
    worker = await service.worker()
    intent = await service.stripe.foreign_intent()
    await service.quiesce()
    await service.stripe.fault("503", method="GET", path="/v1/payment_intents/*", times=2)
    body = {
        "id": "evt_unknown",
        "type": "charge.failed",
        "livemode": False,
        "data": {"object": {"payment_intent": intent}},
    }
    service.commands.add("evt_unknown")
    await publish(service.rabbitmq_url, topology.STRIPE, json.dumps(body).encode())
    await until(lambda: waiting(service, SECOND.queue), NOTICED_S, "nothing waits in the second tier")
    delayed = await take(service, SECOND.queue)
    assert delayed.headers[topology.HEADER_ATTEMPT] == 0
    back = SECOND.key(topology.STRIPE_QUEUE)
    await publish(service.rabbitmq_url, topology.RETURN, delayed.body, kind=back, headers=delayed.headers)
    await service.quiesce()
    ignored = service.database["stripe_events"].find_one({"_id": "evt_unknown"})
    assert ignored is not None
    assert ignored["reason"] == "nobody's: no metadata of ours"
    assert worker.lines("handler_crashed") == []


@pytest.mark.parametrize("fault", ["kill", "freeze"])
async def test_while_the_database_is_away_consumption_pauses(
    tmp_path: Path, vhost_url: str, private_database: PrivateDatabase, database_name: str, fault: str
) -> None:
    """What met no database goes to a tier once and comes back; all waits in its queue, and then all is applied."""
    async with Service(tmp_path, vhost_url, private_database.uri, database_name) as service:
        worker = await service.worker()
        await service.create("order-0")
        await service.quiesce()
        private_database.kill() if fault == "kill" else private_database.freeze()
        await publish_create(service, "order-1")
        await worker.logged("database_away", NOTICED_S)
        began = time.monotonic()
        assert await status_of(f"{worker.url}/ready") == 503
        assert time.monotonic() - began < PROBED_S
        for number in range(2, 12):
            await publish_create(service, f"order-{number}")
        await until(
            lambda: waiting(service, topology.COMMANDS_QUEUE, 11), NOTICED_S, "they do not all wait in their queue"
        )
        await (private_database.restart() if fault == "kill" else thaw(private_database))
        await worker.logged("database_back", NOTICED_S)
        books = await service.assert_promises()
        assert books.ledger["count"] == 12
        assert len([line for line in worker.lines("delivery") if line["way"] == "later"]) == 1
        assert worker.child.alive


async def thaw(database: PrivateDatabase) -> None:
    database.thaw()
