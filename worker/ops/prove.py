"""The money proof, in three passes: what moved at Stripe, what the payments say, and a second look at what differs.

The world goes on meanwhile: a payment that is paid between the first pass and the second differs, and is right. So whatever
differs is read again on both sides, and only what still differs then is told.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from worker.adapters.balance import Transactions
from worker.adapters.spill import Spill
from worker.proof import Drift, Held, Moved, Settled, Sums, Verdict, add, judge, judge_moved, unknown

CLOCKS = timedelta(hours=1)
"""How much earlier than our word for a payment Stripe's for its money may be."""

SECOND_LOOKS = 1000
"""Each costs a handful of requests. Where more than these differ, something is wrong for all, and one look will do."""

SHOWN = 1000


class Phase(StrEnum):
    MOVED = "Stripe's balance transactions"
    HELD = "payments"
    AGAIN = "second looks"
    OTHERS = "money of no payment of this time"


Report = Callable[[Phase, int, int], None]
"""Is told how far a phase is: done, of how many. Of the first phase it is seconds."""


class Account(Protocol):
    """See adapters.balance.Balance. Raises StripeUnavailable."""

    async def page(self, since: datetime, after: str | None) -> Transactions: ...

    async def of_intent(self, intent_id: str) -> list[Moved]: ...


class Books(Protocol):
    """See adapters.proof_store.ProofStore. Raises StoreUnavailable."""

    async def count(self, since: datetime) -> int: ...

    def held(self, since: datetime, until: datetime) -> AsyncIterator[list[Held]]: ...

    async def one(self, payment_id: str) -> Held | None: ...

    async def known(self, intents: Sequence[str]) -> Mapping[str, Held]: ...


