"""The queue of requests to Stripe inside a payment: what enters, who may send, when to try again, when to give up.

Only the head is ever sent, and each send is recorded before it begins. Keys are derived, never random, never renewed.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from contracts.commands import RefundReason
from contracts.replies import RefusalCode, Verdict
from worker.domain import limits
from worker.domain.effects import Find, Send, Told
from worker.domain.messages import (
    Accept,
    Cancel,
    Capture,
    CommandMessage,
    Confirm,
    Create,
    Evidence,
    NewsMessage,
    Privileged,
    RefundWanted,
)
from worker.domain.parts import ANSWERABLE, Refund
from worker.domain.record import UNPAID, Call, Entry, Operation, Payment, Refused, Status
from worker.domain.step import Step

OWN = "~auto-"
"""Prefix of our own cancels' ids, which no sender may use; the counter behind it rises when the previous one is settled."""

OWN_SAYS = "abandoned"
"""What our own cancels tell Stripe, whatever their reason."""

OWN_REFUND = "~refund-"
"""Prefix of the names of refunds that no command names."""

CROWDED = f"{limits.MAX_OPEN_CALLS} commands wait on this payment: try again later"

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
        "metadata": command.metadata | owner(payment),
    }
    for name in ("description", "receipt_email", "setup_future_usage"):
        if getattr(command, name):
            params[name] = str(getattr(command, name))
    if command.multicapture:
        params["payment_method_options"] = {"card": {"request_multicapture": "if_available"}}
    return _call(payment, command, Operation.CREATE, params)


def owner(payment: Payment) -> dict[str, str]:
    """The metadata by which news of an object finds its payment."""
    return {"payment_id": payment.id, "order_id": payment.order_id, "deployment": payment.deployment}


def confirmation(payment: Payment, command: Confirm) -> Call:
    params: dict[str, Any] = {"payment_method": command.payment_method, "expand": ["latest_charge"]}
    if command.return_url:
        params["return_url"] = command.return_url
    if command.off_session:
        params["off_session"] = True
    return _call(payment, command, Operation.CONFIRM, params)


def cancellation(payment: Payment, command: Cancel) -> Call:
    return _call(payment, command, Operation.CANCEL, {"cancellation_reason": str(command.reason)})


def capturing(payment: Payment, command: Capture) -> Call:
    params: dict[str, Any] = {"final_capture": False} if not command.final else {}
    if command.amount is not None:
        params["amount_to_capture"] = command.amount
    return _call(payment, command, Operation.CAPTURE, params | {"expand": ["latest_charge"]})


def refunding(payment: Payment, command: Privileged, refund_id: str, amount: int, reason: RefundReason | None) -> Call:
    """One refund under the key that its name gives it, whichever command brings it."""
    params: dict[str, Any] = {
        "payment_intent": payment.intent_id,
        "amount": amount,
        "metadata": owner(payment) | {"refund_id": refund_id},
    }
    if reason is not None:
        params["reason"] = str(reason)
    call = _call(payment, command, Operation.REFUND, params)
    return replace(call, key=f"{payment.id}:{Operation.REFUND}:{refund_id}", about=refund_id)


def own_refund(payment: Payment, refund: Refund) -> Call:
    """A refund that the policy makes."""
    params: dict[str, Any] = {
        "payment_intent": payment.intent_id,
        "amount": refund.amount,
        "metadata": owner(payment) | {"refund_id": refund.id},
    }
    if refund.reason is not None:
        params["reason"] = str(refund.reason)
    return Call(
        id=refund.id,
        operation=Operation.REFUND,
        key=f"{payment.id}:{Operation.REFUND}:{refund.id}",
        params=params,
        issued_at=refund.at,
        about=refund.id,
    )


def answering(payment: Payment, command: Evidence | Accept) -> Call:
    """Evidence for a dispute, or giving it up."""
    if isinstance(command, Accept):
        return replace(_call(payment, command, Operation.ACCEPT, {}), about=command.dispute_id)
    params = {"evidence": dict(command.evidence), "submit": command.submit}
    return replace(_call(payment, command, Operation.EVIDENCE, params), about=command.dispute_id)


def crowded(payment: Payment) -> bool:
    """Whether too many commands wait; refunds have a limit of their own."""
    return sum(call.open and call.operation is not Operation.REFUND for call in payment.calls) >= limits.MAX_OPEN_CALLS


def _call(payment: Payment, command: CommandMessage, operation: Operation, params: dict[str, Any]) -> Call:
    asked = command if isinstance(command, Privileged) else None
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
        asked_by=asked.requested_by if asked else None,
        note=asked.note if asked else None,
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
            params={"cancellation_reason": OWN_SAYS},
            own_reason=why,
            issued_at=step.now,
            intent_id=payment.intent_id,
        ),
    )
    step.why = step.why or why


def seen_before(step: Step) -> bool:
    """Recognise a message that is recorded already; a duplicate helps its open call, or repeats the recorded answer."""
    message, payment = step.message, step.known
    if isinstance(message, NewsMessage):
        if payment.entry(message.message_id) is None:
            return False
        step.recorded = True
        step.stale("duplicate")
        return True
    if not isinstance(message, CommandMessage) or not payment.knows(message.message_id):
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
    """Say again what was said; who was told 'pending' beside another's call hears what has come of that."""
    refused = call.refused if call else entry.refused if entry else None
    verdict = Verdict.REFUSED if refused else Verdict.ACCEPTED
    waited = entry is not None and entry.verdict is Verdict.PENDING
    if waited and isinstance(step.message, RefundWanted):
        refund = step.known.refund(step.message.refund_id)
        assert refund is not None, "told 'pending' beside a refund that is not there"
        verdict, refused = of_refund(step.known, refund)
    elif waited:
        first = step.known.creation
        assert first is not None, "told 'pending' beside a create that is not there"
        if first.open:
            verdict = Verdict.PENDING
        elif first.refused:
            verdict, refused = Verdict.REFUSED, _failed()
    secret = not refused and isinstance(step.message, Create | Confirm) and step.status in UNPAID
    about = call.about if call else getattr(step.message, "refund_id", None)
    step.answer(verdict, refused, wants_secret=secret, show_payment=step.may_show, about=about)


