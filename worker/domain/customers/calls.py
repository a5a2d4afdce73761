"""The queue of requests to Stripe inside a customer: what enters, who may send, when to try again, when to give up.

As in a payment (domain/calls.py): only the head is sent, each send is recorded before it begins, keys are derived and
never renewed. Our own calls, to create and to delete, carry a counter that rises only when the one before is settled.
"""

from dataclasses import replace
from typing import Any

from contracts.replies import RefusalCode, Verdict
from worker.domain import limits
from worker.domain.customers.effects import FindCustomer, ReadCustomer, SendCall
from worker.domain.customers.limits import DELETE_SENDS
from worker.domain.customers.messages import CustomerAnswer, CustomerChanged, Detach, SetDefault, SetUp
from worker.domain.customers.record import (
    ON_A_METHOD,
    Customer,
    CustomerCall,
    CustomerEntry,
    CustomerOperation,
    CustomerStatus,
)
from worker.domain.customers.step import OWN, CustomerStep
from worker.domain.record import Refused

DOUBTED = "doubted"
KEY_TOO_OLD = "key_too_old"
STORED_ERROR = "stored_error"

NOT_THEIRS = Refused(RefusalCode.UNKNOWN_METHOD, "the user has no such payment method", "data.payment_method")
NOT_CARRIED_OUT = Refused(RefusalCode.PROVIDER_ERROR, "Stripe did not carry it out: try again")
ERASED = Refused(RefusalCode.WRONG_STATE, "the user was erased after this was asked for")
GONE = Refused(RefusalCode.PROVIDER_ERROR, "the customer was deleted at Stripe: try again")


def mark(customer: Customer) -> dict[str, str]:
    """The metadata by which Stripe's objects are known to be this user's; it names nobody."""
    return {"customer_id": customer.id, "deployment": customer.deployment}


def creation(step: CustomerStep) -> None:
    """Queue the create of the next customer, before whatever waits for it."""
    customer = step.known
    number = customer.creates + 1
    call = CustomerCall(
        id=f"{OWN}create-{number}",
        operation=CustomerOperation.CREATE,
        key=f"{customer.id}:create:{number}",
        params={"metadata": mark(customer)},
        issued_at=step.now,
    )
    step.change(status=CustomerStatus.CREATING, creates=number, calls=(call, *customer.calls))


def deletion(step: CustomerStep, stripe_id: str) -> None:
    """Queue the delete of a customer that must not outlive its user's erasure, once per customer."""
    customer = step.known
    if any(call.target == stripe_id and call.operation is CustomerOperation.DELETE for call in customer.calls):
        return
    number = customer.deletes + 1
    call = CustomerCall(
        id=f"{OWN}delete-{number}",
        operation=CustomerOperation.DELETE,
        key=f"{customer.id}:delete:{number}",
        params={},
        target=stripe_id,
        issued_at=step.now,
    )
    step.change(deletes=number, status=CustomerStatus.ERASING)
    step.put_call(call)


def of_command(customer: Customer, command: SetUp | SetDefault | Detach) -> CustomerCall:
    """The call that carries out a command."""
    match command:
        case SetUp():
            operation = CustomerOperation.SET_UP
            params: dict[str, Any] = {
                "usage": str(command.usage),
                "automatic_payment_methods": {"enabled": True},
                "metadata": mark(customer),
            }
        case SetDefault():
            operation, params = CustomerOperation.SET_DEFAULT, {"payment_method": command.payment_method}
        case Detach():
            operation, params = CustomerOperation.DETACH, {"payment_method": command.payment_method}
    return CustomerCall(
        id=command.message_id,
        operation=operation,
        key=f"{customer.id}:{operation}:{command.message_id}",
        params=params,
        issued_at=command.issued_at,
        body_hash=command.body_hash,
        expires_at=command.expires_at,
        reply=command.reply,
    )


def seen_before(step: CustomerStep) -> bool:
    """Recognise a message that is recorded already; a duplicate helps its open call, or repeats the recorded answer."""
    message, customer = step.message, step.known
    if not isinstance(message, SetUp | SetDefault | Detach | CustomerChanged):
        return False
    call, entry = customer.call(message.message_id), customer.entry(message.message_id)
    if call is None and entry is None:
        return False
    step.recorded = True
    step.stale("duplicate")
    if isinstance(message, CustomerChanged):
        return True
    if (call or entry).body_hash != message.body_hash:  # type: ignore[union-attr] # one of them is there
        step.refuse(RefusalCode.ID_REUSED, "this command id was used for another command", "id")
    elif call is not None:
        if call is customer.head:
            resume(step, call)
    else:
        assert entry is not None
        verdict = Verdict.REFUSED if entry.refused else Verdict.ACCEPTED
        step.answer(verdict, entry.refused, secret_of(entry))
    return True


def secret_of(entry: CustomerEntry) -> str | None:
    """The SetupIntent whose secret a command's sender is owed again."""
    return entry.made if entry.kind == CustomerOperation.SET_UP else None


