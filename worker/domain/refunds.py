"""Refunds: reserved in the record before Stripe is asked, told apart by name, counted from the list.

Our own refund may be heard of five times (its answer, `refund.created`, `refund.updated`, `charge.refunded`,
`charge.refund.updated`), in any order: whatever comes first finds it by Stripe's id or by our name in its metadata.
Source: Stripe API reference, "Refunds"; Stripe docs, "Refund and cancel payments".
"""

from dataclasses import replace

from contracts import events, money
from contracts.events import Case
from contracts.replies import RefusalCode
from contracts.views import RefundStatus
from worker.domain import calls, concerns, limits, reservation, watch
from worker.domain.announce import refund_view
from worker.domain.facts import RefundFact
from worker.domain.messages import RefundSeen, RefundTotal, RefundWanted
from worker.domain.parts import REFUND_RANK, Refund
from worker.domain.record import Operation
from worker.domain.step import Step

ANNOUNCES: dict[RefundStatus, type[events.PaymentEvent]] = {
    RefundStatus.PENDING: events.PaymentRefundUpdated,
    RefundStatus.REQUIRES_ACTION: events.PaymentRefundUpdated,
    RefundStatus.SUCCEEDED: events.PaymentRefunded,
    RefundStatus.FAILED: events.PaymentRefundFailed,
    RefundStatus.CANCELED: events.PaymentRefundFailed,
}


def wanted(step: Step) -> None:
    """A command for a refund: one is made for its `refund_id`, whoever repeats it, and only of what is there."""
    command, payment = step.message, step.known
    assert isinstance(command, RefundWanted)
    known = payment.refund(command.refund_id)
    if known is not None:
        _again(step, command, known)
        return
    if step.refuse_expired():
        return
    amount = payment.refundable if command.amount is None else command.amount
    if not payment.captured:
        step.refuse(RefusalCode.WRONG_STATE, f"nothing was captured: the payment is {payment.status}")
    elif len(payment.refunds) >= limits.MAX_REFUNDS:
        step.refuse(RefusalCode.TOO_MANY_REFUNDS, f"a payment has at most {limits.MAX_REFUNDS} refunds")
    elif not 0 < amount <= payment.refundable:
        message = f"{payment.refundable} of {payment.captured} captured can still be refunded"
        step.refuse(RefusalCode.NOT_REFUNDABLE, message, "data.amount")
    elif command.amount and (problem := money.check_part(command.amount, payment.currency)):
        step.refuse(problem.code, problem.message, "data.amount")
    else:
        reservation.reserve(
            step,
            Refund(
                id=command.refund_id,
                amount=amount,
                status=RefundStatus.REQUESTED,
                at=step.now,
                reason=command.reason,
                asked_by=command.requested_by,
                note=command.note,
            ),
            calls.refunding(payment, command, command.refund_id, amount, command.reason),
        )


def _again(step: Step, command: RefundWanted, known: Refund) -> None:
    """The same refund under another command id: what has become of it, and never a second one."""
    if command.amount not in {None, known.amount}:
        message = f"{known.id} is a refund of {known.amount}"
        step.refuse(RefusalCode.REFUND_ID_REUSED, message, "data.refund_id")
        return
    step.stale(f"the refund {known.id}, again")
    verdict, refused = calls.of_refund(step.known, known)
    step.answer(verdict, refused, about=known.id)


def seen(step: Step) -> None:
    """News of one refund."""
    message = step.message
    assert isinstance(message, RefundSeen)
    if watch.foreign(step, message.intent_id):
        return
    if not step.known.captured:
        watch.look(step, "a refund of money that we have not heard of: read")
        return
    heard(step, message.refund, truth=False)


def total(step: Step) -> None:
    """`charge.refunded` names no refund. Those that we know may explain it; if not, they are looked up soon."""
    message = step.message
    assert isinstance(message, RefundTotal)
    if watch.foreign(step, message.intent_id):
        return
    if not step.known.captured:
        watch.look(step, "refunded before we heard of the money: read")
        return
    step.stale("explained by the refunds that are known")
    if message.amount_refunded > step.known.given_back:
        step.change(heard_refunded=max(step.known.heard_refunded, message.amount_refunded))
        watch.look_soon(step, "more is refunded than we know of: look soon")


def heard(step: Step, fact: RefundFact, *, truth: bool) -> None:
    """Take over what is known of a refund at Stripe; late news never lowers it."""
    payment = step.known
    known = next((refund for refund in payment.refunds if refund.stripe_id == fact.id), None)
    if known is None and fact.payment_id == payment.id:
        named = payment.refund(fact.refund_id)
        known = named if named and named.stripe_id is None else None
    if known is None:
        _imported(step, fact)
    elif known.stripe_id is None or _outranks(fact, known) or (truth and _differs(fact, known)):
        _moved(step, known, fact)
    elif _differs(fact, known):
        watch.look(step, f"refund {fact.status} after {known.status} may be old: read")
    else:
        step.stale(f"the refund is {known.status} already")
    _close(step, fact.id)


def _outranks(fact: RefundFact, known: Refund) -> bool:
    return REFUND_RANK[fact.status] > REFUND_RANK[known.status]


def _differs(fact: RefundFact, known: Refund) -> bool:
    return fact.status is not known.status and REFUND_RANK[fact.status] == REFUND_RANK[known.status]


def _imported(step: Step, fact: RefundFact) -> None:
    """A refund that somebody made at Stripe. A name in its metadata is ours only beside our payment's id."""
    named = fact.refund_id if fact.payment_id == step.known.id else None
    refund = Refund(
        id=named or fact.id,
        amount=fact.amount,
        status=fact.status,
        at=step.now,
        stripe_id=fact.id,
        reason=fact.reason,
        failure=fact.failure,
        made_at_stripe=True,
    )
    if step.known.refund(refund.id) is not None:
        refund = replace(refund, id=fact.id)
    step.change(refunds=(*step.known.refunds, refund))
    step.why = "a refund made at Stripe"
    _announce(step, refund)


def _moved(step: Step, known: Refund, fact: RefundFact) -> None:
    moved = replace(known, status=fact.status, amount=fact.amount, stripe_id=fact.id, failure=fact.failure)
    reservation.put(step, moved)
    step.why = f"refund {known.status} to {moved.status}"
    if known.status is not moved.status:
        _announce(step, moved)
    if moved.status in {RefundStatus.FAILED, RefundStatus.CANCELED}:
        step.change(read_at=step.now)  # a second look, for a payment that the order began at this very moment
        if moved.asked_by == reservation.POLICY:
            watch.review(step, "refund_failed", "what the policy gave back is here again")


def rivals(step: Step) -> None:
    """A refund failed, and the order has begun another payment meanwhile: two live payments, which must not be."""
    payment = step.known
    if step.live_elsewhere and payment.live and payment.came_back:
        concerns.raise_money(step, Case.REFUND_FAILED, "a refund failed after the order had begun another payment")


def _announce(step: Step, refund: Refund) -> None:
    step.recount()
    if step.known.heard_refunded <= step.known.given_back:
        step.change(heard_refunded=0)
    concerns.given_back(step)
    step.announce(ANNOUNCES[refund.status], refund=refund_view(refund))


def _close(step: Step, stripe_id: str) -> None:
    """The call that made it has done so, whoever tells of it first."""
    refund = next((refund for refund in step.known.refunds if refund.stripe_id == stripe_id), None)
    head = step.known.head
    if refund and head and head.operation is Operation.REFUND and head.about == refund.id and head.sends:
        step.close(head, None)
