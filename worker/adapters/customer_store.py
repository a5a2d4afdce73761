"""Customers in MongoDB: one document per user, written whole, by compare-and-swap on the version.

A user's document changes a few times a year and stays small, so each step replaces it: there is no second account of what
a step changes. Time limits, write concern and errors are those of store.py and trouble.py.
"""

from dataclasses import fields, replace
from datetime import datetime

from pymongo import ASCENDING
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from contracts.replies import RefusalCode, Verdict
from worker.adapters.budget import OF_CUSTOMER_CALL, Priority
from worker.adapters.documents import Document, plain
from worker.adapters.trouble import translated
from worker.domain.customers.record import (
    Customer,
    CustomerCall,
    CustomerEntry,
    CustomerOperation,
    CustomerStatus,
    SavedMethod,
)
from worker.domain.record import Address, Outcome, Refused
from worker.ports import Due

_LISTS = ("strays", "methods", "calls", "timeline")
_SCALARS = tuple(field.name for field in fields(Customer) if field.name not in {"id", *_LISTS})


class MongoCustomerStore:
    """See ports.CustomerStore."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._customers: AsyncCollection[Document] = database["customers"]

    async def prepare(self) -> None:
        """Create the indexes; harmless to repeat."""
        async with translated():
            await self._customers.create_index([("stripe_id", ASCENDING)], unique=True, sparse=True)
            await self._customers.create_index([("check_at", ASCENDING)], sparse=True)

    async def by_id(self, customer_id: str) -> Customer | None:
        return await self._one({"_id": customer_id})

    async def by_stripe_id(self, stripe_id: str) -> Customer | None:
        return await self._one({"stripe_id": stripe_id})

    async def commit(self, before: Customer | None, after: Customer) -> Customer | None:
        async with translated():
            try:
                if before is None:
                    await self._customers.insert_one(to_document(after))
                    return after
                stored = replace(after, version=before.version + 1)
                key = {"_id": before.id, "version": before.version}
                result = await self._customers.replace_one(key, to_document(stored))
            except DuplicateKeyError:
                return None
            return stored if result.matched_count else None

    async def due(self, now: datetime, limit: int) -> list[Due]:
        async with translated():
            found = self._customers.find({"check_at": {"$lte": now}}, {"calls.operation": 1})
            cursor = found.sort("check_at", ASCENDING).limit(limit)
            return [Due(str(document["_id"]), _rank(document)) async for document in cursor]

    async def _one(self, query: Document) -> Customer | None:
        async with translated():
            document = await self._customers.find_one(query)
        return from_document(document) if document else None


def _rank(document: Document) -> int:
    """By the head of its queue, which holds open calls only; without one it is read."""
    calls = document.get("calls")
    return OF_CUSTOMER_CALL[CustomerOperation(calls[0]["operation"])] if calls else Priority.READ


def to_document(customer: Customer) -> Document:
    """The whole document; what is None is not stored, so that sparse indexes leave it out."""
    document = {name: plain(getattr(customer, name)) for name in _SCALARS if getattr(customer, name) is not None}
    document |= {name: plain(getattr(customer, name)) for name in _LISTS}
    document["_id"] = customer.id
    if customer.check_at is not None:
        document["check_at"] = customer.check_at
    return document


def from_document(document: Document) -> Customer:
    """Read a customer; times are milliseconds in MongoDB."""
    return Customer(
        **{
            **{name: document[name] for name in _SCALARS if name in document},
            "id": document["_id"],
            "status": CustomerStatus(document["status"]),
            "strays": tuple(document["strays"]),
            "methods": tuple(SavedMethod(**item) for item in document["methods"]),
            "calls": tuple(_call(item) for item in document["calls"]),
            "timeline": tuple(_entry(item) for item in document["timeline"]),
        },
    )


def _call(item: Document) -> CustomerCall:
    return CustomerCall(
        **{
            **item,
            "operation": CustomerOperation(item["operation"]),
            "params": item.get("params", {}),
            "sends": tuple(item.get("sends", ())),
            "reply": Address(**item["reply"]) if "reply" in item else None,
            "doubt": _refused(item.get("doubt")),
        },
    )


def _entry(item: Document) -> CustomerEntry:
    return CustomerEntry(
        **{
            **item,
            "outcome": Outcome(item["outcome"]),
            "from_status": CustomerStatus(item["from_status"]),
            "to_status": CustomerStatus(item["to_status"]),
            "verdict": Verdict(item["verdict"]) if "verdict" in item else None,
            "refused": _refused(item.get("refused")),
            "why": item.get("why", ""),
        },
    )


def _refused(item: Document | None) -> Refused | None:
    return Refused(**{**item, "code": RefusalCode(item["code"])}) if item else None
