"""How texts from outside are shown in a terminal."""

import pytest

from worker.ops.amounts import text
from worker.ops.screen import shown


@pytest.mark.parametrize(
    ("cell", "seen"),
    [
        ("plain", "plain"),
        (None, ""),
        ("two\nlines", "two\nlines"),
        ("\x1b[2J", "?[2J"),
        ("a\u202eb", "a?b"),
        (text(5120, "kwd"), "KWD 5.120"),
    ],
)
def test_a_cell_orders_a_terminal_nothing(cell: object, seen: str) -> None:
    """What a terminal would take for an order is a question mark, and a space that does not break is a space."""
    assert shown(cell) == seen
