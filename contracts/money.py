"""Amounts as Stripe counts them: whole numbers of a currency's minor unit. Never a float.

The exponents come from the ISO 4217 table of the `iso4217` package; the small tables below hold what Stripe does otherwise.
Source of all of them: Stripe docs, "Supported currencies" (https://docs.stripe.com/currencies): presentment currencies,
zero-decimal and three-decimal currencies, special cases, minimum and maximum charge amounts.

`check` refuses by name what Stripe would refuse anyway, before anything is stored. It cannot know everything: Stripe's
minimum holds for the currency that the account settles in, after conversion, and card networks and payment methods have
maximums of their own. So an amount that passes here can still be refused by Stripe, and Stripe has the last word.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

import iso4217

from contracts.replies import RefusalCode

ZERO_DECIMAL = frozenset(
    ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf")
)
"""Counted in whole units. ISO 4217 agrees on all but MGA, whose minor unit is a fifth and which Stripe does not use."""

THREE_DECIMAL = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
"""Counted in thousandths, the last digit always 0: 5.124 KWD is charged as 5120 or 5130."""

WHOLE_IN_HUNDREDTHS = frozenset({"isk", "ugx"})
"""Have no decimals any more and are still counted in hundredths, the decimals always 00: 5 ISK is 500."""

WHOLE_IN_PAYOUTS = frozenset({"huf", "twd"})
"""Charged with two decimals like any other, paid out in whole units only."""

_PRESENTMENT = """
    aed afn all amd aoa ars aud awg azn bam bbd bdt bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf clp cny cop crc cve
    czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr isk jmd jod jpy kes kgs
    khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd
    omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd szl thb tjs tnd top try ttd twd
    tzs uah ugx usd uyu uzs vnd vuv wst xaf xcd xcg xof xpf yer zar zmw
"""
"""What Stripe charges. It still lists ANG and STD, which ISO 4217 has withdrawn: those are unknown here."""

_MINIMUM = {
    "usd": 50, "aed": 200, "ars": 50, "aud": 50, "brl": 50, "cad": 50, "chf": 50, "cop": 50, "czk": 1500, "dkk": 250,
    "eur": 50, "gbp": 30, "hkd": 400, "huf": 17500, "idr": 50, "ils": 50, "inr": 50, "jpy": 50, "krw": 50, "mxn": 1000,
    "myr": 200, "nok": 300, "nzd": 50, "php": 50, "pln": 200, "ron": 200, "rub": 50, "sek": 300, "sgd": 50, "thb": 1000,
    "zar": 50,
}  # fmt: skip
"""Stripe's minimum charge amounts; where it names none, one step of the currency."""

_MAXIMUM_DIGITS = {"idr": 12, "lbp": 11, "cop": 10, "huf": 10, "jpy": 10, "inr": 9}
"""What methods other than cards take; LBP, HUF and JPY, which there take eight, have what Stripe gave for cards. By its newest
page cards take twelve in most currencies, but its API reference says eight, and whoever asks does not know yet how the customer
will pay: what is above is refused here rather than after they have chosen. docs/currencies.md has the whole story."""

_DEFAULT_MAXIMUM_DIGITS = 8

_DECIMAL = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?")

_MOST_DIGITS = 36
"""Longer decimals are refused before any arithmetic: `1e999999999` would fill the memory."""


@dataclass(frozen=True)
class Currency:
    """How Stripe takes one currency. `code` is lower case; all amounts are minor units.

    `exponent` is the number of decimals, `step` what a charge must be a multiple of, `payout_step` the same for payouts.
    """

    code: str
    exponent: int
    step: int
    payout_step: int
    minimum: int
    maximum: int
    chargeable: bool


@dataclass(frozen=True)
class AmountProblem:
    """Why Stripe would not charge an amount. `message` is one sentence for people; `field` is the one at fault."""

    code: RefusalCode
    message: str
    field: str


def _iso_exponents() -> dict[str, int]:
    """All ISO 4217 currencies that have a minor unit; metals, funds' codes and test codes have none."""
    exponents = {currency.code.lower(): currency.exponent for currency in iso4217.Currency}
    return {code: digits for code, digits in exponents.items() if digits is not None}


def _currency(code: str, exponent: int, *, chargeable: bool) -> Currency:
    if code in ZERO_DECIMAL:
        exponent = 0
    step = 1
    if code in THREE_DECIMAL:
        step = 10
    if code in WHOLE_IN_HUNDREDTHS:
        exponent, step = 2, 100
    digits = _MAXIMUM_DIGITS.get(code, _DEFAULT_MAXIMUM_DIGITS)
    return Currency(
        code=code,
        exponent=exponent,
        step=step,
        payout_step=100 if code in WHOLE_IN_PAYOUTS else step,
        minimum=_MINIMUM.get(code, step),
        maximum=(10**digits - 1) // step * step,
        chargeable=chargeable,
    )


_PRESENTED = frozenset(_PRESENTMENT.split())

CURRENCIES: dict[str, Currency] = {
    code: _currency(code, exponent, chargeable=code in _PRESENTED) for code, exponent in _iso_exponents().items()
}
"""Every ISO 4217 currency with a minor unit, by lower-case code."""

CHARGEABLE = frozenset(code for code, currency in CURRENCIES.items() if currency.chargeable)
"""The lower-case codes that a payment may have."""


