"""Which of an order's payments a command is for. A command is looked for in all of them, dead ones too, before a live
one is chosen: a late duplicate must find its own record, not start something new.
"""

from collections.abc import Sequence

from worker.domain.messages import Cancel, Create
from worker.domain.record import Payment


def choose(payments: Sequence[Payment], command: Create | Cancel) -> tuple[Payment | None, int]:
    """Pick the payment that a command by order id goes to, or None and the number that a new one takes."""
    recorded = next((payment for payment in payments if payment.knows(command.message_id)), None)
    if recorded is not None:
        return recorded, recorded.number
    number = max((payment.number for payment in payments), default=0) + 1
    if isinstance(command, Create):
        blocking = next(
            (payment for payment in payments if payment.canceled_as_of and command.issued_at <= payment.canceled_as_of),
            None,
        )
        if blocking is not None:
            return blocking, number
    live = next((payment for payment in payments if payment.live), None)
    if live is not None or isinstance(command, Create):
        return live, live.number if live else number
    newer = next(
        (payment for payment in payments if (payment.canceled_as_of or command.issued_at) > command.issued_at), None
    )
    return newer, number
