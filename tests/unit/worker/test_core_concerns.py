"""Money that is late or strange, or may not stay: each case met as the policy says."""

from collections.abc import Callable
from typing import Any

import pytest

from contracts.commands import Resolution
from contracts.events import Case, Remedy
from contracts.replies import RefusalCode
from contracts.views import RefundStatus
from tests.unit.worker.concerning import always, late, paid_after_cancel, two_hundred_refunds
from tests.unit.worker.making import (
    AMOUNT,
    PAYMENT,
    Story,
    capture,
    codes,
    dispute_fact,
    dispute_seen,
    event_types,
    evidence,
    held,
    last_body,
    paid,
    problem,
    refund_fact,
    refund_seen,
    resolve,
    review,
    seen,
    totals,
    warning,
)
from worker.domain import limits
from worker.domain.effects import Decision, Send
from worker.domain.messages import Result
from worker.domain.policy import ANSWER_WITHIN, COURSES, Policy
from worker.domain.record import Status

OWN = "~refund-1"
"""The name of the first refund that a policy makes."""

Trigger = Callable[[Policy], tuple[Story, Decision]]


def paid_twice(policy: Policy) -> tuple[Story, Decision]:
    made = Story(policy=policy).reach(Status.CANCELED)
    made.around = {"paid_elsewhere": True}
    return made, made.tell(seen(Status.SUCCEEDED))


def terms_differ(policy: Policy) -> tuple[Story, Decision]:
    made = Story(policy=policy).reach(Status.REQUIRES_PAYMENT_METHOD)
    return made, made.tell(seen(Status.SUCCEEDED, currency="usd"))


def refund_failed(policy: Policy) -> tuple[Story, Decision]:
    made = paid(policy)
    made.tell(refund_seen(refund_fact(AMOUNT)))
    made.around = {"live_elsewhere": True}
    return made, made.tell(refund_seen(refund_fact(AMOUNT, RefundStatus.FAILED)))


def fraud_warning(policy: Policy) -> tuple[Story, Decision]:
    made = paid(policy)
    return made, made.tell(warning())


def review_opened(policy: Policy) -> tuple[Story, Decision]:
    made = paid(policy)
    return made, made.tell(review(opened=True, reason="rule"))


TRIGGERS: dict[Case, Trigger] = {
    Case.PAID_AFTER_CANCEL: paid_after_cancel,
    Case.PAID_TWICE: paid_twice,
    Case.TERMS_DIFFER: terms_differ,
    Case.REFUND_FAILED: refund_failed,
    Case.FRAUD_WARNING: fraud_warning,
    Case.REVIEW_OPENED: review_opened,
}
KINDS = {Case.FRAUD_WARNING: "fraud_warning", Case.REVIEW_OPENED: "review_opened"}
REASONS = {Case.PAID_TWICE: "duplicate", Case.FRAUD_WARNING: "fraudulent"}
CASES = list(Case)


def told(made: Story, case: Case) -> dict[str, Any]:
    return last_body(made.record, KINDS.get(case, "late_money"))


@pytest.mark.parametrize("case", CASES)
def test_a_case_is_only_told(case: Case) -> None:
    """With `tell` a case is announced, nobody is waited for, and no money moves."""
    made, decision = TRIGGERS[case](always(Remedy.TELL))
    assert (told(made, case)["remedy"], told(made, case).get("answer_by")) == ("tell", None)
    assert not isinstance(decision.effect, Send)
    assert (made.record.needs_review, [concern.open for concern in made.record.concerns]) == (None, [False])


@pytest.mark.parametrize("case", CASES)
def test_a_case_is_asked_about(case: Case) -> None:
    """With `ask` a case is announced with the moment until which an answer is waited for, and the clock is set to it."""
    made, decision = TRIGGERS[case](always(Remedy.ASK))
    until = made.now + ANSWER_WITHIN
    assert told(made, case)["remedy"] == "ask"
    assert told(made, case)["answer_by"] == until.isoformat().replace("+00:00", "Z")
    assert not isinstance(decision.effect, Send)
    assert made.record.next_deadline == until
    assert (made.record.needs_review, [concern.open for concern in made.record.concerns]) == (None, [True])


@pytest.mark.parametrize("case", CASES)
def test_a_case_is_held_for_a_person(case: Case) -> None:
    """With `hold` a case is announced and waits for a person, under its own name."""
    made, decision = TRIGGERS[case](always(Remedy.HOLD))
    assert told(made, case)["remedy"] == "hold"
    assert not isinstance(decision.effect, Send)
    assert made.record.needs_review == str(case)
    assert last_body(made.record, "needs_review")["reason"].startswith(f"{case}: ")


