"""What movements come to in the currency that the customer paid, at whatever rates of exchange they settled."""

from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.movements import Movement, presented


def moved(category: str, settled: int, **changes: object) -> Movement:
    """A movement without a conversion, unless told otherwise."""
    return Movement(**{"category": category, "whole": abs(settled), "settled": settled} | changes)  # type: ignore[arg-type] # what a test changes


def converted(category: str, whole: int, settled: int, **changes: object) -> Movement:
    """A movement that settles in another currency than the customer's."""
    return moved(category, settled, whole=whole, converted=True, **changes)


def at(amount: int, rate: Decimal | str) -> int:
    """What an amount settles as."""
    return int((amount * Decimal(rate)).to_integral_value(ROUND_HALF_UP))


def disputed(whole: int, back: int, before: str, now: str) -> list[Movement]:
    """A dispute that takes an amount, and of which a part comes back at the rate of another day."""
    return [
        converted("dispute", whole, -at(whole, before), rate=before),
        converted("dispute_reversal", whole, at(back, now), rate=now, at=1),
    ]


@pytest.mark.parametrize(
    ("moves", "amount"),
    [
        ([moved("charge", 2000)], 2000),
        ([moved("charge", 500), moved("charge", 700)], 1200),
        ([moved("charge", 2000), moved("partial_capture_reversal", -1500)], 500),
        ([moved("charge", 2000), moved("charge_failure", -2000)], 0),
        ([moved("refund", -500)], -500),
        ([moved("refund", -500), moved("refund_failure", 500)], 0),
        ([moved("dispute", -500), moved("dispute_reversal", 500)], 0),
        ([moved("dispute", -500), moved("dispute_reversal", 300)], -200),
        ([converted("charge", 2000, 1840)], 2000),
        ([converted("charge", 2000, 1840), converted("charge", 2000, 0)], 2000),
        ([converted("refund", 1000, -900)], -1000),
        ([converted("refund", 1000, -900), converted("refund_failure", 1000, 900)], 0),
        ([converted("dispute", 1000, -920), converted("dispute_reversal", 1000, 920)], 0),
        ([converted("dispute", 1000, -920), converted("dispute_reversal", 1000, 460)], -500),
        ([converted("charge", 3, 0)], 3),
        ([converted("charge", 2000, 1840), converted("charge_failure", 2000, -1700)], 0),
        ([converted("refund", 1000, -900), converted("refund_failure", 1000, 870)], 0),
        ([converted("dispute", 1000, -920), converted("dispute_reversal", 1000, 1087)], 0),
        ([converted("dispute", 1000, -920, rate="0.92"), converted("dispute_reversal", 1000, 800, rate="0.8")], 0),
        ([converted("dispute", 800, -736, rate="0.92"), converted("dispute_reversal", 800, 160, rate="0.8")], -600),
        (
            [
                converted("dispute", 3333, -3066, rate="0.92"),
                converted("dispute_reversal", 3333, 2666, rate="0.8", at=1),
                converted("dispute", 3333, -2833, rate="0.85", at=2),
            ],
            -3333,
        ),
        ([converted("dispute", 1000, -920), moved("dispute_reversal", 300, whole=1000)], -700),
        ([*2 * [converted("dispute", 3333, -3066)], converted("dispute_reversal", 3333, 3066)], -3333),
    ],
)
def test_movements_count_as_what_the_customer_paid(moves: list[Movement], amount: int) -> None:
    """Without a conversion what settled counts, with one the source's amount: all of it, none, or the share that stayed."""
    assert presented(moves) == amount


@given(st.integers(1, 10**9), st.integers(1, 10**6), st.integers(1, 10**6))
def test_no_rate_makes_a_drift(whole: int, numerator: int, denominator: int) -> None:
    """At whatever rate and rounding a charge is settled and refunded, the whole of it is the whole of it."""
    settled = max(1, whole * numerator // denominator)
    assert presented([converted("charge", whole, settled)]) == whole
    assert presented([converted("refund", whole, -settled)]) == -whole


RATES = st.decimals("0.004", "200", places=6)


@given(st.integers(1, 10**8), st.integers(1, 100), RATES, RATES)
def test_a_dispute_comes_back_at_whatever_rate(whole: int, percent: int, before: Decimal, now: Decimal) -> None:
    """All of it is all of it, to the unit; a part is told to what the rounding of the settled amounts hides."""

    def at(amount: int, rate: Decimal) -> int:
        return int((amount * rate).to_integral_value())

    taken = converted("dispute", whole, -at(whole, before), rate=str(before))
    back = converted("dispute_reversal", whole, at(whole, now), rate=str(now))
    assert presented([taken, back]) == 0
    part = whole * percent // 100
    left = presented([taken, replace(back, settled=at(part, now))])
    hidden = 1 + 2 / before + 2 / now + whole * max(Decimal("0.00002"), Decimal("0.000002") / min(before, now))
    if at(whole, before):
        assert abs(left - (part - whole)) <= hidden


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("0.672", "0.7013"),  # yen to cents
        ("1.0837", "0.99"),  # cents to cents
        ("1.6244", "1.5"),  # cents to yen
        ("0.3257", "0.3301"),  # fils to cents
        ("3.0675", "3.1"),  # cents to fils
    ],
)
@pytest.mark.parametrize("whole", [50, 1999, 123_450])
def test_what_stays_taken_is_told_whatever_the_decimals(whole: int, before: str, now: str) -> None:
    """All that comes back leaves nothing, none that comes back leaves all, and half leaves half but for the rounding."""
    half, hidden = whole // 2, 1 + 1 / Decimal(before) + 1 / Decimal(now)
    assert presented(disputed(whole, whole, before, now)) == 0
    assert presented(disputed(whole, 0, before, now)) == -whole
    assert presented(disputed(whole, whole, before, now)[:1]) == -whole
    assert abs(presented(disputed(whole, half, before, now)) + whole - half) <= hidden


@pytest.mark.parametrize(("back", "left"), [(803, 0), (802, 0), (801, -2), (401, -502), (0, -1003)])
def test_only_what_rounding_hides_is_no_part(back: int, left: int) -> None:
    """10.03 taken as 9.23 at 0.92 should come back as 8.026 at 0.80: 8.02 is the whole of it, and 8.01 is not."""
    taken, returned = disputed(1003, 1003, "0.92", "0.8")
    assert presented([taken, replace(returned, settled=back)]) == left


def told(rate: Decimal) -> str:
    """A rate as Stripe says it: with six digits, and no more than six decimals."""
    return str(round(rate, min(6, 5 - rate.adjusted())))


EXACT_RATES = st.decimals("0.004", "200", places=12)


@given(st.integers(1, 10**8), EXACT_RATES, EXACT_RATES)
def test_digits_that_a_rate_lacks_are_no_part(whole: int, before: Decimal, now: Decimal) -> None:
    """Settled at exact rates and told with six digits, or six decimals, all that comes back is all of it."""
    moves = [
        converted("dispute", whole, -at(whole, before), rate=told(before)),
        converted("dispute_reversal", whole, at(whole, now), rate=told(now)),
    ]
    assert presented(moves) == 0


def test_what_was_taken_unconverted_comes_back_converted() -> None:
    """Where the account has begun to convert between the two, what was taken counts as it is, and its return by its rate."""
    taken, returned = moved("dispute", -1000), converted("dispute_reversal", 1000, 920, rate="0.92")
    assert presented([taken, returned]) == 0
    assert presented([taken, replace(returned, settled=460)]) == -500
