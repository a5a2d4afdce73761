"""What tests of captures share: the statuses around one, and Stripe's answer to it."""

from tests.unit.worker.making import Story
from worker.domain.effects import Decision
from worker.domain.messages import Result
from worker.domain.record import Status

HELD, SUCCEEDED, CANCELED = Status.REQUIRES_CAPTURE, Status.SUCCEEDED, Status.CANCELED


def took(made: Story, amount: int, status: Status = SUCCEEDED) -> Decision:
    """Stripe's answer to a capture: so much has been received in all."""
    return made.answer(Result.DONE, status, amount_received=amount)
