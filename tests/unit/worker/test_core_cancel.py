"""What a cancel does: by payment, by order before and after its create, and the marks that it leaves."""

from datetime import timedelta

import pytest

from contracts.replies import RefusalCode, Verdict
from tests.unit.worker.making import NOW, PAYMENT, Story, cancel, cancel_order, confirm, create, event_types, story
from worker.domain.effects import Send
from worker.domain.messages import Result
from worker.domain.order import choose
from worker.domain.record import UNPAID, Operation, Outcome, Status

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("status", sorted(UNPAID | {Status.PROCESSING, Status.REQUIRES_CAPTURE}))
def test_a_cancel_is_sent_and_announced(status: Status) -> None:
    """A live payment is canceled at Stripe first, then here, with the caller's reason."""
    made = story(status)
    decision = made.tell(cancel())
    assert isinstance(decision.effect, Send)
    assert decision.effect.call.params == {"cancellation_reason": "requested_by_customer"}
    done = made.answer(Result.DONE, Status.CANCELED, cancellation_reason="requested_by_customer")
    assert made.record.status is Status.CANCELED
    assert made.record.events[-1].body["reason"] == "requested_by_customer"
    assert [(told.command_id, told.verdict) for told in done.told] == [("cancel-1", Verdict.ACCEPTED)]
    assert made.record.check_at is None


def test_a_canceled_payment_is_canceled_already() -> None:
    """A cancel of a canceled payment is accepted and asks Stripe nothing."""
    decision = story(Status.CANCELED).tell(cancel("cancel-2"))
    assert decision.told[0].verdict is Verdict.ACCEPTED
    assert decision.effect is None
    assert not decision.events


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED])
def test_an_ended_payment_cannot_be_canceled(status: Status) -> None:
    """A payment that succeeded or failed refuses a cancel, and a cancel by order leaves its mark all the same."""
    made = story(status)
    decision = made.tell(cancel_order(issued_at=NOW + MINUTE))
    assert decision.told[0].refused is not None
    assert decision.told[0].refused.code is RefusalCode.WRONG_STATE
    assert made.record.canceled_as_of == NOW + MINUTE


def test_a_cancel_before_the_create_leaves_a_tombstone() -> None:
    """A cancel by order without a payment inserts a canceled one, accepted and announced, with nothing to look after."""
    made = Story()
    decision = made.tell(cancel_order())
    assert made.record.id == PAYMENT
    assert made.record.status is Status.CANCELED
    assert decision.told[0].verdict is Verdict.ACCEPTED
    assert event_types(made.record) == ["canceled"]
    assert made.record.check_at is None


@pytest.mark.parametrize(("issued", "refused"), [(-MINUTE, True), (timedelta(), True), (MINUTE, False)])
def test_a_tombstone_blocks_the_creates_before_it(issued: timedelta, refused: bool) -> None:
    """A create issued no later than the cancel is refused; a later one opens the next payment."""
    made = Story()
    made.tell(cancel_order())
    command = create(issued_at=NOW + issued)
    chosen, number = choose([made.record], command)
    assert number == 2
    assert (chosen is not None) == refused
    if chosen is not None:
        decision = made.tell(command)
        assert decision.told[0].refused is not None
        assert decision.told[0].refused.code is RefusalCode.ORDER_CANCELED


def test_an_expired_cancel_leaves_no_tombstone() -> None:
    """A cancel by order whose time is over is refused and inserts nothing."""
    decision = Story().tell(cancel_order(expires_at=NOW))
    assert decision.payment is None
    assert decision.outcome is Outcome.REFUSED


def test_an_expired_cancel_leaves_its_issue_time() -> None:
    """A cancel by order whose time is over is refused, and an older create is refused all the same."""
    made = Story()
    made.tell(create())
    made.answer(Result.DONE, Status.REQUIRES_PAYMENT_METHOD)
    decision = made.tell(cancel_order(expires_at=NOW))
    assert decision.told[0].refused is not None
    assert decision.told[0].refused.code is RefusalCode.EXPIRED
    assert made.record.canceled_as_of == NOW


def test_a_cancel_never_touches_a_newer_payment() -> None:
    """A cancel by order that was issued before the payment's create is refused and marks only its own time."""
    made = Story()
    made.tell(create(issued_at=NOW + MINUTE))
    made.answer(Result.DONE, Status.REQUIRES_PAYMENT_METHOD)
    decision = made.tell(cancel_order(issued_at=NOW))
    assert decision.effect is None
    assert decision.told[0].verdict is Verdict.REFUSED
    assert made.record.canceled_as_of == NOW
    assert made.record.status is Status.REQUIRES_PAYMENT_METHOD


def test_an_older_cancel_never_lowers_the_mark() -> None:
    """Of several cancels by order the newest issue time stays."""
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    made.tell(cancel_order("c-1", issued_at=NOW + 2 * MINUTE))
    made.tell(cancel_order("c-2", issued_at=NOW + MINUTE))
    assert made.record.canceled_as_of == NOW + 2 * MINUTE


def test_a_create_older_than_the_cancel_is_refused_on_a_live_payment() -> None:
    """Once a cancel by order has come to nothing, a create issued before it is still refused."""
    made = story(Status.SUCCEEDED)
    made.tell(cancel_order(issued_at=NOW + MINUTE))
    decision = made.tell(create("create-2"))
    assert decision.told[0].refused is not None
    assert decision.told[0].refused.code is RefusalCode.ORDER_CANCELED


def test_a_cancel_of_a_payment_that_is_being_created_waits() -> None:
    """A cancel that comes before Stripe's answer is sent right after it."""
    made = story(Status.CREATING)
    made.tell(cancel_order())
    decision = made.answer(Result.DONE, Status.REQUIRES_PAYMENT_METHOD)
    assert isinstance(decision.effect, Send)
    assert decision.effect.call.operation is Operation.CANCEL
    made.answer(Result.DONE, Status.CANCELED)
    assert event_types(made.record) == ["created", "canceled"]


def test_a_confirm_behind_a_cancel_is_refused() -> None:
    """A confirm that waits behind a cancel is never sent once the payment is canceled."""
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    made.tell(cancel())
    made.tell(confirm())
    decision = made.answer(Result.DONE, Status.CANCELED)
    assert decision.effect is None
    codes = {told.command_id: told.refused and told.refused.code for told in decision.told}
    assert codes == {"cancel-1": None, "confirm-1": RefusalCode.WRONG_STATE}


def test_two_cancels_are_one_request() -> None:
    """A second cancel that waits behind the first is accepted without asking Stripe again."""
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    made.tell(cancel())
    made.tell(cancel("cancel-2"))
    decision = made.answer(Result.DONE, Status.CANCELED)
    assert decision.effect is None
    assert {told.command_id: told.verdict for told in decision.told} == dict.fromkeys(
        ("cancel-1", "cancel-2"), Verdict.ACCEPTED
    )


def test_the_truth_of_a_cancel_that_conflicts_is_read() -> None:
    """A cancel that Stripe refuses because the money came first ends in success, and the cancel is refused."""
    made = story(Status.PROCESSING)
    made.tell(cancel())
    made.answer(Result.CONFLICT)
    decision = made.read(Status.SUCCEEDED)
    assert made.record.status is Status.SUCCEEDED
    assert decision.told[0].refused is not None
    assert decision.told[0].refused.code is RefusalCode.WRONG_STATE
    assert [concern.case for concern in made.record.concerns] == ["paid_after_cancel"]
    assert made.record.check_at == made.record.concerns[0].answer_by
