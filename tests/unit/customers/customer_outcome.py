"""What the last decision about a customer told, and what it sends."""

from tests.unit.customers.customer_making import CustomerStory
from worker.domain.customers.effects import CustomerTold, SendCall
from worker.domain.customers.record import CustomerOperation


def told(made: CustomerStory) -> CustomerTold:
    """The one answer that the last decision gave."""
    assert made.last is not None
    (answer,) = made.last.told
    return answer


def sent(made: CustomerStory) -> CustomerOperation:
    """What the last decision sends."""
    assert made.last is not None
    assert isinstance(made.last.effect, SendCall)
    return made.last.effect.call.operation
