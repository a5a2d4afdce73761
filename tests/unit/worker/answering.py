"""What tests of answers share: a confirm that was sent."""

from tests.unit.worker.making import Story, confirm, problem, story
from worker.domain.record import Operation, Status

UNEXPECTED = problem("payment_intent_unexpected_state")


def confirming(status: Status = Status.REQUIRES_PAYMENT_METHOD) -> Story:
    """A payment whose confirm is in flight."""
    made = story(status)
    made.tell(confirm("confirm-7"))
    assert made.head.operation is Operation.CONFIRM
    return made
