"""Statistics in MongoDB: one document per quarter of an hour, and on each payment the quarters that it counts in.

`quarters` on a payment is written beside the loop's own commits, like the mark that an event is sent: it raises no version,
and the loop never reads it. Each look-up is an equality or a range on an indexed field.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from worker.adapters.documents import Document, from_document
from worker.adapters.trouble import translated
from worker.adapters.whole import whole
from worker.domain.record import Payment
from worker.jobs.rollups import Change, Marked
from worker.stats import Tally

_UNCOUNTED = {"timeline", "calls", "draft", "refunds", "disputes", "reviews", "concerns", "events", "inputs"}
COUNTED = dict.fromkeys(
    (
        *(field.name for field in fields(Payment) if field.name not in _UNCOUNTED),
        "quarters",
        *("events.sequence", "events.type", "events.at"),
        *("events.body.captured", "events.body.refunded", "events.body.disputed"),
    ),
    1,
)
"""What a payment is counted by, and what no record can be without; its lists are most of a document."""

TURN, MARK, REBUILD = "turn", "mark", "rebuild"
SANE = timedelta(hours=1)
"""No turn is planned further ahead: a date beyond is of a clock that was wrong."""

SUMS = ("asked", "captured", "captures", "refunded", "refunds", "disputed", "disputes")
COUNTERS = ("statuses", "declines", "durations")


class MongoStats:
    """See jobs.rollups.StatsStore; what answers a query, and what a rebuild needs, besides."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._payments: AsyncCollection[Document] = database["payments"]
        self._archive: AsyncCollection[Document] = database["archive"]
        self._quarters: AsyncCollection[Document] = database["stats_quarters"]
        self._state: AsyncCollection[Document] = database["stats_state"]

    async def prepare(self) -> None:
        """Create the indexes; harmless to repeat."""
        async with translated():
            await self._payments.create_index([("updated_at", ASCENDING)])
            await self._payments.create_index([("quarters", ASCENDING)], sparse=True)
            await self._quarters.create_index([("start", ASCENDING)])

    async def take_turn(self, owner: str, now: datetime, every: timedelta) -> bool:
        plan: Document = {"owner": owner, "next_at": now + every}
        due = [
            {"owner": owner, "next_at": {"$lte": now}},
            {"next_at": {"$lte": now - 2 * every}},
            {"next_at": {"$gt": now + SANE}},
        ]
        async with translated():
            taken = await self._state.update_one({"_id": TURN, "$or": due}, {"$set": plan})
            if taken.matched_count or await self._state.find_one({"_id": TURN}):
                return bool(taken.matched_count)
            try:
                await self._state.insert_one({"_id": TURN} | plan)
            except DuplicateKeyError:
                return False
        return True

    async def mark(self) -> datetime | None:
        return await self._moment(MARK, "until")

    async def advance(self, mark: datetime) -> None:
        await self._note(MARK, {"$max": {"until": mark}})

    async def first_change(self) -> datetime | None:
        async with translated():
            found = await self._payments.find_one({}, {"updated_at": 1}, sort=[("updated_at", ASCENDING)])
        return found["updated_at"] if found else None

    async def changed(self, since: datetime, until: datetime | None) -> list[Change]:
        window = {"$gte": since} if until is None else {"$gte": since, "$lt": until}
        async with translated():
            found = self._payments.find({"updated_at": window}, {"version": 1})
            return [Change(one["_id"], one["version"]) async for one in found]

    async def load(self, ids: Sequence[str]) -> list[Marked]:
        async with translated():
            found = self._payments.find({"_id": {"$in": list(ids)}}, COUNTED)
            return [Marked(await self._payment(one), frozenset(one.get("quarters", ()))) async for one in found]

    async def mark_quarters(self, marks: Iterable[Marked]) -> None:
        updates = [
            UpdateOne(
                {"_id": one.payment.id, "order_id": one.payment.order_id},
                {"$addToSet": {"quarters": {"$each": sorted(one.quarters)}}},
            )
            for one in marks
        ]
        if updates:
            async with translated():
                await self._payments.bulk_write(updates, ordered=False)

    async def version(self, quarter: datetime) -> int | None:
        async with translated():
            found = await self._quarters.find_one({"_id": _key(quarter)}, {"version": 1})
        return found["version"] if found else None

    async def of_quarter(self, quarter: datetime) -> AsyncIterator[Payment]:
        async with translated():
            async for one in self._payments.find({"quarters": quarter}, COUNTED):
                yield await self._payment(one)

    async def put(self, quarter: datetime, version: int | None, tallies: dict[str, Tally]) -> bool:
        counted = {"start": quarter, "tallies": {name: _stored(one) for name, one in tallies.items()}}
        async with translated():
            if version is None:
                try:
                    await self._quarters.insert_one({"_id": _key(quarter), "version": 1} | counted)
                except DuplicateKeyError:
                    return False
                return True
            key = {"_id": _key(quarter), "version": version}
            done = await self._quarters.update_one(key, {"$set": counted | {"version": version + 1}})
        return bool(done.matched_count)

    async def period(
        self, since: datetime, until: datetime, currency: str | None
    ) -> AsyncIterator[tuple[datetime, list[tuple[str, Tally]]]]:
        """Each quarter of a period that has anything, in no order, and its tallies by currency."""
        wanted = "tallies" if currency is None else f"tallies.{currency}"
        window = {"start": {"$gte": since, "$lt": until}}
        async with translated():
            async for one in self._quarters.find(window, {"start": 1, wanted: 1}):
                yield one["start"], [(name, _read(tally)) for name, tally in one.get("tallies", {}).items()]

    async def add_quarters(self, quarters: set[datetime]) -> None:
        """Let these quarters exist, so that `all_quarters` names them."""
        updates = [
            UpdateOne({"_id": _key(one)}, {"$setOnInsert": {"start": one, "version": 0, "tallies": {}}}, upsert=True)
            for one in quarters
        ]
        if updates:
            async with translated():
                await self._quarters.bulk_write(updates, ordered=False)

    async def all_quarters(self, after: datetime | None) -> list[datetime]:
        """Every quarter that was ever counted in, and lies after this one, the oldest first."""
        window: Document = {"start": {"$gt": after}} if after else {}
        async with translated():
            return sorted([one["start"] async for one in self._quarters.find(window, {"start": 1})])

    async def rebuilt(self) -> tuple[datetime | None, datetime | None]:
        """How far a rebuild that was interrupted had come: changes looked at until, quarters counted through."""
        return await self._moment(REBUILD, "marked"), await self._moment(REBUILD, "counted")

    async def note_rebuild(self, *, marked: datetime | None = None, counted: datetime | None = None) -> None:
        """Note how far a rebuild has come."""
        done = {"marked": marked, "counted": counted}
        await self._note(REBUILD, {"$set": {name: value for name, value in done.items() if value}})

    async def end_rebuild(self) -> None:
        """Forget how far a rebuild had come: it is done."""
        async with translated():
            await self._state.delete_one({"_id": REBUILD})

    async def _payment(self, document: Document) -> Payment:
        """What it is counted by, archived events included."""
        return from_document(await whole(self._archive, document))

    async def _moment(self, name: str, field: str) -> datetime | None:
        async with translated():
            found = await self._state.find_one({"_id": name})
        return found.get(field) if found else None

    async def _note(self, name: str, update: Document) -> None:
        async with translated():
            try:
                await self._state.update_one({"_id": name}, update, upsert=True)
            except DuplicateKeyError:  # another worker made it in this moment
                await self._state.update_one({"_id": name}, update)


def _key(quarter: datetime) -> str:
    return quarter.strftime("%Y-%m-%dT%H:%MZ")


def _stored(tally: Tally) -> Document:
    """Counters as pairs: their keys are others' words, which may be no names of fields."""
    made: Document = {name: getattr(tally, name) for name in SUMS if getattr(tally, name)}
    return made | {name: sorted(getattr(tally, name).items()) for name in COUNTERS if getattr(tally, name)}


def _read(stored: Document) -> Tally:
    counters: dict[str, Any] = {name: Counter(dict(stored.get(name, ()))) for name in COUNTERS}
    return Tally(**{name: stored.get(name, 0) for name in SUMS}, **counters)
