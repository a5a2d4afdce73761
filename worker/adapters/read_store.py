"""What queries read of payments: equalities, or ranges on an indexed field, each bounded."""

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta

from pymongo import ASCENDING, DESCENDING
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from worker.adapters.documents import Document, from_document
from worker.adapters.trouble import translated
from worker.adapters.whole import whole
from worker.domain.record import Payment
from worker.ports import Refusal
from worker.queries import SCANNED_MAX, Place

UNSHOWN = dict.fromkeys(("timeline", "events", "calls", "draft", "inputs"), 0)
"""What no list of payments shows: most of a document."""

MILLISECOND = timedelta(milliseconds=1)
"""The resolution of a stored moment. The embedded database's `$lte` on the middle field of an index leaves out the moment
itself, so ends are said with `$lt`."""


class ReadStore:
    """See queries.Reading."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._payments: AsyncCollection[Document] = database["payments"]
        self._archive: AsyncCollection[Document] = database["archive"]
        self._refusals: AsyncCollection[Document] = database["refusals"]

    async def prepare(self) -> None:
        """Create the indexes; harmless to repeat."""
        keys = [("user_id", ASCENDING), ("created_at", ASCENDING), ("_id", ASCENDING)]
        async with translated():
            await self._payments.create_index(keys)

    async def by_id(self, payment_id: str) -> Payment | None:
        return await self._one({"_id": payment_id})

    async def by_intent(self, intent_id: str) -> Payment | None:
        return await self._one({"stripe.payment_intent_id": intent_id})

    async def by_order(self, order_id: str) -> list[Payment]:
        async with translated():
            found = [one async for one in self._payments.find({"order_id": order_id})]
            payments = [from_document(await whole(self._archive, one)) for one in found]
        return sorted(payments, key=lambda payment: payment.number)

    async def history(
        self, user_id: str, since: datetime | None, until: datetime | None, after: Place | None
    ) -> AsyncGenerator[Payment, None]:
        ends = [moment for moment in (until, after and after.at) if moment]
        window: Document = {"$gte": since} if since else {}
        if ends:
            window["$lt"] = min(ends) + MILLISECOND
        query: Document = {"user_id": user_id} | ({"created_at": window} if window else {})
        newest_first = [("created_at", DESCENDING), ("_id", DESCENDING)]
        async with translated():
            async for one in self._payments.find(query, UNSHOWN).sort(newest_first).limit(SCANNED_MAX):
                yield from_document(one)

    async def refusal(self, command_id: str) -> Refusal | None:
        async with translated():
            found = await self._refusals.find_one({"_id": command_id})
        return Refusal(message_id=found.pop("_id"), **found) if found else None

    async def _one(self, query: Document) -> Payment | None:
        async with translated():
            found = await self._payments.find_one(query)
            return from_document(await whole(self._archive, found)) if found else None
