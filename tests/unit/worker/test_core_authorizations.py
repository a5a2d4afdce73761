"""How long held money is held: the warning before its end, and what is read after it."""

from datetime import timedelta

import pytest

from tests.unit.worker.capturing import CANCELED, HELD, took
from tests.unit.worker.making import AMOUNT, NOW, Story, capture, charge, event_types, held, last_body, seen, story
from worker.domain import limits
from worker.domain.effects import Decision, Read
from worker.domain.facts import Charge
from worker.domain.record import Status

UNTIL = NOW + timedelta(days=7)
"""When the authorization of these tests ends."""


def day_before(made: Story) -> Decision:
    """The sweeper comes a day before the authorization ends."""
    return made.tick(UNTIL - limits.EXPIRY_WARNING - made.now)


def test_an_authorization_that_ends_soon_is_announced_once() -> None:
    """A day before held money is released this is announced, and not again."""
    made = held()
    assert "authorization_expiring" not in event_types(made.record)
    day_before(made)
    assert last_body(made.record, "authorization_expiring")["capture_before"] == "2026-03-09T12:00:00Z"
    made.read(HELD)
    made.tick(timedelta(hours=3))
    assert event_types(made.record).count("authorization_expiring") == 1


def test_an_authorization_is_watched_until_its_warning() -> None:
    """The sweeper comes at the moment of the warning by itself, however rare the polls have become."""
    made = held()
    while made.now < UNTIL - limits.EXPIRY_WARNING:
        assert made.record.check_at is not None
        assert made.record.check_at <= UNTIL - limits.EXPIRY_WARNING
        if isinstance(made.tick().effect, Read):
            made.read(HELD)
    assert event_types(made.record).count("authorization_expiring") == 1


def test_a_short_authorization_is_announced_at_once() -> None:
    """An authorization that ends within a day is announced as expiring as soon as the clock is asked."""
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    made.tell(seen(HELD, charge=Charge("ch_1", None, made.now + timedelta(hours=5))))
    assert made.record.check_at is not None
    assert made.record.check_at <= made.now
    made.tick()
    assert event_types(made.record)[-1] == "authorization_expiring"


def test_a_capture_in_time_needs_no_warning() -> None:
    """What is captured before the warning is due is never announced as expiring."""
    made = held()
    made.tell(capture())
    took(made, AMOUNT)
    assert made.record.check_at is None
    made.tick(timedelta(days=8))
    assert "authorization_expiring" not in event_types(made.record)


@pytest.mark.parametrize("reason", ["automatic", None])
def test_an_authorization_that_has_ended_is_read(reason: str | None) -> None:
    """Minutes after the end without a word from Stripe the payment is read, and the release is announced."""
    made = held()
    day_before(made)
    made.read(HELD)
    made.now = UNTIL
    decision = made.tick(limits.EXPIRY_GRACE)
    assert isinstance(decision.effect, Read)
    made.read(CANCELED, cancellation_reason=reason)
    assert last_body(made.record, "canceled")["reason"] == (reason or "canceled_at_stripe")
    assert made.record.capturable == 0
    assert made.record.check_at is None


def test_the_end_is_read_although_a_read_was_just_done() -> None:
    """A read right before the end does not put off the one after it."""
    made = held()
    day_before(made)
    made.now = UNTIL
    made.read(HELD)
    assert made.record.poll_at is not None
    assert made.record.poll_at > UNTIL + limits.EXPIRY_GRACE
    made.now = UNTIL
    assert isinstance(made.tick(limits.EXPIRY_GRACE).effect, Read)


def test_an_authorization_that_was_extended_is_watched_anew() -> None:
    """A later end that a read brings is announced in its own time."""
    made = held()
    day_before(made)
    later = UNTIL + timedelta(days=5)
    made.read(HELD, charge=Charge("ch_1", None, later))
    assert made.record.capture_before == later
    made.tick(later - limits.EXPIRY_WARNING - made.now)
    assert event_types(made.record).count("authorization_expiring") == 2


def test_an_end_that_has_passed_is_not_believed_again() -> None:
    """A read after the end that still finds the money held does not bring the old end back: the sweeper does not spin."""
    made = held()
    day_before(made)
    made.read(HELD)
    made.now = UNTIL
    made.tick(limits.EXPIRY_GRACE)
    made.read(HELD, charge=charge(HELD))
    assert made.record.capture_before is None
    assert made.record.check_at is not None
    assert made.record.check_at > made.now


def test_who_forgot_to_say_when_is_asked_soon() -> None:
    """An authorization whose end is not known yet is read within seconds."""
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    made.tell(seen(HELD))
    assert made.record.check_at == made.now + limits.SOON
