"""What a command, a payment that needs a customer, and an erasure do where the table allows it."""

from contracts.replies import RefusalCode
from worker.domain import limits
from worker.domain.customers import calls
from worker.domain.customers.messages import Detach, Ensure, Erase, SetDefault, SetUp
from worker.domain.customers.record import TOMBSTONE, Customer, CustomerOperation, CustomerStatus, customer_id
from worker.domain.customers.step import OWN, CustomerStep


def open_customer(step: CustomerStep) -> None:
    """Begin the user's record with its create queued."""
    message = step.message
    assert isinstance(message, Ensure | SetUp)
    if _expired(step) or _nobody(step):
        return
    step.customer = _blank(step, message, CustomerStatus.CREATING)
    anew(step)


def anew(step: CustomerStep) -> None:
    """Make a customer where there is none: none yet, none any more, or none since the user was erased."""
    message = step.message
    assert isinstance(message, Ensure | SetUp)
    if _expired(step) or _nobody(step):
        return
    if step.known.erased_since(message.issued_at):
        _turn_away(step, calls.ERASED.message)
        return
    step.change(user_id=message.user_id)
    calls.creation(step)
    step.why = "create queued"
    if isinstance(message, SetUp):
        queue(step)


def queue(step: CustomerStep) -> None:
    """Queue the call that a command needs."""
    command = step.command
    assert command is not None
    if _expired(step):
        return
    if step.known.erased_since(command.issued_at):
        _turn_away(step, calls.ERASED.message)
    elif sum(not call.id.startswith(OWN) for call in step.known.calls) >= limits.MAX_OPEN_CALLS:
        message = f"{limits.MAX_OPEN_CALLS} commands wait for this user: try again later"
        step.refuse(RefusalCode.TOO_MANY_COMMANDS, message)
    else:
        call = calls.of_command(step.known, command)
        step.put_call(call)
        step.why = f"{call.operation} queued"


def no_method(step: CustomerStep) -> None:
    """Nothing is saved, so the payment method is not the user's."""
    if not _expired(step):
        unknown = calls.NOT_THEIRS
        step.refuse(unknown.code, unknown.message, unknown.field)


def being_erased(step: CustomerStep) -> None:
    _turn_away(step, "the user is being erased: try again")


def have(step: CustomerStep) -> None:
    step.stale("the customer is there")


def help_along(step: CustomerStep) -> None:
    """A payment waits for the create: take it up if it is due, as the sweeper would."""
    calls.tick(step)


def bury(step: CustomerStep) -> None:
    """Nothing is known of the user; what was asked for before the erasure and comes later must find that out."""
    message = step.message
    assert isinstance(message, Erase)
    step.customer = _blank(step, message, CustomerStatus.ERASED)
    step.change(user_id=TOMBSTONE, erased_at=step.now)
    step.why = "erased before anything was saved"


def erase(step: CustomerStep) -> None:
    """Forget the user here, and queue the delete of all that Stripe holds.

    A create that is under way must end before its customer can be deleted; what else is open dies with the customer.
    """
    customer = step.known
    for call in customer.calls:
        created = call.operation is CustomerOperation.CREATE and call.sends
        if not created and call.operation is not CustomerOperation.DELETE:
            step.close(call, calls.ERASED)
    step.change(
        status=CustomerStatus.ERASING,
        user_id=TOMBSTONE,
        stripe_id=None,
        methods=(),
        strays=(),
        read_at=None,
        erased_at=step.now,
    )
    for stripe_id in filter(None, (customer.stripe_id, *customer.strays)):
        calls.deletion(step, stripe_id)
    step.why = "erased"


def erased_already(step: CustomerStep) -> None:
    step.change(erased_at=step.now)
    step.why = "erased already"


def nothing(step: CustomerStep) -> None:
    """Whatever it is, it is not about a user that we know."""
    step.stale("no such customer here")


def _blank(step: CustomerStep, message: Ensure | SetUp | Erase, status: CustomerStatus) -> Customer:
    return Customer(
        id=customer_id(message.deployment, message.user_id),
        user_id=message.user_id,
        deployment=message.deployment,
        status=status,
        created_at=step.now,
        updated_at=step.now,
    )


def _expired(step: CustomerStep) -> bool:
    command = step.command
    if command and command.expires_at and step.now >= command.expires_at:
        step.refuse(RefusalCode.EXPIRED, f"it was wanted until {command.expires_at.isoformat()}", "data.expires_at")
        return True
    return False


def _nobody(step: CustomerStep) -> bool:
    """Whether it is asked for the tombstone of an erased user."""
    message = step.message
    assert isinstance(message, Ensure | SetUp | SetDefault | Detach)
    if message.user_id != TOMBSTONE:
        return False
    _turn_away(step, "the user was erased")
    return True


def _turn_away(step: CustomerStep, why: str) -> None:
    if step.command:
        step.refuse(RefusalCode.WRONG_STATE, why, "data.user_id")
    else:
        step.stale(why)
