"""Which of an order's payments a command goes to."""

from dataclasses import replace
from datetime import timedelta

from tests.unit.worker.making import NOW, ORDER, Story, cancel_order, create, story
from worker.domain.messages import Result
from worker.domain.order import choose
from worker.domain.record import Payment, Status, payment_id

MINUTE = timedelta(minutes=1)


def numbered(status: Status, number: int) -> Payment:
    """The order's n-th payment, whose commands have ids of their own."""
    made = story(status).record
    return replace(
        made,
        id=payment_id(ORDER, number),
        calls=tuple(replace(call, id=f"{call.id}-of-{number}") for call in made.calls),
        timeline=tuple(replace(entry, message_id=f"{entry.message_id}-of-{number}") for entry in made.timeline),
    )


def test_an_order_without_payments_gets_its_first() -> None:
    """A command for an order without payments finds none and takes number one."""
    assert choose([], create()) == (None, 1)
    assert choose([], cancel_order()) == (None, 1)


def test_a_command_finds_its_own_record_first() -> None:
    """A late duplicate finds the dead payment that it belongs to, not the live one."""
    dead, live = numbered(Status.FAILED, 1), numbered(Status.REQUIRES_PAYMENT_METHOD, 2)
    chosen, number = choose([dead, live], create("create-1-of-1"))
    assert (chosen, number) == (dead, 1)


def test_a_new_command_goes_to_the_live_payment() -> None:
    """A new create or cancel by order goes to the live payment."""
    dead, live = numbered(Status.FAILED, 1), numbered(Status.PROCESSING, 2)
    assert choose([dead, live], create("new")) == (live, 2)
    assert choose([dead, live], cancel_order("new")) == (live, 2)


def test_after_dead_payments_comes_the_next() -> None:
    """When every payment is dead, a create and a cancel by order take the next number."""
    dead = [numbered(Status.FAILED, 1), numbered(Status.CANCELED, 2)]
    assert choose(dead, create("new")) == (None, 3)
    assert choose(dead, cancel_order("new")) == (None, 3)


def test_a_cancel_goes_to_a_newer_cancel() -> None:
    """A cancel that is older than one that has left its mark finds that payment and adds no tombstone."""
    made = Story()
    made.tell(cancel_order("c-2", issued_at=NOW + MINUTE))
    assert choose([made.record], cancel_order("c-1", issued_at=NOW))[0] == made.record
    assert choose([made.record], cancel_order("c-3", issued_at=NOW + 2 * MINUTE)) == (None, 2)


def test_a_mark_on_any_payment_blocks_an_older_create() -> None:
    """A create that is older than a cancel's mark finds the marked payment, though a newer dead one stands after it."""
    marked = replace(numbered(Status.CANCELED, 1), canceled_as_of=NOW)
    later = numbered(Status.FAILED, 2)
    assert choose([marked, later], create("old", issued_at=NOW)) == (marked, 3)
    assert choose([marked, later], create("new", issued_at=NOW + MINUTE)) == (None, 3)


def test_a_payment_that_is_given_back_is_not_live() -> None:
    """A succeeded payment is the order's until all of its money is given back."""
    paid = story(Status.SUCCEEDED).record
    assert paid.live
    assert replace(paid, refunded=paid.captured - 1).live
    assert not replace(paid, refunded=paid.captured).live


def test_a_failed_order_may_try_again() -> None:
    """After a create that was never found, a new create opens the order's next payment."""
    made = story(Status.CREATING)
    made.answer(Result.STORED_ERROR)
    made.tick()
    made.answer(Result.NOT_FOUND)
    chosen, number = choose([made.record], create("create-2"))
    assert (chosen, number) == (None, 2)


def test_a_cancel_blocks_older_creates_beside_a_newer_payment() -> None:
    """A create that was issued before a cancel is refused although a newer create has made a payment since."""
    gone = replace(numbered(Status.CANCELED, 1), canceled_as_of=NOW + timedelta(minutes=5))
    live = replace(numbered(Status.REQUIRES_PAYMENT_METHOD, 2), issued_at=NOW + timedelta(minutes=6))
    assert choose([gone, live], create("late", issued_at=NOW + timedelta(minutes=3))) == (gone, 3)
