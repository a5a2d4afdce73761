"""Records of any content, from the types alone: a field that somebody adds is filled, too, without anybody thinking of it."""

import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Any

from hypothesis import strategies as st

from worker.adapters.documents import to_the_millisecond
from worker.domain.record import Payment

MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)).map(to_the_millisecond)  # noqa: DTZ001 - Hypothesis wants bounds without a zone
LETTERS = st.characters(codec="utf-8", exclude_characters="\0")  # MongoDB has no NUL in the name of a field
WORDS = st.text(LETTERS, min_size=1, max_size=6)
AMOUNTS = st.integers(0, 2**53)
VALUES = st.none() | st.booleans() | AMOUNTS | WORDS | MOMENTS
BODIES = st.dictionaries(WORDS, VALUES | st.dictionaries(WORDS, VALUES, max_size=2), min_size=1, max_size=3)

PLAIN: Mapping[type, st.SearchStrategy[Any]] = {
    str: WORDS,
    int: AMOUNTS,
    bool: st.booleans(),
    datetime: MOMENTS,
    NoneType: st.none(),
}

NEVER_EMPTY = {"id": st.integers(1, 9).map(lambda number: f"pay_0_{number}")}
"""What a payment is known by."""


def any_payment(**fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[Payment]:
    """A payment with every field filled at random; the number of its order's payments is in its id."""
    return st.builds(Payment, **{**_fields(Payment), **NEVER_EMPTY, **fixed})


def any_of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a field's type."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in {UnionType, typing.Union}:
        return st.one_of(*(any_of(one) for one in inner))
    if origin is tuple:
        return st.lists(any_of(inner[0]), max_size=2).map(tuple)
    if origin is dict:
        return BODIES
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    if isinstance(kind, type) and is_dataclass(kind):
        return st.builds(kind, **_fields(kind))
    return PLAIN[kind]


def _fields(kind: Any) -> dict[str, st.SearchStrategy[Any]]:
    hints = typing.get_type_hints(kind)
    return {field.name: any_of(hints[field.name]) for field in fields(kind)}
