"""What tests of late and strange money share: a policy for it, and payments that have come to need one."""

from contracts.events import Case, Remedy
from tests.unit.worker.making import Story, paid, refund_fact, seen
from worker.domain import limits
from worker.domain.effects import Decision
from worker.domain.facts import Ledger
from worker.domain.policy import Course, Policy
from worker.domain.record import Status


def always(remedy: Remedy, refund_below: int | None = None) -> Policy:
    """The same remedy for every case."""
    return Policy(dict.fromkeys(Case, Course(remedy, refund_below)))


def paid_after_cancel(policy: Policy) -> tuple[Story, Decision]:
    made = Story(policy=policy).reach(Status.CANCELED)
    return made, made.tell(seen(Status.SUCCEEDED))


def late(policy: Policy) -> Story:
    """A canceled payment whose money came after all."""
    return paid_after_cancel(policy)[0]


def two_hundred_refunds(policy: Policy) -> Story:
    made = paid(policy)
    many = tuple(refund_fact(1, number=number) for number in range(limits.MAX_REFUNDS))
    made.read(Status.SUCCEEDED, ledger=Ledger(many))
    return made
