"""A send of a customer's call that the line held back was none: what both machines do with it (domain/again.py)."""

from datetime import timedelta

from contracts.replies import RefusalCode
from tests.unit.customers.customer_making import CustomerStory, problem, set_up, story
from worker.domain.customers.effects import SendCall
from worker.domain.customers.record import CustomerStatus
from worker.domain.limits import BACKOFF_FIRST
from worker.domain.messages import Result

PATIENCE = timedelta(seconds=20)


def held_back() -> CustomerStory:
    """A customer whose set-up is wanted for some seconds and was held back."""
    made = story(CustomerStatus.ACTIVE)
    made.tell(set_up("set-up-7", expires_at=made.now + PATIENCE))
    made.answer(Result.HELD_BACK, sent_at=made.head.sends[-1], problem=problem("stripe_away"))
    return made


def test_a_set_up_that_was_held_back_is_tried_again() -> None:
    """It is counted and no more, and is sent when its time has come."""
    made = held_back()
    assert (made.head.sends, made.head.held_back) == ((), 1)
    assert made.head.due_at is not None
    assert made.now < made.head.due_at <= made.now + BACKOFF_FIRST
    assert isinstance(made.tick().effect, SendCall)


def test_a_set_up_that_was_never_sent_expires() -> None:
    """Stripe comes back after the set-up's time, and nothing is asked of it any more."""
    made = held_back()
    decision = made.tick(after=PATIENCE)
    assert decision.effect is None
    assert [told.refused.code for told in decision.told if told.refused] == [RefusalCode.EXPIRED]
    assert made.record.calls == ()


def test_a_send_that_somebody_has_taken_up_is_left_to_them() -> None:
    """The word that an earlier send was held back comes after the next has begun, and changes nothing about that one."""
    made = held_back()
    earlier = made.now
    made.tick()
    before = made.head
    made.answer(Result.HELD_BACK, sent_at=earlier, problem=problem("stripe_away"))
    assert made.head == before
