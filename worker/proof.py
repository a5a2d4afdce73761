"""The money proof: what a payment says was captured, refunded and disputed, against what moved at Stripe. Pure: no I/O.

Compared in the currency that the customer paid (movements.py), so that a conversion is no drift. All amounts are minor units.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from contracts.views import DisputeStatus, RefundStatus
from worker.domain.parts import HOLDS_MONEY, UNDER_WAY
from worker.movements import Movement, Part, presented


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved(Movement):
    """A movement with its names. `fee` is in the currency in which it settles."""

    intent_id: str
    transaction_id: str
    source_id: str
    currency: str
    settled_currency: str
    fee: int
    payment_id: str | None = None
    deployment: str | None = None


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A place where a payment's document does not agree with itself: what it says, and what that should be."""

    part: Part
    about: str
    here: int
    right: int
    why: str


@dataclass(frozen=True, slots=True)
class Held:
    """What a payment's document says. `refunds` and `disputes` by Stripe's id: amount and status.

    `unreadable` names what in the document cannot be read; then its amounts are none.
    """

    payment_id: str
    intent_id: str | None
    currency: str
    captured: int
    refunds: dict[str, tuple[int, RefundStatus]] = field(default_factory=dict)
    disputes: dict[str, tuple[int, DisputeStatus]] = field(default_factory=dict)
    needs_review: str | None = None
    deployment: str | None = None
    created_at: datetime | None = None
    contradictions: tuple[Contradiction, ...] = ()
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference. `here` and `stripe` are what moved by each side's books, money that left with a minus."""

    payment_id: str
    intent_id: str | None
    part: str
    about: str
    currency: str
    here: int
    stripe: int
    why: str = ""

    @property
    def difference(self) -> int:
        return self.stripe - self.here


@dataclass
class Sums:
    """Of one currency: what moved by both sides' books."""

    payments: int = 0
    captured: int = 0
    refunded: int = 0
    disputed: int = 0
    under_way: int = 0
    stripe: int = 0

    @property
    def here(self) -> int:
        """What is left of it, by our books, less the refunds that are under way and have left Stripe already."""
        return self.captured - self.refunded - self.disputed - self.under_way


@dataclass
class Settled:
    """Of one settlement currency: what came to the account."""

    amount: int = 0
    fee: int = 0

    @property
    def net(self) -> int:
        return self.amount - self.fee


@dataclass
class Verdict:
    """One payment, judged."""

    held: Held
    sums: Sums
    drifts: list[Drift]


def judge(held: Held, moves: Sequence[Moved]) -> Verdict:
    """Compare a payment with all that moved for its intent, part by part, and with itself."""
    if held.unreadable:
        return Verdict(held, Sums(), [_unreadable(held, moves)])
    drifts = [
        Drift(held.payment_id, held.intent_id, "currency", move.source_id, move.currency, 0, presented([move]), why)
        for move in moves
        if move.currency != held.currency and (why := f"the payment is in {held.currency or 'no currency'}")
    ]
    ours = [move for move in moves if move.currency == held.currency]
    by_part = {part: [move for move in ours if move.part is part] for part in Part}
    captured = sum(map(presented, _sources(by_part[Part.CAPTURE]).values()))
    sums = Sums(payments=1, captured=held.captured, stripe=captured)
    if captured != held.captured:
        drifts.append(_drift(held, Part.CAPTURE, held.intent_id or "", here=held.captured, stripe=captured))
    _refunds(held, _sources(by_part[Part.REFUND]), sums, drifts)
    _disputes(held, _sources(by_part[Part.DISPUTE]), sums, drifts)
    _contradictions(held, sums, drifts)
    return Verdict(held, sums, drifts)


def judge_moved(held: Held, moves: Sequence[Moved]) -> list[Drift]:
    """Compare a payment with a part of what moved for its intent: only the charge, refunds and disputes that this is about."""
    names = {move.source_id for move in moves}
    charged = any(move.part is Part.CAPTURE for move in moves)
    narrowed = replace(
        held,
        captured=held.captured if charged else 0,
        refunds={name: one for name, one in held.refunds.items() if name in names},
        disputes={name: one for name, one in held.disputes.items() if name in names},
    )
    return judge(narrowed, moves).drifts


def unknown(moves: Sequence[Moved]) -> Drift:
    """Money of an intent that bears our mark, and that no payment knows."""
    first = moves[0]
    named = next((move.payment_id for move in moves if move.payment_id), "")
    net = sum(map(presented, _sources(moves).values()))
    return Drift(
        named or "?", first.intent_id, "payment", first.intent_id, first.currency, 0, net, "no payment knows it"
    )


def add(into: Sums, more: Sums) -> None:
    """Count another payment."""
    for name in ("payments", "captured", "refunded", "disputed", "under_way", "stripe"):
        setattr(into, name, getattr(into, name) + getattr(more, name))


def _refunds(held: Held, sources: dict[str, list[Moved]], sums: Sums, drifts: list[Drift]) -> None:
    """One that is under way may have taken its money or not; every other must have moved as its status says."""
    for name in sorted({*held.refunds, *sources}):
        amount, status = held.refunds.get(name, (0, None))
        stripe = presented(sources[name]) if name in sources else 0
        sums.stripe += stripe
        if status in UNDER_WAY:
            sums.under_way -= stripe
            if stripe not in {0, -amount}:
                drifts.append(_drift(held, Part.REFUND, name, here=-amount, stripe=stripe, why=f"here it is {status}"))
            continue
        here = -amount if status is RefundStatus.SUCCEEDED else 0
        sums.refunded -= here
        if here != stripe:
            why = f"here it is {status or 'not known'}"
            drifts.append(_drift(held, Part.REFUND, name, here=here, stripe=stripe, why=why))


def _disputes(held: Held, sources: dict[str, list[Moved]], sums: Sums, drifts: list[Drift]) -> None:
    for name in sorted({*held.disputes, *sources}):
        amount, status = held.disputes.get(name, (0, None))
        stripe = presented(sources[name]) if name in sources else 0
        here = -amount if status in HOLDS_MONEY else 0
        sums.stripe += stripe
        sums.disputed -= here
        if here != stripe:
            why = f"here it is {status or 'not known'}"
            drifts.append(_drift(held, Part.DISPUTE, name, here=here, stripe=stripe, why=why))


def _contradictions(held: Held, sums: Sums, drifts: list[Drift]) -> None:
    """With these the sums are those that the payment announces."""
    for one in held.contradictions:
        drifts.append(_drift(held, one.part, one.about, here=one.here, stripe=one.right, why=one.why))
        if one.part is Part.REFUND:
            sums.refunded += one.right - one.here
        else:
            sums.disputed += one.right - one.here


def _unreadable(held: Held, moves: Sequence[Moved]) -> Drift:
    currency = moves[0].currency if moves else held.currency
    net = sum(map(presented, _sources(moves).values()))
    why = f"the document cannot be read: {held.unreadable}"
    return Drift(held.payment_id, held.intent_id, "document", held.intent_id or "", currency, 0, net, why)


def _drift(held: Held, part: Part, about: str, *, here: int, stripe: int, why: str = "") -> Drift:
    review = f"needs review: {held.needs_review}" if held.needs_review else ""
    told = "; ".join(filter(None, (why, review)))
    return Drift(held.payment_id, held.intent_id, part, about, held.currency, here, stripe, told)


def _sources(moves: Iterable[Moved]) -> dict[str, list[Moved]]:
    found: dict[str, list[Moved]] = {}
    for move in moves:
        found.setdefault(move.source_id, []).append(move)
    return found
