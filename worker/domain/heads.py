"""The head of the queue: sent when its turn comes, settled by what was read, closed for good."""

from dataclasses import replace

from contracts import events
from worker.domain import calls, limits, reservation, settling
from worker.domain.announce import attempt_view
from worker.domain.effects import Ensure, Read
from worker.domain.messages import Answer
from worker.domain.record import Attempt, Call, Operation, Refused, Status
from worker.domain.step import Step


def go_on(step: Step) -> None:
    """Bring the queue forward: close what has become moot or has expired, send the head if nobody has yet.

    Also does a read that is owed now, when there is nothing to send. Nothing is sent while the create itself waits for
    the customer.
    """
    if step.known.draft is not None:
        _ask_for_customer(step)
        return
    while (head := step.known.head) is not None and not head.sends and step.effect is None:
        closed, refused = calls.moot(step.known, head, step.now)
        if closed:
            if refused and head.operation is Operation.CREATE:
                fail(step, head, refused, str(refused.code))
            close(step, head, refused)
            continue
        if head.held_back and head.due_at and head.due_at > step.now:
            break
        if isinstance(step.message, Answer) and step.message.chained >= limits.MAX_CHAINED:
            step.put_call(replace(head, due_at=step.now))
            break
        calls.send(step, head)
    if step.effect is None and step.payment is not None:
        read_owed(step)


def _ask_for_customer(step: Step) -> None:
    due = step.known.customer_at
    if step.effect is None and due is not None and due <= step.now:
        step.change(customer_at=step.now + limits.SEND_GRACE)
        step.effect = Ensure(step.known.user_id, step.known.issued_at)


def read_owed(step: Step) -> None:
    payment = step.known
    if payment.read_at is not None and payment.read_at <= step.now and payment.intent_id is not None:
        step.change(read_at=step.now + limits.SEND_GRACE)
        step.effect = Read(payment.intent_id)


def settle_by_truth(step: Step) -> None:
    """Close a head that waited for a read, by what was read."""
    head = step.known.head
    if head is not None and head.settle is not None:
        close(step, head, settling.outcome(step, head))


def fail(step: Step, call: Call, refused: Refused, code: str) -> None:
    """The create came to nothing: the payment is dead, and the order may try again as its next one."""
    step.change(status=Status.FAILED, poll_at=None, read_at=None)
    attempt = Attempt(id=call.key, outcome="failed", at=step.now, code=code, message=refused.message)
    step.decline(attempt)
    step.announce(events.PaymentFailed, attempt=attempt_view(attempt, step.known))


def close(step: Step, call: Call, refused: Refused | None) -> None:
    """Settle a call; a refused refund gives back what it had set aside."""
    if refused is not None and call.operation is Operation.REFUND:
        reservation.release(step, call, refused)
    step.close(step.known.call(call.id) or call, refused)
