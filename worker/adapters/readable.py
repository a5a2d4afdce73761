"""Payments for people who look: by any of their names, and so that one that cannot be read does not hide the others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pymongo.asynchronous.database import AsyncDatabase

from worker.adapters.documents import Document, Unsound, from_document
from worker.adapters.trouble import translated
from worker.domain.record import Payment

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A document that is not as we write it, and how. The text names the field, never the value."""

    payment_id: str
    why: str

    def __str__(self) -> str:
        return f"{self.payment_id} cannot be read: {self.why}"


def readable(payment_id: str, make: Callable[[], Made]) -> Made | Unreadable:
    """What is made of what is stored of a payment, or why nothing can be."""
    try:
        return make()
    except Unsound as error:
        return Unreadable(payment_id, str(error))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return Unreadable(payment_id, f"it is not as we write it: {type(error).__name__}")


def payment_of(document: Document) -> Payment | Unreadable:
    """The payment without what has moved to the archive."""
    return readable(str(document["_id"]), lambda: from_document(document))


def by_name(name: str) -> Document:
    """The query for a payment id or a PaymentIntent id, or for all payments of an order."""
    return {{"pay": "_id", "pi": "stripe.payment_intent_id"}.get(name.partition("_")[0], "order_id"): name}


async def named(database: AsyncDatabase[Document], name: str) -> list[Payment | Unreadable]:
    """The payments of that name, of an order the oldest first. Raises StoreUnavailable."""
    async with translated():
        found = [document async for document in database["payments"].find(by_name(name))]
    return [payment_of(document) for document in sorted(found, key=age)]


async def names_of(database: AsyncDatabase[Document], name: str) -> list[tuple[str, ...]]:
    """Each payment of that name, as all of its names: its own, its order's, its intent's. Raises StoreUnavailable."""
    fields = {"order_id": 1, "stripe.payment_intent_id": 1}
    async with translated():
        found = [document async for document in database["payments"].find(by_name(name), fields)]
    told = ((one["_id"], one.get("order_id"), one.get("stripe", {}).get("payment_intent_id")) for one in found)
    return [tuple(name for name in each if name) for each in sorted(told)]


def age(document: Document) -> tuple[int, str]:
    """Sorts the payments of an order, oldest first: their ids differ in the number alone."""
    return len(str(document["_id"])), str(document["_id"])
