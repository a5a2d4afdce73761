"""Which signed bodies are events."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook_ingress.event import BadEvent, Event, parse

EVENT = {"id": "evt_1", "object": "event", "type": "invoice.paid"}


def body(**changes: object) -> bytes:
    return json.dumps({**EVENT, **changes}).encode()


def test_the_id_and_the_type_are_found() -> None:
    """An event is read as its id and its type."""
    assert parse(body()) == Event("evt_1", "invoice.paid")


def test_an_unknown_type_is_an_event() -> None:
    """A type that nobody has heard of is not the ingress's to refuse."""
    assert parse(body(type="moon.landed")) == Event("evt_1", "moon.landed")


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"no json", b"\xff\xfe", b'{"id": NaN}', json.dumps(EVENT).encode("utf-16"), b"[" * 100_000],
)
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    """Broken, foreign, non-UTF-8 and bottomless texts are named as no JSON."""
    assert parse(raw) is BadEvent.NOT_JSON


@pytest.mark.parametrize(
    "raw",
    [
        b"[]",
        b"null",
        b"17",
        b'"evt_1"',
        b"{}",
        body(object="charge"),
        body(object="v2.core.event"),
        body(object=["event"]),
        body(id=None),
        body(id=1),
        body(id=""),
        body(id="ch_1"),
        body(id="evt_"),
        body(id="evt_1\n"),
        body(id="evt_" + "x" * 124),
        body(type=None),
        body(type=""),
        body(type=["a"]),
        body(type="a b"),
        body(type="invoice.paid\n"),
        body(type="päid"),
        body(type="x" * 256),
    ],
)
def test_what_is_no_event_is_refused(raw: bytes) -> None:
    """JSON without a sound event id and type is named as no event."""
    assert parse(raw) is BadEvent.NOT_AN_EVENT


def test_the_longest_type_fits_a_routing_key() -> None:
    """255 bytes are what AMQP takes."""
    assert parse(body(type="x" * 255)) == Event("evt_1", "x" * 255)


@given(st.binary() | st.text().map(str.encode))
def test_no_bytes_raise(raw: bytes) -> None:
    """Whatever is signed gets an answer."""
    assert isinstance(parse(raw), Event | BadEvent)
