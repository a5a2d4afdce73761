"""A refund's call when Stripe's answer says too little: conflicts, old keys and stored errors are settled by reading."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from contracts.replies import RefusalCode
from contracts.views import DisputeFunds, RefundStatus
from tests.unit.worker.making import (
    Story,
    codes,
    dispute_fact,
    event_types,
    paid,
    problem,
    refund,
    refund_fact,
    totals,
)
from worker.domain import limits
from worker.domain.effects import Read, Send
from worker.domain.facts import DisputeFact, Ledger, RefundFact
from worker.domain.messages import Result
from worker.domain.record import Status

Unsettle = Callable[[Story], None]

FOUND = refund_fact(500, RefundStatus.SUCCEEDED, "r-1")
FREE = {"captured": 2000, "refundable": 2000}
ASIDE = {"captured": 2000, "reserved": 500, "refundable": 1500}
GIVEN = {"captured": 2000, "refunded": 500, "refundable": 1500}


def asked() -> Story:
    """A refund of 500 in flight."""
    made = paid()
    made.tell(refund("r-1", amount=500))
    return made


def in_conflict(made: Story) -> None:
    decision = made.answer(Result.CONFLICT, problem=problem("charge_disputed"))
    assert isinstance(decision.effect, Read)


def with_an_old_key(made: Story) -> None:
    made.answer(Result.UNKNOWN, problem=problem())
    assert isinstance(made.tick(limits.KEY_LIFETIME).effect, Read)


def with_a_stored_error(made: Story) -> None:
    made.answer(Result.STORED_ERROR, problem=problem("http_500"))
    assert isinstance(made.tick().effect, Read)


def with_many_errors(made: Story) -> None:
    for _ in range(limits.STORED_ERROR_STREAK - 1):
        made.answer(Result.UNKNOWN, problem=problem("http_500"))
        assert isinstance(made.tick().effect, Send)
    made.answer(Result.UNKNOWN, problem=problem("http_500"))
    assert isinstance(made.tick().effect, Read)


UNSETTLED = [in_conflict, with_an_old_key, with_a_stored_error, with_many_errors]


def read(made: Story, *refunds: RefundFact, disputes: tuple[DisputeFact, ...] = ()) -> dict[str, RefusalCode | None]:
    return codes(made.read(Status.SUCCEEDED, ledger=Ledger(refunds, disputes)))


@pytest.mark.parametrize("unsettle", UNSETTLED)
def test_a_refund_that_is_found_was_made(unsettle: Unsettle) -> None:
    """A refund in doubt that the read finds at Stripe, by our name in its metadata, is done."""
    made = asked()
    unsettle(made)
    assert totals(made.record) == ASIDE
    assert read(made, refund_fact(300, number=7), FOUND) == {"r-1": None}
    assert made.record.refund("r-1") is not None
    assert totals(made.record) == {"captured": 2000, "refunded": 800, "refundable": 1200}
    assert made.record.check_at is None


@pytest.mark.parametrize(
    ("unsettle", "code"),
    [
        (in_conflict, RefusalCode.NOT_REFUNDABLE),
        (with_an_old_key, RefusalCode.PROVIDER_ERROR),
        (with_a_stored_error, RefusalCode.PROVIDER_ERROR),
        (with_many_errors, RefusalCode.PROVIDER_ERROR),
    ],
)
def test_a_refund_that_is_not_found_was_not_made(unsettle: Unsettle, code: RefusalCode) -> None:
    """A refund in doubt that the read does not find is refused, and its money is free again."""
    made = asked()
    unsettle(made)
    assert read(made) == {"r-1": code}
    assert totals(made.record) == FREE
    assert event_types(made.record)[-1] == "refund_failed"
    assert made.record.check_at is None


@pytest.mark.parametrize("unsettle", UNSETTLED)
def test_a_refund_in_doubt_is_never_sent_again(unsettle: Unsettle) -> None:
    """Once a refund is to be settled by reading, no duplicate, tick or failed read sends it again."""
    made = asked()
    unsettle(made)
    sends = made.head.sends
    made.read_fails()
    for _ in range(3):
        assert isinstance(made.tick().effect, Read)
        made.read_fails()
    assert not isinstance(made.tell(refund("r-1", amount=500), after=timedelta(hours=1)).effect, Send)
    assert made.head.sends == sends
    assert totals(made.record) == ASIDE


def test_the_refusal_says_what_can_be_refunded() -> None:
    """The words of a refund that turned out impossible name what can be refunded once its own money is free again."""
    made = asked()
    in_conflict(made)
    (told,) = made.read(Status.SUCCEEDED, ledger=Ledger((refund_fact(1700, number=7),))).told
    assert told.refused is not None
    assert told.refused.message == "300 can still be refunded"
    assert made.record.refundable == 300


def test_a_conflict_may_bring_the_dispute_that_caused_it() -> None:
    """The read after a conflict brings what stood in the way: a dispute that took the money."""
    made = asked()
    in_conflict(made)
    taken = dispute_fact(funds=DisputeFunds.WITHDRAWN)
    assert read(made, disputes=(taken,)) == {"r-1": RefusalCode.NOT_REFUNDABLE}
    assert totals(made.record) == {"captured": 2000, "disputed": 2000}


def test_the_next_refund_goes_on_after_the_read() -> None:
    """While the head is in doubt the next refund waits; it is sent once the head is settled."""
    made = asked()
    made.tell(refund("r-2", amount=700))
    in_conflict(made)
    assert all(not call.sends for call in made.record.calls if call.id == "r-2")
    decision = made.read(Status.SUCCEEDED, ledger=Ledger())
    assert isinstance(decision.effect, Send)
    assert decision.effect.call.id == "r-2"


def test_an_intent_that_vanished_frees_the_money() -> None:
    """When Stripe knows no such intent, a refund in doubt is closed for a person to look, and nothing stays reserved."""
    made = asked()
    in_conflict(made)
    assert codes(made.read_fails(lost=True)) == {"r-1": RefusalCode.NEEDS_REVIEW}
    assert made.record.needs_review == "intent_vanished"
    assert totals(made.record) == FREE


def test_a_refund_is_sent_again_for_twenty_hours() -> None:
    """Until its key is twenty hours old a refund of unknown outcome is repeated under it, and the answer settles it."""
    made = asked()
    made.answer(Result.UNKNOWN, problem=problem())
    assert isinstance(made.tick(limits.KEY_LIFETIME - timedelta(minutes=1)).effect, Send)
    made.answer(Result.DONE, refund=FOUND)
    assert totals(made.record) == GIVEN


def test_a_refund_that_is_made_and_fails_at_once_is_answered() -> None:
    """An answer that brings a refund which has failed already closes the call, and the money is free again."""
    made = asked()
    decision = made.answer(Result.DONE, refund=refund_fact(500, RefundStatus.FAILED, "r-1"))
    assert codes(decision) == {"r-1": None}
    assert totals(made.record) == FREE
    assert event_types(made.record)[-1] == "refund_failed"
    assert made.record.head is None
