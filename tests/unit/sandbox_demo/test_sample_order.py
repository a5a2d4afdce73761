"""What the sample order service reads off the events, in whatever order they come."""

from typing import Any

import pytest

from contracts.events import Event
from sandbox.services.order import Order
from tests.unit.sandbox_demo import books
from tests.unit.sandbox_demo.test_sample_services import raw, shop


def heard(*events: Event) -> Order:
    """An order that has heard these, in this order."""
    order = Order(books.ORDER, "u-1", "a book", 1999, "eur", create_id="create-1")
    for event in events:
        order.apply(f"{event.payment_id}.{event.sequence}", event)
    return order


def asked(sequence: int, **more: Any) -> Event:
    return books.event("payment.late_money", sequence, remedy="ask", **more)


def test_an_older_event_takes_nothing_back() -> None:
    """An order that is paid stays paid when the news of the created payment comes late."""
    service, _ = shop()
    order = service.place("a book", 1999, "eur", "u-1", books.ORDER)
    service.inbox.take(raw(books.event("payment.succeeded", 2)))
    service.inbox.take(raw(books.event("payment.created", 1)))
    assert (order.status, order.paid, len(order.events)) == ("succeeded", True, 2)


def test_less_money_is_not_paid() -> None:
    """An order counts as paid only when its whole amount was captured."""
    service, _ = shop()
    order = service.place("a book", 2999, "eur", "u-1", books.ORDER)
    service.inbox.take(raw(books.event("payment.succeeded", 2)))
    assert not order.paid


def test_another_shops_order_is_left_alone() -> None:
    """An event of an order that this service does not have changes nothing."""
    service, _ = shop()
    service.inbox.take(raw(books.event("payment.succeeded", 2)))
    assert service.orders == {}


def test_the_newest_payment_is_the_orders() -> None:
    """The tenth payment of an order is newer than its ninth."""
    service, _ = shop()
    order = service.place("a book", 1999, "eur", "u-1", books.ORDER)
    for number in (10, 9):
        service.inbox.take(raw(books.event("payment.created", 1, payment_id=f"pay_1_{number}")))
    assert order.payment is not None
    assert order.payment.payment_id == "pay_1_10"


@pytest.mark.parametrize(
    "totals", [{"refunded": 1}, {"reserved": 1}, {"disputed": 1}, {"needs_review": "terms_differ"}]
)
def test_money_that_may_not_stay_is_not_paid(totals: dict[str, Any]) -> None:
    """Nothing is shipped for money that goes back, is disputed, or waits for a person."""
    assert heard(books.event("payment.succeeded", 2)).paid
    assert not heard(books.event("payment.succeeded", 2, **totals)).paid


def test_an_order_that_was_given_up_is_not_paid() -> None:
    """Money that comes after the shop's own cancel does not make it ship."""
    order = heard(books.event("payment.succeeded", 2))
    order.given_up = True
    assert not order.paid


def test_the_newest_word_about_a_refund_counts() -> None:
    """A refund that failed after it had succeeded is failed, whichever was heard of first."""
    good = books.event("payment.refunded", 4)
    failed = books.event("payment.refund_failed", 5, refund=books.refund(status="failed"))
    for order in (heard(good, failed), heard(failed, good)):
        assert order.refunds["return-1"].status == "failed"


def test_the_newest_word_about_a_dispute_counts() -> None:
    """A dispute is as its latest event says."""
    won = books.event("payment.dispute_closed", 6, dispute=books.dispute(status="won"))
    assert heard(won, books.event("payment.dispute_opened", 4)).disputes["du_1"].status == "won"


def test_only_a_question_is_one() -> None:
    """What payments tells, holds or refunds by itself asks the order service nothing."""
    assert heard(books.event("payment.late_money", 3, remedy="hold")).question is None


def test_a_question_stands_until_it_is_answered() -> None:
    """An answer ends the questions before it and not those after it, in whatever order they are heard."""
    resolved = books.event("payment.resolved", 4)
    assert heard(asked(3)).question == asked(3)
    assert heard(resolved, asked(3)).question is None
    assert heard(asked(5), resolved, asked(3)).question == asked(5)


def test_an_answer_about_one_payment_leaves_the_others_question() -> None:
    """Each payment of an order is asked about by itself."""
    assert heard(asked(3), books.event("payment.resolved", 4, payment_id="pay_1_2")).question == asked(3)


@pytest.mark.parametrize("last", [0, 1], ids=["erased last", "erased first"])
def test_an_erased_user_is_forgotten(last: int) -> None:
    """The order knows the tombstone alone, also from events that come after the erasure."""
    events = [books.event("payment.erased", 5, user_id="erased"), books.event("payment.succeeded", 2)]
    assert "u-1" not in repr(heard(events[1 - last], events[last]))
