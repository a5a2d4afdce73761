"""Bytes into messages: what is read, what is refused, and what an error says."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.commands import (
    COMMANDS,
    PRIVILEGED_COMMANDS,
    CancelPayment,
    Command,
    ConfirmPayment,
    CreatePayment,
)
from contracts.envelope import (
    MAX_BODY_BYTES,
    MAX_FIELD_CHARACTERS,
    Envelope,
    decode,
    encode,
    schema_uri,
    sequence_text,
    unwrap,
    wrap,
)
from contracts.errors import InvalidMessage, NoReply, NotStored, OutcomeUnknown, PaymentsError, PublishFailed
from contracts.events import EVENTS, PaymentEvent
from contracts.generate.catalogue import Message, messages
from contracts.generate.examples import bodies, envelopes

Json = dict[str, Any]

SECRET = "sk_live_do_not_tell"
CREATE: Json = {"order_id": "o-1", "user_id": "u-1", "amount": 1999, "currency": "eur"}

identifiers = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@/+=-]{0,127}", fullmatch=True)
moments = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9.5))]),
)
metadata = st.dictionaries(
    st.from_regex(r"[^\[\]\x00$\ud800-\udfff][^\[\]\x00\ud800-\udfff]{0,39}", fullmatch=True),
    st.text(max_size=500),
    max_size=40,
)
creates = st.builds(
    CreatePayment,
    order_id=identifiers,
    user_id=identifiers,
    amount=st.integers(1, 10**12),
    currency=st.sampled_from(["eur", "USD", "Jpy"]),
    description=st.none() | st.text(max_size=1000),
    metadata=metadata,
    expires_at=st.none() | moments,
)
cancels = st.builds(CancelPayment, order_id=identifiers) | st.builds(
    CancelPayment, payment_id=st.from_regex(r"pay_[0-9a-z]{1,20}_[0-9]{1,3}", fullmatch=True)
)


def raw(**attributes: Any) -> bytes:
    whole = {
        "specversion": "1.0",
        "id": "c-1",
        "source": "orders",
        "type": "payment.create",
        "time": "2026-01-15T09:30:00Z",
        "data": CREATE,
    }
    return json.dumps(whole | attributes).encode()


def refusal(body: bytes) -> InvalidMessage:
    with pytest.raises(InvalidMessage) as caught:
        unwrap(decode(body), COMMANDS)
    return caught.value


@given(
    body=creates | cancels,
    message_id=identifiers,
    source=st.text(min_size=1, max_size=256),
    time=moments,
    correlation_id=st.none() | identifiers,
)
def test_a_command_is_read_back_as_it_was(
    body: CreatePayment | CancelPayment, message_id: str, source: str, time: datetime, correlation_id: str | None
) -> None:
    """Whatever a command holds, its bytes are read back as the same command in the same envelope."""
    wrapped = wrap(
        body,
        kind=body.TYPE,
        version=body.VERSION,
        message_id=message_id,
        source=source,
        time=time,
        correlation_id=correlation_id,
    )
    raw_bytes = encode(wrapped)
    assert len(raw_bytes) <= MAX_BODY_BYTES
    again = decode(raw_bytes)
    assert again == wrapped
    assert unwrap(again, COMMANDS) == body
    assert (again.id, again.time, again.correlationid) == (message_id, time, correlation_id)


@pytest.mark.parametrize("message", [pytest.param(message, id=message.kind) for message in messages()])
def test_every_message_is_read_back_as_it_was(message: Message) -> None:
    """Each example of each message survives the wire, and no attribute or field on it is null."""
    kinds = {message.kind: message.model}
    for body, wire in zip(bodies(message).values(), envelopes(message).values(), strict=True):
        assert unwrap(decode(wire), kinds) == body
        assert b":null" not in wire


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"", "Invalid JSON"),
        (b"\xff\xfe{}", "Invalid JSON"),
        (b"not json", "Invalid JSON"),
        (b'{"id": "c-1"', "Invalid JSON"),
        (b"[" * 100_000, "recursion limit"),
        (b'{"a":' * 40_000, "recursion limit"),
        (b"[]", "object"),
        (b'"text"', "object"),
        (b"null", "object"),
        (b"NaN", "object"),
        (b" " * (MAX_BODY_BYTES + 1), f"{MAX_BODY_BYTES + 1} bytes, at most {MAX_BODY_BYTES}"),
        (raw(id="c\ud800"), "Invalid JSON"),
    ],
)
def test_what_is_no_message_is_refused(body: bytes, rule: str) -> None:
    """Bytes that are no JSON object of a sensible size and depth are refused with the rule, and name no field."""
    error = refusal(body)
    assert rule in error.rule
    assert (error.field, error.message_id) == ("", "")


@pytest.mark.parametrize(
    ("attributes", "field", "rule"),
    [
        ({"id": SECRET + " "}, "id", "match pattern"),
        ({"id": "a" * 129}, "id", "at most 128"),
        ({"id": None}, "id", "string"),
        ({"specversion": SECRET}, "specversion", "1.0"),
        ({"source": ""}, "source", "at least 1"),
        ({"time": SECRET}, "time", "a date, a time and an offset"),
        ({"time": "2026-01-15T09:30:00"}, "time", "an offset"),
        ({"time": 10**400}, "time", "a date, a time and an offset"),
        ({"traceparent": SECRET}, "traceparent", "match pattern"),
        ({"data": SECRET}, "data", "object"),
        ({"data": [SECRET]}, "data", "object"),
        ({"type": SECRET}, "type", f"unknown type; known here: {', '.join(sorted(COMMANDS))}"),
        ({"type": "payment.created"}, "type", "unknown type"),
        ({"dataschema": SECRET}, "dataschema", "this reader knows urn:payments:payment.create:v1"),
        ({"dataschema": schema_uri("payment.create", 2)}, "dataschema", "unknown version"),
        ({"data": {}}, "data.order_id", "required"),
        ({"data": CREATE | {"order_id": SECRET + "\n"}}, "data.order_id", "match pattern"),
        ({"data": CREATE | {"amount": SECRET}}, "data.amount", "integer"),
        ({"data": CREATE | {"amount": "1999"}}, "data.amount", "integer"),
        ({"data": CREATE | {"amount": 19.99}}, "data.amount", "integer"),
        ({"data": CREATE | {"amount": True}}, "data.amount", "integer"),
        ({"data": CREATE | {"amount": float("nan")}}, "data.amount", "integer"),
        ({"data": CREATE | {"amount": 0}}, "data.amount", "greater than 0"),
        ({"data": CREATE | {"amount": 10**400}}, "data.amount", "less than or equal"),
        ({"data": CREATE | {"currency": "eu"}}, "data.currency", "match pattern"),
        ({"data": CREATE | {"currency": "\N{KELVIN SIGN}wd"}}, "data.currency", "match pattern"),
        ({"data": CREATE | {"capture_method": SECRET}}, "data.capture_method", "'automatic' or 'manual'"),
        ({"data": CREATE | {"expires_at": SECRET}}, "data.expires_at", "a date, a time and an offset"),
        ({"data": CREATE | {"expires_at": "0.5"}}, "data.expires_at", "a date, a time and an offset"),
        ({"data": CREATE | {"expires_at": 1767225600}}, "data.expires_at", "a date, a time and an offset"),
        ({"data": CREATE | {"metadata": {"k": SECRET * 50}}}, "data.metadata.k", "at most 500"),
        ({"data": CREATE | {"metadata": {f"k{n}": "v" for n in range(41)}}}, "data.metadata", "at most 40"),
        ({"data": CREATE | {"metadata": {"$ref": "v"}}}, "data.metadata.$ref.[key]", "pattern"),
        ({"data": CREATE | {"expires_at": "9999-12-31T23:59:59-05:00"}}, "data.expires_at", "years 1 to 9999"),
        ({"time": "0001-01-01T00:00:00+05:00"}, "time", "years 1 to 9999"),
        ({"data": CREATE | {"metadata": {"a\0b": "v"}}}, "data.metadata.a\0b.[key]", "pattern"),
        ({"data": CREATE | {"amuont": SECRET}}, "data.amuont", "not permitted"),
    ],
)
def test_an_error_names_the_field_and_the_rule_and_not_the_value(attributes: Json, field: str, rule: str) -> None:
    """A refused message is told by field and rule; the value, which may be a secret in the wrong place, is not repeated."""
    error = refusal(raw(**attributes))
    assert error.field == field
    assert rule in error.rule
    assert SECRET not in str(error)


def test_a_cancel_has_one_address() -> None:
    """A cancel by neither and by both of its addresses is refused by that rule."""
    for data in ({}, {"order_id": "o-1", "payment_id": "pay_a_1"}):
        error = refusal(raw(type="payment.cancel", data=data))
        assert (error.field, error.rule) == ("data", "give exactly one of payment_id and order_id")


def test_an_address_to_return_to_is_a_web_address() -> None:
    """A confirm with a return address that is no web address is refused, and the address is not repeated."""
    confirm = {"payment_id": "pay_a_1", "payment_method": "pm_1"}
    wrong = refusal(raw(type="payment.confirm", data=confirm | {"return_url": "javascript:" + SECRET}))
    assert wrong.field == "data.return_url"
    assert SECRET not in str(wrong)


def test_a_refusal_can_name_what_it_refuses() -> None:
    """An error carries the message's id where it could be read and is one of ours, and nothing otherwise."""
    assert refusal(raw(time=SECRET)).message_id == "c-1"
    assert refusal(raw(data={})).message_id == "c-1"
    assert refusal(raw(id="c 1")).message_id == ""
    assert refusal(raw(id=7)).message_id == ""


