"""Tables for a terminal, of texts that came from outside."""

import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from worker.adapters.readable import Unreadable, readable
from worker.domain.record import Payment

Shown = TypeVar("Shown")

PIPED_WIDTH = 200
"""Columns where there is no terminal to ask."""


def console() -> Console:
    """Standard output; wide where it is no terminal, so that nothing is cut in a file."""
    plain = Console(markup=False, highlight=False)
    return plain if plain.is_terminal else Console(markup=False, highlight=False, width=PIPED_WIDTH)


def table(title: str, *columns: str, whole: Sequence[str] = ()) -> Table:
    """An empty table whose cells fold, but for those in the columns that are to stay `whole`."""
    made = Table(title=title, title_justify="left")
    for column in columns:
        made.add_column(column, overflow="fold", no_wrap=column in whole)
    return made


def row(table: Table, cells: Sequence[object]) -> None:
    """Add a row; None is empty. What a terminal would take for an order is shown as a question mark."""
    table.add_row(*(Text(shown(cell)) for cell in cells))


def shown(cell: object) -> str:
    if cell is None:
        return ""
    text = cell.isoformat(timespec="seconds").replace("+00:00", "Z") if isinstance(cell, datetime) else str(cell)
    return "".join(map(_drawn, text))


def _drawn(character: str) -> str:
    """Every kind of space is one: amounts are written with one that does not break."""
    if character.isprintable() or character == "\n":
        return character
    return " " if unicodedata.category(character) == "Zs" else "?"


def each(found: Iterable[Payment | Unreadable], make: Callable[[Payment], Shown]) -> list[Shown | Unreadable]:
    """What is shown of each payment; one in which a value is of another kind than we write cannot be read either."""
    return [one if isinstance(one, Unreadable) else readable(one.id, partial(make, one)) for one in found]


def without_unreadable(found: Iterable[Shown | Unreadable]) -> list[Shown]:
    """What can be shown. What cannot is named on stderr, one line each."""
    kept = []
    for one in found:
        if isinstance(one, Unreadable):
            sys.stderr.write(f"payments: {one}\n")
        else:
            kept.append(one)
    return kept


def bar() -> Progress:
    """A progress bar on stderr: what is piped on is the result alone."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))
