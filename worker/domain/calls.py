"""The queue of requests to Stripe inside a payment: what enters, who may send, when to try again, when to give up.

Only the head is ever sent, and each send is recorded before it begins. Keys are derived, never random, never renewed.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from contracts.replies import RefusalCode, Verdict
from worker.domain import limits
from worker.domain.effects import Find, Read, Send, Told
from worker.domain.messages import Answer, Cancel, ChargeSeen, Confirm, Create, IntentChanged, IntentSeen
from worker.domain.record import UNPAID, Call, Entry, Operation, Payment, Refused, Status
from worker.domain.step import Step

OWN = "~auto-"
"""Prefix of our own cancels' ids, which no sender may use; the counter behind it rises when the previous one is settled."""

CONFLICT = "conflict"
KEY_TOO_OLD = "key_too_old"
STORED_ERROR = "stored_error"


def creation(payment: Payment, command: Create) -> Call:
    """Create an intent, never confirmed in the same call: so a create moves no money and can be looked for."""
    params: dict[str, Any] = {
        "amount": payment.amount,
        "currency": payment.currency,
        "capture_method": str(payment.capture_method),
        "automatic_payment_methods": {"enabled": True},
        "metadata": command.metadata
        | {"payment_id": payment.id, "order_id": payment.order_id, "deployment": payment.deployment},
    }
    if command.description:
        params["description"] = command.description
    return _call(payment, command, Operation.CREATE, params)


def confirmation(payment: Payment, command: Confirm) -> Call:
    params = {"payment_method": command.payment_method, "return_url": command.return_url}
    return _call(payment, command, Operation.CONFIRM, params)


def cancellation(payment: Payment, command: Cancel) -> Call:
    return _call(payment, command, Operation.CANCEL, {"cancellation_reason": str(command.reason)})


def _call(payment: Payment, command: Create | Confirm | Cancel, operation: Operation, params: dict[str, Any]) -> Call:
    return Call(
        id=command.message_id,
        operation=operation,
        key=f"{payment.id}:{operation}:{command.message_id}",
        params=params,
        issued_at=command.issued_at,
        body_hash=command.body_hash,
        expires_at=command.expires_at,
        reply=command.reply,
        trace=command.trace,
    )


def queue(step: Step, call: Call) -> None:
    """Add a call behind those that wait; `go_on` sends it when it is the head."""
    step.put_call(call)


def give_up(step: Step, why: str) -> None:
    """Queue a cancel of our own, unless one is open. It carries a counter, so that a later one has a key of its own."""
    payment = step.known
    own = [call for call in payment.calls if call.id.startswith(OWN)]
    if any(call.open for call in own) or (payment.needs_review and len(own) >= limits.MAX_OWN_CANCELS):
        return
    call_id = f"{OWN}{len(own) + 1}"
    queue(
        step,
        Call(
            id=call_id,
            operation=Operation.CANCEL,
            key=f"{payment.id}:{Operation.CANCEL}:{call_id}",
            params={"cancellation_reason": "abandoned"},
            own_reason=why,
            issued_at=step.now,
            intent_id=payment.intent_id,
        ),
    )
    step.why = step.why or why


def seen_before(step: Step) -> bool:
    """Recognise a message that is recorded already; a duplicate helps its open call, or repeats the recorded answer."""
    message, payment = step.message, step.known
    if isinstance(message, IntentSeen | IntentChanged | ChargeSeen):
        if payment.entry(message.message_id) is None:
            return False
        step.recorded = True
        step.stale("duplicate")
        return True
    if not isinstance(message, Create | Confirm | Cancel) or not payment.knows(message.message_id):
        return False
    step.recorded = True
    call, entry = payment.call(message.message_id), payment.entry(message.message_id)
    if (call or entry).body_hash != message.body_hash:  # type: ignore[union-attr] # `knows` says that one is there
        step.refuse(RefusalCode.ID_REUSED, "this command id was used for another command", "id", show_payment=False)
    elif call is not None and call.open:
        step.stale("duplicate of an open call")
        if call is payment.head:
            resume(step, call)
    else:
        step.stale("duplicate")
        _repeat(step, call, entry)
    return True


def _repeat(step: Step, call: Call | None, entry: Entry | None) -> None:
    """Say again what was said; a create that was told 'pending' beside another's call hears what has come of that."""
    refused = call.refused if call else entry.refused if entry else None
    verdict = Verdict.REFUSED if refused else Verdict.ACCEPTED
    if entry is not None and entry.verdict is Verdict.PENDING:
        first = next(call for call in step.known.calls if call.operation is Operation.CREATE)
        if first.open:
            verdict = Verdict.PENDING
        elif first.refused:
            verdict, refused = Verdict.REFUSED, _failed()
    secret = not refused and isinstance(step.message, Create | Confirm) and step.status in UNPAID
    step.answer(verdict, refused, wants_secret=secret, show_payment=step.may_show)


def _failed() -> Refused:
    return Refused(RefusalCode.PAYMENT_FAILED, "the payment could not be created")