def test_a_long_key_does_not_make_a_long_error() -> None:
    """A path ends after a fixed length, however long the key that the sender chose."""
    error = refusal(raw(data=CREATE | {"metadata": {"k" * 100_000: "v"}}))
    assert error.field.startswith("data.metadata.kkk")
    assert len(error.field) == MAX_FIELD_CHARACTERS


@given(garbage=st.binary(max_size=300) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*Envelope.model_fields, *CREATE]), inner),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_nothing_else_comes_out_of_bad_bytes(garbage: bytes) -> None:
    """Whatever the bytes are, reading them ends in a message or in InvalidMessage."""
    try:
        unwrap(decode(garbage), COMMANDS)
    except InvalidMessage as error:
        assert error.rule  # noqa: PT017 - both outcomes are right, for different bytes


def test_unknown_fields_are_refused_in_commands_and_ignored_in_events() -> None:
    """A misspelt field of a command is an error, a field that was added to an event is not."""
    kind = EVENTS["payment.succeeded"]
    (message,) = (message for message in messages() if message.kind == kind.TYPE)
    (wire,) = envelopes(message).values()
    whole = json.loads(wire)
    whole["data"]["invented_later"] = {"deep": [1]}
    whole["inventedlater"] = "an extension attribute"
    event = unwrap(decode(json.dumps(whole).encode()), {kind.TYPE: kind})
    assert event == next(iter(bodies(message).values()))
    assert refusal(raw(data=CREATE | {"invented_later": 1})).field == "data.invented_later"


