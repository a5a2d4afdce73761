"""A payment's story as rows in the order of time: why it is as it is."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from worker.adapters.stories import Story
from worker.dead_letter import DeadLetter
from worker.domain.record import Announced, Call, Entry

COMMAND, WEBHOOK, READ, STRIPE, EVENT = "command", "webhook", "read", "stripe", "event"
OWN, IGNORED, DEAD = "own", "ignored", "dead letter"
"""What a row is: OWN was decided here without a command, STRIPE is a request to it, EVENT was announced."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that happened. `details` are further facts by name, for people as `name value`."""

    at: datetime
    what: str
    name: str
    id: str
    outcome: str = ""
    from_status: str = ""
    to_status: str = ""
    why: str = ""
    details: dict[str, Any] = field(default_factory=dict)


def rows(story: Story) -> list[Row]:
    """All rows of a story, oldest first; what has one moment stays in the order of cause and effect."""
    found: list[Row] = []
    if story.payment is not None:
        found += map(_entry, story.payment.timeline)
    found += map(_call, story.calls)
    if story.payment is not None:
        found += (_event(story.payment.id, event) for event in story.payment.events)
    found += (Row(one.at, IGNORED, one.type, one.event_id, "ignored", why=one.reason) for one in story.ignored)
    found += (
        Row(one.at, COMMAND, one.kind, one.message_id, "refused", why=f"{one.code}: {one.message}")
        for one in story.refusals
    )
    for letter in story.letters:
        found += _letter(letter)
    return sorted(found, key=lambda row: row.at)


def _entry(entry: Entry) -> Row:
    moved = entry.from_status != entry.to_status
    return Row(
        at=entry.at,
        what=_what(entry),
        name=entry.kind,
        id=entry.message_id,
        outcome=str(entry.outcome),
        from_status=str(entry.from_status) if moved else "",
        to_status=str(entry.to_status),
        why=entry.why,
        details={name: value for name, value in entry.message.items() if value is not None},
    )


def _what(entry: Entry) -> str:
    if entry.kind == "read":
        return READ
    if entry.message_id.startswith("~"):
        return OWN
    return WEBHOOK if "." in entry.kind else COMMAND


def _call(call: Call) -> Row:
    took = call.closed_at - call.sends[-1] if call.closed_at and call.sends else None
    details = {
        "key": call.key,
        "sends": len(call.sends),
        "held_back": call.held_back or None,
        "request_id": call.request_id,
        "took_ms": round(took / timedelta(milliseconds=1)) if took is not None else None,
        "sent_at": [moment.isoformat() for moment in call.sends],
        "due_at": call.due_at.isoformat() if call.due_at else None,
        "settle": call.settle,
    }
    return Row(
        at=call.sends[0] if call.sends else call.issued_at,
        what=STRIPE,
        name=str(call.operation),
        id=call.id,
        outcome=str(call.state),
        why=f"{call.refused.code}: {call.refused.message}" if call.refused else call.own_reason or "",
        details={name: value for name, value in details.items() if value not in (None, [])},
    )


def _event(payment_id: str, event: Announced) -> Row:
    sent = "sent" if event.sent else "not sent yet"
    because = {"because_of": event.causation_id} if event.causation_id else {}
    return Row(event.at, EVENT, event.type, f"{payment_id}.{event.sequence}", sent, details=because)


def _letter(letter: DeadLetter) -> Iterator[Row]:
    counts = {"letter": letter.id, "tried": letter.attempt, "arrivals": letter.arrivals, "replays": letter.replays}
    yield Row(letter.arrived_at, DEAD, letter.kind, letter.message_id, "open", why=letter.reason, details=counts)
    if letter.settled_at is not None:
        told = {"letter": letter.id, "requested_by": letter.asked_by}
        why = letter.note or ""
        yield Row(letter.settled_at, DEAD, letter.kind, letter.message_id, str(letter.state), why=why, details=told)
