"""All that is on record about a payment: its document, the archive, ignored events, refusals beside it, dead letters."""

from collections.abc import Sequence
from dataclasses import dataclass

from pymongo import ASCENDING
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from worker.adapters.dead_letters import MongoDeadLetters
from worker.adapters.documents import Document, call_of, from_document
from worker.adapters.readable import Unreadable, age, by_name, readable
from worker.adapters.trouble import translated
from worker.adapters.whole import joined, moved_from
from worker.dead_letter import DeadLetter, Wanted
from worker.domain.record import Call, Payment
from worker.ports import Ignored, Refusal


@dataclass(frozen=True, slots=True)
class Story:
    """What is known of one payment; without a payment, what died before there was one, or with one that is `unreadable`.

    `calls` are all of them, archived ones too, which have lost their parameters. `refusals` are of commands that named the
    payment before it was there.
    """

    payment: Payment | None
    calls: tuple[Call, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    letters: tuple[DeadLetter, ...] = ()
    unreadable: Unreadable | None = None


class Stories:
    """Reads by indexes alone. Raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._payments: AsyncCollection[Document] = database["payments"]
        self._archive: AsyncCollection[Document] = database["archive"]
        self._ignored: AsyncCollection[Document] = database["stripe_events"]
        self._refusals: AsyncCollection[Document] = database["refusals"]
        self._desk = MongoDeadLetters(database)

    async def prepare(self) -> None:
        """Create the indexes by which ignored events and refusals are found; harmless to repeat."""
        async with translated():
            await self._ignored.create_index([("intent_id", ASCENDING)], sparse=True)
            await self._refusals.create_index([("payment_id", ASCENDING)], sparse=True)

    async def of(self, name: str) -> list[Story]:
        """The stories of a payment id, a PaymentIntent id, or all payments of an order, oldest first; or of what died."""
        async with translated():
            found = sorted([one async for one in self._payments.find(by_name(name))], key=age)
        stories = [await self._story(one) for one in found]
        if not stories:
            letters = await self._letters(name)
            return [Story(None, letters=letters)] if letters else []
        return stories

    async def _story(self, document: Document) -> Story:
        async with translated():
            moved = await moved_from(self._archive, document)
            read = readable(str(document["_id"]), lambda: _read(document, moved))
            if isinstance(read, Unreadable):
                return Story(None, unreadable=read)
            payment, archived = read
            ignored = await self._unheeded(payment.intent_id) if payment.intent_id else ()
            refusals = await self._refused(payment.id)
        known = {call.id for call in payment.calls}
        draft = (payment.draft,) if payment.draft else ()
        calls = (*(call for call in archived if call.id not in known), *payment.calls, *draft)
        names = (payment.id, payment.order_id, *((payment.intent_id,) if payment.intent_id else ()))
        return Story(payment, calls, ignored, refusals, await self._letters(*names))

    async def _unheeded(self, intent_id: str) -> tuple[Ignored, ...]:
        found = self._ignored.find({"intent_id": intent_id})
        return tuple(
            [Ignored(str(one["_id"]), one["type"], one["reason"], one["at"], intent_id) async for one in found]
        )

    async def _refused(self, payment_id: str) -> tuple[Refusal, ...]:
        found = self._refusals.find({"payment_id": payment_id})
        return tuple([Refusal(message_id=one.pop("_id"), **one) async for one in found])

    async def _letters(self, *names: str) -> tuple[DeadLetter, ...]:
        wanted = (Wanted(about=names, settled=settled) for settled in (True, False))
        return tuple([letter for one in wanted async for letter in self._desk.find(one)])


def _read(document: Document, moved: Sequence[Document]) -> tuple[Payment, list[Call]]:
    return from_document(joined(document, moved)), [call_of(one["value"]) for one in moved if one["kind"] == "call"]
