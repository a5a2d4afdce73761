"""Every currency that Stripe charges, one by one: how it is counted, and what one charge may be."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.commands import MAX_AMOUNT, CreatePayment
from contracts.money import (
    CHARGEABLE,
    CURRENCIES,
    THREE_DECIMAL,
    WHOLE_IN_HUNDREDTHS,
    ZERO_DECIMAL,
    Money,
    check,
    exponent,
    find,
)
from contracts.replies import RefusalCode

# Stripe docs, "Supported currencies": presentment currencies, as the page lists them.
PRESENTED = set(
    """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BIF BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CLP CNY COP CRC CVE
    CZK DJF DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR ISK JMD JPY KES KGS KHR
    KMF KRW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN
    PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SEK SGD SHP SLE SOS SRD STD SZL THB TJS TOP TRY TTD TWD TZS UAH UGX
    USD UYU UZS VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW
    """.lower().split()
)
WITHDRAWN = {"ang", "std"}  # from ISO 4217; the page still has them

EXPONENTS = (0, 2, 3)
amounts = st.integers(min_value=1, max_value=MAX_AMOUNT)


def counted_in(digits: int) -> st.SearchStrategy[str]:
    return st.sampled_from(sorted(code for code in CHARGEABLE if exponent(code) == digits))


def refused(amount: int, code: str) -> RefusalCode | None:
    problem = check(amount, code)
    return problem.code if problem else None


def test_every_currency_that_stripe_lists_can_be_charged() -> None:
    """What is chargeable is Stripe's list and its three-decimal currencies, less what ISO 4217 has withdrawn."""
    assert CHARGEABLE == PRESENTED - WITHDRAWN | THREE_DECIMAL
    assert not WITHDRAWN & CURRENCIES.keys()


def test_there_are_no_other_exponents() -> None:
    """Chargeable currencies have zero, two or three decimals, and each exponent below is one of them."""
    assert {exponent(code) for code in CHARGEABLE} == set(EXPONENTS)
    assert {code for code in CHARGEABLE if exponent(code) == 0} == ZERO_DECIMAL
    assert {code for code in CHARGEABLE if exponent(code) == 3} == THREE_DECIMAL


@pytest.mark.parametrize("digits", EXPONENTS)
@given(data=st.data(), amount=amounts)
def test_minor_units_survive_the_way_to_major_ones(digits: int, data: st.DataObject, amount: int) -> None:
    """For each exponent, minor units to Decimal or text and back are the same minor units, to the last digit."""
    code = data.draw(counted_in(digits))
    money = Money(amount * find(code).step, code)
    assert Money.from_decimal(money.to_decimal(), code) == money
    assert Money.from_decimal(str(money).removesuffix(f" {code.upper()}"), code) == money


@pytest.mark.parametrize("digits", EXPONENTS)
@given(data=st.data(), amount=amounts)
def test_an_amount_is_never_off_by_a_power_of_ten(digits: int, data: st.DataObject, amount: int) -> None:
    """For each exponent, one major unit is exactly 10 to the exponent minor ones, for one and for any number."""
    code = data.draw(counted_in(digits))
    assert Money.from_decimal("1", code).amount == (1, 10, 100, 1000)[digits]
    assert Money(amount, code).to_decimal() == Decimal(amount).scaleb(-digits)
    assert Money.from_decimal(Decimal(amount), code).amount == amount * (1, 10, 100, 1000)[digits]


@pytest.mark.parametrize("digits", EXPONENTS)
@given(data=st.data(), amount=amounts)
def test_what_is_shown_has_the_exponents_decimals(digits: int, data: st.DataObject, amount: int) -> None:
    """For each exponent, text has that many decimals, and none has a point without decimals."""
    code = data.draw(counted_in(digits))
    number, _ = str(Money(amount, code)).split(" ")
    assert len(number.partition(".")[2]) == digits
    assert ("." in number) == (digits > 0)


@pytest.mark.parametrize("code", sorted(CHARGEABLE))
def test_each_currency_has_its_bounds(code: str) -> None:
    """In each currency the least and the most that Stripe takes pass, and one step beyond either is refused by name."""
    one = find(code)
    assert 0 < one.minimum < one.maximum <= MAX_AMOUNT
    assert one.minimum % one.step == one.maximum % one.step == 0
    assert refused(one.minimum, code) is None
    assert refused(one.maximum, code) is None
    assert refused(one.minimum - one.step, code) is RefusalCode.AMOUNT_TOO_SMALL
    assert refused(one.maximum + one.step, code) is RefusalCode.AMOUNT_TOO_LARGE


@pytest.mark.parametrize("code", sorted(CHARGEABLE))
@given(data=st.data())
def test_each_currency_takes_every_step_between_its_bounds(code: str, data: st.DataObject) -> None:
    """In each currency an amount between the bounds passes exactly when it is a multiple of the step."""
    one = find(code)
    amount = data.draw(st.integers(one.minimum, one.maximum))
    assert (refused(amount, code) is None) == (amount % one.step == 0)
    assert refused(amount - amount % one.step, code) is None


def test_steps_are_stripes() -> None:
    """A charge is a multiple of ten with three decimals, of a hundred for ISK and UGX, and of one in every other currency."""
    assert {code for code in CHARGEABLE if find(code).step == 10} == THREE_DECIMAL
    assert {code for code in CHARGEABLE if find(code).step == 100} == WHOLE_IN_HUNDREDTHS
    assert {find(code).step for code in CHARGEABLE} == {1, 10, 100}


@pytest.mark.parametrize("code", sorted(CHARGEABLE))
def test_each_currency_travels_as_an_integer(code: str) -> None:
    """On the wire the largest charge of each currency is written without a point or an exponent, and read back."""
    command = CreatePayment(order_id="o-1", user_id="u-1", amount=find(code).maximum, currency=code)
    wire = json.loads(command.model_dump_json())
    assert type(wire["amount"]) is int
    assert CreatePayment.model_validate(wire) == command
