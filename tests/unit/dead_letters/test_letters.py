"""What the desk keeps of a dead letter, and what it says can be done about it."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import topology
from tests.unit.dead_letters.arrivals import NOW, PAYMENT, arrived, command, event
from worker.adapters import translate
from worker.adapters.letters import letter_of
from worker.dead_letter import NOBODYS, ONLY_SENDER, UNREADABLE, Cause, Form, State, Wanted, add, ranked
from worker.domain.messages import IntentSeen
from worker.domain.record import Status

HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *(topology.HEADER_ATTEMPT, topology.HEADER_ORIGIN, topology.HEADER_FIRST_FAILED_AT, topology.HEADER_REASON),
            *(topology.HEADER_ERROR_TYPE, "x-first-death-reason", "x-first-death-queue", "x-death"),
        ]
    ),
    st.none() | st.integers() | st.text() | st.booleans() | st.binary() | st.lists(st.text()) | st.datetimes(),
)


def test_a_command_is_kept_whole() -> None:
    """A command without anything secret is kept so that the same command can be published again."""
    letter = letter_of(arrived(command(), headers={topology.HEADER_ATTEMPT: 5}), NOW)
    assert (letter.form, letter.kind, letter.message_id) == (Form.COMMAND, "payment.create", "cmd-1")
    assert json.loads(letter.body) == json.loads(command())
    assert (letter.about, letter.user_id, letter.attempt, letter.unreplayable) == (("order-1",), "user-1", 5, "")


@pytest.mark.parametrize("user_id", ["user-1", "auth0|5f7c8ec7c33c6c004bbafe82", "a/b=c+d:e.f_g"])
def test_a_letter_knows_its_user(user_id: str) -> None:
    """Whatever a user id may look like, the letter is found by it when the user is to be forgotten."""
    assert letter_of(arrived(command(user_id=user_id)), NOW).user_id == user_id


def test_a_command_with_an_address_can_only_be_sent_again_by_its_sender() -> None:
    """Without its receipt address a create is not what was asked for, so it is not replayed."""
    letter = letter_of(arrived(command(order_id="order-1", receipt_email="a@b.example")), NOW)
    assert letter.unreplayable == ONLY_SENDER
    assert json.loads(letter.body)["data"] == {"order_id": "order-1", "receipt_email": "[redacted]"}


def test_of_an_event_stays_what_its_translation_reads() -> None:
    """What is kept of an event is translated to the same message as the event itself, but for what is secret."""
    raw = event()
    letter = letter_of(arrived(raw, topology.STRIPE_QUEUE), NOW)
    kept = translate.stripe_event(letter.body.encode(), livemode=False)
    assert kept == replace(translate.stripe_event(raw, livemode=False), news=kept.news)
    assert isinstance(kept.news, IntentSeen)
    assert (kept.news.intent.status, kept.news.intent.amount_received) == (Status.SUCCEEDED, 1999)
    assert letter.about == (PAYMENT, "order-1", "pi_1")
    assert (letter.form, letter.message_id, letter.unreplayable) == (Form.EVENT, "evt_1", "")


@pytest.mark.parametrize("changed", [{"id": "../customers"}, {"id": 7}, {"type": None}])
def test_an_event_that_stripe_cannot_be_asked_for_is_only_bytes(changed: dict[str, Any]) -> None:
    """Without an id of Stripe's shape and a type there is nothing to ask for, and nothing of it is believed."""
    raw = json.dumps(json.loads(event()) | changed).encode()
    letter = letter_of(arrived(raw, topology.STRIPE_QUEUE), NOW)
    assert (letter.form, letter.about, letter.unreplayable) == (Form.BYTES, (), UNREADABLE)


def test_bytes_are_kept_as_a_sketch_with_their_length_and_hash() -> None:
    """What cannot be read is told by its looks, its length and its hash, and can only be discarded."""
    letter = letter_of(arrived(b'{"id": "cmd-1"'), NOW)
    assert (letter.form, letter.body, letter.size, letter.unreplayable) == (Form.BYTES, '{"id": "…"', 14, UNREADABLE)
    assert letter.body_hash == hashlib.sha256(b'{"id": "cmd-1"').hexdigest()


def test_a_message_that_comes_again_has_the_same_name() -> None:
    """A redelivery, a replay and a repeat by the sender are one letter; other terms under the same id are another."""
    first = letter_of(arrived(command()), NOW)
    again = letter_of(arrived(first.body.encode(), message_id="delivery-2"), NOW + timedelta(hours=1))
    assert again.id == first.id
    assert letter_of(arrived(command(order_id="order-2")), NOW).id != first.id
    assert letter_of(arrived(command(), topology.PRIVILEGED_QUEUE), NOW).id != first.id
    events = [letter_of(arrived(event(status=one), topology.STRIPE_QUEUE), NOW).id for one in ("succeeded", "canceled")]
    assert len(set(events)) == 1


