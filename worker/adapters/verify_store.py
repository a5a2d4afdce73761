"""Payments as they are stored, whole, for the check of their steps. Changes nothing."""

import asyncio
from collections.abc import AsyncIterator

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from worker.adapters.documents import Document, Unsound, from_document
from worker.adapters.trouble import translated
from worker.adapters.whole import joined, moved_from
from worker.verification import Stored, Unreadable

AT_ONCE = 20
"""Documents in memory, and look-ups in the archive, at a time. A document is a few kilobytes; the longest has a megabyte."""


class VerifyStore:
    """Raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._payments: AsyncCollection[Document] = database["payments"]
        self._archive: AsyncCollection[Document] = database["archive"]

    async def of(self, name: str) -> list[Stored | Unreadable]:
        """The payment of a payment id or a PaymentIntent id, or all payments of an order."""
        field = {"pay": "_id", "pi": "stripe.payment_intent_id"}.get(name.partition("_")[0], "order_id")
        async with translated():
            return [await self._stored(one) async for one in self._payments.find({field: name}).sort("_id")]

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
        moved = await moved_from(self._archive, document)
        here = {call["id"] for call in document.get("calls", ())}
        gone = {one["value"]["id"]: one["value"] for one in moved if one["kind"] == "call"}
        calls = [call for name, call in gone.items() if name not in here]
        found = joined(document, moved) | {"calls": [*calls, *document.get("calls", ())]}
        try:
            payment = from_document(found)
        except Unsound as error:
            return Unreadable(str(document["_id"]), str(error))
        except (ValueError, KeyError, TypeError) as error:
            return Unreadable(str(document["_id"]), f"is not as we write it: {type(error).__name__}")
        return Stored(payment, document.get("check_at"), frozenset(gone))
