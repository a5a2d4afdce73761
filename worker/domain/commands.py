"""What a command does where the table allows it, and how it is refused where it does not."""

from dataclasses import replace

from contracts import events, money
from contracts.commands import CaptureMethod
from contracts.replies import RefusalCode, Verdict
from worker.domain import calls, heads, limits
from worker.domain.messages import Cancel, Capture, Confirm, Create, CustomerSeen
from worker.domain.record import UNPAID, Call, Entry, Operation, Payment, Refused, Status, payment_id
from worker.domain.step import Step

CANCELED_TEXT = "the order was canceled after this create was issued"


def open_payment(step: Step, number: int) -> None:
    """Begin the order's next payment with its create call queued."""
    command = step.message
    assert isinstance(command, Create)
    problem = money.check(command.amount, command.currency)
    if step.refuse_expired():
        return
    if problem:
        step.refuse(problem.code, problem.message, f"data.{problem.field}")
    elif number > limits.MAX_PAYMENTS_PER_ORDER:
        step.refuse(RefusalCode.TOO_MANY_PAYMENTS, f"an order has at most {limits.MAX_PAYMENTS_PER_ORDER} payments")
    else:
        step.payment = Payment(
            id=payment_id(command.order_id, number),
            order_id=command.order_id,
            user_id=command.user_id,
            deployment=command.deployment,
            amount=command.amount,
            currency=command.currency,
            capture_method=command.capture_method,
            status=Status.CREATING,
            created_at=step.now,
            updated_at=step.now,
            issued_at=command.issued_at,
        )
        create = calls.creation(step.payment, command)
        if command.with_customer:
            step.change(draft=create, customer_at=step.now)
            step.why = "waits for its user's customer"
        else:
            calls.queue(step, create)
            step.why = "create queued"


def tombstone(step: Step, number: int) -> None:
    """A cancel that overtook its create races it for the same `_id`; whoever loses reads the winner."""
    command = step.message
    assert isinstance(command, Cancel)
    if command.order_id is None:
        unknown(step)
    elif not step.refuse_expired():
        step.payment = Payment(
            id=payment_id(command.order_id, number),
            order_id=command.order_id,
            user_id="",
            deployment=command.deployment,
            amount=0,
            currency="",
            capture_method=CaptureMethod.AUTOMATIC,
            status=Status.CANCELED,
            created_at=step.now,
            updated_at=step.now,
            issued_at=command.issued_at,
            canceled_as_of=command.issued_at,
        )
        step.why = "canceled before any payment was created"
        step.announce(events.PaymentCanceled, reason=str(command.reason))
        step.answer(Verdict.ACCEPTED, show_payment=False)


def unknown(step: Step) -> None:
    if step.command:
        step.refuse(RefusalCode.UNKNOWN_PAYMENT, "there is no such payment", "data.payment_id")
    else:
        step.stale("no such payment here")


def terms(step: Step) -> None:
    """A create for an order that has a live payment: the same terms get the same payment, others are refused."""
    command, payment = step.message, step.known
    assert isinstance(command, Create)
    theirs = (command.amount, command.currency, command.capture_method)
    if step.refuse_expired():
        return
    if not step.may_show:
        step.refuse(
            RefusalCode.ORDER_HAS_PAYMENT, "the order already has a payment", "data.order_id", show_payment=False
        )
    elif payment.canceled_as_of and command.issued_at <= payment.canceled_as_of:
        step.refuse(RefusalCode.ORDER_CANCELED, CANCELED_TEXT, "data.order_id")
    elif any(call.open and call.operation is Operation.CANCEL for call in payment.calls):
        step.refuse(RefusalCode.BEING_CANCELED, "the order's payment is being canceled: try again", "data.order_id")
    elif theirs != (payment.amount, payment.currency, payment.capture_method):
        message = "the order already has a payment with another amount, currency or capture method"
        step.refuse(RefusalCode.ORDER_HAS_PAYMENT, message, "data.order_id")
    else:
        step.change(issued_at=max(payment.issued_at, command.issued_at))
        step.why = "the order's payment, again"
        verdict = Verdict.PENDING if payment.status is Status.CREATING else Verdict.ACCEPTED
        step.answer(verdict, wants_secret=payment.status in UNPAID)


def blocked(step: Step) -> None:
    step.refuse(RefusalCode.ORDER_CANCELED, CANCELED_TEXT, "data.order_id", show_payment=step.may_show)


def queue(step: Step) -> None:
    """Queue the call that a confirm or a cancel needs."""
    command, payment = step.message, step.known
    assert isinstance(command, Confirm | Cancel)
    _mark(step)
    if step.refuse_expired():
        return
    if isinstance(command, Cancel) and command.order_id is not None and payment.issued_at > command.issued_at:
        message = "the order was created anew after this cancel was issued"
        step.refuse(RefusalCode.WRONG_STATE, message, "data.order_id")
    elif payment.needs_review and isinstance(command, Confirm):
        step.refuse(RefusalCode.NEEDS_REVIEW, f"the payment waits for a person: {payment.needs_review}")
    elif payment.draft is not None:
        _nothing_begun(step, command)
    elif calls.crowded(payment):
        step.refuse(RefusalCode.TOO_MANY_COMMANDS, calls.CROWDED)
    elif isinstance(command, Confirm):
        calls.queue(step, calls.confirmation(payment, command))
        step.why = "confirm queued"
    else:
        calls.queue(step, calls.cancellation(payment, command))
        step.why = "cancel queued"


