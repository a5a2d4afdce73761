"""The stories on the terminal: one line per thing that happens, a colour per payment, and what is going on below.

Rich drops the colours for NO_COLOR and for what is no terminal; the live part below the lines is left out there and in CI.
"""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sandbox.demo.checks import Result

COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_red", "bright_cyan", "bright_green", "bright_magenta")

PLAIN_WIDTH = 160
"""A file or a pipe has no width of its own."""

REFRESHES_PER_S = 8


@dataclass(frozen=True)
class Row:
    """One line of the final table."""

    order: str
    payment: str
    shows: str
    status: str
    at_orders: str
    at_notifications: str


def make_console(variables: Mapping[str, str] = os.environ) -> Console:
    console = Console(highlight=False)
    if console.is_terminal and not variables.get("CI"):
        return console
    return Console(highlight=False, width=PLAIN_WIDTH, force_interactive=False, soft_wrap=True)


class Screen:
    """`with Screen(console, names)`: lines scroll above; below stands the last thing that happened to each payment."""

    def __init__(self, console: Console, names: Sequence[str]) -> None:
        self.console = console
        self._names = names
        self._states = ["" for _ in names]
        self._began = time.monotonic()
        self._live = Live(
            console=console, get_renderable=self._below, refresh_per_second=REFRESHES_PER_S, transient=True
        )

    def __enter__(self) -> Self:
        if self.console.is_interactive:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def line(self, number: int, who: str, text: str) -> None:
        """Tell what `who` does or hears about the payment of this number."""
        told = Text()
        told.append(f"{time.monotonic() - self._began:6.2f} s  ", style="dim")
        told.append(f"{self._names[number]:<24}", style=COLOURS[number % len(COLOURS)])
        told.append(f"{who:<21}", style="bold")
        told.append(text)
        self._states[number] = f"{who} {text}"
        self.console.print(told, soft_wrap=True)

    def state(self, number: int, text: str) -> None:
        self._states[number] = text

    def _below(self) -> Table:
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for number, (name, state) in enumerate(zip(self._names, self._states, strict=True)):
            last = Text(state or "waiting", style="dim", no_wrap=True, overflow="ellipsis")
            table.add_row(Text("●", style=COLOURS[number % len(COLOURS)]), name, last)
        return table


def show_payments(console: Console, rows: Sequence[Row]) -> None:
    table = Table(title="Payments", title_justify="left", pad_edge=False)
    for heading in ("order", "payment", "what it shows", "status", "order service heard", "notification service heard"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        style = "green" if row.status == "succeeded" else "yellow"
        cells = (row.order, row.payment, row.shows, Text(row.status, style=style), row.at_orders, row.at_notifications)
        table.add_row(*cells)
    console.print(table)


def show_checks(console: Console, results: Sequence[Result]) -> None:
    for result in results:
        told = Text()
        told.append("✓ holds  " if result.ok else "✗ FAILS  ", style="green" if result.ok else "bold red")
        told.append(result.name)
        console.print(told, soft_wrap=True)
        for line in result.detail.splitlines():
            console.print(Text(f"         {line}", style="red"), soft_wrap=True)
