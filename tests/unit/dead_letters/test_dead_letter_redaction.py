"""What is secret or personal never reaches the desk, whatever the message is."""

import json
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import topology
from contracts.envelope import MAX_BODY_BYTES
from tests.unit.dead_letters.arrivals import CANARIES, NOW, SHAPED, arrived, command, full_of_secrets
from worker.adapters.letters import letter_of
from worker.redaction import REDACTED, redacted, scrubbed, sketch

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize("origin", [*topology.INBOUND_QUEUES, None])
@pytest.mark.parametrize("name", full_of_secrets())
def test_no_canary_is_kept(name: str, origin: str | None) -> None:
    """Of every kind of message, under every origin, nothing that is kept holds a canary."""
    body = full_of_secrets()[name]
    headers = {topology.HEADER_REASON: f"invalid: {' '.join(SHAPED)}", topology.HEADER_ERROR_TYPE: SHAPED[1]}
    kept = repr(letter_of(arrived(body, origin, headers=headers), NOW))
    assert [canary for canary in CANARIES if canary in kept] == []


@pytest.mark.parametrize("canary", SHAPED)
def test_a_secret_is_known_by_its_shape(canary: str) -> None:
    """A secret in the middle of a text is taken out, and the text around it stays."""
    assert scrubbed(f"see {canary} there") == f"see {REDACTED} there"


@pytest.mark.parametrize(
    "name",
    ["client_secret", "receipt_email", "cardNumber", "card_cvc", "x-api-key", "IBAN", "postal_code", "firstName"],
)
def test_a_secret_is_known_by_the_name_of_its_field(name: str) -> None:
    """A field whose name says what it holds is taken out, at any depth, whatever its value looks like."""
    assert redacted({"data": [{name: {"plain": 1}}]}) == {"data": [{name: REDACTED}]}


def test_what_is_neither_secret_nor_personal_is_kept_as_it_is() -> None:
    """A command of each ordinary kind passes unchanged."""
    bodies: list[dict[str, Any]] = [
        {"order_id": "2026-00417", "user_id": "u-7", "amount": 1999, "currency": "eur", "capture_method": "manual"},
        {"payment_id": "pay_0a_1", "payment_method": "pm_card_visa", "return_url": "https://x.example/b?order=7"},
        {"payment_id": "pay_0a_1", "payment_method": "pm_1ABC", "off_session": True, "expires_at": "2026-03-02T12:00Z"},
        {"payment_id": "pay_0a_1", "refund_id": "r:1", "requested_by": "support-1", "note": "came back broken"},
        {"order_id": "1234567890123456789", "amount": 10**12, "metadata": {"basket": "b-1"}, "description": "2 x tea"},
    ]
    assert [redacted(body) for body in bodies] == bodies


@given(JSON)
def test_redaction_takes_any_json(value: Any) -> None:
    """Whatever JSON there is can be redacted, and what comes out is as it was when it is redacted again."""
    once = redacted(value)
    assert redacted(once) == once or REDACTED in json.dumps(once)


@given(st.binary())
def test_anything_can_be_sketched(raw: bytes) -> None:
    """Any bytes at all have a sketch, and it has no letters but of words that we know."""
    assert len(sketch(raw)) <= 2 * len(raw) + 2


def test_a_sketch_shows_what_a_message_looked_like() -> None:
    """Structure, known names and ids of ours stay; every other word and number goes."""
    raw = b'{"type": "payment.confirm", "data": {"payment_id": "pay_0a_1", "who": "Carla", "amount": 1999'
    assert sketch(raw) == '{"type": "payment.confirm", "data": {"payment_id": "pay_0a_1", "…": "…", "amount": …'


@pytest.mark.parametrize(
    "unit", ["a", "a@", "@a", "secret", "_secret_", "eyJ-", "eyJa.", "Bearer ", "4 ", "DE89 ", '\\"', "{"]
)
def test_a_large_body_is_redacted_in_no_time(unit: str) -> None:
    """The largest body that is read takes little of the processor, where looking on from each letter would take minutes."""
    body = command(note=unit * ((MAX_BODY_BYTES - 400) // len(json.dumps(unit)[1:-1])))
    began = process_time()
    letter_of(arrived(body), NOW)
    assert process_time() - began < 10
