"""What moved at Stripe, kept on disk while the payments are walked through: a million payments in bounded memory.

Stripe's list is in the order of its movements and ours in the order of changes, and a refund may be months behind its
charge: there is no window in which the two meet. So the smaller side is put into a database of SQLite's in a temporary
file, found by intent: about 320 bytes a movement, and no more memory than its cache. SQLite gives that file no name, so
whatever ends the process, the system removes it.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, fields
from types import TracebackType
from typing import Any, Self

from worker.proof import Held, Moved, Settled

CACHE_KIB = 65_536
CHUNK = 500
"""Intents asked for at once; SQLite takes a thousand of parameters and more."""

COLUMNS = tuple(field.name for field in fields(Moved))
TABLES = f"""
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -{CACHE_KIB};
    CREATE TABLE moved ({", ".join(COLUMNS)}, PRIMARY KEY (intent_id, transaction_id)) WITHOUT ROWID;
    CREATE TABLE looked_at (payment_id PRIMARY KEY, intent_id) WITHOUT ROWID;
    CREATE INDEX looked_at_intent ON looked_at (intent_id);
    CREATE TABLE drifting (payment_id PRIMARY KEY) WITHOUT ROWID;
"""
PUT = f"""
    INSERT OR REPLACE INTO moved VALUES ({", ".join("?" * len(COLUMNS))})
"""  # noqa: S608 - names of our own
STRAYS = """
    FROM moved AS one WHERE NOT EXISTS (SELECT 1 FROM looked_at WHERE looked_at.intent_id = one.intent_id)
"""
SELECT = f"SELECT {', '.join(COLUMNS)} FROM moved"  # noqa: S608 - names of our own


class Spill:
    """Movements by intent, the payments that were looked at, and those that drifted at the first look."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def put(self, moves: Iterable[Moved]) -> None:
        """Add movements; one that comes twice counts once."""
        self._all(PUT, [astuple(move) for move in moves])

    def of(self, intents: Sequence[str]) -> dict[str, list[Moved]]:
        """What moved for each of these intents, for those for which anything did."""
        found: dict[str, list[Moved]] = {}
        for start in range(0, len(intents), CHUNK):
            chunk = intents[start : start + CHUNK]
            marks = ", ".join("?" * len(chunk))
            for row in self._database.execute(f"{SELECT} WHERE intent_id IN ({marks})", chunk):
                move = _moved(row)
                found.setdefault(move.intent_id, []).append(move)
        return found

    def replace(self, intent: str, moves: Iterable[Moved]) -> None:
        """What moved for an intent is this, and what was known before is forgotten."""
        self._database.execute("DELETE FROM moved WHERE intent_id = ?", (intent,))
        self.put(moves)

    def fresh(self, payments: Iterable[Held]) -> list[Held]:
        """Those that were not looked at before; from now on they were."""
        self._database.execute("BEGIN")
        look = "INSERT OR IGNORE INTO looked_at VALUES (?, ?)"
        found = [one for one in payments if self._database.execute(look, (one.payment_id, one.intent_id)).rowcount]
        self._database.execute("COMMIT")
        return found

    def forget(self, payment_id: str) -> None:
        """This payment is gone: it was not looked at, and what moved for it is a stray."""
        self._database.execute("DELETE FROM looked_at WHERE payment_id = ?", (payment_id,))

    def strays(self) -> Iterator[list[str]]:
        """Intents that are no payment's that was looked at, some at a time."""
        cursor = self._database.execute(f"SELECT DISTINCT intent_id {STRAYS}")
        while rows := cursor.fetchmany(CHUNK):
            yield [row[0] for row in rows]

    def stray_count(self) -> int:
        counted = f"SELECT count(DISTINCT intent_id) {STRAYS}"
        return int(self._database.execute(counted).fetchone()[0])

    def drifts(self, payment_ids: Iterable[str]) -> None:
        """Note that these payments must be looked at again."""
        self._all("INSERT OR IGNORE INTO drifting VALUES (?)", [(name,) for name in payment_ids])

    def drifting(self) -> Iterator[str]:
        """The payments that must be."""
        for row in self._database.execute("SELECT payment_id FROM drifting ORDER BY payment_id"):
            yield row[0]

    def drifting_count(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM drifting").fetchone()[0])

    def settled(self) -> dict[str, Settled]:
        """What came to the account for the payments that were looked at, by settlement currency."""
        sql = """
            SELECT settled_currency, sum(settled), sum(fee) FROM moved
            WHERE intent_id IN (SELECT intent_id FROM looked_at) GROUP BY settled_currency ORDER BY settled_currency
        """
        return {row[0]: Settled(row[1], row[2]) for row in self._database.execute(sql)}

    def _all(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        self._database.execute("BEGIN")
        self._database.executemany(sql, rows)
        self._database.execute("COMMIT")


def _moved(row: tuple[Any, ...]) -> Moved:
    values = dict(zip(COLUMNS, row, strict=True))
    return Moved(**{**values, "converted": bool(values["converted"])})
