"""Payments in MongoDB: one document each, one write per step, by compare-and-swap on the version.

docs/reliability.md, rule 22: majority and journaled writes, a time limit on every operation; a write whose answer is lost is
unknown, so the caller reloads and decides again. Indexes are sparse, look-ups are equalities or ranges on an indexed
field (docs/architecture.md, "Indexes are sparse").
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

import pymongo
from pymongo import ASCENDING, AsyncMongoClient, ReplaceOne, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    BulkWriteError,
    DuplicateKeyError,
    PyMongoError,
)
from pymongo.uri_parser import parse_uri
from pymongo.write_concern import WriteConcern

from contracts.environment import options
from worker.adapters.archive import archive_id, archived_documents, recalled_from, removal
from worker.adapters.budget import OF_CALL, Priority
from worker.adapters.documents import Document, changes, from_document, plain, to_document
from worker.adapters.trouble import translated
from worker.domain.archive import Surplus
from worker.domain.record import CallState, Operation, Payment
from worker.ports import Due, Ignored, Mark, Refusal

OPERATION_TIMEOUT_MS = 5_000
"""Operations take milliseconds; five seconds without an answer is a database in trouble, and waiting helps nobody."""

PING_S = 2.0

POOL_SIZE = 50
"""Connections per worker, where the address names no `maxPoolSize`. More messages may be in work; most of them wait for
Stripe, and the others for a moment."""

DUPLICATE_KEY = 11000
IGNORED_KEPT = timedelta(days=35)
"""Longer than Stripe's list of events reaches back (30 days), so that coverage can tell ignored from missing."""

REFUSALS_KEPT = timedelta(days=90)

DEFAULT_DATABASE = "payments"

RANKED = {"calls.operation": 1, "calls.state": 1, "draft.operation": 1}

Write = UpdateOne | ReplaceOne[Document]


def open_client(uri: str) -> AsyncMongoClient[Document]:
    """A client for this event loop; it connects when first used.

    What is an argument here the address cannot change: neither how safe a write is, nor how long one may take.
    """
    pool: dict[str, Any] = {} if "maxpoolsize" in map(str.casefold, options(uri)) else {"maxPoolSize": POOL_SIZE}
    return AsyncMongoClient(
        uri,
        tz_aware=True,
        w="majority",
        journal=True,
        timeoutMS=OPERATION_TIMEOUT_MS,
        serverSelectionTimeoutMS=OPERATION_TIMEOUT_MS,
        appname="payments-worker",
        **pool,
    )


def database_of(client: AsyncMongoClient[Document], uri: str) -> AsyncDatabase[Document]:
    """The database that the address names, or `payments`."""
    return client[parse_uri(uri)["database"] or DEFAULT_DATABASE]