def test_a_message_without_a_schema_name_is_read_as_this_version() -> None:
    """`dataschema` may be left out, and the other attributes have the defaults of CloudEvents."""
    envelope = decode(raw())
    assert (envelope.dataschema, envelope.datacontenttype) == (None, "application/json")
    assert isinstance(unwrap(envelope, COMMANDS), CreatePayment)


def test_moments_are_utc_inside() -> None:
    """An instant with another offset is the same instant in UTC; currencies are lower case."""
    body = unwrap(decode(raw(data=CREATE | {"expires_at": "2026-01-15T09:30:00+02:00", "currency": "EUR"})), COMMANDS)
    assert isinstance(body, CreatePayment)
    assert body.expires_at == datetime(2026, 1, 15, 7, 30, tzinfo=UTC)
    assert body.expires_at.tzinfo is UTC
    assert body.currency == "eur"


@given(first=st.integers(0, 10**10 - 1), second=st.integers(0, 10**10 - 1))
def test_sequences_sort_as_their_numbers(first: int, second: int) -> None:
    """The text of a sequence sorts as the number does."""
    assert (sequence_text(first) < sequence_text(second)) == (first < second)


def test_registries_are_keyed_by_type() -> None:
    """Each registry maps a type to the model of that type, each versioned, no type in two."""
    registries: tuple[Mapping[str, type[Command | PaymentEvent]], ...] = (COMMANDS, PRIVILEGED_COMMANDS, EVENTS)
    for registry in registries:
        assert all(kind == model.TYPE and model.VERSION >= 1 for kind, model in registry.items())
    assert len(set().union(*registries)) == sum(len(registry) for registry in registries)
    assert all(issubclass(kind, PaymentEvent) for kind in EVENTS.values())


def test_bodies_cannot_be_changed() -> None:
    """A command is frozen once it is read."""
    confirm = ConfirmPayment(payment_id="pay_a_1", payment_method="pm_1", return_url="https://shop.example")
    with pytest.raises(ValueError, match="frozen"):
        confirm.payment_method = "pm_2"  # type: ignore[misc]  # the point of the test


def test_the_errors_are_one_tree() -> None:
    """Everything raised on purpose is a PaymentsError, and a failed publish is one of two kinds."""
    assert issubclass(InvalidMessage, PaymentsError)
    assert issubclass(NoReply, PaymentsError)
    assert {NotStored, OutcomeUnknown} == set(PublishFailed.__subclasses__())
    assert {InvalidMessage("rule")}
    assert str(InvalidMessage("rule", "data.x")) == "data.x: rule"
