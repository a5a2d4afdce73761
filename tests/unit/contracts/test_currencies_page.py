"""docs/currencies.md says what the code does."""

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from contracts.money import (
    CHARGEABLE,
    THREE_DECIMAL,
    WHOLE_IN_HUNDREDTHS,
    WHOLE_IN_PAYOUTS,
    ZERO_DECIMAL,
    Money,
    find,
)
from worker.ops.amounts import text

PAGE = (Path(__file__).parents[3] / "docs" / "currencies.md").read_text("utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
OTHERS = "all others"


def rows(first: str) -> Iterator[list[str]]:
    """The cells of the table whose heading row begins with this word."""
    (table,) = re.findall(rf"^\| {first} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    for line in table.splitlines():
        yield [cell.strip(" `") for cell in line.strip("|").split("|")]


def codes(cell: str) -> list[str]:
    return cell.lower().split()


def test_the_page_has_stripes_exceptions() -> None:
    """The table of exceptions has each group of currencies, and each has the exponent and step that stand there."""
    groups = {tuple(codes(cells[0])): cells for cells in rows("currencies")}
    wanted = (ZERO_DECIMAL, THREE_DECIMAL, WHOLE_IN_HUNDREDTHS, WHOLE_IN_PAYOUTS)
    assert list(groups) == [tuple(sorted(group)) for group in wanted]
    for group, cells in groups.items():
        assert {(find(code).exponent, find(code).step) for code in group} == {(int(cells[1]), int(cells[2]))}
    special = {code for group in groups for code in group}
    assert {(find(code).exponent, find(code).step) for code in CHARGEABLE - special} == {(2, 1)}


def test_the_page_has_the_smallest_charges() -> None:
    """The table of minimums has those of the code, in both units, and every currency that it leaves out takes one step."""
    listed = {}
    for minor, major, currencies in rows("minor units \\| units"):
        for code in codes(currencies):
            listed[code] = Money(int(minor), code)
            assert str(listed[code]) == f"{Decimal(major)} {code.upper()}"
    assert {code: money.amount for code, money in listed.items()} == {code: find(code).minimum for code in listed}
    assert {code for code in CHARGEABLE if find(code).minimum != find(code).step} == listed.keys()


def test_the_page_has_the_largest_charges() -> None:
    """The table of maximums has the digits and the largest charges of the code, and one row for all that it does not name."""
    listed = list(rows("digits"))
    named = {code for _, cell, _ in listed if cell != OTHERS for code in codes(cell)}
    for digits, cell, largest in listed:
        group = CHARGEABLE - named if cell == OTHERS else set(codes(cell))
        assert {len(str(find(code).maximum)) for code in group} == {int(digits)}
        for shown in largest.split(", "):
            code = shown.split(" ")[1].lower()
            assert code in group
            assert str(Money(find(code).maximum, code)) == shown


def test_the_page_names_every_currency() -> None:
    """The list of currencies is that of the code, sorted, and its count is right."""
    (listed,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert codes(listed) == sorted(CHARGEABLE)
    assert f"\n{len(CHARGEABLE)} can be charged." in PAGE


def test_the_page_shows_amounts_as_they_are_written() -> None:
    """Each example of a written amount is what the code writes."""
    shown = list(rows("minor units \\| currency"))
    assert len(shown) > 5
    for amount, currency, locale, written in shown:
        assert text(int(amount), currency, locale).replace("\N{NO-BREAK SPACE}", " ") == written


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_programs_on_the_page_run(program: str) -> None:
    """Each piece of Python on the page can be executed, and what it asserts holds."""
    names: dict[str, object] = {"__name__": "page"}
    exec(compile(program, "docs/currencies.md", "exec"), names)
    assert "assert " in program
