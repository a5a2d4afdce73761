"""The payments that wait for a person, found by a sparse index: only those have the field."""

from collections.abc import AsyncGenerator

from pymongo import ASCENDING
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from worker.adapters.documents import Document
from worker.adapters.readable import Unreadable, payment_of
from worker.adapters.trouble import translated
from worker.domain.record import Payment


class MongoReviews:
    """Raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._payments: AsyncCollection[Document] = database["payments"]

    async def prepare(self) -> None:
        """Create the index; harmless to repeat."""
        async with translated():
            await self._payments.create_index([("needs_review", ASCENDING)], sparse=True)

    async def waiting(self) -> AsyncGenerator[Payment | Unreadable, None]:
        """Every payment that needs review, also one that cannot be read."""
        async with translated():
            async for found in self._payments.find({"needs_review": {"$gt": ""}}):
                yield payment_of(found)

    async def names(self) -> list[str]:
        """The ids of all that need review, which take no reading."""
        async with translated():
            found = self._payments.find({"needs_review": {"$gt": ""}}, {"_id": 1})
            return [str(one["_id"]) async for one in found]