def go_on(step: CustomerStep) -> None:
    """Bring the queue forward: close what has become moot or has expired, send the head if nobody has yet.

    Also does a read that is owed now, when there is nothing to send, and ends an erasure with nothing left to delete.
    """
    while (head := step.known.head) is not None and not head.sends and step.effect is None:
        refused = _moot(step, head)
        if refused:
            step.close(head, refused)
        elif isinstance(step.message, CustomerAnswer) and step.message.chained >= limits.MAX_CHAINED:
            step.put_call(replace(head, due_at=step.now))
            break
        elif head.held_back and head.due_at and head.due_at > step.now:
            break
        elif head.operation is CustomerOperation.SET_UP and step.known.stripe_id is None:
            creation(step)
        elif head.operation in ON_A_METHOD and not step.known.has(head.method):
            _look_first(step, head)
            break
        else:
            send(step, head)
    if step.effect is None:
        read_owed(step)
    if step.status is CustomerStatus.ERASING and step.known.head is None:
        step.change(status=CustomerStatus.ERASED)


def _look_first(step: CustomerStep, head: CustomerCall) -> None:
    """The method may have been saved a moment ago: the news of it is slower than the user. The read decides."""
    if head.due_at is not None:
        step.put_call(replace(head, due_at=None))
    if step.known.read_at is None:
        step.change(read_at=step.now)


def _moot(step: CustomerStep, call: CustomerCall) -> Refused | None:
    """Why a call that was never sent is not to be sent any more."""
    if call.expires_at and step.now >= call.expires_at:
        return Refused(RefusalCode.EXPIRED, f"it was wanted until {call.expires_at.isoformat()}", "data.expires_at")
    customer = step.known
    if call.operation in ON_A_METHOD and not customer.has(call.method) and (call.checked or not customer.stripe_id):
        return NOT_THEIRS
    if call.operation is CustomerOperation.CREATE and step.status is CustomerStatus.ERASING:
        return ERASED
    return None


def read_owed(step: CustomerStep) -> None:
    customer = step.known
    if customer.read_at is not None and customer.read_at <= step.now:
        assert customer.stripe_id is not None, "a read of nobody"
        step.change(read_at=step.now + limits.SEND_GRACE)
        step.effect = ReadCustomer(customer.stripe_id)


def send(step: CustomerStep, call: CustomerCall) -> None:
    """Record that a send begins now, and ask the shell for it."""
    sends = (*call.sends, step.now)
    if call.operation is CustomerOperation.DELETE:
        sends = sends[-DELETE_SENDS:]
    target = call.target or step.known.stripe_id
    begun = replace(call, sends=sends, due_at=step.now + limits.SEND_GRACE, target=target)
    step.put_call(begun)
    step.effect = SendCall(begun)


def resume(step: CustomerStep, head: CustomerCall) -> None:
    """Take up a head that was sent and not settled: under the same key while that is safe, by reading after that.

    A delete has no key, for its second execution changes nothing (Stripe docs, "Idempotent requests").
    """
    if not head.sends:
        return  # `go_on` decides about it
    if head.settle and head.due_at and head.due_at > step.now:
        return  # a duplicate does not make the truth come sooner
    old = step.now - head.sends[0] >= limits.KEY_LIFETIME
    if old and not head.settle and head.operation is not CustomerOperation.DELETE:
        head = replace(head, settle=KEY_TOO_OLD)
    if not head.settle:
        send(step, head)
    elif head.operation is CustomerOperation.SET_UP:
        give_up(step, head)
    else:
        head = replace(head, due_at=step.now + limits.SEND_GRACE)
        step.put_call(head)
        if head.operation is CustomerOperation.CREATE:
            step.effect = FindCustomer(head)
        else:
            step.change(read_at=step.now)


def give_up(step: CustomerStep, call: CustomerCall) -> None:
    """Refuse a set-up whose outcome is not known. Nobody was told the secret of its SetupIntent, so nothing can come of it."""
    step.close(call, NOT_CARRIED_OUT)


def tick(step: CustomerStep) -> None:
    """Do what `check_at` was set for: the head, or a read that is owed (see `go_on`)."""
    head = step.known.head
    step.stale("nothing due")
    if head and head.due_at and head.due_at <= step.now:
        step.why = f"{head.operation} again"
        resume(step, head)


def settle_by_truth(step: CustomerStep) -> None:
    """Close a head that waited for a read by what was read, and let those on unknown methods be refused."""
    customer = step.known
    step.change(
        calls=tuple(
            call if call.sends or call.operation not in ON_A_METHOD else replace(call, checked=True)
            for call in customer.calls
        ),
    )
    head = customer.head
    if head is None or head.settle is None or head.operation not in ON_A_METHOD:
        return
    found = next((method for method in customer.methods if method.id == head.method), None)
    detaching = head.operation is CustomerOperation.DETACH
    done = found is None if detaching else found is not None and found.default
    step.close(head, None if done else head.doubt or NOT_CARRIED_OUT)
