"""Looking closer: at Stripe, now or soon; or by a person, where no rule knows better."""

from contracts import events
from worker.domain import limits
from worker.domain.step import Step


def foreign(step: Step, intent_id: str) -> bool:
    """Whether news is of an intent that is not the payment's, though it claims to be: then a person must look."""
    if step.known.intent_id in {None, intent_id}:
        return False
    review(step, "second_intent", f"{intent_id} claims to be this payment's intent")
    return True


def review(step: Step, reason: str, why: str) -> None:
    """Something that no rule covers: a person looks, and nothing moves money by itself meanwhile."""
    if step.known.needs_review is None:
        step.change(needs_review=reason)
        step.announce(events.PaymentNeedsReview, reason=f"{reason}: {why}")
    step.why = why


def look(step: Step, why: str) -> None:
    """Owe a read: what was heard may be old, or says too little."""
    if step.known.intent_id is not None:
        step.change(read_at=step.now)
    step.stale(why)


def look_soon(step: Step, why: str) -> None:
    """Look if what explains this has not come within a moment."""
    soon = step.now + limits.SOON
    step.change(poll_at=min(step.known.poll_at or soon, soon))
    step.stale(why)
