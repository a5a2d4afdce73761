"""What must hold of every decision about a customer: checked by the unit and the simulation tests alike."""

from collections import Counter
from dataclasses import replace
from datetime import datetime

from worker.domain import limits
from worker.domain.customers.effects import CustomerDecision, FindCustomer, ReadCustomer, SendCall
from worker.domain.customers.limits import MAX_STRAYS, MAX_TIMELINE
from worker.domain.customers.record import (
    ON_A_METHOD,
    TOMBSTONE,
    Customer,
    CustomerCall,
    CustomerOperation,
    CustomerStatus,
)
from worker.domain.record import Outcome

GONE = frozenset({CustomerStatus.ERASING, CustomerStatus.ERASED})


def check(before: Customer | None, now: datetime, decision: CustomerDecision) -> None:
    """Assert everything that one decision must keep."""
    after = decision.customer
    if after is None:
        assert before is None, "a record was lost"
        assert not decision.write
        assert decision.effect is None
        return
    _check_status(after)
    _check_clock(after)
    _check_queue(before, after)
    _check_effect(after, decision, now)
    _check_story(before, after)
    if not decision.write:
        assert after is before, "a change that is not written"
        assert decision.effect is None, "something is asked of Stripe that is not recorded first"
    if before is not None:
        assert after.version == before.version, "the version is the store's"
        assert (after.id, after.deployment, after.created_at) == (before.id, before.deployment, before.created_at)
        if decision.outcome is Outcome.REFUSED and decision.effect is None:
            same = {name: getattr(before, name) for name in ("timeline", "updated_at", "calls", "status")}
            assert replace(after, **same) == before, "a refused command changed something"


def _check_status(after: Customer) -> None:
    """The status says what the rest of the record is."""
    assert after.status is not CustomerStatus.NEW
    assert (after.stripe_id is not None) == (after.status is CustomerStatus.ACTIVE)
    assert not after.methods or after.status is CustomerStatus.ACTIVE, "methods of nobody"
    assert after.read_at is None or after.status is CustomerStatus.ACTIVE, "a read of nobody is owed"
    assert (after.user_id == TOMBSTONE) == (after.status in GONE), "an erased user has a name, or the reverse"
    assert len(after.strays) <= MAX_STRAYS
    assert after.stripe_id not in after.strays
    kinds = {call.operation for call in after.calls}
    if after.status is CustomerStatus.ERASED:
        assert not after.calls
    if after.status is CustomerStatus.ERASING:
        assert after.calls
        assert kinds <= {CustomerOperation.CREATE, CustomerOperation.DELETE}
    else:
        assert CustomerOperation.DELETE not in kinds, "a delete of a user who is not erased"
    if after.status is CustomerStatus.CREATING:
        assert after.head is not None
        assert after.head.operation is CustomerOperation.CREATE, "nobody creates it"
    assert sum(call.operation is CustomerOperation.CREATE for call in after.calls) <= 1, "two creates at once"


def _check_clock(after: Customer) -> None:
    open_still = after.head is not None or after.read_at is not None
    assert (after.check_at is not None) == open_still, "something open that nobody looks at, or the reverse"


def _check_queue(before: Customer | None, after: Customer) -> None:
    """A call leaves the queue only with an entry, is never renamed, and only the head has been sent."""
    ids = [call.id for call in after.calls]
    assert len(set(ids)) == len(ids)
    assert sum(not name.startswith("~") for name in ids) <= limits.MAX_OPEN_CALLS
    for call in after.calls:
        assert call is after.head or not call.sends, "two calls in flight"
    for old in before.calls if before else ():
        new = after.call(old.id)
        if new is None:
            assert after.entry(old.id) is not None, "a call was lost"
            continue
        assert (new.key, new.params, new.operation) == (old.key, old.params, old.operation)
        assert old.target is None or new.target == old.target
        if new.operation is not CustomerOperation.DELETE:
            forgotten = Counter(old.sends) - Counter(new.sends)
            assert forgotten.total() == new.held_back - old.held_back, "a send is forgotten, and was not held back"
    counted = (after.creates, after.deletes)
    assert before is None or counted >= (before.creates, before.deletes)


def _check_effect(after: Customer, decision: CustomerDecision, now: datetime) -> None:
    """Nothing is asked of Stripe that the record does not say."""
    match decision.effect:
        case SendCall(call):
            _check_send(after, call, now)
        case FindCustomer(call):
            assert call == after.head
            assert call.operation is CustomerOperation.CREATE
            assert call.settle is not None
        case ReadCustomer(stripe_id):
            assert stripe_id == after.stripe_id
            assert after.read_at is not None
            assert after.read_at > now


def _check_send(after: Customer, call: CustomerCall, now: datetime) -> None:
    assert call == after.head, "not the head"
    assert call.sends[-1] == now, "a send that is not recorded"
    assert call.settle is None, "sent again although it was to be settled by reading"
    assert call.due_at is not None
    assert call.due_at > now
    keyed = call.operation is not CustomerOperation.DELETE
    assert not keyed or now - call.sends[0] < limits.KEY_LIFETIME, "a key that Stripe may have forgotten"
    assert call.target is not None or call.operation is CustomerOperation.CREATE
    assert call.operation not in ON_A_METHOD or len(call.sends) > 1 or after.has(call.method), "somebody else's method"
    assert call.operation is CustomerOperation.DELETE or after.user_id != TOMBSTONE or len(call.sends) > 1


def _check_story(before: Customer | None, after: Customer) -> None:
    assert len(after.timeline) <= MAX_TIMELINE
    ids = [entry.message_id for entry in after.timeline]
    assert len(set(ids)) == len(ids), "one message, two entries"
    assert "secret" not in str(after)
    old = before.timeline if before else ()
    if len(after.timeline) < MAX_TIMELINE:
        assert after.timeline[: len(old)] == old, "the past was changed"
