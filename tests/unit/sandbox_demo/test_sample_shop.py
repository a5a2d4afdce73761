"""The sample shop's pages, without a browser."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from contracts.replies import RefusalCode, Verdict
from sandbox.services.order import Order
from sandbox.services.orders import OrderService
from sandbox.services.web import server
from sandbox.services.web.app import Shop, policy
from sandbox.services.web.pages import Checkout
from tests.unit.sandbox_demo import books
from tests.unit.sandbox_demo.test_sample_services import ACCEPTED, URL, Answers, paid, raw, refunded, reply

FORM = Checkout("form", "http://stripe.test", "pk_test_1")


class Visit:
    """A shop with an order, and a way to look at it."""

    def __init__(self, url: str, session: aiohttp.ClientSession, orders: OrderService, order: Order) -> None:
        self.url = url
        self.session = session
        self.orders = orders
        self.order = order

    async def get(self, path: str) -> tuple[int, str]:
        async with self.session.get(self.url + path, allow_redirects=False) as answer:
            return answer.status, answer.headers.get("location") or await answer.text()

    async def post(self, path: str, **form: str) -> tuple[int, str]:
        async with self.session.post(self.url + path, data=form, allow_redirects=False) as answer:
            return answer.status, answer.headers.get("location") or await answer.text()


@pytest.fixture
async def visit() -> AsyncIterator[Visit]:
    """An order is there, and payments refuses what it is asked a second time."""
    orders = OrderService(URL, Answers([ACCEPTED, reply(Verdict.REFUSED, code=RefusalCode.ORDER_CANCELED)]))
    order = orders.place("<b>a book</b>", 1999, "eur", "u-1", books.ORDER)
    async with server.serve(Shop(orders, FORM).app()) as url, aiohttp.ClientSession() as session:
        yield Visit(url, session, orders, order)


async def test_what_customers_type_is_escaped(visit: Visit) -> None:
    """An item's name is shown as text, whatever it holds."""
    for path in ("/", "/orders/o-1", "/orders/o-1/pay"):
        _, page = await visit.get(path)
        assert "<b>a book" not in page
        assert "&lt;b&gt;a book" in page


async def test_an_order_leads_to_its_checkout(visit: Visit) -> None:
    """A new order is placed in minor units and opens its payment page."""
    status, location = await visit.post("/orders", item="tea", amount="7.25", currency="kwd")
    order = visit.orders.orders[location.split("/")[2]]
    assert (status, location, order.amount, order.item) == (303, f"/orders/{order.order_id}/pay", 7250, "tea")


@pytest.mark.parametrize(
    ("amount", "currency", "problem"),
    [
        ("much", "eur", "not a decimal number"),
        ("1.999", "eur", "EUR has no smaller amount than 0.01 EUR"),
        ("0.10", "eur", "The smallest charge in EUR"),
        ("1", "xyz", "not an ISO 4217 currency"),
        ("", "", "not a decimal number"),
    ],
)
async def test_an_amount_that_cannot_be_charged_is_explained(
    visit: Visit, amount: str, currency: str, problem: str
) -> None:
    """The shop says what is wrong with the amount before payments is asked, and places nothing."""
    status, page = await visit.post("/orders", item="tea", amount=amount, currency=currency)
    assert (status, len(visit.orders.orders)) == (400, 1)
    assert problem in page


async def test_a_form_that_is_too_long_is_not_read(visit: Visit) -> None:
    """Ten kilobytes of item name place no order."""
    await visit.post("/orders", item="x" * 20_000, amount="7", currency="eur")
    assert len(visit.orders.orders) == 1


async def test_the_browser_gets_the_client_secret(visit: Visit) -> None:
    """The payment's answer holds what the page pays with."""
    status, body = await visit.post("/orders/o-1/payment")
    assert status == 200
    assert '"client_secret":"pi_1_secret_2"' in body


