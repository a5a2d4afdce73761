"""A user's erasure: forgotten here at once, deleted at Stripe for as long as it takes, and back as somebody new."""

from datetime import timedelta

from contracts.replies import RefusalCode, Verdict
from tests.unit.customers.customer_making import (
    CUS,
    CUSTOMER,
    NOW,
    CustomerStory,
    ensure,
    erase,
    marked,
    problem,
    set_up,
    story,
)
from tests.unit.customers.customer_outcome import sent, told
from worker.domain.customers.record import TOMBSTONE, CustomerOperation, CustomerStatus
from worker.domain.limits import KEY_LIFETIME
from worker.domain.messages import Result


def test_an_erasure_forgets_here_at_once_and_deletes_there() -> None:
    """The user's name and methods go with the first write; the delete is repeated until Stripe has done it."""
    made = story(CustomerStatus.ACTIVE).saved()
    made.tell(erase())
    assert (made.record.user_id, made.record.methods, made.record.stripe_id) == (TOMBSTONE, (), None)
    assert (sent(made), made.head.target) == (CustomerOperation.DELETE, CUS)
    made.answer(Result.UNKNOWN, problem=problem())
    made.tick(timedelta(days=2))
    assert sent(made) is CustomerOperation.DELETE
    made.answer(Result.UNLISTED, problem=problem("quantum_flux"))
    made.tick()
    made.answer(Result.REFUSED, problem=problem("resource_missing"))
    assert made.record.status is CustomerStatus.ERASED
    assert made.record.check_at is None


def test_a_create_that_never_left_is_not_sent_for_an_erased_user() -> None:
    """A create that was under way at the erasure turns out to have been held back: no customer is made only to be deleted."""
    made = CustomerStory()
    made.tell(ensure())
    made.tell(erase())
    decision = made.answer(Result.HELD_BACK, sent_at=made.head.sends[-1], problem=problem("stripe_away"))
    assert decision.effect is None
    assert made.record.status is CustomerStatus.ERASED
    assert (made.record.calls, made.record.check_at) == ((), None)


def test_an_erasure_waits_for_the_create_under_way() -> None:
    """A customer that is being created is deleted as soon as its name is known."""
    made = story(CustomerStatus.CREATING)
    made.tell(set_up())
    made.tell(erase())
    refused = told(made).refused
    assert refused is not None
    assert refused.code is RefusalCode.WRONG_STATE
    made.answer(made=CUS)
    assert (sent(made), made.head.target) == (CustomerOperation.DELETE, CUS)
    made.answer()
    assert made.record.status is CustomerStatus.ERASED


def test_an_erasure_finds_second_customers() -> None:
    """A customer of which only a webhook told is deleted with the other."""
    made = story(CustomerStatus.ACTIVE)
    made.tell(marked(stripe_id="cus_stray"))
    made.tell(erase())
    made.answer()
    assert (sent(made), made.head.target) == (CustomerOperation.DELETE, "cus_stray")


def test_a_late_customer_of_an_erased_user_is_deleted() -> None:
    """News that a customer of an erased user lives queues its delete; news of its end does not."""
    made = story(CustomerStatus.ERASED)
    made.tell(marked("customer.deleted"))
    assert made.record.status is CustomerStatus.ERASED
    made.tell(marked("customer.created", stripe_id="cus_late"))
    assert (sent(made), made.head.target) == (CustomerOperation.DELETE, "cus_late")


def test_a_second_customer_from_a_late_answer_is_remembered() -> None:
    """A create that was given up and made a customer all the same leaves it for the erasure."""
    made = story(CustomerStatus.CREATING)
    first = made.head
    made.tick(KEY_LIFETIME)
    made.answer(Result.NOT_FOUND)
    made.answer(made="cus_2")
    made.answer(made=CUS, call=first)
    assert (made.record.stripe_id, made.record.strays) == ("cus_2", (CUS,))
    made.tell(erase())
    assert [call.target for call in made.record.calls] == ["cus_2", CUS]


def test_an_erased_user_may_come_back() -> None:
    """After the erasure the same user gets a new customer under the next key, and nothing of the old."""
    made = story(CustomerStatus.ERASED)
    made.tell(ensure())
    assert made.head.key == f"{CUSTOMER}:create:2"
    made.answer(made="cus_2")
    assert (made.record.stripe_id, made.record.methods) == ("cus_2", ())
    made.tell(erase())
    assert made.head.key == f"{CUSTOMER}:delete:2"


def test_what_was_asked_for_before_the_erasure_stays_erased() -> None:
    """A command or a payment of before the erasure brings nobody back, not even beside the user's return."""
    made = story(CustomerStatus.ERASED)
    before = made.record
    made.tell(ensure(issued_at=NOW))
    assert made.record == before
    made.tell(set_up(issued_at=NOW))
    assert told(made).verdict is Verdict.REFUSED
    made.tell(ensure())
    made.answer(made="cus_2")
    made.tell(set_up("set-up-2", issued_at=NOW))
    assert told(made).verdict is Verdict.REFUSED


def test_an_unknown_user_is_erased_for_what_comes_later() -> None:
    """Erasing somebody of whom nothing is known refuses the set-up that was sent before and comes after."""
    made = CustomerStory()
    made.tell(erase())
    assert made.record.status is CustomerStatus.ERASED
    made.tell(set_up())
    assert told(made).verdict is Verdict.REFUSED


def test_nobody_is_called_by_the_tombstone() -> None:
    """The id that stands for erased users gets no customer."""
    made = CustomerStory()
    made.tell(ensure(user_id=TOMBSTONE))
    assert made.customer is None
    made.tell(set_up(user_id=TOMBSTONE))
    assert told(made).verdict is Verdict.REFUSED
    assert made.customer is None
