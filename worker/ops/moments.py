"""Moments as an operator types them: `2026-11-01`, `2026-11-01T12:00`, or how long ago: `36h`, `30d`."""

import re
from datetime import UTC, datetime, timedelta

AGO = re.compile(r"(\d{1,5})([mhd])")
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


class NoMoment(ValueError):
    """What was typed and what is wrong with it, in one line."""


def moment(text: str, now: datetime) -> datetime:
    """Read one; what names no zone is in UTC. Raises NoMoment for anything else, and for what lies ahead of `now`."""
    ago = AGO.fullmatch(text.strip())
    if ago is not None:
        return now - int(ago[1]) * UNITS[ago[2]]
    try:
        found = datetime.fromisoformat(text.strip())
        found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise NoMoment(f"{text!r} is no moment: give 2026-11-01, 2026-11-01T12:00, 36h or 7d") from None
    if found > now:
        raise NoMoment(f"{text!r} lies ahead")
    return found
