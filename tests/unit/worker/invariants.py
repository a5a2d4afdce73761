"""What must hold of every decision, whatever came before: checked by the unit, stateful and simulation tests alike."""

from collections import Counter
from dataclasses import replace
from datetime import datetime

from worker.domain import limits
from worker.domain.effects import Decision, Find, Read, Send
from worker.domain.facts import Intent
from worker.domain.messages import Answer, IntentSeen, Message, kind_of
from worker.domain.payment import TRANSITIONS, Rule
from worker.domain.record import Call, Operation, Outcome, Payment, Status


def check(before: Payment | None, message: Message, now: datetime, decision: Decision) -> None:
    """Assert everything that one decision must keep."""
    after = decision.payment
    if after is None:
        assert before is None, "a record was lost"
        assert not decision.write
        assert decision.effect is None
        assert not decision.events
        return
    _check_totals(after, message)
    _check_clock(after)
    _check_queue(before, after)
    _check_effect(after, decision, now)
    _check_story(before, after, decision)
    _check_status(before, after, message)
    if not decision.write:
        assert after is before, "a change that is not written"
        assert decision.effect is None, "something is asked of Stripe that is not recorded first"
    if before is not None:
        assert after.version == before.version, "the version is the store's"
        if decision.outcome is Outcome.REFUSED:
            _check_refused(before, after, decision)


def _check_totals(after: Payment, message: Message) -> None:
    told = _intent_in(message)
    if (told is None or told.amount_received <= after.amount) and not after.concerns:
        assert 0 <= after.captured <= after.amount
    assert after.status is not Status.NEW
    others = [call for call in after.calls if call.operation is not Operation.REFUND]
    assert sum(call.open for call in others) <= limits.MAX_OPEN_CALLS + 1, "our own cancel may come on top"


def _check_clock(after: Payment) -> None:
    waited_for = after.waiting or after.draft or after.head or after.read_at or after.next_deadline
    assert (after.check_at is not None) == bool(waited_for), "something open that nobody looks at, or the reverse"
    if after.head is not None and after.draft is None:
        assert after.head.due_at is not None, "a head that the sweeper never takes up"


def _check_queue(before: Payment | None, after: Payment) -> None:
    """Calls are never lost, never reopened, never renamed; only a head has been sent."""
    ids = [call.id for call in after.calls]
    keys = [call.key for call in after.calls]
    assert len(set(ids)) == len(ids)
    assert len(set(keys)) == len(keys)
    for call in after.calls:
        assert not call.open or call is after.head or not call.sends, "two calls in flight"
        assert call.open or call.due_at is None
        assert call.open == (call.closed_at is None)
    for old in before.calls if before else ():
        new = after.call(old.id)
        assert new is not None, "a call was lost"
        assert (new.key, new.operation) == (old.key, old.operation)
        assert not new.open or new.params == old.params, "sent again with other parameters"
        forgotten = Counter(old.sends) - Counter(new.sends)
        assert forgotten.total() == new.held_back - old.held_back, "a send is forgotten, and was not held back"
        assert old.open or after.erased_at or new == old, "a closed call was changed"


def _check_effect(after: Payment, decision: Decision, now: datetime) -> None:
    """Nothing is asked of Stripe that the record does not say."""
    match decision.effect:
        case Send(call):
            assert call == after.head, "not the head"
            assert call.sends[-1] == now, "a send that is not recorded"
            assert call.settle is None, "sent again although it was to be settled by reading"
            assert now - call.sends[0] < limits.KEY_LIFETIME, "a key that Stripe may have forgotten"
            assert call.due_at is not None
            assert call.due_at > now
        case Find(call):
            assert call == after.head
            assert after.intent_id is None
            assert call.settle is not None
        case Read(intent_id):
            assert intent_id == after.intent_id
            assert after.read_at is not None
            assert after.read_at > now


def _check_story(before: Payment | None, after: Payment, decision: Decision) -> None:
    old_events = before.events if before else ()
    erasing = before is not None and after.erased_at != before.erased_at
    assert erasing or after.events[: len(old_events)] == old_events, "a fact was changed"
    assert after.events[len(old_events) :] == decision.events, (
        "an announced fact that is not in the outbox, or the reverse"
    )
    first = after.events[0].sequence if after.archived and after.events else 1
    assert [event.sequence for event in after.events] == list(range(first, first + len(after.events)))
    assert not any(event.sent for event in decision.events)
    for event in decision.events:
        assert "secret" not in str(event.body)
    ids = [entry.message_id for entry in after.timeline]
    assert len(set(ids)) == len(ids), "one message, two entries"
    old_entries = before.timeline if before else ()
    assert erasing or after.timeline[: len(old_entries)] == old_entries, "the past was changed"
    assert len({attempt.id for attempt in after.attempts}) == len(after.attempts)


def _check_status(before: Payment | None, after: Payment, message: Message) -> None:
    """The status moves only as the rule of the table says."""
    was = before.status if before else Status.NEW
    rule = TRANSITIONS[was][kind_of(message)]
    told = _intent_in(message)
    allowed = {was}
    if rule in {Rule.QUEUE, Rule.ERASE} and before is not None and before.draft is not None:
        allowed |= {Status.CANCELED}
    elif rule is Rule.CUSTOMER:
        allowed |= {Status.FAILED}
    if was is Status.NEW:
        allowed = {Status.CREATING} if rule is Rule.OPEN else {Status.CANCELED}
    elif rule in {Rule.MOVE, Rule.FORWARD, Rule.REREAD} and told is not None:
        allowed |= {told.status}
    elif was is Status.CREATING and rule in {Rule.REREAD, Rule.ATTEMPT, Rule.SOON}:
        allowed |= {Status.REQUIRES_PAYMENT_METHOD}
    elif rule is Rule.ANSWER:
        allowed |= _after_answer(was, message)
    if before is not None and _may_expire(before.head):
        allowed |= {Status.FAILED}
    if was is Status.CREATING and told is not None:
        allowed |= {Status.REQUIRES_PAYMENT_METHOD}
    assert after.status in allowed, f"{was} to {after.status} by {rule}"


def _may_expire(head: Call | None) -> bool:
    """A create of which nothing has left the worker is given up when its time is over, whatever comes then."""
    return head is not None and head.operation is Operation.CREATE and not head.sends and head.expires_at is not None


def _after_answer(was: Status, message: Message) -> set[Status]:
    if not isinstance(message, Answer):
        return set()
    told = {message.intent.status} if message.intent else set()
    return told | {Status.FAILED, Status.REQUIRES_PAYMENT_METHOD} if was is Status.CREATING else told


def _check_refused(before: Payment, after: Payment, decision: Decision) -> None:
    """A refused command changes the timeline and the mark of a cancel by order; the queue may go on beside it."""
    same = replace(
        after,
        timeline=before.timeline,
        updated_at=before.updated_at,
        canceled_as_of=before.canceled_as_of,
    )
    if decision.effect is None:
        assert same == before
    else:
        assert replace(same, calls=before.calls, read_at=before.read_at, customer_at=before.customer_at) == before


def _intent_in(message: Message) -> Intent | None:
    return message.intent if isinstance(message, IntentSeen | Answer) else None
