"""What became of what was sent: the ledger of a soak, and its gate."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.table import Table

from tests.e2e.support.books import Books, unsettled, wrongs
from tests.soak.memory import Growth
from tests.soak.orders import Order

SHOWN = 20
"""Lines of trouble that are printed."""


@dataclass
class Tally:
    """`attempted`: commands, each counted once. `messages`: publishes of them, with copies and repeats.

    `ok`: ended as their story says. `recovered`: those of them whose first sending brought no final answer. `unknown`: no
    final answer until the end. `unexpected`: another answer than the story's, or an order that ended differently.
    """

    attempted: int = 0
    messages: int = 0
    ok: int = 0
    recovered: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    kills: int = 0
    took_s: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """The books after everything has settled, by the promise that a wrong one breaks. Stripe's own ledger judges money.

    `lost`: a command or webhook that is recorded nowhere, an event that was not heard, money that the records do not say.
    `twice`: a charge, an intent or a refund that was made twice.
    """

    lost: list[str]
    twice: list[str]
    other: list[str]
    heard_again: int

    @classmethod
    def of(cls, books: Books, orders: Sequence[Order]) -> "Verdict":
        found = wrongs(books)
        twice = [wrong for wrong in found if wrong.startswith("P1")]
        missing = [wrong for wrong in found if wrong.startswith("P3")]
        other = [wrong for wrong in found if not wrong.startswith(("P1", "P3"))]
        other += _endings(books, orders)
        return cls(unsettled(books) + missing, twice, other, len(books.listener.repeated()))


def _endings(books: Books, orders: Sequence[Order]) -> list[str]:
    """Orders that did not end as their stories say, by Stripe's ledger."""
    entries: dict[str, list[tuple[str, int, int]]] = {}
    for entry in books.ledger["payment_intents"]:
        ending = (entry["status"], entry["captured"], entry["refunded"])
        entries.setdefault(entry["metadata"]["order_id"], []).append(ending)
    expected = {order.order_id: [(order.status, order.captured, order.refunded)] for order in orders}
    return [f"{name} is {entries.get(name)}, not {due}" for name, due in expected.items() if entries.get(name) != due]


def table(tally: Tally, verdict: Verdict) -> Table:
    """The ledger."""
    found = Table("ledger", "", title="soak")
    found.columns[1].justify = "right"
    rows = {
        "attempted": tally.attempted,
        "ok": tally.ok,
        "unknown": tally.unknown.total(),
        "lost": len(verdict.lost),
        "duplicated": len(verdict.twice),
        "unexpected": len(tally.unexpected) + len(verdict.other),
        "recovered": tally.recovered,
    }
    for name, number in rows.items():
        found.add_row(name, f"{number:,}")
    return found


def failures(tally: Tally, verdict: Verdict, growths: Sequence[Growth]) -> list[str]:
    """Why the gate stays shut; empty when it opens."""
    found = [f"lost: {text}" for text in verdict.lost] + [f"duplicated: {text}" for text in verdict.twice]
    found += [f"unexpected: {text}" for text in [*tally.unexpected, *verdict.other]]
    found += [f"unknown: {name}" for name in tally.unknown]
    return found + [f"memory: {growth}" for growth in growths if not growth.flat]
