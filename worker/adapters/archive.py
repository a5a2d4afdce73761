"""Parts of a payment that have moved out of its document: one document each in the collection `archive`."""

from collections.abc import Iterator

from worker.adapters.documents import Document, call_of, entry_of, plain
from worker.domain.archive import Surplus, recalled
from worker.domain.record import Payment


def archive_id(payment_id: str, kind: str, name: str) -> str:
    """What is archived of one message has a name that can be looked up without an index of its own."""
    return f"{payment_id}:{kind}:{name}"


def archived_documents(payment: Payment, moved: Surplus) -> Iterator[Document]:
    """What is inserted. Of a settled call the parameters stay behind: they are Stripe's now."""
    for kind, name, value in (
        *(("entry", entry.message_id, entry) for entry in moved.timeline),
        *(("call", call.id, call) for call in moved.calls),
        *(("event", f"{event.sequence:010}", event) for event in moved.events),
        *(("input", f"{one.version:010}", one) for one in moved.inputs),
    ):
        body = plain(value)
        if kind == "call":
            body.pop("params", None)
        yield {"_id": archive_id(payment.id, kind, name), "payment_id": payment.id, "kind": kind, "value": body}


def removal(payment: Payment, moved: Surplus) -> Document:
    """The update that takes them out of the document; events only where they are marked as sent."""
    return {
        "$pull": {
            "timeline": {"message_id": {"$in": [entry.message_id for entry in moved.timeline]}},
            "calls": {"id": {"$in": [call.id for call in moved.calls]}},
            "events": {"sequence": {"$in": [event.sequence for event in moved.events]}, "sent": True},
            "inputs": {"version": {"$in": [one.version for one in moved.inputs]}},
        },
        "$set": {"version": payment.version + 1, "archived": payment.archived + moved.size},
    }


def recalled_from(payment: Payment, call: Document | None, entry: Document | None) -> Payment:
    """The payment with what was found of one message."""
    return recalled(payment, call_of(call) if call else None, entry_of(entry) if entry else None)