class OtherDeployment(Exception):
    """Payments that were looked at are not this deployment's: how many of each other."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        super().__init__(", ".join(f"{name!r} ({count})" for name, count in sorted(counts.items())))


@dataclass
class Proof:
    """What it came to. Bounded: of the drifts it keeps the first thousand and counts all.

    `older` counts the payments from before for which money moved in this span. They are judged by it, and are not in the sums.
    `moved` counts the movements at Stripe in this span that are about a PaymentIntent, whosever it is.
    """

    since: datetime
    until: datetime
    deployment: str
    sums: dict[str, Sums] = field(default_factory=dict)
    settled: dict[str, Settled] = field(default_factory=dict)
    drifts: list[Drift] = field(default_factory=list)
    drift_count: int = 0
    drift_by_currency: dict[str, int] = field(default_factory=dict)
    looked_at_again: int = 0
    older: int = 0
    moved: int = 0
    others: int = 0
    foreign: Counter[str] = field(default_factory=Counter)

    @property
    def payments(self) -> int:
        return sum(sums.payments for sums in self.sums.values())

    @property
    def judged(self) -> int:
        return self.payments + self.older

    @property
    def sound(self) -> bool:
        """Nothing drifts. Where no payment was judged, that is true only if Stripe moved no money in this time either."""
        return not self.drift_count and (self.judged > 0 or not self.moved)

    def meet(self, held: Held) -> None:
        """Note whose payment this is. One that does not say it is unreadable, and told as that."""
        if held.deployment is not None and held.deployment != self.deployment:
            self.foreign[held.deployment] += 1

    def end_at_foreign(self) -> None:
        """Raises OtherDeployment."""
        if self.foreign:
            raise OtherDeployment(self.foreign)

    def follows(self, held: Held) -> bool:
        """Whether a payment was created after this span."""
        return held.created_at is not None and held.created_at >= self.until

    def count(self, verdict: Verdict) -> None:
        """A payment that is settled, one way or the other."""
        if verdict.held.currency:  # a tombstone has none, and no money
            add(self.sums.setdefault(verdict.held.currency, Sums()), verdict.sums)
        for drift in verdict.drifts:
            self.tell(drift)

    def tell(self, drift: Drift) -> None:
        self.drift_count += 1
        currency = drift.currency
        self.drift_by_currency[currency] = self.drift_by_currency.get(currency, 0) + abs(drift.difference)
        if len(self.drifts) < SHOWN:
            self.drifts.append(drift)


async def prove(
    account: Account,
    books: Books,
    spill: Spill,
    report: Report,
    *,
    deployment: str,
    since: datetime,
    until: datetime,
) -> Proof:
    """Hold all payments that were created in a span of time against all that has moved for them until now.

    What moved in this span for payments from before is held against these payments.

    Raises OtherDeployment.
    """
    found = Proof(since, until, deployment)
    await _moved(account, spill, since - CLOCKS, found, report)
    await _held(books, spill, found, report)
    await _again(account, books, spill, found, report)
    await _others(account, books, spill, found, report)
    found.settled = spill.settled()
    return found


async def _moved(account: Account, spill: Spill, since: datetime, found: Proof, report: Report) -> None:
    after, newest = None, None
    while True:
        page = await account.page(since, after)
        spill.put(page.moved)
        found.moved += sum(move.at < found.until.timestamp() for move in page.moved)
        found.others += page.others
        newest = newest or page.oldest
        if newest is not None and page.oldest is not None:
            report(Phase.MOVED, _seconds(newest - page.oldest), _seconds(newest - since))
        after = page.after
        if after is None:
            report(Phase.MOVED, 1, 1)
            return


async def _held(books: Books, spill: Spill, found: Proof, report: Report) -> None:
    whole, done = await books.count(found.since), 0
    async for payments in books.held(found.since, found.until):
        fresh = spill.fresh(payments)
        for held in fresh:
            found.meet(held)
        moves = spill.of([one.intent_id for one in fresh if one.intent_id is not None])
        differing = []
        for held in fresh:
            verdict = judge(held, moves.get(held.intent_id or "", []))
            if verdict.drifts:
                differing.append(held.payment_id)
            else:
                found.count(verdict)
        spill.drifts(differing)
        done += len(payments)
        report(Phase.HELD, min(done, whole), whole)
    found.end_at_foreign()
    report(Phase.HELD, whole, whole)


async def _again(account: Account, books: Books, spill: Spill, found: Proof, report: Report) -> None:
    """Read both sides of what differs once more: Stripe's first, so that ours may know more and not less."""
    whole = spill.drifting_count()
    for done, payment_id in enumerate(spill.drifting(), 1):
        held = await books.one(payment_id)
        if held is None:
            spill.forget(payment_id)
            continue
        if done <= SECOND_LOOKS and held.intent_id is not None:
            spill.replace(held.intent_id, await account.of_intent(held.intent_id))
            held = await books.one(payment_id) or held
            found.looked_at_again += 1
        moves = spill.of([held.intent_id]) if held.intent_id is not None else {}
        found.count(judge(held, moves.get(held.intent_id or "", [])))
        report(Phase.AGAIN, done, whole)


async def _others(account: Account, books: Books, spill: Spill, found: Proof, report: Report) -> None:
    """Money of payments that were not looked at: a payment from before is judged by it; where there is none it is told.

    A payment that was created after this span is not judged, nor one for which nothing moved within it.
    """
    whole, done = spill.stray_count(), 0
    end = found.until.timestamp()
    for intents in spill.strays():
        known = await books.known(intents)
        for intent_id, moves in spill.of(intents).items():
            held = known.get(intent_id)
            if held is None:
                if any(move.deployment == found.deployment for move in moves):
                    found.tell(unknown(moves))
            elif not found.follows(held) and any(move.at < end for move in moves):
                found.meet(held)
                await _older(account, books, held, moves, found)
        done += len(intents)
        report(Phase.OTHERS, done, whole)
    found.end_at_foreign()


async def _older(account: Account, books: Books, held: Held, moves: Sequence[Moved], found: Proof) -> None:
    """What moved is looked at first, and costs no request; only what differs is read again, the whole payment on both sides."""
    drifts = judge_moved(held, moves)
    if drifts and found.looked_at_again < SECOND_LOOKS:
        moves = await account.of_intent(moves[0].intent_id)
        held = await books.one(held.payment_id) or held
        drifts = judge(held, moves).drifts
        found.looked_at_again += 1
    found.older += 1
    for drift in drifts:
        found.tell(drift)


def _seconds(span: timedelta) -> int:
    return span // timedelta(seconds=1)
