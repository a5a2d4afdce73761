"""What the movements of one source come to in the currency that the customer paid. Pure: no I/O.

A balance transaction counts in the currency in which it settles, at the rate of its day. So what a conversion gave and what it
took are not compared as they settled: a whole is told from a part by the rates, but for the digits that these lack. All
amounts are minor units. Source: Stripe docs, "Reporting categories"; Stripe API reference, object BalanceTransaction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction


class Part(StrEnum):
    """What of a payment's money moved."""

    CAPTURE = "capture"
    REFUND = "refund"
    DISPUTE = "dispute"


PART_OF = {
    "charge": Part.CAPTURE,
    "partial_capture_reversal": Part.CAPTURE,
    "charge_failure": Part.CAPTURE,
    "refund": Part.REFUND,
    "refund_failure": Part.REFUND,
    "dispute": Part.DISPUTE,
    "dispute_reversal": Part.DISPUTE,
}
"""Stripe's reporting categories that are about a payment; payouts, fees and the like are nobody's payment."""

GIVEN_BACK = frozenset({"charge_failure", "refund_failure", "dispute_reversal"})
"""These undo another movement of the same source: a dispute's all of it or a part, the others all of it."""

RATE_IS_OFF_BY = Fraction(5, 10**6)
RATE_ENDS_AT = Fraction(1, 2 * 10**6)
"""A rate of exchange is told with about six digits, and six decimals: so much of it, or so much, may be missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """What one balance transaction moved.

    `whole` is the source's amount in the customer's currency (of a charge what was captured), without a sign; `settled` is in
    the currency in which it settles, with its sign. `converted`: these currencies differ. `rate` is Stripe's word for the
    rate of exchange, if it says one. `at`: when, in seconds.
    """

    category: str
    whole: int
    settled: int
    at: int = 0
    converted: bool = False
    rate: str = ""

    @property
    def part(self) -> Part:
        return PART_OF[self.category]


def presented(moves: Iterable[Movement]) -> int:
    """What the movements of one source come to in the customer's currency, with a sign.

    Without a conversion the settled amounts are the customer's own. With one the source's amount counts, by category, at
    whatever rates: each refund and each withdrawal of a dispute takes all of it, each failure gives all of it back. Of a
    dispute a part can come back, and only its share can be told.
    """
    moves = list(moves)
    if not any(move.converted for move in moves):
        return sum(move.settled for move in moves)
    out = [move for move in moves if move.category not in GIVEN_BACK]
    back = [move for move in moves if move.category in GIVEN_BACK]
    whole = moves[0].whole
    if moves[0].part is Part.CAPTURE:
        return 0 if back else whole
    if moves[0].part is Part.REFUND:
        return whole * (len(back) - len(out))
    return sum(_given_back(move, out) for move in back) - whole * len(out)


def _given_back(move: Movement, out: Sequence[Movement]) -> int:
    """What of a disputed amount a reversal brings back, measured by the withdrawal before it.

    Each settles at its own rate. Where both are known, the share is that of the amounts before conversion: a whole is told
    from a part, but for what their rounding hides. Where they are not, as much as was taken is the whole.
    """
    if not move.converted:
        return move.settled
    taken = max((one for one in out if one.at <= move.at), key=lambda one: one.at, default=out[0] if out else None)
    if taken is None or not taken.settled:
        return move.whole
    expected, hidden = Fraction(-taken.settled), Fraction(0)
    before, now = _rate(taken), _rate(move)
    if before and now:
        expected *= now / before
        hidden = (1 + now / before) / 2 + expected * (_off_by(before) + _off_by(now))
    if move.settled >= expected - hidden:
        return move.whole
    return _nearest(move.whole * move.settled * expected.denominator, expected.numerator)


def _rate(move: Movement) -> Fraction | None:
    """What a unit of the customer's currency settled as, if it is known."""
    if not move.converted:
        return Fraction(1)
    return Fraction(move.rate) if move.rate else None


def _off_by(rate: Fraction) -> Fraction:
    """What share of an amount the missing digits of a rate can be."""
    return max(RATE_IS_OFF_BY, RATE_ENDS_AT / rate)


def _nearest(numerator: int, denominator: int) -> int:
    """The whole number nearest to a fraction, halves away from zero; in whole numbers throughout."""
    sign = -1 if (numerator < 0) is not (denominator < 0) else 1
    return sign * ((2 * abs(numerator) + abs(denominator)) // (2 * abs(denominator)))