@pytest.mark.parametrize("case", CASES)
def test_a_case_is_refunded(case: Case) -> None:
    """With `refund` all that can be refunded goes back at once, in the policy's name, and Stripe is told why."""
    made, decision = TRIGGERS[case](always(Remedy.REFUND))
    assert told(made, case)["remedy"] == "refund"
    assert isinstance(decision.effect, Send)
    call = decision.effect.call
    assert (call.key, call.params["amount"]) == (f"{PAYMENT}:refund:{OWN}", AMOUNT)
    assert call.params.get("reason") == REASONS.get(case)
    own = made.record.refund(OWN)
    assert own is not None
    assert (own.asked_by, own.status) == ("policy", RefundStatus.REQUESTED)
    made.answer(Result.DONE, refund=refund_fact(AMOUNT, RefundStatus.SUCCEEDED, OWN, 9))
    assert made.record.refunded == AMOUNT
    assert made.record.needs_review is None


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("below", "remedy"), [(AMOUNT + 1, "refund"), (AMOUNT, "hold"), (0, "hold")])
def test_only_smaller_amounts_are_refunded(case: Case, below: int, remedy: str) -> None:
    """With a bound only payments below it are refunded by themselves; the others wait for a person."""
    made, _ = TRIGGERS[case](always(Remedy.REFUND, below))
    assert told(made, case)["remedy"] == remedy
    assert made.record.needs_review == (None if remedy == "refund" else str(case))


@pytest.mark.parametrize("case", [Case.FRAUD_WARNING, Case.REVIEW_OPENED])
def test_what_is_not_captured_yet_is_held(case: Case) -> None:
    """A sign of fraud about money that is only held cannot be met by a refund: a person looks, and nothing is captured."""
    made = held(always(Remedy.REFUND))
    made.tell(warning() if case is Case.FRAUD_WARNING else review(opened=True))
    assert told(made, case)["remedy"] == "hold"
    assert codes(made.tell(capture())) == {"capture-1": RefusalCode.NEEDS_REVIEW}


def test_strange_terms_are_refunded_once_there_is_money() -> None:
    """An authorization on other terms than ours is met by a refund when it is captured, not before."""
    made = Story(policy=always(Remedy.REFUND)).reach(Status.REQUIRES_PAYMENT_METHOD)
    made.tell(seen(Status.REQUIRES_CAPTURE, currency="usd"))
    assert made.record.concerns == ()
    decision = made.tell(seen(Status.SUCCEEDED, currency="usd"))
    assert isinstance(decision.effect, Send)
    assert event_types(made.record).count("late_money") == 1


@pytest.mark.parametrize("changes", [{"amount": AMOUNT + 500}, {"amount": AMOUNT - 500}, {"currency": "usd"}])
def test_terms_that_differ_are_told_with_what_stripe_has(changes: dict[str, Any]) -> None:
    """Money of another amount or currency than was asked for is announced with both, and held for a person."""
    made = Story().reach(Status.REQUIRES_PAYMENT_METHOD)
    received = changes.get("amount", AMOUNT)
    made.tell(seen(Status.SUCCEEDED, amount_received=received, **changes))
    body = last_body(made.record, "late_money")
    there = f"Stripe has {changes.get('amount', AMOUNT)} {changes.get('currency', 'eur')}"
    assert (body["case"], body["reason"], body["captured"]) == ("terms_differ", there, received)
    assert made.record.needs_review == "terms_differ"


def test_more_than_was_asked_for_differs() -> None:
    """An intent of our amount that has received more than it is money on other terms, not a record that must not be."""
    made = Story().reach(Status.REQUIRES_PAYMENT_METHOD)
    made.tell(seen(Status.SUCCEEDED, amount_received=AMOUNT + 1))
    assert made.record.needs_review == "terms_differ"
    assert made.record.captured == AMOUNT + 1


@pytest.mark.parametrize("status", [Status.CANCELED, Status.FAILED])
def test_money_for_an_ended_payment_is_late(status: Status) -> None:
    """Money for a payment that was canceled or has failed is counted, announced once, and the payment stays ended."""
    made = Story().reach(status)
    made.tell(seen(Status.SUCCEEDED))
    made.tell(seen(Status.SUCCEEDED, "evt_again"))
    assert event_types(made.record).count("late_money") == 1
    assert last_body(made.record, "late_money")["reason"] == f"paid after it was {status}"
    assert totals(made.record) == {"captured": 2000, "refundable": 2000}
    assert (made.record.status, made.record.live) == (status, False)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_late_money_knows_of_the_orders_other_payments(elsewhere: bool) -> None:
    """Whether the order was paid by another payment tells money after a cancel from money paid twice."""
    made = Story().reach(Status.CANCELED)
    made.around = {"paid_elsewhere": elsewhere}
    made.tell(seen(Status.SUCCEEDED))
    assert last_body(made.record, "late_money")["case"] == ("paid_twice" if elsewhere else "paid_after_cancel")


