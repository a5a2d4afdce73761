"""What tests of the three passes share: Stripe and our payments, as far as a proof reads them."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta

from tests.unit.proof.test_judge import moved
from tests.unit.worker.making import NOW
from worker.adapters.balance import Transactions
from worker.adapters.spill import Spill
from worker.ops.prove import Proof, prove
from worker.proof import Held, Moved

DAY = timedelta(days=1)
PAGE = 100


class Account:
    """Stripe, as far as the proof reads it: pages of movements, and all of an intent at a second look."""

    def __init__(self, moves: Sequence[Moved] = ()) -> None:
        self.moves = list(moves)
        self.looks: list[str] = []
        self.since: datetime | None = None

    async def page(self, since: datetime, after: str | None) -> Transactions:
        self.since = since
        begin = int(after or 0)
        more = begin + PAGE < len(self.moves)
        return Transactions(tuple(self.moves[begin : begin + PAGE]), 1, str(begin + PAGE) if more else None, NOW)

    async def of_intent(self, intent_id: str) -> list[Moved]:
        self.looks.append(intent_id)
        return [move for move in self.moves if move.intent_id == intent_id]


class Books:
    """Our payments; `during` happens between the pass over Stripe and the second look."""

    def __init__(self, payments: Sequence[Held] = (), during: Callable[[], None] = lambda: None) -> None:
        self.payments = {one.payment_id: one for one in payments}
        self.before: dict[str, Held] = {}
        self.during = during

    async def count(self, since: datetime) -> int:
        del since
        return len(self.payments)

    async def held(self, since: datetime, until: datetime) -> AsyncIterator[list[Held]]:
        del since, until
        found = list(self.payments.values())
        for start in range(0, len(found), PAGE):
            yield found[start : start + PAGE]
        self.during()

    async def one(self, payment_id: str) -> Held | None:
        return (self.payments | self.before).get(payment_id)

    async def known(self, intents: Sequence[str]) -> dict[str, Held]:
        ours = (self.payments | self.before).values()
        return {one.intent_id: one for one in ours if one.intent_id is not None and one.intent_id in intents}


def paid(number: int, captured: int = 1000) -> Held:
    return Held(f"pay_{number}_1", f"pi_{number}", "eur", captured)


def charge(number: int, amount: int = 1000, **changes: object) -> Moved:
    return moved("charge", amount, intent_id=f"pi_{number}", source_id=f"ch_{number}", fee=30, **changes)


async def proven(account: Account, books: Books, **more: object) -> Proof:
    with Spill() as spill:
        return await prove(
            account,
            books,
            spill,
            more.pop("report", lambda *_: None),  # type: ignore[arg-type] # a report
            deployment="test",
            since=NOW - DAY,
            until=NOW,
        )
