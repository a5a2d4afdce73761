"""Tallies as the plain recount has them (making.counted), so that the two can be compared."""

from datetime import datetime
from typing import Any

from worker.stats import Tally

TIMES = {"captures": "times captured", "refunds": "times refunded", "disputes": "times disputed"}


def flat(tally: Tally) -> dict[str, Any]:
    made = {name: getattr(tally, name) for name in ("asked", "captured", "refunded", "disputed")}
    made |= {plain: getattr(tally, name) for name, plain in TIMES.items()}
    made |= {f"status {name}": number for name, number in tally.statuses.items()}
    made |= {f"decline {name}": number for name, number in tally.declines.items()}
    made["timed"] = tally.durations.total()
    return {name: number for name, number in made.items() if number}


def flattened(quarters: dict[datetime, dict[str, Tally]]) -> dict[tuple[datetime, str], dict[str, Any]]:
    found = {(start, currency): flat(one) for start, tallies in quarters.items() for currency, one in tallies.items()}
    return {key: one for key, one in found.items() if one}
