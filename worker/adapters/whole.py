"""A payment's document with what has moved out of it to the archive (adapters/archive.py), as if nothing had."""

from pymongo.asynchronous.collection import AsyncCollection

from worker.adapters.documents import Document


async def whole(archive: AsyncCollection[Document], document: Document) -> Document:
    """The document with its archived timeline entries and events in their places. Reads only when there are any."""
    if not document.get("archived"):
        return document
    moved = [one async for one in archive.find({"payment_id": document["_id"]})]
    events = {one["value"]["sequence"]: one["value"] for one in moved if one["kind"] == "event"}
    events |= {event["sequence"]: event for event in document.get("events", ())}
    entries = [one["value"] for one in moved if one["kind"] == "entry"]
    here = document.get("timeline", [])
    known = {entry["message_id"] for entry in here}  # a move that was interrupted leaves them in both places
    older = sorted((one for one in entries if one["message_id"] not in known), key=lambda one: one["at"])
    return document | {"events": [events[number] for number in sorted(events)], "timeline": [*older, *here]}
