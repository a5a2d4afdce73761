"""The sample services: what they keep, what they ask, what they write."""

from collections.abc import Sequence
from typing import Any

import pytest

from contracts.client import PaymentsClient
from contracts.commands import Command, CreatePayment
from contracts.envelope import encode, wrap
from contracts.errors import NoReply, NotStored
from contracts.events import Event
from contracts.replies import Refusal, RefusalCode, Reply, Verdict
from contracts.views import PaymentStatus, PaymentView
from sandbox.services import amounts, orders
from sandbox.services.emails import Email
from sandbox.services.inbox import Inbox
from sandbox.services.notifications import QUEUE, NotificationService
from sandbox.services.orders import OrderService, PaymentRefused
from tests.unit.sandbox_demo import books

URL = "amqp://nobody"


def raw(event: Event, *, version: int = 1) -> bytes:
    """An event as it travels."""
    message_id = f"{event.payment_id}.{event.sequence}"
    return encode(
        wrap(
            event,
            kind=event.TYPE,
            version=version,
            message_id=message_id,
            source="payments",
            sequence=event.sequence,
        )
    )


class Answers(PaymentsClient):
    """A client that is told its answers: each a reply, or an error to raise."""

    def __init__(self, answers: Sequence[Reply | Exception]) -> None:
        super().__init__(URL, source="test")
        self._answers = list(answers)
        self.sent: list[tuple[Command, str | None]] = []

    async def send(self, command: Command, *, command_id: str | None = None, **_: Any) -> Reply:
        self.sent.append((command, command_id))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def reply(verdict: Verdict, *, secret: str | None = None, code: RefusalCode | None = None) -> Reply:
    view = PaymentView(
        payment_id=books.PAYMENT,
        order_id=books.ORDER,
        user_id="u-1",
        deployment="demo",
        status=PaymentStatus.REQUIRES_PAYMENT_METHOD,
        amount=1999,
        currency="eur",
        capture_method="automatic",
        created_at=books.AT,
        updated_at=books.AT,
    )
    refusal = Refusal(code=code, message="no") if code else None
    return Reply(command_id="c", verdict=verdict, payment=view, client_secret=secret, refusal=refusal)


ACCEPTED = reply(Verdict.ACCEPTED, secret="pi_1_secret_2")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "FIRST_WAIT_S", 0.0)


def shop(*answers: Reply | Exception) -> tuple[OrderService, Answers]:
    client = Answers(answers)
    return OrderService(URL, client), client


def test_an_event_is_handled_once() -> None:
    """A repeat is counted and not handled."""
    handled: list[str] = []
    inbox = Inbox(URL, QUEUE, lambda envelope, _event: handled.append(envelope.id), name="test")
    for _ in range(2):
        inbox.take(raw(books.event("payment.created", 1)))
    assert (handled, inbox.duplicates) == (["pay_1_1.1"], 1)


@pytest.mark.parametrize("body", [b"\xff", b"[]", raw(books.event("payment.created", 1), version=9)])
def test_what_cannot_be_read_is_passed_over(body: bytes) -> None:
    """A message from a newer payments, or no message at all, neither stops a service nor is handled by it."""
    handled: list[str] = []
    inbox = Inbox(URL, QUEUE, lambda envelope, _event: handled.append(envelope.id), name="test")
    inbox.take(body)
    assert (handled, len(inbox.unreadable)) == ([], 1)


def test_an_event_that_broke_its_handler_is_not_seen() -> None:
    """It is handled when it comes again."""

    def broken(*_: object) -> None:
        raise RuntimeError("no room")

    inbox = Inbox(URL, QUEUE, broken, name="test")
    with pytest.raises(RuntimeError, match="no room"):
        inbox.take(raw(books.event("payment.created", 1)))
    assert inbox.seen == set()


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
    "first",
    [
        NoReply("late"),
        NotStored("full"),
        reply(Verdict.PENDING),
        reply(Verdict.ACCEPTED),
    ],
    ids=["no reply", "not stored", "pending", "no secret yet"],
)
async def test_an_open_answer_is_asked_for_again(first: Reply | Exception) -> None:
    """The same command goes out under the same id until there is a final answer with a client secret."""
    service, client = shop(first, ACCEPTED)
    order = service.place("a book", 1999, "eur", "u-1")
    got = await service.start_payment(order)
    assert (got.client_secret, {command_id for _, command_id in client.sent}) == ("pi_1_secret_2", {order.create_id})