async def test_a_refused_payment_says_why(visit: Visit) -> None:
    """A refusal reaches the page as a conflict with the refusal's name."""
    await visit.post("/orders/o-1/payment")
    status, body = await visit.post("/orders/o-1/payment")
    assert status == 409
    assert '"code":"order_canceled"' in body


async def test_news_come_from_events(visit: Visit) -> None:
    """The page learns that the order is paid when the event has come, and how many events there were."""
    visit.orders.inbox.take(raw(books.event("payment.succeeded", 1)))
    _, body = await visit.get("/orders/o-1/news")
    assert body == '{"status":"succeeded","heard":1,"paid":true,"open":false}'


async def test_a_settled_order_has_no_checkout(visit: Visit) -> None:
    """Who comes back to pay an order that is paid is shown the order."""
    visit.orders.inbox.take(raw(books.event("payment.succeeded", 1)))
    assert await visit.get("/orders/o-1/pay") == (303, "/orders/o-1")


async def test_a_receipt_is_shown(visit: Visit) -> None:
    """Stripe's page about the charge is linked as soon as payments tell of it."""
    visit.orders.inbox.take(raw(books.event("payment.receipt", 2, receipt_url="https://receipts.test/1?a=1&b=2")))
    _, page = await visit.get("/orders/o-1")
    assert 'href="https://receipts.test/1?a=1&amp;b=2"' in page


async def test_what_was_paid_before_the_cancel_goes_back() -> None:
    """A cancel that came too late is a return: the shop ships nothing and keeps nothing."""
    client = Answers([reply(Verdict.REFUSED, code=RefusalCode.WRONG_STATE), refunded("canceled-o-1")])
    orders = OrderService(URL, client)
    order = paid(orders)
    async with (
        server.serve(Shop(orders, FORM).app()) as url,
        aiohttp.ClientSession() as session,
        session.post(f"{url}/orders/o-1/cancel", allow_redirects=False) as answer,
    ):
        assert answer.status == 303
    assert [command.TYPE for command, _ in client.sent] == ["payment.cancel", "payment.refund"]
    assert not order.paid


async def test_what_stripe_said_is_not_what_the_shop_heard(visit: Visit) -> None:
    """A browser that claims success sees that the shop still waits, and no paid order."""
    _, page = await visit.get("/orders/o-1?redirect_status=succeeded")
    assert "The shop will hear of it in a moment" in page
    assert "not paid yet" in page


@pytest.mark.parametrize("path", ["/orders/o-9", "/orders/o-9/pay", "/orders/o-9/news"])
async def test_an_unknown_order_is_not_found(visit: Visit, path: str) -> None:
    """There is no page for an order that is not there."""
    assert (await visit.get(path))[0] == 404


async def test_pages_may_talk_to_nobody_but_the_shop_and_stripe(visit: Visit) -> None:
    """Every answer carries a policy that names whom the page may talk to."""
    async with visit.session.get(visit.url + "/") as answer:
        assert "connect-src 'self' http://stripe.test;" in answer.headers["content-security-policy"]


def test_stripes_script_is_allowed_where_it_is_used() -> None:
    """With Stripe's own form its script and frames may load, and no others."""
    assert "script-src 'self' https://js.stripe.com;" in policy(
        Checkout("stripe_js", "https://api.stripe.com", "pk_test_1")
    )
    assert "script-src 'self';" in policy(FORM)


async def test_without_a_publishable_key_a_command_is_shown() -> None:
    """The checkout then tells how to pay on the command line."""
    orders = OrderService(URL, Answers([]))
    orders.place("a book", 1999, "eur", "u-1", books.ORDER)
    how = Checkout("none", "https://api.stripe.com", "")
    async with (
        server.serve(Shop(orders, how).app()) as url,
        aiohttp.ClientSession() as session,
        session.get(f"{url}/orders/o-1/pay") as answer,
    ):
        assert "STRIPE_PUBLISHABLE_KEY" in await answer.text()
