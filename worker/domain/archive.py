"""What leaves a document that has grown long. The archive is read like the document: a late duplicate finds its record.

Attempts, refunds, disputes, open calls and unsent events always stay, and so does what later decisions look back at: the
create, and our own cancels, whose number makes the next one's key. Events leave from the front, so that those that stay
are numbered without gaps.
"""

from dataclasses import dataclass, replace
from itertools import takewhile

from worker.domain.record import Announced, Call, Entry, Input, Operation, Payment

KEPT = 200
"""Newest entries of each list that stay: what a payment of ordinary length never reaches."""

SLACK = 50
"""How far a list may grow beyond that, so that one move carries many."""


@dataclass(frozen=True, slots=True)
class Surplus:
    """What moves, oldest first."""

    timeline: tuple[Entry, ...] = ()
    calls: tuple[Call, ...] = ()
    events: tuple[Announced, ...] = ()
    inputs: tuple[Input, ...] = ()

    @property
    def size(self) -> int:
        return len(self.timeline) + len(self.calls) + len(self.events) + len(self.inputs)


def surplus(payment: Payment) -> Surplus | None:
    """What is to move to the archive now, or None while every list is short enough."""
    lists = (payment.timeline, payment.calls, payment.events, payment.inputs)
    if all(len(found) <= KEPT + SLACK for found in lists):
        return None
    movable = [call for call in payment.calls if _may_move(call)]
    excess = max(0, len(payment.calls) - KEPT)
    found = Surplus(
        timeline=payment.timeline[:-KEPT],
        calls=tuple(movable[:excess]),
        events=tuple(takewhile(lambda event: event.sent, payment.events[:-KEPT])),
        inputs=payment.inputs[:-KEPT],
    )
    return found if found.size else None


def _may_move(call: Call) -> bool:
    return not call.open and call.operation is not Operation.CREATE and call.own_reason is None


def without(payment: Payment, moved: Surplus) -> Payment:
    """The record after the move."""
    return replace(
        payment,
        timeline=tuple(entry for entry in payment.timeline if entry not in moved.timeline),
        calls=tuple(call for call in payment.calls if call not in moved.calls),
        events=tuple(event for event in payment.events if event not in moved.events),
        inputs=tuple(one for one in payment.inputs if one not in moved.inputs),
        archived=payment.archived + moved.size,
    )


def recalled(payment: Payment, call: Call | None, entry: Entry | None) -> Payment:
    """The record with what the archive knows of one message, so that a decision meets it as if it had never left."""
    return replace(
        payment,
        calls=(call, *payment.calls) if call else payment.calls,
        timeline=(entry, *payment.timeline) if entry else payment.timeline,
    )
