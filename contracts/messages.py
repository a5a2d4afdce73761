"""The base of every body: frozen, typed, closed to unknown fields where we are the reader."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, StringConstraints

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
"""RFC 3339, section 5.6: `date-time`."""


def _written_out(moment: Any) -> Any:
    """Read a text ourselves: the model would take "0.5" for seconds, or milliseconds, since 1970."""
    if isinstance(moment, datetime):
        return moment
    if not isinstance(moment, str) or _RFC_3339.fullmatch(moment) is None:
        raise ValueError("must be a date, a time and an offset: 2026-01-31T12:00:00Z")
    return datetime.fromisoformat(moment.upper())


def _to_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the years 1 to 9999") from None


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_to_utc)]
"""An instant. RFC 3339 with an offset on the wire, UTC inside; no finer than a microsecond."""

Identifier = Annotated[
    str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@/+=-]*$")
]
"""An id that another service chose: printable, no blanks, at most 128 characters, so that it fits keys and headers."""

UserId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@/+=|-]*$")]
"""Who somebody is in the tokens of an identity provider: an `Identifier` that may hold `|`, as in `auth0|5f7c`."""

PaymentId = Annotated[str, StringConstraints(max_length=64, pattern=r"^pay_[0-9a-z]+_[0-9]+$")]
"""`pay_{hash of the order id}_{n}`: the order's n-th payment."""

CurrencyCode = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[A-Za-z]{3}$")]
"""ISO 4217 code; lower case inside, as Stripe writes it."""

# Stripe allows no square brackets in a key; MongoDB no NUL in the name of a field, and `$id` beside `$ref` means another.
MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[^\[\]\x00$][^\[\]\x00]*$")]
MetadataValue = Annotated[str, StringConstraints(max_length=500)]


class Request(BaseModel):
    """A body that is sent to payments. Unknown fields are refused: a misspelt one must not be silently dropped."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, str_strip_whitespace=False)


class Announcement(BaseModel):
    """A body that payments sends. Readers ignore fields they do not know, so that we may add some."""

    model_config = ConfigDict(frozen=True, extra="ignore")