async def test_a_payment_that_never_came_to_be_is_tried_anew() -> None:
    """After Stripe did not create it the order asks again, under a new command id."""
    service, client = shop(reply(Verdict.REFUSED, code=RefusalCode.PROVIDER_ERROR), ACCEPTED)
    order = service.place("a book", 1999, "eur", "u-1")
    await service.start_payment(order)
    assert len({command_id for _, command_id in client.sent}) == 2


async def test_a_cancel_that_stripe_did_not_carry_out_is_tried_anew() -> None:
    """It goes out again under a new command id: the first one's answer is kept."""
    service, client = shop(reply(Verdict.REFUSED, code=RefusalCode.PROVIDER_ERROR), reply(Verdict.ACCEPTED))
    await service.cancel(service.place("a book", 1999, "eur", "u-1"))
    assert len({command_id for _, command_id in client.sent}) == 2


async def test_a_refusal_is_told_by_name() -> None:
    """What payments refuses is raised with the code and not asked for again."""
    service, client = shop(reply(Verdict.REFUSED, code=RefusalCode.AMOUNT_TOO_SMALL))
    with pytest.raises(PaymentRefused) as refused:
        await service.start_payment(service.place("a pin", 1, "eur", "u-1"))
    assert (refused.value.code, len(client.sent)) == (RefusalCode.AMOUNT_TOO_SMALL, 1)


async def test_the_create_carries_the_orders_terms() -> None:
    """Order, user, amount and currency reach payments as they were placed."""
    service, client = shop(ACCEPTED)
    await service.start_payment(service.place("a book", 1999, "eur", "u-1", "o-9"))
    command = client.sent[0][0]
    assert isinstance(command, CreatePayment)
    assert (command.order_id, command.user_id, command.amount, command.currency) == ("o-9", "u-1", 1999, "eur")


async def test_waiting_for_events_ends_when_they_have_come() -> None:
    """`until` returns as soon as an event has made the order so."""
    service, _ = shop()
    order = service.place("a book", 1999, "eur", "u-1", books.ORDER)
    service.inbox.take(raw(books.event("payment.succeeded", 1)))
    await service.until(order, lambda order: order.paid)
    assert order.paid


def mails(*events: Event) -> list[Email]:
    sent: list[Email] = []
    service = NotificationService(URL, lambda _event, email: sent.append(email), shop_url="http://shop")
    for event in events:
        service.inbox.take(raw(event))
    return sent


def test_the_mail_of_a_paid_order_names_the_amount() -> None:
    """The customer reads what was received, in the currency's own way, and the payment's id."""
    (mail,) = mails(books.event("payment.succeeded", 2))
    assert (mail.to, mail.subject) == ("u-1@example.com", "We have received €19.99")
    assert "2 January 2026, 03:04 UTC" in mail.body
    assert books.PAYMENT in mail.body


def test_the_mail_of_a_declined_card_shows_the_way_back() -> None:
    """It gives the bank's reason and where to try again."""
    (mail,) = mails(books.event("payment.failed", 2))
    assert "Your card was declined." in mail.body
    assert "http://shop/orders/o-1/pay" in mail.body


def test_the_mail_of_a_last_decline_offers_no_retry() -> None:
    """A payment that cannot be tried again has no link."""
    event = books.event("payment.failed", 2)
    last = event.model_copy(update={"attempt": event.attempt.model_copy(update={"can_retry": False})})  # type: ignore[union-attr]
    (mail,) = mails(last)
    assert "http://shop" not in mail.body


def test_a_cancel_before_any_terms_has_a_mail() -> None:
    """A payment that was canceled before it was created has no amount to write of."""
    (mail,) = mails(books.event("payment.canceled", 1, amount=0, currency=""))
    assert "the payment for your order o-1 is canceled" in mail.body


def test_no_mail_of_a_decline_after_the_money() -> None:
    """News of the first card's decline that comes after the second card has paid is kept from the customer."""
    sent = mails(books.event("payment.succeeded", 3), books.event("payment.failed", 2))
    assert [mail.subject for mail in sent] == ["We have received €19.99"]


def test_other_events_have_no_mail() -> None:
    """A created payment is no news to the customer."""
    assert mails(books.event("payment.created", 1)) == []


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1999, "eur", "€19.99"),
        (123456789, "usd", "$1,234,567.89"),
        (980, "jpy", "¥980"),
        (7250, "kwd", "KWD\N{NO-BREAK SPACE}7.250"),
        (5050, "lak", "LAK\N{NO-BREAK SPACE}50.50"),
        (500, "isk", "ISK\N{NO-BREAK SPACE}5.00"),
    ],
)
def test_amounts_have_stripes_decimals(amount: int, currency: str, text: str) -> None:
    """An amount is written with as many decimals as Stripe counts."""
    assert amounts.text(amount, currency) == text