class MongoStore:
    """See ports.Store."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._database = database
        self._payments: AsyncCollection[Document] = database["payments"]
        self._ignored: AsyncCollection[Document] = database["stripe_events"]
        self._refusals: AsyncCollection[Document] = database["refusals"]
        self._archive: AsyncCollection[Document] = database["archive"]
        self._marking = self._payments.with_options(write_concern=WriteConcern(w=1))

    async def prepare(self) -> None:
        """Create the indexes; harmless to repeat."""
        async with translated():
            payments = self._payments
            await payments.create_index([("order_id", ASCENDING)])
            await payments.create_index([("stripe.payment_intent_id", ASCENDING)], unique=True, sparse=True)
            await payments.create_index([("user_id", ASCENDING)])
            await self._archive.create_index([("payment_id", ASCENDING)])
            await payments.create_index([("check_at", ASCENDING)], sparse=True)
            await payments.create_index([("unsent_at", ASCENDING)], sparse=True)
            await self._ignored.create_index([("at", ASCENDING)], expireAfterSeconds=int(IGNORED_KEPT.total_seconds()))
            await self._refusals.create_index(
                [("at", ASCENDING)], expireAfterSeconds=int(REFUSALS_KEPT.total_seconds())
            )

    async def ping(self) -> bool:
        """Whether the database answers, soon enough for whoever probes us."""
        try:
            with pymongo.timeout(PING_S):
                await self._database.command("ping")
        except PyMongoError:
            return False
        return True

    async def writable(self) -> bool:
        """Whether a write is stored: a database that has lost its majority, or its disk, still answers a ping."""
        try:
            with pymongo.timeout(PING_S):
                await self._database["probes"].update_one({"_id": "writable"}, {"$inc": {"times": 1}}, upsert=True)
        except DuplicateKeyError:
            return True
        except PyMongoError:
            return False
        return True

    async def by_id(self, payment_id: str) -> Payment | None:
        return await self._one({"_id": payment_id})

    async def by_intent(self, intent_id: str) -> Payment | None:
        return await self._one({"stripe.payment_intent_id": intent_id})

    async def by_order(self, order_id: str) -> list[Payment]:
        async with translated():
            found = [from_document(document) async for document in self._payments.find({"order_id": order_id})]
        return sorted(found, key=lambda payment: payment.number)

    async def commit(self, before: Payment | None, after: Payment) -> Payment | None:
        async with translated():
            if before is None:
                return await self._insert(after)
            update = changes(before, after)
            key = {"_id": before.id, "order_id": before.order_id, "version": before.version}
            try:
                result = await self._payments.update_one(key, update)
            except DuplicateKeyError:
                return None
            return replace(after, version=before.version + 1) if result.matched_count else None

    async def _insert(self, after: Payment) -> Payment | None:
        try:
            await self._payments.insert_one(to_document(after))
        except DuplicateKeyError:
            return None
        return after

    async def mark_sent(self, marks: Sequence[Mark]) -> None:
        async with translated():
            await self._marking.update_many(*_marking(marks))

    async def unsent(self, before: datetime, limit: int) -> list[Payment]:
        return await self._many({"unsent_at": {"$lt": before}}, limit)

    async def due(self, now: datetime, limit: int) -> list[Due]:
        async with translated():
            found = self._payments.find({"check_at": {"$lte": now}}, RANKED)
            cursor = found.sort("check_at", ASCENDING).limit(limit)
            return [Due(str(document["_id"]), _rank(document)) async for document in cursor]

    async def record_refusal(self, refusal: Refusal) -> None:
        document = plain(refusal)
        async with translated():
            await self._put(self._refusals, document.pop("message_id"), document)

    async def refusal(self, message_id: str) -> Refusal | None:
        async with translated():
            document = await self._refusals.find_one({"_id": message_id})
        return Refusal(message_id=document.pop("_id"), **document) if document else None

    async def archive(self, payment: Payment, moved: Surplus) -> bool:
        async with translated():
            erased = payment.erased_at is not None
            await self._keep([_kept(document, erased=erased) for document in archived_documents(payment, moved)])
            key = {"_id": payment.id, "order_id": payment.order_id, "version": payment.version}
            result = await self._payments.update_one(key, removal(payment, moved))
        return bool(result.matched_count)

    async def _keep(self, moved: list[Write]) -> None:
        """Put parts into the archive. Another worker may be moving the same ones: what is there is there (rule 22)."""
        try:
            await self._archive.bulk_write(moved, ordered=False)
        except BulkWriteError as error:
            others = [one for one in error.details["writeErrors"] if one["code"] != DUPLICATE_KEY]
            if others or error.details["writeConcernErrors"]:
                raise

    async def recall(self, payment: Payment, message_id: str) -> Payment:
        names = {kind: archive_id(payment.id, kind, message_id) for kind in ("call", "entry")}
        async with translated():
            found = self._archive.find({"_id": {"$in": list(names.values())}})
            known = {document["_id"]: document["value"] async for document in found}
        return recalled_from(payment, known.get(names["call"]), known.get(names["entry"]))

    async def of_user(self, user_id: str, limit: int) -> list[str]:
        async with translated():
            found = self._payments.find({"user_id": user_id}, {"_id": 1}).limit(limit)
            return [str(document["_id"]) async for document in found]

    async def erase_archive(self, payment_id: str, tombstone: str) -> None:
        async with translated():
            mine = {"payment_id": payment_id}
            await self._archive.update_many(mine | {"kind": "event"}, {"$set": {"value.body.user_id": tombstone}})
            await self._archive.update_many(mine, {"$unset": {"value.note": "", "value.message.note": ""}})

    async def record_ignored(self, ignored: Ignored) -> None:
        document = {name: value for name, value in asdict(ignored).items() if value is not None}
        async with translated():
            await self._put(self._ignored, document.pop("event_id"), document)

    async def _put(self, collection: AsyncCollection[Document], key: str, document: Document) -> None:
        """First word stays; a concurrent upsert of the same key is 'already there' (rule 22)."""
        try:
            await collection.update_one({"_id": key}, {"$setOnInsert": document}, upsert=True)
        except DuplicateKeyError:
            return

    async def _one(self, query: Document) -> Payment | None:
        async with translated():
            document = await self._payments.find_one(query)
        return from_document(document) if document else None

    async def _many(self, query: Document, limit: int) -> list[Payment]:
        async with translated():
            return [from_document(document) async for document in self._payments.find(query).limit(limit)]


def _rank(document: Document) -> int:
    """By the head of its queue, or the create that waits to become it; without either it is read."""
    if "draft" in document:
        return Priority.CREATE
    for call in document.get("calls", ()):
        if call["state"] == CallState.OPEN:
            return OF_CALL[Operation(call["operation"])]
    return Priority.READ


def _kept(document: Document, *, erased: bool) -> Write:
    """First word stays: a move that was interrupted is done again. Of an erased payment the last one does.

    A worker that was overtaken by the erasure may have put the user there before it lost the race for the document.
    """
    if erased:
        return ReplaceOne({"_id": document["_id"]}, document, upsert=True)
    return UpdateOne({"_id": document["_id"]}, {"$setOnInsert": document}, upsert=True)


def _marking(marks: Sequence[Mark]) -> tuple[Document, list[Document]]:
    """The filter and the pipeline of one update for all of them: mark, and recompute `unsent_at` from what remains.

    Nobody hides a neighbour's event. One update and not one for each payment, because those queue behind the steps of other
    payments, each of which waits for the disk: measured on the embedded database under twenty writers, ten times as long.
    """
    names = [f"{mark.payment_id}.{sequence}" for mark in marks for sequence in mark.sequences]
    name: Any = {"$concat": ["$_id", ".", {"$toString": "$$event.sequence"}]}
    marked: Any = {
        "$map": {
            "input": "$events",
            "as": "event",
            "in": {"$cond": [{"$in": [name, names]}, {"$mergeObjects": ["$$event", {"sent": True}]}, "$$event"]},
        },
    }
    left: Any = {"$filter": {"input": "$events", "as": "event", "cond": {"$ne": ["$$event.sent", True]}}}
    oldest: Any = {"$min": {"$map": {"input": left, "as": "event", "in": "$$event.at"}}}
    return (
        {
            "_id": {"$in": [mark.payment_id for mark in marks]},
            "order_id": {"$in": list({mark.order_id for mark in marks})},
        },
        [
            {"$set": {"events": marked}},
            {"$set": {"unsent_at": {"$ifNull": [oldest, "$$REMOVE"]}}},
        ],
    )
