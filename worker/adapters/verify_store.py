"""Payments as they are stored, whole, for the check of their steps. Changes nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import fields

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from worker.adapters.documents import Document, Unsound, from_document
from worker.adapters.readable import Unreadable, by_name, readable
from worker.adapters.trouble import translated
from worker.adapters.whole import joined, moved_from
from worker.domain.record import Payment
from worker.verification import Stored

AT_ONCE = 20
"""Documents in memory, and look-ups in the archive, at a time. A document is a few kilobytes; the longest has a megabyte."""

PARTS = (
    ("entry", "timeline", "message_id"),
    ("call", "calls", "id"),
    ("event", "events", "sequence"),
    ("input", "inputs", "version"),
)
"""What moves to the archive: its kind there, its list in a document, and what names it."""

LISTS = ("attempts", "refunds", "disputes", "reviews", "concerns", *(field for _, field, _ in PARTS))
AT_STRIPE = frozenset({"payment_intent_id", "latest_charge_id", "customer_id"})
WRITTEN = frozenset({one.name for one in fields(Payment)} - {"id", "intent_id", "latest_charge_id", "customer_id"}) | {
    *("_id", "stripe", "check_at", "unsent_at", "quarters"),
}
"""The fields that a document may have; `quarters` is the roll-up's own mark (stats_store.py)."""


class VerifyStore:
    """Raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._payments: AsyncCollection[Document] = database["payments"]
        self._archive: AsyncCollection[Document] = database["archive"]

    async def of(self, name: str) -> list[Stored | Unreadable]:
        """The payment of a payment id or a PaymentIntent id, or all payments of an order."""
        async with translated():
            return [await self._stored(one) async for one in self._payments.find(by_name(name)).sort("_id")]

    async def count(self) -> int:
        """About how many payments `every` goes through."""
        async with translated():
            return await self._payments.estimated_document_count()

    async def every(self) -> AsyncIterator[list[Stored | Unreadable]]:
        """All payments, some at a time, each as it was at one moment."""
        batch: list[Document] = []
        async with translated():
            async for one in self._payments.find({}).batch_size(AT_ONCE):
                batch.append(one)
                if len(batch) == AT_ONCE:
                    yield await asyncio.gather(*map(self._stored, batch))
                    batch = []
            yield await asyncio.gather(*map(self._stored, batch))

    async def _stored(self, document: Document) -> Stored | Unreadable:
        return stored(document, await moved_from(self._archive, document))


def stored(document: Document, moved: Sequence[Document] = ()) -> Stored | Unreadable:
    """A document with what has moved out of it to the archive."""
    return readable(str(document["_id"]), lambda: _stored(document, moved))


def _stored(document: Document, moved: Sequence[Document]) -> Stored:
    _refuse_other_kinds(document)
    here = {(kind, one[name]) for kind, field, name in PARTS for one in document.get(field, ())}
    names = {kind: name for kind, _, name in PARTS}
    gone = [one for one in moved if (one["kind"], one["value"][names[one["kind"]]]) not in here]
    calls = [one["value"] for one in gone if one["kind"] == "call"]
    payment = from_document(joined(document, moved) | {"calls": [*calls, *document.get("calls", ())]})
    return Stored(
        payment,
        from_document(document) if moved else payment,
        document.get("check_at"),
        document.get("unsent_at"),
        _foreign(document),
        bare=frozenset(one["value"]["id"] for one in moved if one["kind"] == "call"),
        moved=len(moved),
        gone=len(gone),
        kept="inputs" in document or any(one["kind"] == "input" for one in moved),
    )


def _refuse_other_kinds(document: Document) -> None:
    """What reads like an empty list or a mark, and cannot be written to like one. Raises Unsound."""
    for name in LISTS:
        if not isinstance(document.get(name, []), list):
            raise Unsound(f"{name} is stored as {type(document[name]).__name__}")
    for event in document.get("events", ()):
        if not isinstance(event.get("sent", False), bool):
            raise Unsound(f"events.sent is stored as {type(event['sent']).__name__}")


def _foreign(document: Document) -> Document:
    """What no release of ours has put there."""
    inner = {f"stripe.{name}": value for name, value in document.get("stripe", {}).items() if name not in AT_STRIPE}
    return {name: value for name, value in document.items() if name not in WRITTEN} | inner
