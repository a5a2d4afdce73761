"""Cursors: where a page ended, as opaque text. Nothing is trusted of one that comes back but its shape.

They are not signed. A cursor only ever narrows a list that its reader may see whole, so that a made-up one shows nothing
that a made-up date would not.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_PLACE = re.compile(r"([0-9]{1,14})\.(pay_[0-9a-z]{1,48}_[0-9]{1,9})", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)


def of_place(at: datetime, payment_id: str) -> str:
    """Where a list by time of creation ended."""
    return _opaque(f"{(at - _EPOCH) // _MILLISECOND}.{payment_id}")


def read_place(cursor: str) -> tuple[datetime, str]:
    """Read `of_place` again. Raises ValueError for anything else."""
    found = _PLACE.fullmatch(_clear(cursor))
    if found is None:
        raise ValueError("no place in a list")
    return _EPOCH + int(found[1]) * _MILLISECOND, found[2]


def of_number(number: int) -> str:
    """How many items came before."""
    return _opaque(str(number))


def read_number(cursor: str) -> int:
    """Read `of_number` again. Raises ValueError for anything else."""
    text = _clear(cursor)
    if not _NUMBER.fullmatch(text):
        raise ValueError("no number")
    return int(text)


def _opaque(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _clear(cursor: str) -> str:
    """The text inside. A ValueError, which both of its kinds of trouble are, when there is none."""
    return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
