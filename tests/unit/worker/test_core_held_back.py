"""A send that the line held back was none: its call may still expire, become moot, and wait for as long as it takes."""

from datetime import timedelta

import pytest

from contracts.replies import RefusalCode, Verdict
from tests.unit.worker.making import NOW, SECOND, Story, cancel, codes, confirm, create, problem, seen, story, verdicts
from worker.domain import limits
from worker.domain.effects import Find, Send
from worker.domain.messages import Result
from worker.domain.record import CallState, Status

AWAY = problem("stripe_away")
PATIENCE = timedelta(seconds=20)
HOURS = timedelta(hours=30)
UNPAID = Status.REQUIRES_PAYMENT_METHOD


def held_back(patience: timedelta | None = None) -> Story:
    """A payment whose confirm was held back once."""
    made = story(UNPAID)
    made.tell(confirm("confirm-7", expires_at=made.now + patience if patience else None))
    assert len(made.head.sends) == 1
    made.answer(Result.HELD_BACK, problem=AWAY)
    return made


def sent_again(made: Story) -> bool:
    """Whether the call is sent when its time has come; it is not when it has been refused."""
    while made.record.call("confirm-7") is made.record.head:
        if isinstance(made.tick().effect, Send):
            return True
    return False


def test_a_send_that_was_held_back_is_none() -> None:
    """It is counted and no more: the call is as unsent as before, and has a time at which it is tried again."""
    made = held_back()
    assert (made.head.sends, made.head.held_back) == ((), 1)
    assert made.head.due_at is not None
    assert made.now < made.head.due_at <= made.now + limits.BACKOFF_FIRST
    assert made.record.check_at == made.head.due_at


def test_it_waits_longer_each_time() -> None:
    """Held back again and again, a call is tried with growing pauses, and soon enough once Stripe is back."""
    made, waits = held_back(), []
    for _ in range(12):
        sent_again(made)
        made.answer(Result.HELD_BACK, problem=AWAY)
        assert made.head.due_at is not None
        waits.append(made.head.due_at - made.now)
    assert made.head.sends == ()
    assert waits[-1] == limits.HELD_BACK_CAP
    assert sorted(waits[:6]) == waits[:6]


def test_nothing_but_its_time_sends_it() -> None:
    """Neither news nor a repeat of the command sends it early: Stripe is away for them, too."""
    made = held_back()
    assert made.tell(seen(UNPAID), timedelta()).effect is None
    assert made.tell(confirm("confirm-7"), timedelta()).effect is None
    assert isinstance(made.tick().effect, Send)


def test_a_confirm_that_was_never_sent_expires() -> None:
    """Nobody is charged by a confirm that was held back until after its sender wanted it, and its sender is told."""
    made = held_back(PATIENCE)
    assert made.record.check_at is not None
    assert made.record.check_at <= NOW + timedelta(days=1)
    decision = made.tick(PATIENCE)
    assert decision.effect is None
    assert codes(decision) == {"confirm-7": RefusalCode.EXPIRED}


def test_its_expiry_is_a_moment_to_look() -> None:
    """A call that waits long after many tries is refused when it expires, not when it would be tried."""
    made = held_back(timedelta(minutes=11))
    for _ in range(12):
        if not sent_again(made):
            break
        made.answer(Result.HELD_BACK, problem=AWAY)
    (call,) = (call for call in made.record.calls if call.id == "confirm-7")
    assert (call.state, call.refused and call.refused.code) == (CallState.REFUSED, RefusalCode.EXPIRED)
    assert call.expires_at is not None
    assert call.closed_at is not None
    assert call.closed_at - call.expires_at < SECOND


def test_a_confirm_that_may_have_been_sent_does_not_expire() -> None:
    """One unknown send among those held back: only Stripe knows whether it pays, so it is sent again under its key."""
    made = story(UNPAID)
    made.tell(confirm("confirm-7", expires_at=made.now + PATIENCE))
    made.answer(Result.UNKNOWN, problem=problem("APIConnectionError"))
    made.tick()
    made.answer(Result.HELD_BACK, problem=AWAY)
    assert (len(made.head.sends), made.head.held_back) == (1, 1)
    assert isinstance(made.tick(PATIENCE).effect, Send)


def test_a_cancel_goes_before_a_confirm_that_was_never_sent() -> None:
    """Who cancels while Stripe is away is not charged when it is back."""
    made = held_back()
    decision = made.tell(cancel("cancel-7"))
    assert codes(decision) == {"confirm-7": RefusalCode.BEING_CANCELED}
    assert isinstance(decision.effect, Send)
    assert decision.effect.call.id == "cancel-7"
    assert verdicts(made.answer(Result.DONE, Status.CANCELED)) == {"cancel-7": Verdict.ACCEPTED}


def test_its_key_does_not_age_while_it_is_held_back() -> None:
    """After an outage of more than a day a call that never left is sent, not settled by reading."""
    made = held_back()
    decision = made.tick(HOURS)
    assert isinstance(decision.effect, Send)
    assert decision.effect.call.settle is None
    assert decision.effect.call.sends == (made.now,)


def test_a_create_that_was_never_sent_expires() -> None:
    """A create that was held back for too long fails by name, is not looked for at Stripe, and frees the order."""
    made = Story()
    made.tell(create(expires_at=NOW + PATIENCE))
    made.answer(Result.HELD_BACK, problem=AWAY)
    decision = made.tick(PATIENCE)
    assert not isinstance(decision.effect, Find | Send)
    assert codes(decision) == {"create-1": RefusalCode.EXPIRED}
    assert made.record.status is Status.FAILED
    assert [event.type for event in decision.events] == ["payment.failed"]


def test_an_old_answer_takes_back_its_own_send_alone() -> None:
    """A worker that was frozen says that its send was held back; the one that another has begun since stays."""
    made = story(UNPAID)
    made.tell(confirm("confirm-7"))
    frozen = made.head
    made.tick(limits.SEND_GRACE)
    begun = made.head
    assert len(begun.sends) == 2
    made.answer(Result.HELD_BACK, problem=AWAY, call=frozen)
    assert made.head.sends == begun.sends[1:]
    assert made.head.due_at == begun.due_at


@pytest.mark.parametrize("code", ["http_401", "http_409", "http_429"])
def test_what_reached_stripe_was_sent(code: str) -> None:
    """Stripe refused to carry it out; a try of the SDK's before that may have been carried out all the same."""
    made = story(UNPAID)
    made.tell(confirm("confirm-7"))
    made.answer(Result.NOT_EXECUTED, problem=problem(code))
    assert (len(made.head.sends), made.head.held_back) == (1, 0)
