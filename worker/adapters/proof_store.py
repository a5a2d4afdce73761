"""What payments say of their money, read out of MongoDB for the proof. Changes nothing."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from contracts.views import DisputeStatus, RefundStatus
from worker.adapters.documents import Document
from worker.adapters.trouble import translated
from worker.proof import Held

BATCH = 200
FIELDS = dict.fromkeys(
    (
        *("created_at", "deployment", "currency", "captured", "needs_review", "stripe.payment_intent_id"),
        *("refunds.stripe_id", "refunds.amount", "refunds.status"),
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
                if since <= document["created_at"] < until:
                    batch.append(held_of(document))
                if looked_at % BATCH == 0:
                    yield batch
                    batch = []
        yield batch

    async def one(self, payment_id: str) -> Held | None:
        async with translated():
            document = await self._payments.find_one({"_id": payment_id}, FIELDS)
        return held_of(document) if document else None

    async def known(self, intents: Sequence[str]) -> set[str]:
        """Those of these intents that some payment has."""
        async with translated():
            wanted = {"stripe.payment_intent_id": {"$in": list(intents)}}
            found = self._payments.find(wanted, {"stripe.payment_intent_id": 1})
            return {document["stripe"]["payment_intent_id"] async for document in found}


def held_of(document: Document) -> Held:
    """What a document says of its money. A refund of which Stripe has not spoken yet has moved nothing."""
    return Held(
        payment_id=document["_id"],
        intent_id=document.get("stripe", {}).get("payment_intent_id"),
        currency=document["currency"],
        captured=int(document["captured"]),
        refunds={
            refund["stripe_id"]: (int(refund["amount"]), RefundStatus(refund["status"]))
            for refund in document.get("refunds", ())
            if "stripe_id" in refund
        },
        disputes={
            dispute["id"]: (int(dispute["amount"]), DisputeStatus(dispute["status"]))
            for dispute in document.get("disputes", ())
        },
        needs_review=document.get("needs_review"),
        deployment=document["deployment"],
    )