def go_on(step: Step) -> None:
    """Bring the queue forward: close what has become moot or has expired, send the head if nobody has yet.

    Also does a read that is owed now, when there is nothing to send.
    """
    while (head := step.known.head) is not None and not head.sends and step.effect is None:
        closed, refused = _moot(step.known, head, step.now)
        if closed:
            step.close(head, refused)
            continue
        if isinstance(step.message, Answer) and step.message.chained >= limits.MAX_CHAINED:
            step.put_call(replace(head, due_at=step.now))
            break
        send(step, head)
    if step.effect is None and step.payment is not None:
        read_owed(step)


def read_owed(step: Step) -> None:
    payment = step.known
    if payment.read_at is not None and payment.read_at <= step.now and payment.intent_id is not None:
        step.change(read_at=step.now + limits.SEND_GRACE)
        step.effect = Read(payment.intent_id)


def send(step: Step, call: Call) -> None:
    """Record that a send begins now, and ask the shell for it."""
    begun = replace(
        call,
        sends=(*call.sends, step.now),
        due_at=step.now + limits.SEND_GRACE,
        intent_id=call.intent_id or step.known.intent_id,
    )
    step.put_call(begun)
    step.effect = Send(begun)


def _moot(payment: Payment, call: Call, now: datetime) -> tuple[bool, Refused | None]:
    """Whether a call that was never sent is to be closed, and how."""
    if call.expires_at and now >= call.expires_at:
        return True, Refused(
            RefusalCode.EXPIRED, f"it was wanted until {call.expires_at.isoformat()}", "data.expires_at"
        )
    match call.operation:
        case Operation.CREATE:
            return False, None
        case Operation.CONFIRM if payment.needs_review:
            return True, Refused(RefusalCode.NEEDS_REVIEW, f"the payment waits for a person: {payment.needs_review}")
        case Operation.CONFIRM if payment.status in UNPAID:
            return False, None
        case Operation.CANCEL if payment.status is Status.CANCELED:
            return True, None
        case Operation.CANCEL if payment.status is Status.FAILED and call.intent_id:
            return False, None
        case Operation.CANCEL if payment.status not in {Status.FAILED, Status.SUCCEEDED}:
            return False, None
    if payment.status is Status.FAILED:
        return True, _failed()
    return True, Refused(RefusalCode.WRONG_STATE, f"the payment is {payment.status}")


def resume(step: Step, head: Call) -> None:
    """Take up a head that was sent and not settled: under the same key while that is safe, by reading after that."""
    if not head.sends:
        send(step, head)
        return
    if head.settle and head.due_at and head.due_at > step.now:
        return  # a duplicate does not make the truth come sooner
    if not head.settle and step.now - head.sends[0] >= limits.KEY_LIFETIME:
        head = replace(head, settle=KEY_TOO_OLD)
    if not head.settle:
        send(step, head)
        return
    head = replace(head, due_at=step.now + limits.SEND_GRACE)
    step.put_call(head)
    if step.known.intent_id is not None:
        step.change(read_at=step.now)
    else:
        step.effect = Find(head)


def tick(step: Step) -> None:
    """Do what `check_at` was set for: the head, an owed read (see `go_on`), or a look at a payment that is silent."""
    payment, now = step.known, step.now
    head = payment.head
    step.stale("nothing due")
    if head and head.due_at and head.due_at <= now:
        step.why = f"{head.operation} again"
        if not head.sends:
            return
        resume(step, head)
    elif (
        payment.poll_at
        and payment.poll_at <= now
        and payment.status not in {Status.SUCCEEDED, Status.CANCELED, Status.FAILED}
    ):
        step.change(poll_at=now + limits.poll_after(payment.id, payment.polls))
        if payment.status in UNPAID and now >= limits.abandon_at(payment.created_at) and head is None:
            give_up(step, "abandoned")
        elif payment.read_at is None:
            step.why = "no news for long: read"
            step.change(read_at=now)


def settle_by_truth(step: Step) -> None:
    """Close a head that waited for a read, by what was read."""
    head = step.known.head
    if head is None or head.settle is None:
        return
    status = step.status
    if head.operation is Operation.CONFIRM:
        done = status not in {Status.REQUIRES_PAYMENT_METHOD, Status.REQUIRES_CONFIRMATION, Status.CANCELED}
    else:
        done = status is Status.CANCELED
    code = RefusalCode.WRONG_STATE if head.settle == CONFLICT else RefusalCode.PROVIDER_ERROR
    text = f"the payment is {status}" if head.settle == CONFLICT else "Stripe did not carry it out: try again"
    step.close(head, None if done else Refused(code, text))


def told_recorded(call: Call, wants_secret: bool) -> Told:
    """Repeat what a closed call came to."""
    verdict = Verdict.REFUSED if call.refused else Verdict.ACCEPTED
    return Told(call.id, verdict, call.reply, call.refused, wants_secret and not call.refused)


__all__ = [
    "OWN",
    "cancellation",
    "confirmation",
    "creation",
    "give_up",
    "go_on",
    "queue",
    "resume",
    "seen_before",
    "settle_by_truth",
    "tick",
    "told_recorded",
]
