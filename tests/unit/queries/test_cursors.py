"""Cursors come back as they went out, and nothing else is taken for one."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from contracts.queries import Cursor
from tests.unit.queries.making import NOW
from worker import cursors

SHAPE: TypeAdapter[str] = TypeAdapter(Cursor)


@given(st.integers(0, 10**11), st.integers(1, 999))
def test_a_cursor_comes_back_as_it_went_out(ms: int, number: int) -> None:
    """A place and a number are read back exactly, and both have the shape that a query takes."""
    at = NOW + timedelta(milliseconds=ms)
    place = cursors.of_place(at, f"pay_{'0a' * 12}_{number}")
    assert cursors.read_place(SHAPE.validate_python(place)) == (at, f"pay_{'0a' * 12}_{number}")
    assert cursors.read_number(SHAPE.validate_python(cursors.of_number(number))) == number


@given(st.text(alphabet="abcXYZ019_-", max_size=40))
def test_anything_else_is_refused_by_name(text: str) -> None:
    """Whatever else has a cursor's shape raises ValueError and nothing worse."""
    for read in (cursors.read_number, cursors.read_place):
        try:
            found = read(text)
        except ValueError:
            continue
        assert isinstance(found, int)


def test_one_kind_is_not_taken_for_the_other() -> None:
    """A history's cursor is none of a timeline, nor the other way round."""
    with pytest.raises(ValueError, match="no number"):
        cursors.read_number(cursors.of_place(NOW, "pay_a_1"))
    with pytest.raises(ValueError, match="no place"):
        cursors.read_place(cursors.of_number(7))
