"""What is forgotten late, priced late, or settled by whoever tells first."""

from dataclasses import replace

from contracts.commands import CaptureMethod
from contracts.replies import Verdict
from tests.unit.worker.making import (
    AMOUNT,
    Story,
    cancel_order,
    capture,
    create,
    erase,
    event_types,
    refund,
    refund_fact,
    refund_seen,
    seen,
    story,
)
from worker.domain.messages import Result
from worker.domain.record import Status


def test_a_note_is_forgotten_wherever_it_was_kept() -> None:
    """After an erasure nothing of the record has the words that somebody wrote beside a refund."""
    made = story(Status.SUCCEEDED)
    made.tell(refund(amount=500, note="Jane rang up"))
    made.answer(Result.DONE, refund=refund_fact(500, name="refund-1"))
    made.tell(refund("refund-2", amount=AMOUNT, note="Jane again"))
    assert "Jane" in str(made.record)
    made.tell(erase())
    assert "Jane" not in str(made.record)


def test_a_call_that_was_open_at_an_erasure_is_forgotten_when_it_closes() -> None:
    """What a caller wrote into a create is kept while it may be sent again, and not a moment longer."""
    made = Story()
    made.tell(create(description="for Jane", metadata={"name": "Jane"}))
    made.tell(erase())
    assert "Jane" in str(made.record.calls)
    made.answer(Result.DONE, Status.REQUIRES_PAYMENT_METHOD)
    assert "Jane" not in str(made.record)


def test_late_money_on_a_tombstone_has_stripes_terms() -> None:
    """Money for an order that was canceled before its create is told in the amount and currency that Stripe has."""
    made = Story()
    made.tell(cancel_order())
    decision = made.tell(seen(Status.SUCCEEDED))
    assert event_types(made.record) == ["canceled", "late_money"]
    body = decision.events[0].body
    assert (body["amount"], body["currency"], body["captured"]) == (AMOUNT, "eur", AMOUNT)


def test_a_webhook_before_the_answer_to_a_capture() -> None:
    """A webhook that overtakes a capture's answer announces the money, and the answer tells the requester, each once."""
    made = Story().reach(Status.REQUIRES_CAPTURE, CaptureMethod.MANUAL)
    made.tell(capture())
    assert made.tell(seen(Status.SUCCEEDED)).told == ()
    decision = made.answer(Result.DONE, Status.SUCCEEDED)
    assert [(told.command_id, told.verdict) for told in decision.told] == [("capture-1", Verdict.ACCEPTED)]
    assert not decision.events
    assert event_types(made.record).count("succeeded") == 1


def test_a_name_that_is_not_ours_takes_no_refund_away() -> None:
    """Somebody's `refund_id` on a refund in the dashboard is no name of ours: the caller's refund of that name is made."""
    made = story(Status.SUCCEEDED)
    made.tell(refund_seen(replace(refund_fact(300), refund_id="refund-1")))
    made.tell(refund("refund-1", amount=300))
    assert [(known.id, known.made_at_stripe) for known in made.record.refunds] == [("re_1", True), ("refund-1", False)]
    assert made.head.about == "refund-1"
