"""What a command does where the table allows it, and how it is refused where it does not."""

from contracts import events, money
from contracts.commands import CaptureMethod
from contracts.replies import RefusalCode, Verdict
from worker.domain import calls, limits
from worker.domain.messages import Cancel, Confirm, Create
from worker.domain.record import UNPAID, Operation, Payment, Status, payment_id
from worker.domain.step import Step

CANCELED_TEXT = "the order was canceled after this create was issued"


def open_payment(step: Step, number: int) -> None:
    """Begin the order's next payment with its create call queued."""
    command = step.message
    assert isinstance(command, Create)
    problem = money.check(command.amount, command.currency)
    if _expired(step):
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
        calls.queue(step, calls.creation(step.payment, command))
        step.why = "create queued"


def tombstone(step: Step, number: int) -> None:
    """A cancel that overtook its create races it for the same `_id`; whoever loses reads the winner."""
    command = step.message
    assert isinstance(command, Cancel)
    if command.order_id is None:
        unknown(step)
    elif not _expired(step):
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
    if _expired(step):
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
    if _expired(step):
        return
    if isinstance(command, Cancel) and command.order_id is not None and payment.issued_at > command.issued_at:
        message = "the order was created anew after this cancel was issued"
        step.refuse(RefusalCode.WRONG_STATE, message, "data.order_id")
    elif payment.needs_review and isinstance(command, Confirm):
        step.refuse(RefusalCode.NEEDS_REVIEW, f"the payment waits for a person: {payment.needs_review}")
    elif sum(call.open for call in payment.calls) >= limits.MAX_OPEN_CALLS:
        step.refuse(RefusalCode.WRONG_STATE, f"{limits.MAX_OPEN_CALLS} commands wait on this payment: try again later")
    elif isinstance(command, Confirm):
        calls.queue(step, calls.confirmation(payment, command))
        step.why = "confirm queued"
    else:
        calls.queue(step, calls.cancellation(payment, command))
        step.why = "cancel queued"


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


def _expired(step: Step) -> bool:
    command = step.command
    if command and command.expires_at and step.now >= command.expires_at:
        step.refuse(RefusalCode.EXPIRED, f"it was wanted until {command.expires_at.isoformat()}", "data.expires_at")
        return True
    return False
