"""What the clock does: looking at silent payments, giving up unpaid ones, and never looking twice at once."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.worker.making import Story, confirm, event_types, problem, seen, story
from worker.domain import limits
from worker.domain.effects import Read, Send
from worker.domain.messages import Result
from worker.domain.record import FINAL, UNPAID, Operation, Status

WAITING = sorted(set(Status) - FINAL - {Status.NEW, Status.CREATING})


@pytest.mark.parametrize("status", WAITING)
def test_a_silent_payment_is_read(status: Status) -> None:
    """A payment that is not at its end is read when no news has come for some minutes."""
    made = story(status)
    assert made.record.check_at is not None
    assert limits.POLL_FIRST / 2 <= made.record.check_at - made.now <= limits.POLL_FIRST
    decision = made.tick()
    assert isinstance(decision.effect, Read)
    made.read(Status.SUCCEEDED)
    assert made.record.check_at is None


def test_fruitless_polls_become_rare() -> None:
    """Each poll that brings nothing new doubles the wait, up to six hours."""
    made = story(Status.PROCESSING)
    waits = []
    for _ in range(12):
        made.tick()
        made.read(Status.PROCESSING)
        assert made.record.check_at is not None
        waits.append(made.record.check_at - made.now)
    assert waits[0] < waits[3] < waits[5]
    assert all(limits.POLL_CAP / 2 <= wait <= limits.POLL_CAP for wait in waits[6:])


def test_news_makes_polls_frequent_again() -> None:
    """After a move the payment is watched closely again."""
    made = story(Status.PROCESSING)
    for _ in range(8):
        made.tick()
        made.read(Status.PROCESSING)
    made.tell(seen(Status.REQUIRES_CAPTURE))
    assert made.record.check_at is not None
    assert made.record.check_at - made.now <= limits.POLL_FIRST


@pytest.mark.parametrize("status", sorted(UNPAID))
def test_an_unpaid_payment_is_given_up_after_a_week(status: Status) -> None:
    """Seven days after its creation an unpaid payment is canceled by us, and says why."""
    made = story(status)
    decision = made.tick(limits.ABANDONED_AFTER)
    assert isinstance(decision.effect, Send)
    assert decision.effect.call.operation is Operation.CANCEL
    made.answer(Result.DONE, Status.CANCELED, cancellation_reason="abandoned")
    assert made.record.events[-1].body["reason"] == "abandoned"


def test_nothing_is_given_up_before_a_week() -> None:
    """Until seven days are over an unpaid payment is only read."""
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    assert isinstance(made.tick(limits.ABANDONED_AFTER - timedelta(minutes=1)).effect, Read)


@pytest.mark.parametrize("status", [Status.PROCESSING, Status.REQUIRES_CAPTURE])
def test_money_on_its_way_is_never_given_up(status: Status) -> None:
    """A payment whose money is held or on its way is read, however old it is."""
    made = story(status)
    for _ in range(4):
        assert isinstance(made.tick(timedelta(days=10)).effect, Read)
        made.read(status)
    assert made.record.status is status


def test_a_payment_that_is_being_paid_is_not_given_up() -> None:
    """While a confirm is open, a payment of any age is not canceled under its hands."""
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    made.now += limits.ABANDONED_AFTER
    made.tell(confirm())
    made.answer(Result.UNKNOWN, problem=problem())
    assert isinstance(made.tick().effect, Read)
    made.read(Status.REQUIRES_PAYMENT_METHOD)
    decision = made.tick()
    assert isinstance(decision.effect, Send)
    assert decision.effect.call.operation is Operation.CONFIRM


def test_giving_up_what_was_just_paid_finds_the_money() -> None:
    """When the customer pays while we give up, the cancel conflicts, the read finds the money, and it is kept."""
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    made.tick(limits.ABANDONED_AFTER)
    made.answer(Result.CONFLICT, problem=problem("payment_intent_unexpected_state"))
    made.read(Status.SUCCEEDED)
    assert event_types(made.record) == ["created", "succeeded"]
    assert made.record.needs_review is None
    assert made.record.check_at is None


@pytest.mark.parametrize("status", sorted(FINAL))
def test_nothing_is_waited_for_at_the_end(status: Status) -> None:
    """A payment at its end with nothing open is never looked at again."""
    assert story(status).record.check_at is None


def test_a_tick_too_early_does_nothing() -> None:
    """A tick before anything is due writes nothing."""
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    decision = made.tick(timedelta(seconds=1))
    assert not decision.write
    assert decision.why == "nothing due"


def test_a_poll_does_not_hurry_an_owed_read() -> None:
    """A poll that falls due while a read is on its way begins no second one."""
    made = story(Status.PROCESSING)
    made.tell(seen(Status.REQUIRES_PAYMENT_METHOD))
    poll = made.record.poll_at
    assert poll is not None
    made.now = poll - timedelta(seconds=30)
    made.tick(timedelta())
    assert made.tick(timedelta(seconds=30)).effect is None


@given(seed=st.text(), count=st.integers(0, 10_000))
def test_backoff_is_bounded_and_never_zero(seed: str, count: int) -> None:
    """Every wait between sends is at least half the first and at most the cap."""
    assert limits.BACKOFF_FIRST / 2 <= limits.backoff(seed, count) <= limits.BACKOFF_CAP


@given(seed=st.text(), polls=st.integers(0, 10_000))
def test_polls_are_bounded_and_never_at_once(seed: str, polls: int) -> None:
    """Every wait for news is at least half the first and at most the cap."""
    assert limits.POLL_FIRST / 2 <= limits.poll_after(seed, polls) <= limits.POLL_CAP


@given(seed=st.text(), count=st.integers(0, 40))
def test_waits_do_not_shrink(seed: str, count: int) -> None:
    """The longest wait after one more failure is never shorter than before, whatever the jitter."""
    for wait, cap in ((limits.backoff, limits.BACKOFF_CAP), (limits.poll_after, limits.POLL_CAP)):
        assert wait(seed, count + 1) >= min(wait(seed, count), cap / 2)
        assert wait(seed, count) == wait(seed, count)


def test_the_numbers_fit_each_other() -> None:
    """A send's grace exceeds its deadline, a key is dropped before Stripe forgets it, and the cap is below an hour."""
    assert timedelta(seconds=75) < limits.SEND_GRACE
    assert timedelta(hours=24) - limits.BACKOFF_CAP > limits.KEY_LIFETIME
    assert timedelta(hours=1) > limits.BACKOFF_CAP
    assert limits.MAX_CHAINED < limits.MAX_OPEN_CALLS
    assert Story().now.tzinfo is not None
