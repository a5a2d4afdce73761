"""Whether a stored payment is what its steps make of it: each input goes through `decide` again, with its moment as the clock.

Pure. What no decision depends on is not kept with the inputs (domain/inputs.py) and is not compared. A payment that began
under a release that kept no steps is unverifiable: nothing is claimed of it. So is one that differs, if another release
decided some of its steps by other rules (inputs.py, RULES).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from itertools import pairwise
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from contracts.events import Case
from worker.adapters.documents import Document, plain, to_the_millisecond
from worker.adapters.readable import Unreadable
from worker.domain import policy
from worker.domain.inputs import LIVE_ELSEWHERE, PAID_ELSEWHERE, RULES, STRANGER, UNKEPT
from worker.domain.messages import Create, Message
from worker.domain.payment import decide
from worker.domain.policy import Course, Policy
from worker.domain.record import OPENING, Input, Payment

NOBODY = "\0nobody"
"""Stands for a user who is not the payment's: no user id begins like this."""

UNCOMPARED = {"version", "archived", "inputs"}
_BESIDE = frozenset({*(UNKEPT - {"user_id"}), "sent"})
"""Not compared at any depth: what the inputs leave out, and whether an event is sent, which is marked beside the steps."""

_NAMED_BY = ("message_id", "sequence", "case", "id")
"""What tells the items of a list apart; of a concern its case and what it is about."""

_LISTS = ("attempts", "refunds", "disputes", "reviews", "concerns", "calls", "timeline", "events")

NOT_KEPT = "its steps are not on record: an older release made them"
OTHER_RULES = "it differs, and another release decided some of its steps by other rules"
NOT_READ = "in words that this release does not know"
STEP = "a step"
"""Stands for what a lost step was: nobody knows it."""


class Result(StrEnum):
    EQUAL = "equal"
    DIFFERENT = "different"
    UNVERIFIABLE = "unverifiable"


@dataclass(frozen=True, slots=True)
class Difference:
    """One field by its path, such as `refunds[re-1].amount`. None: it is not there."""

    field: str
    stored: Any
    replayed: Any


