"""What queries read, in memory and on MongoDB."""

from dataclasses import replace
from datetime import timedelta

from tests.conformance.queries.conftest import Stock
from tests.unit.queries.making import MINUTE, NOW, announced, declined, paid
from worker.domain.record import Payment, Status, payment_id
from worker.ports import Refusal
from worker.queries import Place


def bare(payment: Payment) -> Payment:
    """As a history has it."""
    return replace(payment, events=(), timeline=(), calls=())


async def test_a_payment_is_found_by_each_of_its_ids(stock: Stock) -> None:
    """Our id, Stripe's id and the order's lead to the whole payment, and others to nothing."""
    payment = declined(paid("o-1", intent_id="pi_1"), "insufficient_funds", NOW + MINUTE)
    second = paid("o-1", NOW + MINUTE, id=payment_id("o-1", 2), intent_id="pi_2")
    for one in (second, payment, paid("o-2")):
        await stock.into.put(one)
    assert await stock.reading.by_id(payment.id) == payment
    assert await stock.reading.by_intent("pi_2") == second
    assert await stock.reading.by_order("o-1") == [payment, second]
    assert await stock.reading.by_id("pay_0_1") is None
    assert await stock.reading.by_intent("pi_3") is None
    assert await stock.reading.by_order("o-3") == []


async def test_a_history_has_the_newest_first(stock: Stock) -> None:
    """A user's payments come by their time of creation, those of one moment by their ids, and nobody else's come."""
    made = [paid(f"o-{n}", NOW + n // 2 * MINUTE) for n in range(6)]
    for one in (*made, paid("other", user_id="u-2")):
        await stock.into.put(one)
    found = [one async for one in stock.reading.history("u-1", None, None, None)]
    assert found == [bare(one) for one in sorted(made, key=lambda one: (one.created_at, one.id), reverse=True)]
    assert [one async for one in stock.reading.history("u-3", None, None, None)] == []


async def test_a_history_is_bounded_by_moments_and_a_place(stock: Stock) -> None:
    """Payments before `since`, and after `until` or the place, do not come; those of the very moment do."""
    for n in range(8):
        await stock.into.put(paid(f"o-{n}", NOW + n * MINUTE))
    place = Place(NOW + 5 * MINUTE, "pay_0_1")

    async def minutes(*window: object) -> list[int]:
        found = stock.reading.history("u-1", *window)  # type: ignore[arg-type]
        return [(one.created_at - NOW) // MINUTE async for one in found]

    assert await minutes(NOW + 2 * MINUTE, None, None) == [7, 6, 5, 4, 3, 2]
    assert await minutes(None, NOW + 2 * MINUTE, None) == [2, 1, 0]
    assert await minutes(None, None, place) == [5, 4, 3, 2, 1, 0]
    assert await minutes(NOW + 4 * MINUTE, NOW + 6 * MINUTE, place) == [5, 4]


async def test_a_refusal_is_found_by_its_command(stock: Stock) -> None:
    """A refusal without a payment is read as it was recorded."""
    refusal = Refusal("c-1", "capture", "unknown_payment", "no such payment", NOW, payment_id="pay_0_1", body_hash="x")
    await stock.into.refuse(refusal)
    assert await stock.reading.refusal("c-1") == refusal
    assert await stock.reading.refusal("c-2") is None


async def test_a_history_has_totals_and_lists(stock: Stock) -> None:
    """A payment of a history has what its view is made of."""
    payment = announced(paid(), "payment.succeeded", NOW, status=Status.SUCCEEDED, captured=2000)
    payment = announced(payment, "payment.refunded", NOW + timedelta(days=1), refunded=500)
    await stock.into.put(payment)
    (found,) = [one async for one in stock.reading.history("u-1", None, None, None)]
    assert (found.captured, found.refunded, found.version) == (2000, 500, payment.version)
