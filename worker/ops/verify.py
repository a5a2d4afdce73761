"""Goes through payments, replays each, and keeps the count: in bounded memory however many there are."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from worker.adapters.verify_store import VerifyStore
from worker.verification import Result, Verified, verify

LISTED = 1_000
"""So many payments that differ are named; the rest is a number."""

ToldOf = Callable[[int, int], None]
"""How many payments are done, of about how many."""


@dataclass
class Tally:
    """What came of all of them. `unverifiable` counts by reason; `steps` are those that were replayed."""

    equal: int = 0
    different: int = 0
    steps: int = 0
    unverifiable: Counter[str] = field(default_factory=Counter)
    differing: list[Verified] = field(default_factory=list)

    @property
    def payments(self) -> int:
        return self.equal + self.different + self.unverifiable.total()

    def add(self, found: Verified) -> None:
        """Count one payment."""
        self.steps += found.steps
        match found.result:
            case Result.EQUAL:
                self.equal += 1
            case Result.UNVERIFIABLE:
                self.unverifiable[found.why] += 1
            case Result.DIFFERENT:
                self.different += 1
                if len(self.differing) < LISTED:
                    self.differing.append(found)


async def one(store: VerifyStore, name: str) -> Tally:
    """Verify the payments that a name stands for: none, one, or all of an order. Raises StoreUnavailable."""
    tally = Tally()
    for stored in await store.of(name):
        tally.add(verify(stored))
    return tally


async def every(store: VerifyStore, told: ToldOf) -> Tally:
    """Verify all payments. Raises StoreUnavailable."""
    tally, whole = Tally(), await store.count()
    async for batch in store.every():
        for stored in batch:
            tally.add(verify(stored))
        told(tally.payments, max(whole, tally.payments))
    return tally
