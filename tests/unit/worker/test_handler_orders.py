"""What the handler looks up beside a payment: how its order's other payments are, and when it must look again."""

import pytest

from contracts.views import RefundStatus
from tests.fake_account import VISA
from tests.unit.worker.bench import Bench
from tests.unit.worker.making import cancel, create, last_body, refund
from worker.domain.record import Status


async def canceled_and_paid_late(bench: Bench) -> None:
    """The money of the order's first payment comes although it was canceled."""
    held = bench.held(1)
    held.status = Status.REQUIRES_PAYMENT_METHOD
    bench.stripe.pay_in_browser(held.id, VISA)
    await bench.hear()


@pytest.mark.parametrize(
    ("other", "case"), [("paid", "paid_twice"), ("given back", "paid_after_cancel"), ("open", "paid_after_cancel")]
)
async def test_money_of_an_order_that_was_paid_otherwise(other: str, case: str) -> None:
    """Late money is money paid twice while another payment of the order holds money, and only then."""
    bench = Bench()
    await bench.opened(1)
    await bench.handler.command(cancel())
    bench.stripe.news.clear()
    second = await (bench.opened(2) if other == "open" else bench.paid(2))
    if other == "given back":
        await bench.handler.command(refund(payment_id=second.id))
    await canceled_and_paid_late(bench)
    assert last_body(bench.payment(1), "late_money")["case"] == case


async def test_money_of_an_order_with_one_payment() -> None:
    """Late money of an order without other payments came after its cancel."""
    bench = Bench()
    await bench.opened(1)
    await bench.handler.command(cancel())
    bench.stripe.news.clear()
    await canceled_and_paid_late(bench)
    assert last_body(bench.payment(1), "late_money")["case"] == "paid_after_cancel"


async def given_back(bench: Bench) -> str:
    """A payment whose money has gone back; Stripe's name of the refund."""
    await bench.paid(1)
    await bench.handler.command(refund("r-1"))
    await bench.hear()
    assert not bench.payment(1).live
    return bench.held(1).refunds[0].id


async def test_a_refund_that_fails_finds_the_orders_next_payment() -> None:
    """A refund that fails after the order has begun its next payment is announced as late money, and a person looks."""
    bench = Bench()
    name = await given_back(bench)
    await bench.opened(2)
    bench.stripe.move_refund(name, RefundStatus.FAILED)
    await bench.hear()
    assert bench.payment(1).needs_review == "refund_failed"


async def test_a_refund_that_fails_alone_needs_nobody() -> None:
    """A refund that fails while the order has no other payment makes the payment live again."""
    bench = Bench()
    name = await given_back(bench)
    bench.stripe.move_refund(name, RefundStatus.FAILED)
    await bench.hear()
    assert (bench.payment(1).live, bench.payment(1).needs_review) == (True, None)


async def test_the_second_look_is_a_new_one() -> None:
    """A payment that the order begins between the news of the failure and its read is seen by the read alone."""
    bench = Bench()
    name = await given_back(bench)
    bench.stripe.move_refund(name, RefundStatus.FAILED)
    before = bench.payment(1)
    other = bench.worker()

    async def begins() -> None:
        """Another worker, which had loaded the payment before its refund failed."""
        now = bench.payment(1)
        bench.store.payments[before.id] = before
        await other.command(create("create-2", issued_at=bench.now))
        bench.store.payments[before.id] = now

    bench.gateway.while_read = begins
    del bench.stripe.news[1:]
    await bench.hear()
    assert bench.payment(2).live
    assert bench.payment(1).needs_review == "refund_failed"


async def test_a_live_payment_looks_at_no_other() -> None:
    """While a payment is its order's live one and nothing has come back, its news needs no look at the others."""
    bench = Bench()
    await bench.paid(1)
    looked = bench.store.looks_beside
    await bench.handler.command(refund("r-1", amount=500))
    await bench.hear()
    assert bench.store.looks_beside == looked