def _nothing_begun(step: Step, command: Confirm | Cancel) -> None:
    """Its create still waits for the customer: Stripe knows nothing of it, so a cancel is done at once."""
    draft = step.known.draft
    assert draft is not None
    if isinstance(command, Confirm):
        step.refuse(RefusalCode.WRONG_STATE, "the payment is not created yet: try again")
        return
    _never_begun(step, draft, str(command.reason))
    step.answer(Verdict.ACCEPTED)


def _never_begun(step: Step, draft: Call, reason: str) -> None:
    step.change(draft=None, customer_at=None, calls=(*step.known.calls, draft))
    step.close(draft, Refused(RefusalCode.ORDER_CANCELED, "it was canceled before Stripe was asked"))
    step.change(status=Status.CANCELED)
    step.why = "canceled before Stripe was asked"
    step.announce(events.PaymentCanceled, reason=reason)


def capture(step: Step) -> None:
    """Queue a capture of what is held."""
    command, payment = step.message, step.known
    assert isinstance(command, Capture)
    if step.refuse_expired():
        return
    if payment.needs_review:
        step.refuse(RefusalCode.NEEDS_REVIEW, f"the payment waits for a person: {payment.needs_review}")
    elif (command.amount or 0) > payment.capturable:
        text = f"{payment.capturable} of {payment.amount} is held and not captured"
        step.refuse(RefusalCode.NOT_CAPTURABLE, text, "data.amount")
    elif command.amount and (problem := money.check_part(command.amount, payment.currency)):
        step.refuse(problem.code, problem.message, "data.amount")
    elif calls.crowded(payment):
        step.refuse(RefusalCode.TOO_MANY_COMMANDS, calls.CROWDED)
    else:
        calls.queue(step, calls.capturing(payment, command))
        step.why = "capture queued"


def customer_seen(step: Step) -> None:
    """The customer that a create waited for is there, or is not yet."""
    message, draft = step.message, step.known.draft
    assert isinstance(message, CustomerSeen)
    if draft is None:
        step.stale("nothing waits for a customer")
    elif draft.expires_at and step.now >= draft.expires_at:
        text = f"it was wanted until {draft.expires_at.isoformat()}"
        _dropped(step, draft, Refused(RefusalCode.EXPIRED, text, "data.expires_at"))
    elif message.customer_id is None:
        polls = step.known.polls + 1
        step.change(polls=polls, customer_at=step.now + limits.backoff(step.known.id, polls))
        step.why = "its user has no customer at Stripe yet"
    else:
        step.change(draft=None, customer_at=None, polls=0, customer_id=message.customer_id)
        calls.queue(step, replace(draft, params=draft.params | {"customer": message.customer_id}))
        step.why = "create queued"


def _dropped(step: Step, draft: Call, refused: Refused) -> None:
    step.change(draft=None, customer_at=None, calls=(*step.known.calls, draft))
    heads.fail(step, draft, refused, str(refused.code))
    step.close(draft, refused)


ERASED = "erased"
"""What stands in place of a user's id. The same for all: a hash could be guessed back."""


def erase(step: Step) -> None:
    """Forget who paid. Amounts, ids at Stripe and what happened stay; it is announced once."""
    payment = step.known
    if payment.erased_at is not None:
        step.stale("erased already")
    else:
        step.change(
            user_id=ERASED,
            erased_at=step.now,
            events=tuple(replace(event, body=event.body | {"user_id": ERASED}) for event in payment.events),
            refunds=tuple(replace(refund, note=None) for refund in payment.refunds),
            timeline=tuple(_without_note(entry) for entry in payment.timeline),
            calls=tuple(replace(call, params=call.params if call.open else {}, note=None) for call in payment.calls),
        )
        if payment.draft is not None:
            _never_begun(step, payment.draft, ERASED)
        step.announce(events.PaymentErased)
        step.why = "erased"
    step.answer(Verdict.ACCEPTED)


def _without_note(entry: Entry) -> Entry:
    """What people wrote may name the user."""
    return replace(entry, message={name: value for name, value in entry.message.items() if name != "note"})


def canceled_already(step: Step) -> None:
    _mark(step)
    step.stale("canceled already")
    step.answer(Verdict.ACCEPTED)


def wrong_state(step: Step) -> None:
    _mark(step)
    step.refuse(RefusalCode.WRONG_STATE, f"the payment is {step.status}")


def _mark(step: Step) -> None:
    """A cancel by order id leaves its issue time, whatever its outcome: a create issued no later is refused."""
    command = step.message
    if isinstance(command, Cancel) and command.order_id is not None:
        known = step.known.canceled_as_of
        step.change(canceled_as_of=max(known, command.issued_at) if known else command.issued_at)
