"""What the account has agreed with Stripe: where money settles, at which rates, for which fees, and which features it has.

The control API changes them (`/_sim/account`). Rates are decimals and amounts are integers; nothing here is a binary fraction.
"""

from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

BASIS = 10_000  # basis points in one


@dataclass(frozen=True, slots=True)
class Terms:
    """Fees and amounts are in the settlement currency's minor unit."""

    # None: every currency settles in itself. Otherwise what has a rate is converted, and what has none settles in itself.
    settlement_currency: str | None = None
    # Per presentment currency, as Stripe writes `exchange_rate`: minor units of it times the rate are minor units settled.
    exchange_rates: dict[str, Decimal] = field(default_factory=dict)
    fee_basis_points: int = 290  # "2.9% + 30¢ per successful transaction"
    fee_fixed: int = 30
    dispute_fee: int = 1500  # "Dispute fee" of US accounts; it is kept when the dispute is won
    settlement_delay_s: int = 2 * 24 * 3600  # T+2
    multicapture: bool = True
    review_elevated: bool = True  # Radar's rule "review if risk is elevated"
    cancel_processing: bool = False  # whether a debit on its way can still be canceled: "in rare cases"

    def settled(self, amount: int, currency: str) -> tuple[int, str, Decimal | None]:
        """The amount as it reaches the balance, its currency and the rate (None: not converted)."""
        rate = self.exchange_rates.get(currency)
        if self.settlement_currency in {None, currency} or rate is None:
            return amount, currency, None
        assert self.settlement_currency is not None
        return rounded(amount * rate), self.settlement_currency, rate

    def fee(self, settled: int) -> int:
        return rounded(Decimal(settled * self.fee_basis_points) / BASIS) + self.fee_fixed


def rounded(amount: Decimal) -> int:
    """To the nearest whole unit, a half away from zero."""
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))
