"""What payments say of their money, read out of MongoDB for the proof. Changes nothing."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from contracts.views import DisputeStatus, RefundStatus
from worker.adapters.documents import Document, Unsound, whole
from worker.adapters.trouble import translated
from worker.domain.parts import HOLDS_MONEY
from worker.movements import Part
from worker.proof import Contradiction, Held

State = TypeVar("State", RefundStatus, DisputeStatus)

BATCH = 200
FIELDS = dict.fromkeys(
    (
        *("created_at", "deployment", "currency", "needs_review", "stripe.payment_intent_id"),
        *("captured", "refunded", "disputed", "refunds.id", "refunds.stripe_id", "refunds.amount", "refunds.status"),
        *("disputes.id", "disputes.amount", "disputes.status"),
    ),
    1,
)


class ProofStore:
    """Raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._payments: AsyncCollection[Document] = database["payments"]

    async def count(self, since: datetime) -> int:
        """How many documents `held` goes through."""
        async with translated():
            return await self._payments.count_documents({"updated_at": {"$gte": since}})

    async def held(self, since: datetime, until: datetime) -> AsyncIterator[list[Held]]:
        """The payments that were created in a span of time, some at a time: an empty list says only that it goes on.

        They are walked in the order of `updated_at`, which has an index and lies behind the creation; one that changes
        meanwhile may come twice.
        """
        batch: list[Held] = []
        looked_at = 0
        async with translated():
            found = self._payments.find({"updated_at": {"$gte": since}}, FIELDS | {"updated_at": 1}).batch_size(BATCH)
            async for document in found:
                looked_at += 1
                created_at = document.get("created_at")
                if not isinstance(created_at, datetime) or since <= created_at < until:
                    batch.append(held_of(document))
                if looked_at % BATCH == 0:
                    yield batch
                    batch = []
        yield batch

    async def one(self, payment_id: str) -> Held | None:
        async with translated():
            document = await self._payments.find_one({"_id": payment_id}, FIELDS)
        return held_of(document) if document else None

    async def known(self, intents: Sequence[str]) -> dict[str, Held]:
        """Of these intents those that some payment has, with that payment."""
        async with translated():
            wanted = {"stripe.payment_intent_id": {"$in": list(intents)}}
            found = self._payments.find(wanted, FIELDS)
            return {document["stripe"]["payment_intent_id"]: held_of(document) async for document in found}


def held_of(document: Document) -> Held:
    """What a document says of its money. A refund of which Stripe has not spoken yet has moved nothing.

    What we never write, such as an amount that some script has stored as a double, makes it unreadable, by name.
    """
    stripe = document.get("stripe")
    intent_id = stripe.get("payment_intent_id") if isinstance(stripe, dict) else None
    bare = Held(str(document["_id"]), intent_id if isinstance(intent_id, str) else None, "", 0)
    try:
        return _read(document, bare)
    except Unsound as unsound:
        return replace(bare, unreadable=str(unsound))


def _read(document: Document, bare: Held) -> Held:
    if document.get("stripe", {}) != {}:
        _need(_need(document, "stripe", dict), "payment_intent_id", str, "stripe.")
    refunds, refund_items = _refunds(_items(document, "refunds"))
    disputes, dispute_items = _disputes(_items(document, "disputes"))
    return replace(
        bare,
        currency=_need(document, "currency", str),
        captured=_amount(document, "captured"),
        refunds=refunds,
        disputes=disputes,
        needs_review=_need(document, "needs_review", str) if "needs_review" in document else None,
        deployment=_need(document, "deployment", str),
        created_at=_need(document, "created_at", datetime),
        contradictions=(
            *_contradictions(Part.REFUND, refund_items, _amount(document, "refunded")),
            *_contradictions(Part.DISPUTE, dispute_items, _amount(document, "disputed")),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Listed:
    """A refund or a dispute of a list. `gone` is what of its amount counts."""

    name: str
    stripe_id: str | None
    gone: int


def _refunds(items: Sequence[Document]) -> tuple[dict[str, tuple[int, RefundStatus]], list[_Listed]]:
    known: dict[str, tuple[int, RefundStatus]] = {}
    listed = []
    for item in items:
        amount, status = _amount(item, "amount", "refunds."), _status(RefundStatus, item, "refunds.")
        stripe_id = _need(item, "stripe_id", str, "refunds.") if "stripe_id" in item else None
        if stripe_id is not None:
            known.setdefault(stripe_id, (amount, status))
        gone = amount if status is RefundStatus.SUCCEEDED else 0
        listed.append(_Listed(_need(item, "id", str, "refunds."), stripe_id, gone))
    return known, listed


def _disputes(items: Sequence[Document]) -> tuple[dict[str, tuple[int, DisputeStatus]], list[_Listed]]:
    known: dict[str, tuple[int, DisputeStatus]] = {}
    listed = []
    for item in items:
        amount, status = _amount(item, "amount", "disputes."), _status(DisputeStatus, item, "disputes.")
        name = _need(item, "id", str, "disputes.")
        known.setdefault(name, (amount, status))
        listed.append(_Listed(name, name, amount if status in HOLDS_MONEY else 0))
    return known, listed


def _contradictions(part: Part, listed: Sequence[_Listed], total: int) -> Iterator[Contradiction]:
    """What is in a list twice, what is done and unknown at Stripe, and a total that is not the list's sum."""
    seen: set[str | None] = {None}
    names: set[str] = set()
    for one in listed:
        here = -one.gone if one.stripe_id in seen else 0
        if one.name in names or one.stripe_id in seen - {None}:
            yield Contradiction(part, one.name, here, 0, "it is listed twice")
        elif here:
            yield Contradiction(part, one.name, here, 0, "it is done, and has no id of Stripe's")
        seen.add(one.stripe_id)
        names.add(one.name)
    whole = sum(one.gone for one in listed)
    if total != whole:
        yield Contradiction(part, "total", -total, -whole, "the total that it announces, and the sum of its list")


def _items(document: Document, name: str) -> list[Document]:
    """What in such a list is no document is left out by the projection: its amount is missing from the sum."""
    found: list[Document] = _need(document, name, list) if name in document else []
    return found


def _need(item: Document, name: str, kind: type[Any], within: str = "") -> Any:
    if name not in item:
        raise Unsound(f"{within}{name} is missing")
    if not isinstance(item[name], kind):
        raise Unsound(f"{within}{name} is stored as {type(item[name]).__name__}")
    return item[name]


def _amount(item: Document, name: str, within: str = "") -> int:
    return whole(_need(item, name, object, within), f"{within}{name}")


def _status(kind: type[State], item: Document, within: str) -> State:
    try:
        return kind(_need(item, "status", str, within))
    except Unsound:
        raise
    except ValueError:
        raise Unsound(f"{within}status is none that there is") from None