def test_what_the_broker_gave_up_names_its_queue_and_why() -> None:
    """A message that died in quarantine has no reason of ours; the broker's headers and its key have it."""
    headers = {
        topology.HEADER_REASON: "",
        "x-first-death-reason": "delivery_limit",
        "x-first-death-queue": "payments.quarantine",
    }
    key = topology.quarantine_key(topology.STRIPE_QUEUE)
    letter = letter_of(arrived(event(), None, headers=headers, routing_key=key), NOW)
    assert (letter.origin, letter.form) == (topology.STRIPE_QUEUE, Form.EVENT)
    assert letter.reason == "the broker gave it up: delivery_limit in payments.quarantine"


def test_nothing_is_replayed_to_a_queue_that_was_guessed() -> None:
    """A letter without an origin is kept and can only be discarded: which queue it goes to says who may move money."""
    assert letter_of(arrived(command(), None), NOW).unreplayable == NOBODYS
    assert letter_of(arrived(command(), "payments.dead-letters"), NOW).unreplayable == NOBODYS


def test_a_cause_is_the_same_for_all_that_it_hits() -> None:
    """Letters that differ in ids, numbers and quoted values have one fingerprint; another error has another."""

    def of(reason: str, kind: str = "payment.create") -> str:
        headers = {topology.HEADER_REASON: reason, topology.HEADER_ERROR_TYPE: "KeyError"}
        return letter_of(arrived(command(kind), headers=headers), NOW).fingerprint

    one = of("given up after 5 tries: KeyError: 'pay_0a1_1' of deadbeef01 at 17")
    assert of("given up after 6 tries: KeyError: 'pay_9f7_2' of deadbeef77 at 4") == one
    assert of("given up after 5 tries: TypeError: 17") != one
    assert of("given up after 5 tries: KeyError: 'pay_0a1_1' of deadbeef01 at 17", "payment.confirm") != one


@given(st.binary() | st.sampled_from([command(), event()]), HEADERS, st.none() | st.text())
def test_whatever_arrives_becomes_a_letter(body: bytes, headers: dict[str, Any], key: str | None) -> None:
    """No bytes, headers or key keep a message from being a letter with a name, a reason and a fingerprint."""
    letter = letter_of(arrived(body, None, headers=headers, routing_key=key, message_id=None), NOW)
    assert all((letter.id, letter.delivery, letter.reason, letter.error_type, letter.fingerprint, letter.kind))
    assert letter_of(arrived(body, None, headers=headers, routing_key=key, message_id=None), NOW) == letter


def test_letters_are_counted_by_their_cause() -> None:
    """A cause knows how many letters it has, how many can be replayed, what they are about, and since when."""
    first = letter_of(arrived(command()), NOW)
    later = replace(
        first, id="dl_2", about=("order-2",), arrived_at=NOW + timedelta(hours=1), unreplayable=ONLY_SENDER, attempt=7
    )
    other = replace(first, id="dl_3", fingerprint="other", state=State.REPLAYING)
    found: dict[str, Cause] = {}
    for letter in (other, first, later):
        add(found, letter)
    top, last = ranked(found)
    assert (top.count, top.replayable, top.attempts, top.about) == (2, 1, 7, (("order-1",), ("order-2",)))
    assert (top.first_at, top.last_at, top.examples) == (NOW, NOW + timedelta(hours=1), (first.id, "dl_2"))
    assert (last.count, last.replaying) == (1, 1)


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (Wanted(), True),
        (Wanted(settled=True), False),
        (Wanted(kind="payment.create", about=("order-1", "pi_9"), since=NOW), True),
        (Wanted(kind="payment.confirm"), False),
        (Wanted(about=("order-2",)), False),
        (Wanted(since=NOW + timedelta(seconds=1)), False),
        (Wanted(fingerprint="other"), False),
        (Wanted(ids=("dl_1",)), False),
    ],
)
def test_every_condition_must_hold(wanted: Wanted, fits: bool) -> None:
    """A letter is wanted if it meets each condition that is given."""
    assert wanted.fits(letter_of(arrived(command()), NOW)) is fits


def test_the_time_of_the_first_failure_is_read_where_there_is_one() -> None:
    """The header that our consumers write is a time; anything else is none."""
    at = {topology.HEADER_FIRST_FAILED_AT: "2026-03-02T10:00:00+00:00"}
    assert letter_of(arrived(command(), headers=at), NOW).first_failed_at == datetime(2026, 3, 2, 10, tzinfo=UTC)
    assert letter_of(arrived(command(), headers={topology.HEADER_FIRST_FAILED_AT: "soon"}), NOW).first_failed_at is None
