"""Money that is promised back: set aside in the record before Stripe is asked, free again after a definite refusal."""

from dataclasses import replace

from contracts import events
from contracts.commands import RefundReason
from contracts.views import RefundStatus
from worker.domain import calls, watch
from worker.domain.announce import refund_view
from worker.domain.parts import Refund
from worker.domain.record import Call, Refused
from worker.domain.step import Step

POLICY = "policy"
"""Who asked for a refund that nobody asked for."""


def reserve(step: Step, refund: Refund, call: Call) -> None:
    """Set the amount aside and queue the call: from this commit on nobody else can promise the same money."""
    step.change(refunds=(*step.known.refunds, refund))
    step.announce(events.PaymentRefundRequested, refund=refund_view(refund))
    calls.queue(step, call)
    step.why = f"refund of {refund.amount} queued"


def by_policy(step: Step, reason: RefundReason | None) -> None:
    """A refund of our own: of all that can be given back."""
    payment = step.known
    number = sum(refund.id.startswith(calls.OWN_REFUND) for refund in payment.refunds) + 1
    name = f"{calls.OWN_REFUND}{number}"
    refund = Refund(name, payment.refundable, RefundStatus.REQUESTED, step.now, reason=reason, asked_by=POLICY)
    reserve(step, refund, calls.own_refund(payment, refund))


def release(step: Step, call: Call, refused: Refused) -> None:
    """The refund will not be: what was set aside is free again."""
    known = step.known.refund(call.about)
    if known is None or known.stripe_id is not None or not known.under_way:
        return
    failed = replace(known, status=RefundStatus.FAILED, failure=str(refused.code))
    put(step, failed)
    step.announce(events.PaymentRefundFailed, refund=refund_view(failed))
    if known.asked_by == POLICY:
        watch.review(step, "refund_refused", refused.message)


def put(step: Step, refund: Refund) -> None:
    """Replace the refund of this id."""
    step.change(refunds=tuple(refund if other.id == refund.id else other for other in step.known.refunds))
    step.recount()