def of_refund(payment: Payment, refund: Refund) -> tuple[Verdict, Refused | None]:
    """What has become of the command that asked for a refund, also when its call is long archived."""
    call = next((c for c in payment.calls if c.operation is Operation.REFUND and c.about == refund.id), None)
    if call is not None and call.open:
        return Verdict.PENDING, None
    if refund.stripe_id is not None:
        return Verdict.ACCEPTED, None
    refused = call.refused if call else None
    return Verdict.REFUSED, refused or Refused(
        RefusalCode(refund.failure or RefusalCode.PROVIDER_REFUSED), "refused before"
    )


def _failed() -> Refused:
    return Refused(RefusalCode.PAYMENT_FAILED, "the payment could not be created")


def send(step: Step, call: Call) -> None:
    """Record that a send begins now, and ask the shell for it."""
    begun = replace(
        call,
        sends=(*call.sends, step.now),
        due_at=step.now + limits.SEND_GRACE,
        intent_id=call.intent_id or step.known.intent_id,
        base=call.base if call.sends else step.known.captured,
    )
    step.put_call(begun)
    step.effect = Send(begun)


def moot(payment: Payment, call: Call, now: datetime) -> tuple[bool, Refused | None]:
    """Whether a call that was never sent is to be closed, and how."""
    if call.expires_at and now >= call.expires_at:
        return True, Refused(
            RefusalCode.EXPIRED, f"it was wanted until {call.expires_at.isoformat()}", "data.expires_at"
        )
    match call.operation:
        case Operation.CREATE:
            return False, None
        case Operation.CONFIRM if any(other.open and other.operation is Operation.CANCEL for other in payment.calls):
            return True, Refused(RefusalCode.BEING_CANCELED, "a cancel came before it was sent")
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
        case Operation.CAPTURE:
            return _moot_capture(payment, call)
        case Operation.REFUND:
            return _moot_refund(payment, call)
        case Operation.EVIDENCE | Operation.ACCEPT:
            dispute = payment.dispute(call.about)
            evidence_late = call.operation is Operation.EVIDENCE and dispute and dispute.status not in ANSWERABLE
            if dispute is None or not dispute.open or evidence_late:
                return True, Refused(RefusalCode.DISPUTE_CLOSED, f"the dispute is {dispute and dispute.status}")
            return False, None
    if payment.status is Status.FAILED:
        return True, _failed()
    return True, Refused(RefusalCode.WRONG_STATE, f"the payment is {payment.status}")


def _moot_capture(payment: Payment, call: Call) -> tuple[bool, Refused | None]:
    if payment.status is not Status.REQUIRES_CAPTURE:
        return True, Refused(RefusalCode.WRONG_STATE, f"the payment is {payment.status}")
    if payment.needs_review:
        return True, Refused(RefusalCode.NEEDS_REVIEW, f"the payment waits for a person: {payment.needs_review}")
    if call.params.get("amount_to_capture", 0) > payment.capturable:
        text = f"{payment.capturable} of {payment.amount} is held and not captured"
        return True, Refused(RefusalCode.NOT_CAPTURABLE, text, "data.amount")
    return False, None


def _moot_refund(payment: Payment, call: Call) -> tuple[bool, Refused | None]:
    """A dispute or a refund at Stripe may have taken the money since it was set aside."""
    own = payment.refund(call.about)
    if own is None or not own.under_way or own.stripe_id is not None:
        return True, None
    if payment.needs_review and call.id.startswith(OWN_REFUND):
        return True, Refused(RefusalCode.NEEDS_REVIEW, f"the payment waits for a person: {payment.needs_review}")
    if own.amount > _left_for(payment, own):
        return True, too_much(payment, own)
    return False, None


def _left_for(payment: Payment, own: Refund) -> int:
    """What this refund may be of: its own reservation is not counted against it."""
    others = payment.given_back - (own.amount if own.under_way else 0)
    return max(0, payment.captured - others - payment.disputed)


def too_much(payment: Payment, own: Refund) -> Refused:
    """More than can still be given back."""
    return Refused(RefusalCode.NOT_REFUNDABLE, f"{_left_for(payment, own)} can still be refunded", "data.amount")


def resume(step: Step, head: Call) -> None:
    """Take up a head that was sent and not settled: under the same key while that is safe, by reading after that."""
    if not head.sends:
        return  # `go_on` decides about it
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
    elif payment.poll_at and payment.poll_at <= now and payment.waiting:
        step.change(poll_at=now + limits.poll_after(payment.id, payment.polls))
        if payment.status in UNPAID and now >= limits.abandon_at(payment.created_at) and head is None:
            give_up(step, "abandoned")
        elif payment.read_at is None:
            step.why = "no news for long: read"
            step.change(read_at=now)


def told_recorded(call: Call, wants_secret: bool) -> Told:
    """Repeat what a closed call came to."""
    verdict = Verdict.REFUSED if call.refused else Verdict.ACCEPTED
    paying = call.operation in {Operation.CREATE, Operation.CONFIRM}
    return Told(
        call.id, verdict, call.reply, call.refused, wants_secret and paying and not call.refused, about=call.about
    )
