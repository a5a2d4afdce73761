"""A payment's document with what has moved out of it to the archive (adapters/archive.py), as if nothing had."""

from collections.abc import Sequence

from pymongo.asynchronous.collection import AsyncCollection

from worker.adapters.documents import Document


async def whole(archive: AsyncCollection[Document], document: Document) -> Document:
    """The document with its archived timeline entries, events and inputs in their places. Reads only when there are any."""
    return joined(document, await moved_from(archive, document))


async def moved_from(archive: AsyncCollection[Document], document: Document) -> list[Document]:
    """All that has moved out of a document."""
    if not document.get("archived"):
        return []
    return [one async for one in archive.find({"payment_id": document["_id"]})]


def joined(document: Document, moved: Sequence[Document]) -> Document:
    """The document with these parts of it back. A move that was interrupted leaves them in both places."""
    if not moved:
        return document
    found = dict(document)
    for kind, field, number in (("event", "events", "sequence"), ("input", "inputs", "version")):
        parts = {one["value"][number]: one["value"] for one in moved if one["kind"] == kind}
        parts |= {one[number]: one for one in document.get(field, ())}
        found[field] = [parts[key] for key in sorted(parts)]
    entries = [one["value"] for one in moved if one["kind"] == "entry"]
    here = document.get("timeline", [])
    known = {entry["message_id"] for entry in here}
    older = sorted((one for one in entries if one["message_id"] not in known), key=lambda one: one["at"])
    return found | {"timeline": [*older, *here]}
