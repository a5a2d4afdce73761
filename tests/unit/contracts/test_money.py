from decimal import Decimal

import iso4217
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.money import (
    CHARGEABLE,
    CURRENCIES,
    THREE_DECIMAL,
    WHOLE_IN_HUNDREDTHS,
    WHOLE_IN_PAYOUTS,
    ZERO_DECIMAL,
    Money,
    check,
    exponent,
    find,
)
from contracts.replies import RefusalCode

# Stripe docs, "Supported currencies", zero-decimal list; it names UGX there and again among the special cases.
STRIPE_ZERO_DECIMAL = set("bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf".split())  # noqa: SIM905

amounts = st.integers(min_value=-(10**15), max_value=10**15)
codes = st.sampled_from(sorted(CURRENCIES))
chargeable = st.sampled_from(sorted(CHARGEABLE))


@pytest.mark.parametrize("currency", list(iso4217.Currency), ids=str)
def test_every_iso_currency_has_its_exponent(currency: iso4217.Currency) -> None:
    """Every ISO 4217 currency has the standard's exponent unless a table of exceptions names it."""
    code = currency.code.lower()
    if currency.exponent is None:
        with pytest.raises(ValueError, match="minor unit"):
            exponent(code)
    elif code == "mga":
        assert exponent(code) == 0
    elif code in WHOLE_IN_HUNDREDTHS:
        assert (currency.exponent, exponent(code)) == (0, 2)
    else:
        assert exponent(code) == currency.exponent


def test_zero_decimals_are_stripes_list() -> None:
    """The chargeable currencies without decimals are Stripe's zero-decimal list, less UGX, which it counts in hundredths."""
    ours = {code for code in CHARGEABLE if exponent(code) == 0}
    assert ours == STRIPE_ZERO_DECIMAL - {"ugx"} == ZERO_DECIMAL


def test_three_decimals_are_stripes_list() -> None:
    """The chargeable currencies with three decimals are Stripe's five, and their charges end in 0."""
    assert {code for code in CHARGEABLE if exponent(code) == 3} == THREE_DECIMAL
    assert {find(code).step for code in THREE_DECIMAL} == {10}


def test_withdrawn_currencies_are_unknown() -> None:
    """A currency that ISO 4217 has withdrawn is refused although Stripe's page may still list it."""
    assert CHARGEABLE.isdisjoint({"ang", "bgn", "std", "hrk"})


@pytest.mark.parametrize("code", ["isk", "ugx"])
def test_isk_and_ugx_are_whole_in_hundredths(code: str) -> None:
    """ISK and UGX are counted in hundredths, and only whole units are charged."""
    assert Money.from_decimal("5", code).amount == 500
    assert check(500, code) is None
    problem = check(550, code)
    assert problem is not None
    assert problem.code is RefusalCode.AMOUNT_NOT_CHARGEABLE
    assert "multiple of 100" in problem.message


@pytest.mark.parametrize("code", ["huf", "twd"])
def test_huf_and_twd_are_whole_only_in_payouts(code: str) -> None:
    """HUF and TWD are charged with two decimals and paid out in whole units."""
    assert check(20045, code) is None
    assert (find(code).exponent, find(code).step, find(code).payout_step) == (2, 1, 100)
    assert {"huf", "twd"} == WHOLE_IN_PAYOUTS


def test_mga_has_no_decimals() -> None:
    """MGA is counted in whole ariary although ISO 4217 gives it two decimals."""
    assert Money.from_decimal("1500", "MGA").amount == 1500


@pytest.mark.parametrize(("value", "minor"), [("5.124", 5120), ("5.125", 5130), ("5.126", 5130), ("-5.125", -5130)])
def test_kwd_is_rounded_to_tens_on_request(value: str, minor: int) -> None:
    """A third decimal of KWD is refused as it stands and rounded to the nearest ten on request."""
    with pytest.raises(ValueError, match=r"no smaller amount than 0\.010 KWD"):
        Money.from_decimal(value, "kwd")
    assert Money.from_decimal(value, "kwd", rounded=True).amount == minor


