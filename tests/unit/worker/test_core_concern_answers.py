"""Money that somebody was asked about: who decides, when that is too late, and what a decision may do."""

from datetime import timedelta

import pytest

from contracts.commands import Resolution
from contracts.events import Remedy
from contracts.replies import RefusalCode, Verdict
from contracts.views import RefundStatus
from tests.unit.worker.concerning import always, late, two_hundred_refunds
from tests.unit.worker.making import (
    AMOUNT,
    NOW,
    Story,
    codes,
    dispute_fact,
    dispute_seen,
    event_types,
    last_body,
    paid,
    problem,
    refund,
    refund_fact,
    resolve,
    seen,
    totals,
    verdicts,
    warning,
)
from worker.domain.effects import Send
from worker.domain.messages import Result
from worker.domain.policy import ANSWER_WITHIN
from worker.domain.record import Status


def test_a_question_without_an_answer_goes_to_a_person() -> None:
    """When the time for an answer is over a person must look, once, and the question can still be decided."""
    made = late(always(Remedy.ASK))
    made.tick(ANSWER_WITHIN)
    assert made.record.needs_review == "paid_after_cancel"
    assert last_body(made.record, "needs_review")["reason"] == "paid_after_cancel: nobody answered in time"
    assert made.record.check_at is None
    made.tick(ANSWER_WITHIN)
    assert event_types(made.record).count("needs_review") == 1
    assert codes(made.tell(resolve(Resolution.KEEP))) == {"resolve-1": None}


def test_a_question_is_not_given_up_early() -> None:
    """Until its time is over a question waits."""
    made = late(always(Remedy.ASK))
    made.tick(ANSWER_WITHIN - timedelta(seconds=1))
    assert made.record.needs_review is None


@pytest.mark.parametrize("remedy", [Remedy.ASK, Remedy.HOLD])
def test_somebody_keeps_the_money(remedy: Remedy) -> None:
    """`keep` ends every question and every review, announces the decision, and moves nothing."""
    made = late(always(remedy))
    decision = made.tell(resolve(Resolution.KEEP))
    assert verdicts(decision) == {"resolve-1": Verdict.ACCEPTED}
    assert decision.effect is None
    body = last_body(made.record, "resolved")
    assert (body["decision"], body.get("needs_review")) == ("keep", None)
    assert not any(concern.open for concern in made.record.concerns)
    assert made.record.check_at is None


@pytest.mark.parametrize("remedy", [Remedy.ASK, Remedy.HOLD])
def test_somebody_gives_the_money_back(remedy: Remedy) -> None:
    """`refund` ends every question and every review, and gives back all that can be refunded, in the decider's name."""
    made = late(always(remedy))
    decision = made.tell(resolve(Resolution.REFUND))
    assert isinstance(decision.effect, Send)
    assert decision.told == ()
    (asked,) = made.record.refunds
    assert (asked.amount, asked.asked_by, asked.note) == (AMOUNT, "admin-1", "why")
    assert event_types(made.record)[-2:] == ["resolved", "refund_requested"]
    done = made.answer(Result.DONE, refund=refund_fact(AMOUNT, RefundStatus.SUCCEEDED, asked.id))
    assert codes(done) == {"resolve-1": None}
    assert made.record.check_at is None


def test_a_decision_that_stripe_refuses_is_refused() -> None:
    """When the refund of a decision is refused, the decider is told, and the money is still there."""
    made = late(always(Remedy.ASK))
    made.tell(resolve(Resolution.REFUND))
    assert codes(made.answer(Result.REFUSED, problem=problem("balance_insufficient"))) == {
        "resolve-1": RefusalCode.PROVIDER_REFUSED
    }
    assert totals(made.record) == {"captured": 2000, "refundable": 2000}
    assert codes(made.tell(refund("r-1"))) == {}


@pytest.mark.parametrize("decision", list(Resolution))
def test_who_waits_for_nobody_is_not_resolved(decision: Resolution) -> None:
    """A payment that waits for nobody has nothing to resolve."""
    made = paid()
    assert codes(made.tell(resolve(decision))) == {"resolve-1": RefusalCode.NOTHING_TO_RESOLVE}
    assert "resolved" not in event_types(made.record)


def test_a_decision_comes_once() -> None:
    """The same decision again hears what it did; another one finds nothing to decide."""
    made = late(always(Remedy.ASK))
    made.tell(resolve(Resolution.KEEP))
    assert verdicts(made.tell(resolve(Resolution.KEEP))) == {"resolve-1": Verdict.ACCEPTED}
    assert codes(made.tell(resolve(Resolution.REFUND, "resolve-2"))) == {"resolve-2": RefusalCode.NOTHING_TO_RESOLVE}
    assert event_types(made.record).count("resolved") == 1


def test_a_decision_that_is_late_is_refused() -> None:
    """A decision whose time is over changes nothing."""
    made = late(always(Remedy.HOLD))
    assert codes(made.tell(resolve(expires_at=NOW))) == {"resolve-1": RefusalCode.EXPIRED}
    assert made.record.needs_review == "paid_after_cancel"


def test_a_decision_about_no_payment_is_refused() -> None:
    """A decision by an unknown payment id is refused by name."""
    assert codes(Story().tell(resolve())) == {"resolve-1": RefusalCode.UNKNOWN_PAYMENT}


def test_a_refund_of_nothing_is_no_decision() -> None:
    """Giving back what is not there is refused, and the payment goes on waiting for a decision."""
    made = paid()
    made.tell(seen(Status.SUCCEEDED, "evt_other", id="pi_other"))
    made.tell(dispute_seen(dispute_fact()))
    assert codes(made.tell(resolve(Resolution.REFUND))) == {"resolve-1": RefusalCode.NOT_REFUNDABLE}
    assert made.record.needs_review == "second_intent"
    assert codes(made.tell(resolve(Resolution.KEEP, "resolve-2"))) == {"resolve-2": None}
    assert made.record.needs_review is None


def test_a_decision_makes_no_201st_refund() -> None:
    """A payment that has used up its refunds cannot be decided by one more."""
    made = two_hundred_refunds(always(Remedy.ASK))
    made.tell(warning())
    assert codes(made.tell(resolve(Resolution.REFUND))) == {"resolve-1": RefusalCode.TOO_MANY_REFUNDS}


def test_a_decisions_refund_has_a_name_of_its_own() -> None:
    """Whatever id a decision has, its refund is never taken for one of the policy's."""
    made = late(always(Remedy.REFUND))
    made.answer(Result.REFUSED, problem=problem("balance_insufficient"))
    decision = made.tell(resolve(Resolution.REFUND, "1"))
    assert isinstance(decision.effect, Send)
    assert len({found.id for found in made.record.refunds}) == 2