@dataclass(frozen=True, slots=True)
class Stored:
    """A payment with all that has moved to the archive. `bare` are the calls that left their parameters behind there.

    `moved` are the parts that were found in the archive, `gone` those of them that are there alone: a move that was
    interrupted leaves parts in both places. `kept`: its document has a list of steps, or had one that has moved. `alone`
    is what the document has without the archive, and `foreign` the fields of it that we do not write.
    """

    payment: Payment
    alone: Payment
    check_at: datetime | None
    unsent_at: datetime | None
    foreign: Mapping[str, Any]
    bare: frozenset[str] = frozenset()
    moved: int = 0
    gone: int = 0
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of one payment. `steps` were replayed; `why` says what makes it unverifiable."""

    payment_id: str
    result: Result
    steps: int = 0
    why: str = ""
    differences: tuple[Difference, ...] = ()


class Unread(Exception):
    """A step that this release cannot read."""


def verify(stored: Stored | Unreadable) -> Verified:
    """Replay a payment and compare. Never raises for what is stored."""
    if isinstance(stored, Unreadable):
        broken = Difference("document", stored.why, None)
        return Verified(stored.payment_id, Result.DIFFERENT, differences=(broken,))
    try:
        found = _verified(stored)
    except Exception as error:  # noqa: BLE001 - a step that cannot be repeated is a finding; the other payments go on
        broken = Difference("inputs", "decided", f"cannot be decided again: {type(error).__name__}")
        found = Verified(stored.payment.id, Result.DIFFERENT, len(stored.payment.inputs), differences=(broken,))
    other_rules = any(one.rules != RULES for one in stored.payment.inputs)
    if found.steps and found.result is Result.DIFFERENT and other_rules:
        return replace(found, result=Result.UNVERIFIABLE, why=OTHER_RULES)
    return found


def _verified(stored: Stored) -> Verified:
    payment, steps = stored.payment, len(stored.payment.inputs)
    if not stored.kept:
        return Verified(payment.id, Result.UNVERIFIABLE, why=NOT_KEPT)
    lost = tuple(_lost(stored))
    if lost:
        return Verified(payment.id, Result.DIFFERENT, differences=lost)
    replayed = _replayed(payment)
    if isinstance(replayed, Difference):
        return Verified(payment.id, Result.DIFFERENT, steps, differences=(replayed,))
    if replayed is None:
        nothing = Difference("inputs", "decided", "make no payment")
        return Verified(payment.id, Result.DIFFERENT, steps, differences=(nothing,))
    told, again = _tree(payment, stored.check_at, stored.bare), _tree(replayed, replayed.check_at, stored.bare)
    differences = (*_differences(told, again, ""), *_shape(stored, told, again))
    return Verified(payment.id, Result.DIFFERENT if differences else Result.EQUAL, steps, differences=differences)


def _lost(stored: Stored) -> Iterator[Difference]:
    """What is not on record any more. Every step raises the version by one and leaves an input.

    A move to the archive raises it, too, and carries at least one part.
    """
    payment = stored.payment
    if not stored.gone <= payment.archived <= stored.moved:
        yield Difference("archived", payment.archived, stored.gone if stored.gone > payment.archived else stored.moved)
    own = [one.version for one in stored.alone.inputs]
    if own != sorted(set(own)):
        yield Difference("inputs", own, sorted(set(own)))
    versions = [one.version for one in payment.inputs]
    if not versions or versions[0] != OPENING:
        yield Difference(f"inputs[{OPENING}]", None, STEP)
    moves = payment.archived
    for before, after in pairwise(versions):
        moves -= max(0, after - before - 1)
        if after <= before or moves < 0:
            yield Difference(f"inputs[{before + 1}]", None, STEP)
            return
    reached = versions[-1] + 1 if versions else 0
    if not reached <= payment.version <= reached + moves:
        yield Difference("version", payment.version, reached)


def _replayed(stored: Payment) -> Payment | Difference | None:
    """What the steps make; or the first of them that cannot be read."""
    payment: Payment | None = None
    for one in stored.inputs:
        before = replace(payment, version=one.version) if payment else None
        try:
            message, terms = _message(one, stored, before), _policy(one.policy)
        except Unread:
            return Difference(f"inputs[{one.version}]", one.kind, NOT_READ)
        decision = decide(
            before,
            message,
            one.at,
            number=stored.number,
            policy=terms,
            paid_elsewhere=PAID_ELSEWHERE in one.around,
            live_elsewhere=LIVE_ELSEWHERE in one.around,
        )
        payment = _as_stored(decision.payment) if decision.payment else None
    return payment


def _as_stored(payment: Payment) -> Payment:
    """The moments that are computed, as the database keeps them: the next step met those."""
    calls = tuple(replace(call, due_at=_moment(call.due_at)) if call.due_at else call for call in payment.calls)
    return replace(
        payment,
        calls=calls,
        read_at=_moment(payment.read_at),
        poll_at=_moment(payment.poll_at),
        customer_at=_moment(payment.customer_at),
    )


def _moment(moment: datetime | None) -> datetime | None:
    return to_the_millisecond(moment) if moment else None


def _message(one: Input, stored: Payment, before: Payment | None) -> Message:
    found = dict(one.message)
    if one.kind == Create.__name__:
        own = before.user_id if before else stored.user_id
        found["user_id"] = NOBODY if STRANGER in one.around else own
    elif one.kind == "Evidence":
        found["evidence"] = {}
    try:
        message: Message = _reader(one.kind).validate_python(found)
    except (ValidationError, KeyError) as error:
        raise Unread from error
    return message


@cache
def _reader(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter({known.__name__: known for known in get_args(Message)}[kind])


_COURSES: TypeAdapter[Mapping[Case, Course]] = TypeAdapter(dict[Case, Course])


def _policy(terms: Document) -> Policy:
    if not terms:
        return policy.DEFAULT
    try:
        courses = _COURSES.validate_python(terms["courses"])
        return Policy(courses, timedelta(milliseconds=terms["answer_within_ms"]))
    except (ValidationError, KeyError) as error:
        raise Unread from error


def _tree(payment: Payment, check_at: datetime | None, bare: frozenset[str]) -> Document:
    """What is compared, with lists as sub-documents by what names their items."""
    found: Document = dict.fromkeys(_LISTS, ()) | plain(payment) | {"check_at": check_at}
    for name in _LISTS:
        found[name] = dict(_named(found[name]))
    for call in found["calls"].values():
        if call["id"] in bare:
            call.pop("params", None)
    return {name: value for name, value in found.items() if name not in UNCOMPARED}


def _named(items: Sequence[Document]) -> Iterator[tuple[str, Document]]:
    """Each item under its name; one that comes again is told apart, so that it hides nothing and does not hide."""
    seen: Counter[str] = Counter()
    for item in items:
        name = f"[{_name(item)}]"
        seen[name] += 1
        yield (name if seen[name] == 1 else f"{name}#{seen[name]}"), item


def _shape(stored: Stored, told: Document, again: Document) -> Iterator[Difference]:
    """What is not in the record itself: the order of its lists, when the relay looks at it, and fields that are not ours."""
    own = told if stored.alone is stored.payment else _tree(stored.alone, stored.check_at, frozenset())
    for name in _LISTS:
        yield from (Difference(name + key, own[name][key], None) for key in own[name] if key not in told[name])
        moved = {f"[{call}]" for call in stored.bare} if name == "calls" else set()
        kept = [key for key in own[name] if key in again[name] and key not in moved]
        made = [key for key in again[name] if key in own[name] and key not in moved]
        if kept != made:
            yield Difference(name, kept, made)
    unsent = min((event.at for event in stored.alone.events if not event.sent), default=None)
    if _comparable(stored.unsent_at) != _comparable(unsent):
        yield Difference("unsent_at", stored.unsent_at, unsent)
    yield from (Difference(name, value, None) for name, value in stored.foreign.items())


def _name(item: Document) -> str:
    named_by = next(name for name in _NAMED_BY if name in item)
    return f"{item[named_by]}:{item['about']}" if named_by == "case" and "about" in item else str(item[named_by])


def _differences(stored: Any, replayed: Any, path: str) -> Iterator[Difference]:
    if isinstance(stored, dict) and isinstance(replayed, dict):
        for name in sorted({*stored, *replayed} - _BESIDE):
            inner = f"{path}{name}" if name.startswith("[") or not path else f"{path}.{name}"
            yield from _differences(stored.get(name), replayed.get(name), inner)
    elif _comparable(stored) != _comparable(replayed):
        yield Difference(path, stored, replayed)


def _comparable(value: Any) -> Any:
    """Moments as the database keeps them, and nothing for what is empty, which is not stored."""
    if isinstance(value, datetime):
        return to_the_millisecond(value)
    if isinstance(value, dict):
        kept = {name: _comparable(item) for name, item in value.items() if name not in _BESIDE}
        return {name: item for name, item in kept.items() if item is not None} or None
    if isinstance(value, list | tuple):
        return [_comparable(item) for item in value] or None
    return value
