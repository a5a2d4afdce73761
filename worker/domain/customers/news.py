"""What webhooks and reads change in a customer. A webhook's payload is never applied: it owes a read, and that counts."""

from worker.domain import limits
from worker.domain.customers import calls
from worker.domain.customers.limits import MAX_STRAYS
from worker.domain.customers.messages import CustomerChanged, CustomerRead, CustomerReadFailed
from worker.domain.customers.record import ON_A_METHOD, CustomerOperation, CustomerStatus
from worker.domain.customers.step import CustomerStep

DELETED = "customer.deleted"
CREATED = "customer.created"
LIVING = frozenset({CREATED, "customer.updated"})
"""News that a Stripe customer exists; of what hangs on one the news may be older than its end."""


def changed(step: CustomerStep) -> None:
    """Something happened to the user's customer: read it. Or to another that bears the user's mark: remember it."""
    message = step.message
    assert isinstance(message, CustomerChanged)
    if message.stripe_id != step.known.stripe_id:
        stray(step)
    elif message.event_type == CREATED:
        step.stale("created, as we know")
    else:
        step.change(read_at=step.now)
        step.why = "something changed: read"


def stray(step: CustomerStep) -> None:
    """News of a Stripe customer that is not, or not yet, the user's."""
    message = step.message
    assert isinstance(message, CustomerChanged)
    step.stale("of another customer at Stripe")
    if message.event_type == DELETED:
        step.change(strays=tuple(name for name in step.known.strays if name != message.stripe_id))
    elif message.event_type in LIVING and message.customer_id == step.known.id:
        remember(step, message.stripe_id)


def remember(step: CustomerStep, stripe_id: str) -> None:
    """Keep a second customer in mind, so that an erasure finds it. Until then nothing uses it and nothing harms it."""
    strays = step.known.strays
    if stripe_id not in strays and len(strays) < MAX_STRAYS:
        step.change(strays=(*strays, stripe_id))
    step.why = "another customer at Stripe bears the user's mark"


def leftover(step: CustomerStep) -> None:
    """News of a customer of an erased user: unless it is of its end, it must go, too."""
    message = step.message
    assert isinstance(message, CustomerChanged)
    if message.event_type in LIVING and message.customer_id == step.known.id:
        calls.deletion(step, message.stripe_id)
        step.why = "a customer of an erased user: delete it"
    else:
        step.stale("the user is erased")


def read(step: CustomerStep) -> None:
    """What was read is the truth if the record has not changed since the read began."""
    message = step.message
    assert isinstance(message, CustomerRead)
    if message.version != step.known.version:
        # Not at once: two workers whose reads overlap would make each other's stale for ever.
        step.change(read_at=step.now + limits.backoff(step.known.id, 0))
        step.stale("the customer has changed since the read began: read again")
        return
    assert message.stripe_id == step.known.stripe_id, "a read of somebody else"
    step.change(read_at=None, reads=0)
    if message.deleted:
        lost(step)
        return
    if message.methods == step.known.methods:
        step.stale("nothing new")
    else:
        step.change(methods=message.methods)
        step.why = f"{len(message.methods)} payment methods"
    calls.settle_by_truth(step)


def lost(step: CustomerStep) -> None:
    """Stripe holds the customer no more. It is made anew when a payment or a set-up needs it."""
    step.change(status=CustomerStatus.ABSENT, stripe_id=None, methods=(), read_at=None)
    step.why = "deleted at Stripe"
    for call in step.known.calls:
        if call.operation in ON_A_METHOD:
            step.close(call, calls.NOT_THEIRS)
        elif call.operation is CustomerOperation.SET_UP and call.sends:
            step.close(call, calls.GONE)


def read_failed(step: CustomerStep) -> None:
    message = step.message
    assert isinstance(message, CustomerReadFailed)
    reads = step.known.reads + 1
    step.change(reads=reads, read_at=step.now + limits.backoff(step.known.id, reads))
    step.why = f"could not read ({message.reason}): again later"


def too_late(step: CustomerStep) -> None:
    step.stale("there is no customer any more that this is about")
