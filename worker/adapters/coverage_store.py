"""What the coverage walk keeps in MongoDB, and where it looks for events.

An event is looked for in the timeline of the payment or customer that it is about, found by id or by Stripe's id: each of
these has an index already. An index on `timeline.message_id` works, but on the embedded database it made an insert 37 % and
a step of a payment 22 % dearer, for a look-up that took five times as long.

Stripe keeps a list of events for each mode, live and test. So each has a turn, a place and gaps of its own: workers of two
modes on one database would else go on from a place that is not in their list, and look for events that their key never sees.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from pymongo import ASCENDING
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from worker.adapters.archive import archive_id
from worker.adapters.documents import Document
from worker.adapters.trouble import translated
from worker.coverage import Home, Traces, home_without, mode_of
from worker.jobs.coverage import Gap, Progress

SANE = timedelta(hours=2)
"""No turn lasts longer: one that seems to is of a clock that was wrong."""

IN_TIMELINE = {"timeline.message_id": 1, "archived": 1, "stripe.payment_intent_id": 1, "stripe_id": 1, "deployment": 1}


@dataclass
class Books:
    """Where events are recorded, and which of them are about something that is here."""

    homes: dict[str, Home] = field(default_factory=dict)
    ours: set[str] = field(default_factory=set)


class MongoCoverage:
    """See jobs.coverage.CoverageStore."""

    def __init__(self, database: AsyncDatabase[Document], *, livemode: bool) -> None:
        self._mode = mode_of(livemode=livemode)
        self._turn, self._walk = f"turn:{self._mode}", f"walk:{self._mode}"
        self._state: AsyncCollection[Document] = database["coverage"]
        self._gaps: AsyncCollection[Document] = database["coverage_gaps"]
        self._payments: AsyncCollection[Document] = database["payments"]
        self._customers: AsyncCollection[Document] = database["customers"]
        self._archive: AsyncCollection[Document] = database["archive"]
        self._ignored: AsyncCollection[Document] = database["stripe_events"]

    async def prepare(self) -> None:
        """Create the index; harmless to repeat."""
        async with translated():
            await self._gaps.create_index([("mode", ASCENDING), ("next_at", ASCENDING)])

    async def homes(self, sought: Mapping[str, Traces]) -> dict[str, Home]:
        async with translated():
            books = Books()
            await self._in_payments(sought, books)
            await self._in_customers(sought, books)
            left = [name for name in sought if name not in books.homes]
            ignored = self._ignored.find({"_id": {"$in": left}}, {"reason": 1})
            reasons: dict[str, str] = {one["_id"]: one["reason"] async for one in ignored}
        for name in left:
            home = home_without(sought[name], reasons.get(name), ours=name in books.ours)
            if home is not None:
                books.homes[name] = home
        return books.homes

    async def take_turn(self, owner: str, now: datetime, until: datetime) -> bool:
        mine: Document = {"owner": owner, "until": until}
        free = [{"owner": owner}, {"until": {"$lte": now}}, {"until": {"$gt": now + SANE}}]
        async with translated():
            taken = await self._state.update_one({"_id": self._turn, "$or": free}, {"$set": mine})
            if taken.matched_count or await self._state.find_one({"_id": self._turn}):
                return bool(taken.matched_count)
            try:
                await self._state.insert_one({"_id": self._turn} | mine)
            except DuplicateKeyError:
                return False
        return True

    async def progress(self) -> Progress:
        async with translated():
            found = await self._state.find_one({"_id": self._walk})
        return Progress(**{name: value for name, value in (found or {}).items() if name != "_id"})

    async def advance(self, progress: Progress) -> None:
        async with translated():
            try:
                await self._state.replace_one({"_id": self._walk}, asdict(progress), upsert=True)
            except DuplicateKeyError:  # another worker walks, too, and made it in this moment
                await self._state.replace_one({"_id": self._walk}, asdict(progress))

    async def note(self, gaps: Sequence[Gap]) -> set[str]:
        by_id = {gap.id: gap for gap in gaps}
        async with translated():
            known = {name async for name in self._names(self._gaps, by_id)}
            for name in by_id.keys() - known:
                try:
                    await self._gaps.insert_one(_gap_document(by_id[name]) | {"mode": self._mode})
                except DuplicateKeyError:
                    known.add(name)
            if known:  # a release that knew no modes may have noted it: it is of the mode that lists it
                await self._gaps.update_many({"_id": {"$in": [*known]}, "mode": None}, {"$set": {"mode": self._mode}})
        return by_id.keys() - known

    async def gaps(self, limit: int) -> list[Gap]:
        async with translated():
            found = self._gaps.find({"mode": self._mode}, {"mode": 0}).sort("next_at", ASCENDING).limit(limit)
            return [_gap(document) async for document in found]

    async def postpone(self, gap: Gap) -> None:
        async with translated():
            await self._gaps.update_one({"_id": gap.id}, {"$set": {"puts": gap.puts, "next_at": gap.next_at}})

    async def close(self, event_ids: Iterable[str]) -> None:
        names = list(event_ids)
        if names:
            async with translated():
                await self._gaps.delete_many({"_id": {"$in": names}})

    async def _names(self, collection: AsyncCollection[Document], wanted: Iterable[str]) -> AsyncIterator[str]:
        async for document in collection.find({"_id": {"$in": list(wanted)}}, {"_id": 1}):
            yield document["_id"]

    async def _in_payments(self, sought: Mapping[str, Traces], books: Books) -> None:
        by_id = _grouped({name: traces.payment_id for name, traces in sought.items()})
        by_intent = _grouped({name: traces.intent_id for name, traces in sought.items()})
        found: set[str] = set()
        archived: dict[str, str] = {}
        async for document in self._both(self._payments, by_id, "stripe.payment_intent_id", by_intent):
            intent = document.get("stripe", {}).get("payment_intent_id")
            about = {*by_id.get(document["_id"], ()), *by_intent.get(intent, ())}
            means = (document["_id"], intent, document.get("deployment", ""))
            books.ours |= {name for name in about if sought[name].mean_payment(*means)}
            there = about & {entry["message_id"] for entry in document.get("timeline", ())}
            found |= there
            if document.get("archived"):
                archived |= {archive_id(document["_id"], "entry", name): name for name in about - there}
        if archived:
            found |= {archived[name] async for name in self._names(self._archive, archived)}
        books.homes |= dict.fromkeys(found, Home.PAYMENT)

    async def _in_customers(self, sought: Mapping[str, Traces], books: Books) -> None:
        by_id = _grouped({name: traces.customer_id for name, traces in sought.items()})
        by_stripe_id = _grouped({name: traces.stripe_customer_id for name, traces in sought.items()})
        found: set[str] = set()
        async for document in self._both(self._customers, by_id, "stripe_id", by_stripe_id):
            stripe_id = document.get("stripe_id")
            about = {*by_id.get(document["_id"], ()), *by_stripe_id.get(stripe_id or "", ())}
            books.ours |= {name for name in about if sought[name].mean_customer(document["_id"], stripe_id)}
            found |= about & {entry["message_id"] for entry in document.get("timeline", ())}
        books.homes |= dict.fromkeys(found, Home.CUSTOMER)

    async def _both(
        self, collection: AsyncCollection[Document], ids: Iterable[str], field: str, values: Iterable[str]
    ) -> AsyncIterator[Document]:
        """What is found by id, and by another indexed field: two look-ups, for an `$or` may walk through everything."""
        for name, wanted in (("_id", list(ids)), (field, list(values))):
            if wanted:
                async for document in collection.find({name: {"$in": wanted}}, IN_TIMELINE):
                    yield document


def _grouped(keys: Mapping[str, str | None]) -> dict[str, list[str]]:
    """The events of each key."""
    found: dict[str, list[str]] = {}
    for name, key in keys.items():
        if key is not None:
            found.setdefault(key, []).append(name)
    return found


def _gap_document(gap: Gap) -> Document:
    document = asdict(gap)
    document["_id"] = document.pop("id")
    return document


def _gap(document: Document) -> Gap:
    traces = Traces(**document.pop("traces"))
    return Gap(id=document.pop("_id"), traces=traces, **document)
