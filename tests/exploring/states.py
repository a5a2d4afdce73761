"""When two states of a small world are the same: by what a decision, Stripe or a judge can still tell apart.

A record keeps its story in order, and no decision reads the order: the timeline is looked up by message id, and of the events
what is asked is whether an attempt was announced since the last `requires_action`. Versions are compared and never counted.
So two interleavings of messages that commute end in one state, and are gone on with once. That states with one digest have the
same ways on is shown by tests/stateful/test_small_worlds.py.
"""

import hashlib
from dataclasses import fields, replace
from typing import Any

from worker.domain.messages import Message
from worker.domain.record import Payment

KEPT = 50_000
"""Digests of parts that are remembered; the parts stay as long, so that no other object takes an id."""

SINCE = ("payment.requires_action", "payment.failed")
"""Events of which a decision asks what came after what (worker/domain/news.py)."""

STORY = frozenset({"version", "timeline", "events", "inputs"})
"""Parts of a record that are not taken as they are."""

READ = "~read-"
"""A read's message id ends with the version that it is for: new each time, and never looked up again."""

_known: dict[int, tuple[Any, bytes]] = {}


def digest(node: Any) -> bytes:
    """Of a whole state. `node` is an explore.Node."""
    store = [(name, _of(payment, _record)) for name, payment in sorted(node.store.items())]
    broker = sorted(_of(message, _message) for message in node.broker)
    workers = sorted(_job(node, job) if job else b"" for job in node.workers)
    stripe = _of(node.stripe, lambda one: (one.intents, one._kept, one._count))
    rest = (node.crashes, node.lost_acks, node.now, node.jumps, sorted(node.refused))
    return _hash((store, broker, workers, stripe, rest))


def _job(node: Any, job: Any) -> bytes:
    """Whether the copy that a worker goes by is the stored one is what counts of its version."""
    stored = node.store.get(job.payment.id) if job.payment else None
    current = (stored.version if stored else None) == (job.payment.version if job.payment else None)
    answers = getattr(job.message, "version", None)
    fresh = answers is not None and job.payment is not None and answers == job.payment.version
    record = _of(job.payment, _record) if job.payment else b""
    parts = (_of(job.first, _message), _of(job.message, _message), record, job.number, _of(job.effect, repr))
    return _hash((parts, current, fresh))


def _message(message: Message) -> Any:
    if getattr(message, "version", None) is None:
        return message
    changes: dict[str, Any] = {"version": 0}
    if getattr(message, "message_id", "").startswith(READ):
        changes["message_id"] = READ
    return replace(message, **changes)


def _record(payment: Payment) -> Any:
    timeline = sorted(
        repr((entry.message_id, entry.outcome, entry.body_hash, entry.verdict, entry.refused))
        for entry in payment.timeline
        if not entry.message_id.startswith(READ)
    )
    events = sorted(repr(_event(event)) for event in payment.events)
    told = [_event(event) for event in payment.events if event.type in SINCE]
    rest = [getattr(payment, field.name) for field in fields(payment) if field.name not in STORY]
    return timeline, events, told, rest


def _event(event: Any) -> tuple[Any, ...]:
    names = ("refund", "dispute", "attempt")
    ids = {"refund": "refund_id", "dispute": "dispute_id", "attempt": "attempt_id"}
    return event.type, tuple((event.body.get(name) or {}).get(ids[name]) for name in names)


def _of(part: Any, canonical: Any) -> bytes:
    known = _known.get(id(part))
    if known is not None and known[0] is part:
        return known[1]
    if len(_known) >= KEPT:
        _known.clear()
    made = _hash(canonical(part))
    _known[id(part)] = (part, made)
    return made


def _hash(value: Any) -> bytes:
    return hashlib.blake2b(repr(value).encode(), digest_size=16).digest()
