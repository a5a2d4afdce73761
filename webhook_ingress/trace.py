"""What ties a request to what came before and after it: a W3C trace, and a correlation id that people can read."""

import random
import re
import uuid

from pydantic import TypeAdapter, ValidationError

from contracts.messages import Identifier

CORRELATION_HEADER = b"x-correlation-id"

_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
"""W3C Trace Context, "traceparent Header": version ff and ids of zeros are invalid."""

_IDENTIFIER: TypeAdapter[str] = TypeAdapter(Identifier)


def parent(header: bytes | None) -> str:
    """Pass the sender's trace on, or begin one."""
    if header is not None and _TRACEPARENT.fullmatch(header):
        return header.decode("ascii")
    drawn = f"{random.getrandbits(192):048x}"
    return f"00-{drawn[:32]}-{drawn[32:]}-01"


def correlation_id(header: bytes | None) -> str:
    """Keep the sender's id if it can be one of ours, or make one."""
    try:
        return _IDENTIFIER.validate_python((header or b"").decode("ascii"))
    except (UnicodeDecodeError, ValidationError):
        return uuid.uuid4().hex
