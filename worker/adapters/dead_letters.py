"""The dead-letter desk in MongoDB: one document per message, found by what is indexed, each step one conditional update.

`open_at` is there while somebody has to look, `replay_at` while a worker has to publish it, `settled_at` when it is done with:
then, and only then, it expires.
"""

from collections.abc import AsyncGenerator
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from worker.adapters.documents import Document, plain
from worker.adapters.trouble import translated
from worker.coverage import DISCARDED
from worker.dead_letter import ERASED, DeadLetter, Form, State, Wanted

SETTLED_KEPT = timedelta(days=90)
"""Long enough to answer who replayed or discarded what; what is open never expires."""

SEEN_MAX = 50
"""Arrivals that are remembered by name. A redelivery follows its first delivery, not fifty later ones."""

BEGINNING = datetime(2000, 1, 1)  # noqa: DTZ001 - a range that takes in everything, whatever its zone

_NEW = ("delivery", "reason", "error_type", "fingerprint", "attempt", "first_failed_at")
"""What a message that comes back says anew."""

_KNOWN = frozenset(field.name for field in fields(DeadLetter))


class MongoDeadLetters:
    """Letters by id, cause, what they are about, and age. Raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._letters: AsyncCollection[Document] = database["dead_letters"]
        self._ignored: AsyncCollection[Document] = database["stripe_events"]

    async def prepare(self) -> None:
        """Create the indexes; harmless to repeat."""
        async with translated():
            await self._letters.create_index([("fingerprint", ASCENDING)])
            await self._letters.create_index([("about", ASCENDING)])
            await self._letters.create_index([("user_id", ASCENDING)], sparse=True)
            await self._letters.create_index([("open_at", ASCENDING)], sparse=True)
            await self._letters.create_index([("replay_at", ASCENDING)], sparse=True)
            await self._letters.create_index(
                [("settled_at", ASCENDING)], expireAfterSeconds=int(SETTLED_KEPT.total_seconds())
            )

    async def keep(self, letter: DeadLetter) -> bool:
        """Put a letter on the desk, or open it again when it has come back; False when this very delivery is known.

        Harmless to repeat: a redelivery has its delivery's name.
        """
        document = plain(letter)
        document |= {"_id": document.pop("id"), "open_at": letter.arrived_at, "seen": [letter.delivery]}
        async with translated():
            try:
                await self._letters.insert_one(document)
            except DuplicateKeyError:
                return await self._return(letter)
        return True

    async def _return(self, letter: DeadLetter) -> bool:
        new = {name: plain(getattr(letter, name)) for name in _NEW if getattr(letter, name) is not None}
        update = {
            "$set": new | {"state": State.OPEN.value, "arrived_at": letter.arrived_at, "open_at": letter.arrived_at},
            "$unset": {"settled_at": "", "replay_at": ""},
            "$inc": {"arrivals": 1},
            "$push": {"seen": {"$each": [letter.delivery], "$slice": -SEEN_MAX}},
        }
        result = await self._letters.update_one({"_id": letter.id, "seen": {"$ne": letter.delivery}}, update)
        return bool(result.matched_count)

    async def one(self, letter_id: str) -> DeadLetter | None:
        async with translated():
            found = await self._letters.find_one({"_id": letter_id})
        return _letter(found) if found else None

    async def find(self, wanted: Wanted) -> AsyncGenerator[DeadLetter, None]:
        """The letters that fit, in no particular order: looked up by one condition, compared here by the others."""
        async with translated():
            async for found in self._letters.find(_narrowest(wanted)):
                letter = _letter(found)
                if wanted.fits(letter):
                    yield letter

    async def ask_replay(self, letter_id: str, who: str, now: datetime) -> bool:
        """Leave it to a worker to publish the message again; False when it is not open, or cannot be replayed."""
        update = {
            "$set": {"state": State.REPLAYING.value, "replay_at": now, "asked_by": who},
            "$inc": {"replays": 1},
        }
        key = {"_id": letter_id, "state": State.OPEN.value, "unreplayable": {"$exists": False}}
        return await self._step(key, update)

    async def discard(self, letter_id: str, who: str, note: str, now: datetime) -> bool:
        """Settle it for good; False when it is not open. A Stripe event is then accounted for, and is not put back."""
        letter = await self.one(letter_id)
        if letter is not None and letter.state is State.OPEN and letter.form is Form.EVENT:
            await self._put_aside(letter, who, note, now)
        settled = {"state": State.DISCARDED.value, "settled_at": now, "asked_by": who, "note": note}
        return await self._step(
            {"_id": letter_id, "state": State.OPEN.value}, {"$set": settled, "$unset": {"open_at": ""}}
        )

    async def _put_aside(self, letter: DeadLetter, who: str, note: str, now: datetime) -> None:
        """Record the event as ignored, before the letter is settled: in between it is only settled later."""
        record: Document = {"type": letter.kind, "reason": f"{DISCARDED} {who}: {note}", "at": now}
        for intent_id in (name for name in letter.about if name.startswith("pi_")):
            record["intent_id"] = intent_id
        async with translated():
            await self._ignored.update_one({"_id": letter.message_id}, {"$set": record}, upsert=True)

    async def due(self, now: datetime, limit: int) -> list[DeadLetter]:
        """Letters that a worker is to publish again, the longest waiting first."""
        async with translated():
            found = self._letters.find({"replay_at": {"$lte": now}}).sort("replay_at", ASCENDING).limit(limit)
            return [_letter(one) async for one in found]

    async def waiting(self) -> set[str]:
        """The ids of all letters that wait for a worker."""
        async with translated():
            found = self._letters.find({"replay_at": {"$gte": BEGINNING}}, {"_id": 1})
            return {str(one["_id"]) async for one in found}

    async def take(self, letter: DeadLetter, now: datetime, until: datetime) -> bool:
        """Let nobody else publish it before `until`; False when somebody else has taken it."""
        key = {"_id": letter.id, "state": State.REPLAYING.value, "replay_at": {"$lte": now}}
        return await self._step(key, {"$set": {"replay_at": until}})

    async def replayed(self, letter: DeadLetter, now: datetime) -> bool:
        """Settle a letter whose message is published; False when it has come back already."""
        key = {"_id": letter.id, "state": State.REPLAYING.value, "arrivals": letter.arrivals}
        settled = {"state": State.REPLAYED.value, "settled_at": now}
        return await self._step(key, {"$set": settled, "$unset": {"open_at": "", "replay_at": ""}})

    async def give_back(self, letter: DeadLetter, why: str) -> bool:
        """Open a letter again that turned out to be past replaying, saying why."""
        key = {"_id": letter.id, "state": State.REPLAYING.value}
        back = {"state": State.OPEN.value, "unreplayable": why}
        return await self._step(key, {"$set": back, "$unset": {"replay_at": ""}})

    async def erase(self, user_id: str) -> None:
        """Forget a user: who it was goes, and with it what could be replayed. Harmless to repeat."""
        forgotten = {"$set": {"unreplayable": ERASED}, "$unset": {"user_id": "", "body": ""}}
        async with translated():
            await self._letters.update_many({"user_id": user_id}, forgotten)

    async def _step(self, key: Document, update: Document) -> bool:
        async with translated():
            result = await self._letters.update_one(key, update)
        return bool(result.matched_count)


def _narrowest(wanted: Wanted) -> Document:
    """One condition on one indexed field: of two the embedded database would walk through everything."""
    if wanted.ids:
        return {"_id": {"$in": list(wanted.ids)}}
    if wanted.about:
        return {"about": {"$in": list(wanted.about)}}
    if wanted.fingerprint:
        return {"fingerprint": wanted.fingerprint}
    return {"settled_at" if wanted.settled else "open_at": {"$gte": wanted.since or BEGINNING}}


def _letter(found: Document) -> DeadLetter:
    known: dict[str, Any] = {name: value for name, value in found.items() if name in _KNOWN}
    made = {
        "id": found["_id"],
        "form": Form(found["form"]),
        "state": State(found["state"]),
        "about": tuple(found.get("about", ())),
        "body": found.get("body", ""),
        "message_id": found.get("message_id", ""),
    }
    return DeadLetter(**{**known, **made})
