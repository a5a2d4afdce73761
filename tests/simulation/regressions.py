"""Seeds that ever failed, kept in regressions.txt."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

KEPT = Path(__file__).with_name("regressions.txt")


@dataclass(frozen=True)
class Regression:
    """`kind` is one of lives.LIVES."""

    kind: str
    seed: int
    why: str


def read(path: Path = KEPT) -> list[Regression]:
    """All that are kept, oldest first."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    parts = [line.split(maxsplit=2) for line in lines]
    return [Regression(kind, int(seed), why) for kind, seed, why in parts]


def keep(kind: str, failed: Mapping[int, str], path: Path = KEPT) -> int:
    """Add those that are new; tell how many."""
    known = {(regression.kind, regression.seed) for regression in read(path)}
    new = [(seed, why) for seed, why in failed.items() if (kind, seed) not in known]
    with path.open("a") as file:
        file.writelines(f"{kind} {seed} {' '.join(why.split()) or 'failed'}\n" for seed, why in new)
    return len(new)
