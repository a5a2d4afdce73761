"""Disputes: what the cardholder's bank says, what we answer, and the deadlines in between.

An inquiry (`warning_*`) takes no money and may become a dispute under the same id. A dispute takes its money at once;
evidence goes in once, before the deadline, or never (Stripe docs, "Disputes", "How disputes work").
"""

from dataclasses import replace
from typing import Any

from contracts import events
from contracts.replies import RefusalCode
from worker.domain import calls, limits, watch
from worker.domain.announce import dispute_view
from worker.domain.facts import DisputeFact
from worker.domain.messages import Accept, DisputeSeen, Evidence
from worker.domain.parts import ANSWERABLE, DISPUTE_RANK, FUNDS_RANK, Dispute
from worker.domain.step import Step


def act(step: Step) -> None:
    """A command to answer a dispute or to give it up."""
    command = step.message
    assert isinstance(command, Evidence | Accept)
    dispute = step.known.dispute(command.dispute_id)
    if step.refuse_expired():
        return
    if dispute is None:
        step.refuse(RefusalCode.UNKNOWN_DISPUTE, "the payment has no such dispute", "data.dispute_id")
    elif not dispute.open:
        step.refuse(RefusalCode.DISPUTE_CLOSED, f"the dispute is {dispute.status}", "data.dispute_id")
    elif isinstance(command, Evidence) and dispute.status not in ANSWERABLE:
        step.refuse(RefusalCode.DISPUTE_CLOSED, "the evidence is submitted already", "data.dispute_id")
    elif calls.crowded(step.known):
        step.refuse(RefusalCode.TOO_MANY_COMMANDS, calls.CROWDED)
    else:
        calls.queue(step, calls.answering(step.known, command))
        step.why = "answer to the dispute queued"


def seen(step: Step) -> None:
    """News of a dispute."""
    message = step.message
    assert isinstance(message, DisputeSeen)
    if watch.foreign(step, message.intent_id):
        return
    if not step.known.captured:
        watch.look(step, "a dispute about money that we have not heard of: read")
        return
    heard(step, message.dispute, truth=False)


def heard(step: Step, fact: DisputeFact, *, truth: bool) -> None:
    """Take over what is known of a dispute. What would go backwards is read first, unless the dispute is over."""
    known = step.known.dispute(fact.id)
    if known is None:
        _opened(step, fact)
        return
    old, new = DISPUTE_RANK[known.status], DISPUTE_RANK[fact.status]
    if new > old or fact.status is known.status or truth:
        _moved(step, known, fact, truth=truth)
    elif known.open or new == old:
        watch.look(step, f"dispute {fact.status} after {known.status} may be old: read")
    else:
        step.stale(f"the dispute is {known.status} already")


def _opened(step: Step, fact: DisputeFact) -> None:
    """Heard of for the first time, perhaps after its end: then both are told."""
    dispute = _past_told(step, _made(step, fact))
    if len(step.known.disputes) >= limits.MAX_DISPUTES:
        watch.review(step, "too_many_disputes", f"more than {limits.MAX_DISPUTES} disputes")
        return
    step.change(disputes=(*step.known.disputes, dispute))
    step.recount()
    step.why = f"dispute {dispute.status}"
    step.announce(events.PaymentDisputeOpened, dispute=dispute_view(dispute))
    if not dispute.open:
        step.announce(events.PaymentDisputeClosed, dispute=dispute_view(dispute))
    _partly(step, fact)


def _made(step: Step, fact: DisputeFact) -> Dispute:
    return Dispute(
        id=fact.id,
        amount=fact.amount,
        status=fact.status,
        at=step.now,
        reason=fact.reason,
        funds=fact.funds,
        due_by=fact.due_by,
        submitted=_answered(fact),
        charge_id=fact.charge_id,
    )


def _answered(fact: DisputeFact) -> bool:
    """Whether evidence is in. While Stripe asks, none is: an inquiry that was answered and becomes a dispute must be
    answered anew (Stripe docs, "Respond to disputes", "Inquiries").
    """
    return fact.submitted and fact.status not in ANSWERABLE


def _past_told(step: Step, dispute: Dispute) -> Dispute:
    """Distances to a deadline that had passed when it was heard of count as told."""
    past = tuple(days for days, moment in limits.deadlines(replace(dispute, told=())) if moment <= step.now)
    return replace(dispute, told=past)


def _moved(step: Step, known: Dispute, fact: DisputeFact, *, truth: bool) -> None:
    changes: dict[str, Any] = {"status": fact.status, "amount": fact.amount, "due_by": fact.due_by or known.due_by}
    changes["submitted"] = _answered(fact) or (known.submitted and fact.status not in ANSWERABLE)
    changes["funds"] = fact.funds if truth else max(known.funds, fact.funds, key=FUNDS_RANK.__getitem__)
    moved = replace(known, **changes)
    if moved.due_by != known.due_by:
        moved = _past_told(step, moved)
    if moved == known:
        step.stale(f"the dispute is {known.status} already")
        return
    put(step, moved)
    step.why = f"dispute {known.status} to {moved.status}"
    closed = known.open and not moved.open
    kind = events.PaymentDisputeClosed if closed else events.PaymentDisputeUpdated
    step.announce(kind, dispute=dispute_view(moved))
    if (known.status, known.funds) != (moved.status, moved.funds):
        _partly(step, fact)


def _partly(step: Step, fact: DisputeFact) -> None:
    """Won in part: no total says what stays away for good, so a person must."""
    if fact.partly:
        watch.review(step, "dispute_won_in_part", f"{fact.id} was won, and less has come back than was taken")


def put(step: Step, dispute: Dispute) -> None:
    step.change(disputes=tuple(dispute if other.id == dispute.id else other for other in step.known.disputes))
    step.recount()


def tell_deadlines(step: Step) -> None:
    """Announce the nearest of the distances that have come; farther ones that were missed are not told late, and nothing
    is told after the deadline itself.
    """
    for dispute in step.known.disputes:
        come = [days for days, moment in limits.deadlines(dispute) if moment <= step.now]
        if not come:
            continue
        assert dispute.due_by is not None, "a deadline of a dispute that has none"
        put(step, replace(dispute, told=(*dispute.told, *come)))
        step.why = "a dispute's deadline comes near"
        if step.now < dispute.due_by:
            step.announce(events.PaymentDisputeDeadline, dispute=dispute_view(dispute), days_left=min(come))