@pytest.mark.parametrize(
    ("amount", "currency", "code", "field", "limit"),
    [
        (100, "xyz", RefusalCode.UNKNOWN_CURRENCY, "currency", "code"),
        (100, "xau", RefusalCode.UNKNOWN_CURRENCY, "currency", "code"),
        (100, "ghs", RefusalCode.UNKNOWN_CURRENCY, "currency", "code"),
        (100, "\N{KELVIN SIGN}wd", RefusalCode.UNKNOWN_CURRENCY, "currency", "code"),
        (49, "usd", RefusalCode.AMOUNT_TOO_SMALL, "amount", "50 minor units (0.50 USD)"),
        (29, "gbp", RefusalCode.AMOUNT_TOO_SMALL, "amount", "30 minor units (0.30 GBP)"),
        (49, "jpy", RefusalCode.AMOUNT_TOO_SMALL, "amount", "50 minor units (50 JPY)"),
        (17499, "huf", RefusalCode.AMOUNT_TOO_SMALL, "amount", "17500 minor units (175.00 HUF)"),
        (99, "isk", RefusalCode.AMOUNT_TOO_SMALL, "amount", "100 minor units (1.00 ISK)"),
        (0, "nad", RefusalCode.AMOUNT_TOO_SMALL, "amount", "1 minor units (0.01 NAD)"),
        (-5000, "eur", RefusalCode.AMOUNT_TOO_SMALL, "amount", "50 minor units (0.50 EUR)"),
        (10**8, "usd", RefusalCode.AMOUNT_TOO_LARGE, "amount", "99999999 minor units (999999.99 USD)"),
        (10**8, "kwd", RefusalCode.AMOUNT_TOO_LARGE, "amount", "99999990 minor units (99999.990 KWD)"),
        (10**12, "idr", RefusalCode.AMOUNT_TOO_LARGE, "amount", "999999999999 minor units (9999999999.99 IDR)"),
        (5124, "kwd", RefusalCode.AMOUNT_NOT_CHARGEABLE, "amount", "10 minor units (0.010 KWD)"),
    ],
)
def test_refusals_are_named(amount: int, currency: str, code: RefusalCode, field: str, limit: str) -> None:
    """An amount that Stripe would not charge is refused by code, by field and in a sentence with the limit."""
    problem = check(amount, currency)
    assert problem is not None
    assert (problem.code, problem.field) == (code, field)
    assert limit in problem.message


@given(code=chargeable)
def test_limits_are_inclusive(code: str) -> None:
    """The smallest and the largest charge pass, one step beyond either does not."""
    one = find(code)
    assert check(one.minimum, code) is None
    assert check(one.maximum, code) is None
    below, above = check(one.minimum - one.step, code), check(one.maximum + one.step, code)
    assert below is not None
    assert above is not None
    assert (below.code, above.code) == (RefusalCode.AMOUNT_TOO_SMALL, RefusalCode.AMOUNT_TOO_LARGE)


@given(code=chargeable, amount=amounts)
def test_what_passes_is_a_chargeable_amount(code: str, amount: int) -> None:
    """Whatever passes the check lies within the limits, is a multiple of the step, and passes in upper case too."""
    one = find(code)
    if check(amount, code) is None:
        assert one.minimum <= amount <= one.maximum
        assert amount % one.step == 0
    assert check(amount, code.upper()) == check(amount, code)


@given(code=codes, amount=amounts)
def test_decimals_round_trip(code: str, amount: int) -> None:
    """Major units and back is the same amount, for every exponent."""
    whole = Money(amount * find(code).step, code)
    assert Money.from_decimal(whole.to_decimal(), code) == whole
    assert Money.from_decimal(f"{whole.to_decimal():f}", code.upper()) == whole
    assert -whole.to_decimal().as_tuple().exponent == exponent(code)  # type: ignore[operator]  # finite by construction


@given(code=codes, value=st.decimals(min_value=-(10**12), max_value=10**12, places=6))
def test_rounding_takes_the_nearest_step(code: str, value: Decimal) -> None:
    """Rounding on request misses by half a step at most and gives a multiple of the step."""
    near = Money.from_decimal(value, code, rounded=True)
    assert near.amount % near.step == 0
    assert abs(near.to_decimal() - value) * 2 <= Money(near.step, code).to_decimal()


