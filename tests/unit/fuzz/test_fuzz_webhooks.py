"""Any bytes at the webhook's door: a foreseen answer, and what is answered 200 the worker can read."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.envelope import MAX_BODY_BYTES
from contracts.transport import Stored
from tests.fuzz import targets
from tests.ingress_requests import event_body, signature_header
from tests.unit.fuzz.bending import bent, webhooks

LARGE = [event_body(size=MAX_BODY_BYTES + more) for more in (0, 1)]
BODIES = st.binary(max_size=300) | bent(webhooks) | st.sampled_from(LARGE)
SOUND = signature_header(event_body(), timestamp=targets.NOW.timestamp()).encode()
HEADERS = st.binary(max_size=120) | st.lists(
    st.sampled_from([b"t=", b"v1=", b"v0=", b",", b"=", b"1772452800", b"-1", b"0" * 64, b"\xff", SOUND]), max_size=8
).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(BODIES, st.none() | HEADERS)
def test_any_webhook_is_answered(body: bytes, header: bytes | None) -> None:
    """Signed or not, any bytes are answered 200, 400 or 413, and what is taken is news, ignored or refused by name."""
    assert targets.webhook(body, header) in {200, 400, 413}


@settings(max_examples=200, deadline=None)
@given(bent(webhooks))
def test_any_event_is_read_or_refused_by_name(body: bytes) -> None:
    """Bytes on the queue of webhooks become an event, or a dead letter that says why, whoever put them there."""
    assert targets.stripe_event(body)


@pytest.mark.parametrize("stored", [Stored.NO, Stored.UNKNOWN])
@settings(max_examples=50, deadline=None)
@given(body=bent(webhooks))
def test_nothing_is_acknowledged_that_is_not_stored(stored: Stored, body: bytes) -> None:
    """Without the broker's confirm no bytes are answered 200, so that Stripe sends them again."""
    assert targets.webhook(body, None, stored) in {400, 413, 503}


@pytest.mark.parametrize("kind", [event["type"] for event in webhooks()])
def test_what_is_bent_was_sound(kind: str) -> None:
    """Every event is taken as it is before anything is changed in it."""
    (event,) = [one for one in webhooks() if one["type"] == kind]
    assert targets.webhook(json.dumps(event).encode(), None) == 200
    assert targets.stripe_event(json.dumps(event).encode()) == kind
