"""A message that nobody could apply, as the desk keeps it: what is left of it, why it is here, and what can be done about it.

Of a Stripe event nothing is needed but its id: Stripe lists events for 30 days, and a replay reads it there again. A command is
kept whole, unless something secret or personal is in it; then only its sender can send it again. Bytes that are no message are
kept as a sketch. See docs/dead-letters.md.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from worker.redaction import scrubbed


class Form(StrEnum):
    """What it is, as far as it could be read."""

    COMMAND = "command"
    EVENT = "event"
    BYTES = "bytes"


class State(StrEnum):
    """OPEN waits for a person, REPLAYING for a worker; the other two are settled, until the message comes back."""

    OPEN = "open"
    REPLAYING = "replaying"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


ONLY_SENDER = "what is secret or personal in it was not kept: only its sender can send it again"
UNREADABLE = "it is no message that could be read: it can only be discarded"
NOBODYS = "nothing says which queue it was for: it can only be discarded"
ERASED = "its user was erased: it can only be discarded"
NO_LONGER_LISTED = "Stripe no longer lists this event: it can only be discarded"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One message at the desk, however often it came.

    `delivery` is the broker's name of its newest arrival, `message_id` the logical id. `body` is redacted JSON, or a sketch of
    bytes; `size` and `body_hash` (SHA-256) are of what arrived. `about` names what it concerns: payment, order, PaymentIntent.
    `unreplayable` says why it cannot be replayed, and is empty when it can. `attempt` counts what was tried before it came.
    """

    id: str
    delivery: str
    form: Form
    origin: str
    kind: str
    message_id: str
    reason: str
    error_type: str
    fingerprint: str
    attempt: int
    arrived_at: datetime
    first_failed_at: datetime | None = None
    about: tuple[str, ...] = ()
    user_id: str | None = None
    body: str = ""
    size: int = 0
    body_hash: str = ""
    unreplayable: str = ""
    state: State = State.OPEN
    arrivals: int = 1
    replays: int = 0
    asked_by: str | None = None
    note: str | None = None
    settled_at: datetime | None = None

    @property
    def open(self) -> bool:
        return self.state in {State.OPEN, State.REPLAYING}


def letter_id(*parts: str) -> str:
    """A name that the same message always gets, so that each of its arrivals finds the others."""
    return f"dl_{_hash(*parts)[:24]}"


def fingerprint(origin: str, kind: str, error_type: str, reason: str) -> str:
    """Name a cause: letters that differ only in ids, numbers and quoted values have the same one."""
    return _hash(origin, kind, error_type, _general(reason))[:12]


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x00".join(parts).encode(errors="replace")).hexdigest()


_PARTICULAR = re.compile(r"'[^']*'|\"[^\"]*\"|\b[a-z]+_\w*\d\w*|\b[0-9a-f]{8,}\b|\d+")


def _general(text: str) -> str:
    return " ".join(_PARTICULAR.sub("#", scrubbed(text).lower()).split())


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters: those with one of these ids, of a cause, a kind, about one of these names, arrived since.

    Every condition that is given must hold. `settled` asks for those that are done with, else for those that are not.
    """

    ids: tuple[str, ...] = ()
    fingerprint: str | None = None
    kind: str | None = None
    about: tuple[str, ...] = ()
    since: datetime | None = None
    settled: bool = False

    def fits(self, letter: DeadLetter) -> bool:
        """Whether this letter is among them."""
        return (
            letter.open is not self.settled
            and (not self.ids or letter.id in self.ids)
            and self.fingerprint in {None, letter.fingerprint}
            and self.kind in {None, letter.kind}
            and (not self.about or bool(set(self.about).intersection(letter.about)))
            and (self.since is None or letter.arrived_at >= self.since)
        )


@dataclass
class Cause:
    """Letters with one fingerprint, counted. `examples` are the first few ids, `about` all that they concern, up to a limit."""

    fingerprint: str
    origin: str
    kind: str
    reason: str
    first_at: datetime
    last_at: datetime
    count: int = 0
    replayable: int = 0
    replaying: int = 0
    attempts: int = 0
    examples: tuple[str, ...] = ()
    about: tuple[tuple[str, ...], ...] = ()


EXAMPLES = 5
NAMED = 50
"""What a cause concerns is named up to this many; a cause that concerns more is a matter of the whole service."""


def add(found: dict[str, Cause], letter: DeadLetter) -> None:
    """Count one letter with its cause."""
    at = letter.arrived_at
    cause = found.setdefault(
        letter.fingerprint,
        Cause(letter.fingerprint, letter.origin, letter.kind, letter.reason, first_at=at, last_at=at),
    )
    cause.count += 1
    cause.replayable += not letter.unreplayable
    cause.replaying += letter.state is State.REPLAYING
    cause.attempts = max(cause.attempts, letter.attempt)
    cause.first_at, cause.last_at = min(cause.first_at, at), max(cause.last_at, at)
    if len(cause.examples) < EXAMPLES:
        cause.examples += (letter.id,)
    if letter.about and letter.about not in cause.about and len(cause.about) < NAMED:
        cause.about += (letter.about,)


def ranked(found: dict[str, Cause]) -> list[Cause]:
    """The most frequent cause first."""
    return sorted(found.values(), key=lambda cause: (-cause.count, cause.fingerprint))
