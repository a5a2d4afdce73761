"""Money that is late or strange, or may not stay: recognised once, met as the policy says, announced, and settled.

Which remedy applies is data (policy.py). A question to the order service has a deadline; without an answer a person looks.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from contracts import events
from contracts.commands import RefundReason, Resolution
from contracts.events import Case, Remedy
from contracts.replies import RefusalCode, Verdict
from contracts.views import RefundStatus
from worker.domain import calls, limits, reservation, watch
from worker.domain.messages import Resolve, ReviewSeen, WarningSeen
from worker.domain.parts import Concern, Refund, Review
from worker.domain.record import Payment
from worker.domain.step import Step

REASONS = {Case.PAID_TWICE: RefundReason.DUPLICATE, Case.FRAUD_WARNING: RefundReason.FRAUDULENT}
"""What Stripe is told of a refund that the policy makes; of a fraudulent one its block lists learn."""


def known(step: Step, case: Case, about: str = "") -> Concern | None:
    return next((c for c in step.known.concerns if (c.case, c.about) == (case, about)), None)


def raise_money(step: Step, case: Case, reason: str) -> None:
    """Late or strange money. It is met once everything else that the message tells is known: a read may bring refunds, too."""
    if known(step, case) is not None:
        return
    step.strange.append((case, reason))
    step.why = reason


def meet(step: Step) -> None:
    """Announce each case once, with what is done about it."""
    for case, reason in step.strange:
        waits_for_money = step.policy.courses[case].remedy is Remedy.REFUND and not step.known.captured
        if known(step, case) is None and not waits_for_money:
            _raise(step, case, "", events.PaymentLateMoney, {"reason": reason, "case": case})


def _raise(step: Step, case: Case, about: str, kind: type[events.PaymentEvent], more: dict[str, Any]) -> None:
    payment = step.known
    if len(payment.concerns) >= limits.MAX_CONCERNS:
        watch.review(step, "too_many_concerns", f"more than {limits.MAX_CONCERNS} concerns")
        return
    remedy, answer_by = _remedy(step, case)
    waits = remedy in {Remedy.ASK, Remedy.HOLD}
    concern = Concern(case, about, step.now, remedy, answer_by, open=waits)
    step.change(concerns=(*payment.concerns, concern))
    step.announce(kind, remedy=remedy, answer_by=answer_by, **more)
    if remedy is Remedy.HOLD:
        watch.review(step, str(case), "the policy holds it for a person")
    elif remedy is Remedy.REFUND:
        reservation.by_policy(step, REASONS.get(case))


def _remedy(step: Step, case: Case) -> tuple[Remedy, datetime | None]:
    """What the policy says, as far as it can be done: by itself no money moves under a person's eyes, or beyond a limit."""
    payment = step.known
    if _all_is_back(payment):
        return Remedy.TELL, None
    remedy, answer_by = step.policy.of(case, payment.captured, step.now)
    free = payment.refundable and payment.needs_review is None and len(payment.refunds) < limits.MAX_REFUNDS
    return (Remedy.HOLD, None) if remedy is Remedy.REFUND and not free else (remedy, answer_by)


def _all_is_back(payment: Payment) -> bool:
    return bool(payment.captured) and payment.refunded >= payment.captured


def warned(step: Step) -> None:
    """The card network expects a dispute. Refunding before it comes avoids its fee."""
    message = step.message
    assert isinstance(message, WarningSeen)
    if watch.foreign(step, message.intent_id):
        return
    if known(step, Case.FRAUD_WARNING, message.warning_id) is not None:
        step.stale("this warning is known")
        return
    step.why = "early fraud warning"
    more = {"warning_id": message.warning_id, "fraud_type": message.fraud_type}
    _raise(step, Case.FRAUD_WARNING, message.warning_id, events.PaymentFraudWarning, more)


def reviewed(step: Step) -> None:
    """Radar's review was opened or closed. Heard of only after its end, both are told."""
    message = step.message
    assert isinstance(message, ReviewSeen)
    if watch.foreign(step, message.intent_id):
        return
    review = next((review for review in step.known.reviews if review.id == message.review_id), None)
    if review is None:
        review = Review(message.review_id, step.now)
        step.change(reviews=(*step.known.reviews, review)[-limits.MAX_CONCERNS :])
        more = {"review_id": review.id, "reason": message.reason if message.open else None}
        step.why = "a review at Stripe"
        _raise(step, Case.REVIEW_OPENED, review.id, events.PaymentReviewOpened, more)
    elif message.open or not review.open:
        step.stale("this is known of the review")
        return
    if not message.open:
        closed = replace(review, open=False)
        step.change(reviews=tuple(closed if other.id == review.id else other for other in step.known.reviews))
        step.why = "the review at Stripe is over"
        _settle(step, Case.REVIEW_OPENED, review.id)
        step.announce(events.PaymentReviewClosed, review_id=review.id, reason=message.reason)


def _settle(step: Step, case: Case, about: str) -> None:
    """A concern that has become groundless; with the last of its case, what it held is free."""
    step.change(
        concerns=tuple(replace(c, open=False) if (c.case, c.about) == (case, about) else c for c in step.known.concerns)
    )
    still = any(concern.open and concern.case is case for concern in step.known.concerns)
    if step.known.needs_review == str(case) and not still:
        step.change(needs_review=None)


def given_back(step: Step) -> None:
    """Once all money has gone back there is nothing left to decide."""
    if _all_is_back(step.known):
        for concern in step.known.concerns:
            if concern.open:
                _settle(step, concern.case, concern.about)


def ask_no_longer(step: Step) -> None:
    """Nobody answered in time: a person looks."""
    for concern in step.known.concerns:
        if concern.open and concern.answer_by and concern.answer_by <= step.now:
            held = replace(concern, answer_by=None)
            step.change(concerns=tuple(held if other == concern else other for other in step.known.concerns))
            watch.review(step, str(concern.case), "nobody answered in time")


def resolve(step: Step) -> None:
    """Somebody decides about a payment that waits: what is open is closed, and the money stays or goes."""
    command, payment = step.message, step.known
    assert isinstance(command, Resolve)
    if step.refuse_expired():
        return
    refunding = command.decision is Resolution.REFUND
    if payment.needs_review is None and not any(concern.open for concern in payment.concerns):
        step.refuse(RefusalCode.NOTHING_TO_RESOLVE, "the payment waits for nobody")
    elif refunding and not payment.refundable:
        step.refuse(RefusalCode.NOT_REFUNDABLE, "there is nothing that can be refunded", "data.decision")
    elif refunding and len(payment.refunds) >= limits.MAX_REFUNDS:
        step.refuse(RefusalCode.TOO_MANY_REFUNDS, f"a payment has at most {limits.MAX_REFUNDS} refunds")
    else:
        step.change(needs_review=None, concerns=tuple(replace(c, open=False) for c in payment.concerns))
        step.announce(events.PaymentResolved, decision=command.decision)
        step.why = f"resolved: {command.decision}"
        if refunding:
            _refund(step, command)
        else:
            step.answer(Verdict.ACCEPTED)


def _refund(step: Step, command: Resolve) -> None:
    amount = step.known.refundable
    name = f"{calls.OWN_REFUND}by-{command.message_id}"
    refund = Refund(name, amount, RefundStatus.REQUESTED, step.now, asked_by=command.requested_by, note=command.note)
    reservation.reserve(step, refund, calls.refunding(step.known, command, name, amount, None))
