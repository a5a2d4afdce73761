"""What travels with a message that is moved, and what is too odd to travel."""

from typing import Any

import pytest
from aio_pika import IncomingMessage
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from contracts import topology, transport
from contracts.replies import Reply, Verdict
from tests.unit.worker.making import intent, story
from worker.adapters.consumer import _headers
from worker.adapters.outbox import EventOutbox, event_envelope
from worker.domain.messages import IntentSeen
from worker.domain.record import Address, Status


def delivery(headers: dict[str, Any]) -> IncomingMessage:
    """A delivery as the client library hands it over."""
    return IncomingMessage(
        DeliveredMessage(
            delivery=Basic.Deliver("tag", 1, exchange="e", routing_key="k"),
            header=ContentHeader(properties=Basic.Properties(headers=headers)),
            body=b"{}",
            channel=None,  # type: ignore[arg-type] # nothing is acked here
        ),
    )


def test_the_brokers_own_headers_stay_behind() -> None:
    """Death records and delivery counts of an earlier life do not travel on; the sender's headers do."""
    moved = _headers(
        delivery({"x-death": [], "x-delivery-count": 3, "x-first-death-queue": "q", "tenant": "t"}), "origin"
    )
    assert moved.keys() == {"tenant", topology.HEADER_ORIGIN, topology.HEADER_FIRST_FAILED_AT}
    assert moved[topology.HEADER_ORIGIN] == "origin"


@pytest.mark.parametrize("value", [1e300, b"\xff\xfe", {"a": 1}, [1], None])
def test_a_header_that_cannot_be_sent_again_stays_behind(value: Any) -> None:
    """A value that AMQP can deliver and the client cannot encode is left out instead of holding the message up."""
    assert "odd" not in _headers(delivery({"odd": value}), "origin")


class Recorder:
    """Keeps what is replied."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def reply(self, _: str, __: str | None, body: bytes, *, kind: str) -> None:
        assert kind == Reply.TYPE
        self.bodies.append(body)


async def test_the_longest_command_id_can_be_replied_to() -> None:
    """A command id of 128 characters, the most that is allowed, has a reply that names it."""
    recorder: Any = Recorder()
    longest = "c" * 128
    outbox = EventOutbox(recorder, store=recorder)
    await outbox.reply(Address("somewhere"), Reply(command_id=longest, verdict=Verdict.PENDING))
    assert longest.encode() in recorder.bodies[0]


def test_what_is_too_large_to_publish_is_far_above_what_is_read() -> None:
    """The broker takes more than we publish, and we publish more than we read: what is refused can be kept."""
    assert transport.MAX_PUBLISH_BYTES > 8 * 256 * 1024


async def test_what_a_read_found_can_be_announced() -> None:
    """The cause of an event is an id that every reader's envelope allows, also when the cause is a read of our own."""
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    made.tell(
        IntentSeen(
            message_id="~read-1", event_type="read", intent=intent(Status.SUCCEEDED), version=made.record.version
        )
    )
    told = event_envelope(made.record.id, made.record.events[-1])
    assert (told.type, told.causationid) == ("payment.succeeded", "read-1")
