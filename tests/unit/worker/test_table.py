"""The table is total, and every status with every message keeps what must hold."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.worker.making import Story, committed, decided, seen, story
from tests.unit.worker.representatives import MOMENTS, STRIPES, messages, records
from worker.domain.messages import Cancel, CommandMessage, Create, Kind, Message, NewsMessage, Result, Tick, kind_of
from worker.domain.payment import TRANSITIONS, Rule
from worker.domain.record import CallState, Outcome, Payment, Status

EXISTING = tuple(status for status in Status if status is not Status.NEW)
MOVES = [
    (status, told)
    for status in EXISTING
    for told in STRIPES
    if TRANSITIONS[status][Kind(f"intent.{told}")] is Rule.MOVE
]


def test_every_status_has_a_rule_for_every_kind_of_message() -> None:
    """The table has a rule for every status and every kind of message."""
    assert {status: set(row) for status, row in TRANSITIONS.items()} == {status: set(Kind) for status in Status}


def test_every_rule_is_used() -> None:
    """No rule is in the code that the table never names."""
    assert {rule for row in TRANSITIONS.values() for rule in row.values()} == set(Rule)


@pytest.mark.parametrize("status", EXISTING)
def test_every_kind_of_message_is_walked(status: Status) -> None:
    """The walk below meets every cell of the table's row."""
    met = {kind_of(message) for _, made in records(status) for _, message in messages(made.payment)}
    assert met == set(Kind)
    assert {made.record.status for _, made in records(status)} == {status}


@pytest.mark.parametrize("status", EXISTING)
def test_every_message_keeps_what_must_hold(status: Status) -> None:
    """Whatever comes in a status, at whatever time, nothing is lost, moved or sent against the rules."""
    walked = 0
    for _, made in records(status):
        for what, message in messages(made.payment):
            for moment in MOMENTS:
                decision = decided(made.payment, message, made.now + moment)
                assert decision.payment is not None, what
                walked += 1
    assert walked > 1_000


@pytest.mark.parametrize("what_and_message", list(messages(None)), ids=lambda pair: pair[0])
def test_every_message_to_no_payment_keeps_what_must_hold(what_and_message: tuple[str, Message]) -> None:
    """A message that finds no payment opens one, leaves a tombstone, or changes nothing."""
    _, message = what_and_message
    decision = decided(None, message, MOMENTS[0] + Story().now)
    opens = isinstance(message, Create) and decision.outcome is Outcome.APPLIED
    buries = isinstance(message, Cancel) and message.order_id is not None
    assert (decision.payment is not None) == (opens or buries)


@pytest.mark.parametrize("status", EXISTING)
def test_a_repeated_message_is_a_duplicate(status: Status) -> None:
    """Deciding the same command or webhook again changes nothing unless it helps an open call or an owed read."""
    for _, made in records(status):
        for what, message in messages(made.payment):
            if not isinstance(message, CommandMessage | NewsMessage):
                continue
            now = made.now + MOMENTS[0]
            once = committed(made.payment, decided(made.payment, message, now))
            again = decided(once, message, now + timedelta(minutes=3))
            assert not again.events, what
            assert again.payment is not None
            assert again.write == (again.effect is not None), what
            assert again.payment.status is (once and once.status), what


@pytest.mark.parametrize("status", EXISTING)
def test_what_is_due_is_done(status: Status) -> None:
    """Ticks at one moment come to rest: after three of them nothing is due any more."""
    for what, made in records(status):
        for moment in MOMENTS:
            payment: Payment = made.record
            now = made.now + moment
            for _ in range(3):
                after = committed(payment, decided(payment, Tick(), now))
                assert after is not None
                payment = after
            assert payment.check_at is None or payment.check_at > now, what


@pytest.mark.parametrize(("status", "told"), MOVES)
def test_a_rule_that_moves_does_move(status: Status, told: Status) -> None:
    """Where the table says MOVE, a webhook's status becomes the payment's."""
    for what, made in records(status):
        decision = decided(made.payment, seen(told, "evt_moves"), made.now)
        assert decision.payment is not None
        assert decision.payment.status is told, what


def test_an_answer_to_a_call_that_nobody_made_is_a_broken_invariant() -> None:
    """An answer to an unknown call raises instead of guessing."""
    made = story(Status.CREATING)
    with pytest.raises(AssertionError, match="not recorded"):
        made.answer(Result.UNKNOWN, call=replace(made.head, id="nobody's"))


def test_a_record_at_rest_has_no_open_call() -> None:
    """Getting to a status the ordinary way leaves nothing open but a create that has just been sent."""
    for status in EXISTING:
        made = next(made for _, made in records(status))
        still = [call.id for call in made.record.calls if call.state is CallState.OPEN]
        assert still == (["create-1"] if status is Status.CREATING else [])