def test_the_defaults_move_no_money() -> None:
    """Unless told otherwise, late and strange money is asked about or held, and nothing goes back by itself."""
    assert {case: course.remedy for case, course in COURSES.items()} == {
        Case.PAID_AFTER_CANCEL: Remedy.ASK,
        Case.PAID_TWICE: Remedy.ASK,
        Case.TERMS_DIFFER: Remedy.HOLD,
        Case.REFUND_FAILED: Remedy.HOLD,
        Case.FRAUD_WARNING: Remedy.ASK,
        Case.REVIEW_OPENED: Remedy.TELL,
    }
    assert set(COURSES) == set(Case)


def test_a_policy_makes_no_201st_refund() -> None:
    """Where a payment has used up its refunds, what the policy would refund waits for a person."""
    made = two_hundred_refunds(always(Remedy.REFUND))
    made.tell(warning())
    assert told(made, Case.FRAUD_WARNING)["remedy"] == "hold"
    assert len(made.record.refunds) == limits.MAX_REFUNDS


def test_a_policy_refunds_only_what_is_there() -> None:
    """What is disputed or given back already is not in a policy's refund; where nothing is left a person looks."""
    made = paid(always(Remedy.REFUND))
    made.tell(dispute_seen(dispute_fact(amount=1500)))
    made.tell(warning(1))
    own = made.record.refund(OWN)
    assert own is not None
    assert own.amount == 500
    made.tell(warning(2))
    assert told(made, Case.FRAUD_WARNING)["remedy"] == "hold"


def test_a_payment_that_waits_for_a_person_moves_no_money_by_itself() -> None:
    """While a person must look, what the policy would refund is held as well."""
    made = paid(always(Remedy.REFUND))
    made.tell(seen(Status.SUCCEEDED, "evt_other", id="pi_other"))
    decision = made.tell(warning())
    assert decision.effect is None
    assert made.record.refunds == ()
    assert told(made, Case.FRAUD_WARNING)["remedy"] == "hold"


def test_a_policys_refund_that_waits_is_not_sent_under_review() -> None:
    """A refund of the policy that waits in line is dropped when the payment comes before a person meanwhile."""
    made = paid(always(Remedy.REFUND))
    made.tell(dispute_seen(dispute_fact(amount=500)))
    made.tell(evidence())
    assert made.tell(warning()).effect is None
    decision = made.answer(Result.UNLISTED, problem=problem("quantum_flux"))
    assert decision.effect is None
    assert codes(decision)[OWN] is RefusalCode.NEEDS_REVIEW
    assert totals(made.record) == {"captured": 2000, "disputed": 500, "refundable": 1500}
    assert codes(made.tell(resolve(Resolution.REFUND))) == {}
    assert made.record.reserved == 1500


def test_a_policys_refund_that_is_refused_waits_for_a_person() -> None:
    """Money that the policy could not give back is not forgotten: a person looks."""
    made = late(always(Remedy.REFUND))
    made.answer(Result.REFUSED, problem=problem("balance_insufficient"))
    assert made.record.needs_review == "refund_refused"
    assert totals(made.record) == {"captured": 2000, "refundable": 2000}


def test_a_policys_refund_that_fails_later_waits_for_a_person() -> None:
    """Money that the policy gave back and that the bank returned is not forgotten either."""
    made = late(always(Remedy.REFUND))
    made.answer(Result.DONE, refund=refund_fact(AMOUNT, RefundStatus.SUCCEEDED, OWN))
    made.tell(refund_seen(refund_fact(AMOUNT, RefundStatus.FAILED, OWN)))
    assert made.record.needs_review == "refund_failed"
    assert codes(made.tell(resolve(Resolution.KEEP))) == {"resolve-1": None}


@pytest.mark.parametrize("remedy", [Remedy.ASK, Remedy.HOLD])
@pytest.mark.parametrize("case", CASES)
def test_a_full_refund_settles_it(case: Case, remedy: Remedy) -> None:
    """Once all the money has gone back nobody is asked and no person must look, and the event of the refund says so."""
    made, _ = TRIGGERS[case](always(remedy))
    made.tell(refund_seen(refund_fact(AMOUNT, number=5)))
    assert made.record.needs_review is None
    assert not any(concern.open for concern in made.record.concerns)
    assert "needs_review" not in last_body(made.record, "refunded")


def test_a_partial_refund_settles_nothing() -> None:
    """While some of the money is here the question stands."""
    made = late(always(Remedy.HOLD))
    made.tell(refund_seen(refund_fact(AMOUNT - 1)))
    assert made.record.needs_review == "paid_after_cancel"
    assert made.record.concerns[0].open
