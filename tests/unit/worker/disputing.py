"""What tests of disputes share: a payment that has one, and what is heard and told of it."""

from datetime import timedelta
from typing import Any

from contracts.views import DisputeStatus
from tests.unit.worker.making import NOW, Story, dispute_fact, dispute_seen, event_types, paid
from worker.domain.effects import Decision
from worker.domain.facts import DisputeFact, Ledger
from worker.domain.parts import CLOSED
from worker.domain.record import Status

ASKING, ASKED = DisputeStatus.WARNING_NEEDS_RESPONSE, DisputeStatus.WARNING_UNDER_REVIEW
OPEN, REVIEWED = DisputeStatus.NEEDS_RESPONSE, DisputeStatus.UNDER_REVIEW
WON, LOST, OVER = DisputeStatus.WON, DisputeStatus.LOST, DisputeStatus.WARNING_CLOSED
ENDS = sorted(CLOSED)
DAY = timedelta(days=1)
DUE = NOW + 10 * DAY
"""When evidence for the disputes of these tests is due."""


def disputed(status: DisputeStatus = OPEN, **changes: Any) -> Story:
    made = paid()
    made.tell(dispute_seen(dispute_fact(status, **changes)))
    return made


def hear(made: Story, status: DisputeStatus, **changes: Any) -> Decision:
    return made.tell(dispute_seen(dispute_fact(status, **changes), f"evt_{len(made.record.timeline)}"))


def read(made: Story, *facts: DisputeFact) -> Decision:
    return made.read(Status.SUCCEEDED, ledger=Ledger((), facts))


def told(made: Story) -> list[str]:
    """What was announced of disputes."""
    return [kind.removeprefix("dispute_") for kind in event_types(made.record) if kind.startswith("dispute_")]