def find(currency: str) -> Currency:
    """Look a currency up by its code in any case; ValueError when ISO 4217 has none, or none with a minor unit."""
    found = _look_up(currency)
    if found is None:
        raise ValueError("not an ISO 4217 currency with a minor unit")
    return found


def exponent(currency: str) -> int:
    """Count the decimals of an amount as Stripe counts them: 2 for EUR, 0 for JPY, 3 for KWD, 2 for ISK."""
    return find(currency).exponent


def check(amount: int, currency: str) -> AmountProblem | None:
    """Tell why Stripe would not charge `amount` minor units of `currency`; None when nothing speaks against it."""
    _require_int(amount)
    found = _look_up(currency)
    if found is None or not found.chargeable:
        return AmountProblem(RefusalCode.UNKNOWN_CURRENCY, "Stripe charges no currency of this code.", "currency")
    name = found.code.upper()
    if amount < found.minimum:
        rule = f"The smallest charge in {name} is {found.minimum} minor units ({Money(found.minimum, name)})."
        return AmountProblem(RefusalCode.AMOUNT_TOO_SMALL, rule, "amount")
    if amount > found.maximum:
        rule = f"The largest charge in {name} is {found.maximum} minor units ({Money(found.maximum, name)})."
        return AmountProblem(RefusalCode.AMOUNT_TOO_LARGE, rule, "amount")
    return check_part(amount, currency)


def check_part(amount: int, currency: str) -> AmountProblem | None:
    """Tell why Stripe would not capture or refund this part of a charge: the currency's step is kept in parts, too."""
    _require_int(amount)
    found = _look_up(currency)
    if found is None or amount % found.step == 0:
        return None
    name = found.code.upper()
    rule = f"An amount in {name} must be a multiple of {found.step} minor units ({Money(found.step, name)})."
    return AmountProblem(RefusalCode.AMOUNT_NOT_CHARGEABLE, rule, "amount")


@dataclass(frozen=True)
class Money:
    """A whole number of minor units of one currency; negative as a difference. Two currencies never mix (ValueError)."""

    amount: int
    currency: str

    def __post_init__(self) -> None:
        _require_int(self.amount)
        object.__setattr__(self, "currency", find(self.currency).code)

    @classmethod
    def from_decimal(cls, value: Decimal | str, currency: str, *, rounded: bool = False) -> Self:
        """Take `value` major units exactly, or raise ValueError when the currency has no such amount.

        With `rounded`, the nearest amount that Stripe charges is taken, halves away from zero: 5.124 KWD becomes 5.120.
        """
        if not isinstance(value, Decimal | str):
            raise TypeError(f"an amount is a Decimal or text, not {type(value).__name__}")
        sign, digits, places = _parts(value)
        found = find(currency)
        # In whole numbers throughout: Decimal's own arithmetic rounds to the precision of a context.
        numerator, denominator = digits * 10 ** max(places + found.exponent, 0), 10 ** max(-places - found.exponent, 0)
        steps, remainder = divmod(numerator, denominator * found.step)
        if remainder and not rounded:
            raise ValueError(f"{found.code.upper()} has no smaller amount than {cls(found.step, currency)}")
        if 2 * remainder >= denominator * found.step:
            steps += 1
        return cls(sign * steps * found.step, currency)

    def to_decimal(self) -> Decimal:
        """Major units, with exactly the currency's decimals: Decimal("5.00") for 500 ISK."""
        digits = tuple(int(digit) for digit in str(abs(self.amount)))
        return Decimal((int(self.amount < 0), digits, -exponent(self.currency)))

    @property
    def step(self) -> int:
        """What a charge must be a multiple of, in minor units: 10 for KWD, 100 for ISK, 1 for most."""
        return find(self.currency).step

    def __add__(self, other: "Money") -> "Money":
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.amount - self._same(other), self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.amount < self._same(other)

    def __le__(self, other: "Money") -> bool:
        return self.amount <= self._same(other)

    def __str__(self) -> str:
        return f"{self.to_decimal():f} {self.currency.upper()}"

    def _same(self, other: "Money") -> int:
        if not isinstance(other, Money):
            raise TypeError(f"money goes with money, not with {type(other).__name__}")
        if other.currency != self.currency:
            raise ValueError(f"{self.currency.upper()} and {other.currency.upper()} do not mix")
        return other.amount


def _look_up(code: str) -> Currency | None:
    # Some letters from elsewhere become ASCII in lower case: the Kelvin sign a "k".
    return CURRENCIES.get(code.lower()) if code.isascii() else None


def _require_int(amount: int) -> None:
    if type(amount) is not int:
        raise TypeError(f"an amount is a whole number of minor units, not {type(amount).__name__}")


def _parts(value: Decimal | str) -> tuple[int, int, int]:
    """Take a decimal apart into sign, digits and power of ten; ValueError for what is no number or far too long."""
    if isinstance(value, str) and not _DECIMAL.fullmatch(value):
        raise ValueError("not a decimal number such as 19.99")
    sign, digits, places = Decimal(value).as_tuple()
    if not isinstance(places, int):
        raise ValueError("not a finite number")  # noqa: TRY004 - the type is right, the value is not
    if len(digits) > _MOST_DIGITS or abs(places) > _MOST_DIGITS:
        raise ValueError(f"more than {_MOST_DIGITS} digits")
    return (-1 if sign else 1), int("".join(map(str, digits))), places
