"""Fraud warnings and Radar's reviews: told once, and over when they are."""

import pytest

from contracts.events import Remedy
from tests.unit.worker.concerning import always
from tests.unit.worker.making import (
    AMOUNT,
    capture,
    event_types,
    held,
    last_body,
    paid,
    refund_fact,
    refund_seen,
    review,
    seen,
    warning,
)
from worker.domain import limits
from worker.domain.effects import Send
from worker.domain.messages import Message
from worker.domain.record import Outcome, Status


@pytest.mark.parametrize("remedy", list(Remedy))
@pytest.mark.parametrize("message", [warning(), review(opened=True)], ids=["warning", "review"])
def test_what_has_gone_back_is_nobodys_concern(message: Message, remedy: Remedy) -> None:
    """A sign of fraud about money that was given back in full is told, and nobody is asked or waited for."""
    made = paid(always(remedy))
    made.tell(refund_seen(refund_fact(AMOUNT)))
    made.tell(message)
    assert made.record.concerns[0].remedy is Remedy.TELL
    assert (made.record.needs_review, made.record.next_deadline) == (None, None)


def test_other_reviews_survive_a_full_refund() -> None:
    """A reason for a person to look that is not about this money is not settled by giving it back."""
    made = paid()
    made.tell(seen(Status.SUCCEEDED, "evt_other", id="pi_other"))
    made.tell(warning())
    made.tell(refund_seen(refund_fact(AMOUNT)))
    assert made.record.needs_review == "second_intent"


def test_a_warning_is_announced_once() -> None:
    """The same warning under another event is stale; a second warning is one of its own."""
    made = paid()
    made.tell(warning(1))
    assert made.tell(warning(1, message_id="evt_again")).outcome is Outcome.STALE
    made.tell(warning(2))
    assert event_types(made.record).count("fraud_warning") == 2
    body = last_body(made.record, "fraud_warning")
    assert (body["warning_id"], body["fraud_type"]) == ("issfr_2", "made_with_stolen_card")


def test_a_review_is_opened_and_closed() -> None:
    """Both ends of a review are announced, each once."""
    made = paid()
    made.tell(review(opened=True, reason="rule"))
    made.tell(review(opened=False, reason="approved"))
    assert last_body(made.record, "review_opened")["reason"] == "rule"
    assert last_body(made.record, "review_closed")["reason"] == "approved"
    assert [found.open for found in made.record.reviews] == [False]


def test_a_review_that_is_heard_of_after_its_end_is_told_in_full() -> None:
    """The end that overtakes the beginning tells both, and the beginning is stale after it."""
    made = paid()
    made.tell(review(opened=False, reason="approved"))
    assert [kind for kind in event_types(made.record) if "review" in kind] == ["review_opened", "review_closed"]
    assert made.tell(review(opened=True)).outcome is Outcome.STALE


@pytest.mark.parametrize("order", [(True, False), (False, True)])
def test_the_end_of_a_review_frees_what_it_held(order: tuple[bool, bool]) -> None:
    """A payment that was held for its review is free once that is over, in either order, and the event says so."""
    made = held(always(Remedy.HOLD))
    for opened in order:
        made.tell(review(opened=opened, reason=None if opened else "approved"))
    assert made.record.needs_review is None
    assert "needs_review" not in last_body(made.record, "review_closed")
    assert isinstance(made.tell(capture()).effect, Send)


def test_of_two_reviews_both_must_end() -> None:
    """What two reviews hold is free only when both are over."""
    made = held(always(Remedy.HOLD))
    made.tell(review(opened=True))
    made.tell(review(opened=True, message_id="evt_2", review_id="prv_2"))
    made.tell(review(opened=False))
    assert made.record.needs_review == "review_opened"


def test_the_end_of_a_review_frees_nothing_else() -> None:
    """A payment that waits for a person for another reason goes on waiting."""
    made = paid(always(Remedy.HOLD))
    made.tell(warning())
    made.tell(review(opened=True))
    made.tell(review(opened=False))
    assert made.record.needs_review == "fraud_warning"


@pytest.mark.parametrize(
    "message",
    [warning(intent_id="pi_other"), review(opened=True, intent_id="pi_other")],
    ids=["warning", "review"],
)
def test_a_sign_of_another_intent_is_not_ours(message: Message) -> None:
    """A warning or a review of another intent waits for a person, and is no concern of this payment."""
    made = paid()
    made.tell(message)
    assert made.record.needs_review == "second_intent"
    assert made.record.concerns == ()


def test_more_concerns_than_any_payment_has_wait_for_a_person() -> None:
    """Beyond fifty concerns nothing more is stored, and a person must look."""
    made = paid(always(Remedy.TELL))
    for number in range(limits.MAX_CONCERNS + 1):
        made.tell(warning(number))
    assert len(made.record.concerns) == limits.MAX_CONCERNS
    assert made.record.needs_review == "too_many_concerns"
