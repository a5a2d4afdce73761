"""Amounts as people read them: the decimals are Stripe's, the writing is the reader's."""

import decimal
import re

import pytest
from babel.numbers import NumberFormatError, get_currency_precision, parse_decimal
from hypothesis import given
from hypothesis import strategies as st

from contracts.money import CHARGEABLE, CURRENCIES, WHOLE_IN_HUNDREDTHS, Money, exponent, find
from worker.ops.amounts import text

GAP = "\N{NO-BREAK SPACE}"
MARK = "\N{RIGHT-TO-LEFT MARK}"

# Groups and decimals in every order and sign, Indian groups, symbols before and after, both directions.
LOCALES = (
    "en",
    "en_AU",
    "en_IN",
    "de",
    "de_AT",
    "de_CH",
    "fr",
    "fr_CH",
    "sv",
    "pl",
    "ja",
    "hi",
    "ar",
    "he",
    "pt_BR",
    "th",
)

amounts = st.integers(min_value=0, max_value=10**15)
codes = st.sampled_from(sorted(CURRENCIES))
chargeable = st.sampled_from(sorted(CHARGEABLE))
locales = st.sampled_from(LOCALES)


def read_back(written: str, currency: str, locale: str) -> Money:
    """What a reader of the locale takes the number for, without its symbol: its digits and what stands between them."""
    number = re.search(r"[0-9](?:.*[0-9])?", written)
    assert number is not None
    return Money.from_decimal(parse_decimal(number[0], locale, strict=True), currency)


@given(code=codes, amount=amounts, locale=locales)
def test_what_is_written_is_read_as_the_same_amount(code: str, amount: int, locale: str) -> None:
    """Minor units, written for any reader and read back by that locale's rules, are the same minor units: never 100 off."""
    whole = amount * find(code).step
    assert read_back(text(whole, code, locale), code, locale).amount == whole


@given(code=codes, amount=amounts, locale=locales)
def test_the_decimals_are_stripes(code: str, amount: int, locale: str) -> None:
    """As many decimals are written as Stripe counts, and none at all where a whole unit is the least that is charged."""
    whole = amount * find(code).step
    written = re.sub(r"[^0-9]", "", text(whole, code, locale))
    shift = 2 if code in WHOLE_IN_HUNDREDTHS else 0
    assert int(written) == whole // 10**shift
    assert len(written) >= 1 + exponent(code) - shift


@given(code=chargeable, amount=st.integers(min_value=1, max_value=10**12))
def test_a_debt_is_the_amount_with_a_sign(code: str, amount: int) -> None:
    """A negative amount is written as the positive one with a minus before it."""
    assert text(-amount, code) == f"-{text(amount, code)}"


@pytest.mark.parametrize(
    ("amount", "currency", "locale", "written"),
    [
        (1999, "eur", "en", "€19.99"),
        (1999, "EUR", "de", f"19,99{GAP}€"),
        (123456789, "usd", "en", "$1,234,567.89"),
        (123456789, "inr", "en_IN", "₹12,34,567.89"),
        (500, "jpy", "ja", "\N{FULLWIDTH YEN SIGN}500"),
        (500, "jpy", "en", "¥500"),
        (5120, "kwd", "en", f"KWD{GAP}5.120"),
        (5120, "kwd", "de", f"5,120{GAP}KWD"),
        (1999, "eur", "ar", f"{MARK}19.99{GAP}€"),
        (-1999, "cad", "en", "-CA$19.99"),
        (1999, "chf", "de_CH", f"CHF{GAP}19.99"),
        (0, "eur", "en", "€0.00"),
        (0, "isk", "en", f"ISK{GAP}0"),
    ],
)
def test_readers_find_what_they_are_used_to(amount: int, currency: str, locale: str, written: str) -> None:
    """Symbol, groups, decimal sign and order are the locale's own."""
    assert text(amount, currency, locale) == written


@pytest.mark.parametrize(
    ("amount", "currency", "cldr", "written"),
    [
        (5050, "lak", 0, f"LAK{GAP}50.50"),
        (150000, "mmk", 0, f"MMK{GAP}1,500.00"),
        (500, "isk", 0, f"ISK{GAP}5"),
        (550, "isk", 0, f"ISK{GAP}5.50"),
        (500, "ugx", 0, f"UGX{GAP}5"),
        (1500, "mga", 0, f"MGA{GAP}1,500"),
        (17550, "huf", 2, f"HUF{GAP}175.50"),
        (80045, "twd", 2, "NT$800.45"),
    ],
)
def test_the_decimals_are_not_cldrs(amount: int, currency: str, cldr: int, written: str) -> None:
    """Where CLDR knows other decimals than Stripe, nothing that Stripe charges is rounded away."""
    assert get_currency_precision(currency.upper()) == cldr
    assert text(amount, currency) == written


def test_a_narrow_decimal_context_rounds_nothing() -> None:
    """An amount is written to its last digit whatever precision the program computes in."""
    with decimal.localcontext(prec=3):
        assert text(123456789, "usd") == "$1,234,567.89"


def test_a_withdrawn_currency_is_still_shown() -> None:
    """An old payment in a currency that ISO 4217 has withdrawn is shown as a count, not refused."""
    assert text(1999, "hrk") == "1999 minor units of HRK"
    assert text(0, "") == "0 minor units of no currency"


@pytest.mark.parametrize("locale", ["xx_YY", "", "de_XX", "e n", "../x", "C"])
def test_an_unknown_locale_is_an_error(locale: str) -> None:
    """A locale that does not exist is a ValueError that names it."""
    with pytest.raises(ValueError, match="no locale is called"):
        text(1999, "eur", locale)


def test_a_locale_may_be_written_either_way() -> None:
    """Both spellings of a locale are taken, and that of the environment."""
    assert text(1999, "eur", "de-AT") == text(1999, "eur", "de_AT") == text(1999, "eur", "de_AT.UTF-8")


def test_reading_back_can_fail() -> None:
    """The reader of these tests takes no number whose groups are in the wrong place."""
    with pytest.raises(NumberFormatError):
        read_back("12,34.00", "eur", "en")
