"""In-memory stand-ins for the simulation and for tests of the pure core. Each passes the real one's conformance suite."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from contracts.replies import Reply
from worker.adapters.budget import OF_CALL, Priority
from worker.domain.archive import Surplus, recalled, without
from worker.domain.record import Address, Announced, Call, Entry, Input, Payment
from worker.errors import StoreUnavailable
from worker.ports import Due, Ignored, Mark, Refusal

T = TypeVar("T")


class MemoryStore:
    """Payments in a dict. Records are frozen, so what is handed out cannot be changed behind its back."""

    def __init__(self) -> None:
        self.payments: dict[str, Payment] = {}
        self.refusals: dict[str, Refusal] = {}
        self.ignored: dict[str, Ignored] = {}
        self.archived: dict[tuple[str, str], Entry | Call | Announced | Input] = {}
        self.away = False

    async def by_id(self, payment_id: str) -> Payment | None:
        self._answer()
        return self.payments.get(payment_id)

    async def by_order(self, order_id: str) -> list[Payment]:
        self._answer()
        found = [payment for payment in self.payments.values() if payment.order_id == order_id]
        return sorted(found, key=lambda payment: payment.number)

    async def by_intent(self, intent_id: str) -> Payment | None:
        self._answer()
        return next((payment for payment in self.payments.values() if payment.intent_id == intent_id), None)

    async def commit(self, before: Payment | None, after: Payment) -> Payment | None:
        self._answer()
        stored = self.payments.get(after.id)
        if (stored.version if stored else None) != (before.version if before else None):
            return None
        if after.intent_id and any(
            other.intent_id == after.intent_id for other in self.payments.values() if other.id != after.id
        ):
            return None
        if before is None or stored is None:
            self.payments[after.id] = after
            return after
        written = replace(after, version=before.version + 1)
        # Only what changed is written: what the archive knew of a message is no change, and neither is a mark.
        self.payments[after.id] = replace(
            written,
            events=_grown(stored.events, before.events, after.events),
            timeline=_grown(stored.timeline, before.timeline, after.timeline),
            calls=stored.calls if after.calls == before.calls else after.calls,
        )
        return written

    async def mark_sent(self, marks: Sequence[Mark]) -> None:
        self._answer()
        for mark in marks:
            payment = self.payments[mark.payment_id]
            events = (replace(event, sent=event.sent or event.sequence in mark.sequences) for event in payment.events)
            self.payments[payment.id] = replace(payment, events=tuple(events))

    async def unsent(self, before: datetime, limit: int) -> list[Payment]:
        self._answer()
        found = [
            payment
            for payment in self.payments.values()
            if any(not event.sent and event.at < before for event in payment.events)
        ]
        return found[:limit]

    async def due(self, now: datetime, limit: int) -> list[Due]:
        self._answer()
        waiting = ((payment.check_at, payment.id) for payment in self.payments.values())
        names = [name for moment, name in sorted((at, name) for at, name in waiting if at and at <= now)][:limit]
        heads = {name: self.payments[name].draft or self.payments[name].head for name in names}
        return [Due(name, OF_CALL[head.operation] if head else Priority.READ) for name, head in heads.items()]

    async def record_refusal(self, refusal: Refusal) -> None:
        self._answer()
        self.refusals.setdefault(refusal.message_id, refusal)

    async def refusal(self, message_id: str) -> Refusal | None:
        self._answer()
        return self.refusals.get(message_id)

    async def archive(self, payment: Payment, moved: Surplus) -> bool:
        self._answer()
        parts: dict[str, Entry | Call | Announced | Input] = {
            **{f"entry:{entry.message_id}": entry for entry in moved.timeline},
            **{f"call:{call.id}": replace(call, params={}) for call in moved.calls},
            **{f"event:{event.sequence}": event for event in moved.events},
            **{f"input:{one.version}": one for one in moved.inputs},
        }
        for name, part in parts.items():
            if payment.erased_at is not None:
                self.archived[payment.id, name] = part
            self.archived.setdefault((payment.id, name), part)
        stored = self.payments[payment.id]
        if stored.version != payment.version:
            return False
        moved = replace(moved, events=tuple(event for event in stored.events if event.sent and _among(event, moved)))
        self.payments[payment.id] = replace(without(stored, moved), version=payment.version + 1)
        return True

    async def recall(self, payment: Payment, message_id: str) -> Payment:
        self._answer()
        call = self.archived.get((payment.id, f"call:{message_id}"))
        entry = self.archived.get((payment.id, f"entry:{message_id}"))
        assert not isinstance(call, Entry | Announced | Input)
        assert not isinstance(entry, Call | Announced | Input)
        return recalled(payment, call, entry)

    async def of_user(self, user_id: str, limit: int) -> list[str]:
        self._answer()
        return [payment.id for payment in self.payments.values() if payment.user_id == user_id][:limit]

    async def erase_archive(self, payment_id: str, tombstone: str) -> None:
        self._answer()
        for key, part in self.archived.items():
            if key[0] != payment_id:
                continue
            match part:
                case Announced():
                    self.archived[key] = replace(part, body=part.body | {"user_id": tombstone})
                case Call():
                    self.archived[key] = replace(part, note=None)
                case Entry():
                    message = {name: value for name, value in part.message.items() if name != "note"}
                    self.archived[key] = replace(part, message=message)

    async def record_ignored(self, ignored: Ignored) -> None:
        self._answer()
        self.ignored.setdefault(ignored.event_id, ignored)

    def _answer(self) -> None:
        if self.away:
            raise StoreUnavailable("told to be away")


def _grown(stored: tuple[T, ...], before: tuple[T, ...], after: tuple[T, ...]) -> tuple[T, ...]:
    """The list as it is stored with what was added; the new one where it was rewritten."""
    return stored + after[len(before) :] if after[: len(before)] == before else after


def _among(event: Announced, moved: Surplus) -> bool:
    return any(event.sequence == other.sequence for other in moved.events)


class NoCustomers:
    """For tests of payments that need no customer: every user has one already."""

    async def ensure(self, user_id: str, issued_at: datetime | None = None) -> str | None:
        del issued_at
        return f"cus_{user_id}"


class MemoryOutbox:
    """Keeps what is told, and marks events as sent at once."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.events: list[tuple[str, Announced]] = []
        self.replies: list[tuple[Address, Reply]] = []
        self.away = False

    async def publish(self, payment: Payment, events: Sequence[Announced]) -> int:
        if self.away:
            return 0
        self.events += [(payment.id, event) for event in events]
        await self._store.mark_sent([Mark(payment.id, payment.order_id, tuple(event.sequence for event in events))])
        return len(events)

    async def reply(self, address: Address, reply: Reply) -> None:
        self.replies.append((address, reply))