@given(code=codes, value=st.decimals(min_value=-(10**9), max_value=10**9, places=5))
def test_decimals_are_taken_exactly_or_not_at_all(code: str, value: Decimal) -> None:
    """Without a request to round, an amount is taken to the last digit or refused."""
    try:
        assert Money.from_decimal(value, code).to_decimal() == value
    except ValueError as error:
        assert "no smaller amount" in str(error)  # noqa: PT017 - both outcomes are right, for different values


@given(code=codes, first=amounts, second=amounts)
def test_arithmetic_is_that_of_the_minor_units(code: str, first: int, second: int) -> None:
    """Sums, differences and comparisons are those of whole minor units."""
    one, other = Money(first, code), Money(second, code.upper())
    assert (one + other).amount == first + second
    assert (one - other).amount == first - second
    assert ((one < other), (one <= other), (one > other), (one >= other), (one == other)) == (
        first < second,
        first <= second,
        first > second,
        first >= second,
        first == second,
    )


def test_two_currencies_never_mix() -> None:
    """Adding, subtracting and comparing two currencies is an error that names both."""
    euro, yen = Money(100, "eur"), Money(100, "jpy")
    for wrong in (lambda: euro + yen, lambda: euro - yen, lambda: euro < yen, lambda: euro <= yen):
        with pytest.raises(ValueError, match="EUR and JPY do not mix"):
            wrong()
    assert euro != yen


@pytest.mark.parametrize("wrong", [19.99, True, "1999", Decimal(1999), None])
def test_minor_units_are_whole_numbers(wrong: object) -> None:
    """A float, a boolean, a text or a decimal is no amount of minor units."""
    with pytest.raises(TypeError, match="whole number of minor units"):
        Money(wrong, "eur")  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(TypeError, match="whole number of minor units"):
        check(wrong, "eur")  # type: ignore[arg-type]  # the point of the test


@pytest.mark.parametrize("wrong", [19.99, 20, None, b"19.99"])
def test_major_units_are_decimals_or_text(wrong: object) -> None:
    """A float or a bare integer is no amount of major units: nobody knows which unit it was meant in."""
    with pytest.raises(TypeError, match="Decimal or text"):
        Money.from_decimal(wrong, "eur")  # type: ignore[arg-type]  # the point of the test


@pytest.mark.parametrize(
    "wrong", ["", "19,99", " 19.99", "1_000", "1e5", "nan", "\N{ARABIC-INDIC DIGIT THREE}", "9" * 19, "1." + "0" * 19]
)
def test_text_is_a_plain_number(wrong: str) -> None:
    """Text is read only as plain ASCII digits with an optional point."""
    with pytest.raises(ValueError, match="not a decimal number"):
        Money.from_decimal(wrong, "eur")


@pytest.mark.parametrize("wrong", [Decimal("NaN"), Decimal("Infinity"), Decimal("1e999999"), Decimal("1e-999999")])
def test_decimals_are_finite_and_short(wrong: Decimal) -> None:
    """A decimal that is no number, or too long to be money, is refused before any arithmetic."""
    with pytest.raises(ValueError, match=r"finite|digits"):
        Money.from_decimal(wrong, "eur")


def test_money_has_a_known_currency() -> None:
    """Money of a code without minor units does not exist, and the code is kept in lower case."""
    assert Money(1, "EUR").currency == "eur"
    with pytest.raises(ValueError, match="minor unit"):
        Money(1, "xau")
    with pytest.raises(TypeError, match="money goes with money"):
        _ = Money(1, "eur") + 1  # type: ignore[operator]  # the point of the test


def test_money_reads_as_people_write_it() -> None:
    """Text shows exactly the currency's decimals and never an exponent."""
    assert [str(Money(*one)) for one in ((1999, "eur"), (500, "jpy"), (-5, "kwd"), (10**14, "idr"))] == [
        "19.99 EUR",
        "500 JPY",
        "-0.005 KWD",
        "1000000000000.00 IDR",
    ]
