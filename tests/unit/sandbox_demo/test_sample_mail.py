"""The sample notification service: what it writes, to whom, and what it keeps to itself."""

import pytest

from contracts.events import Event
from sandbox.services import alerts, amounts
from sandbox.services.emails import Email
from sandbox.services.notifications import NotificationService
from tests.unit.sandbox_demo import books
from tests.unit.sandbox_demo.test_sample_services import URL, raw


def mails(*events: Event) -> list[Email]:
    sent: list[Email] = []
    service = NotificationService(URL, lambda _event, email: sent.append(email), shop_url="http://shop")
    for event in events:
        service.inbox.take(raw(event))
    return sent


def test_the_mail_of_a_paid_order_names_the_amount() -> None:
    """The customer reads what was received, in the currency's own way, and the payment's id."""
    (mail,) = mails(books.event("payment.succeeded", 2))
    assert (mail.to, mail.reader, mail.subject) == ("u-1@example.com", "the customer", "We have received €19.99")
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


def test_a_bank_that_wants_the_customer_gets_them_a_mail() -> None:
    """A charge that failed because nobody was there says where the bank can ask, and not to take another card."""
    event = books.event("payment.failed", 2)
    absent = event.model_copy(update={"attempt": event.attempt.model_copy(update={"code": "authentication_required"})})  # type: ignore[union-attr]
    (mail,) = mails(absent)
    assert (
        "Your bank would like to ask you first. Please pay here, where it can: http://shop/orders/o-1/pay" in mail.body
    )


def test_a_refund_is_told_to_the_customer() -> None:
    """They read how much is on its way."""
    (mail,) = mails(books.event("payment.refunded", 3))
    assert (mail.subject, mail.reader) == ("€7.00 is on its way back to you", "the customer")


def test_a_refund_that_failed_is_told_to_who_heard_that_it_came() -> None:
    """After the good news the customer reads of its end, and the desk does in any case."""
    sent = mails(books.event("payment.refunded", 3), books.event("payment.refund_failed", 4))
    assert [mail.reader for mail in sent] == ["the customer", "the customer", alerts.READER]


def test_a_refund_that_never_worked_is_the_desks_business() -> None:
    """A customer who was promised nothing is told nothing; nor is one told of a success that is over already."""
    sent = mails(books.event("payment.refund_failed", 4), books.event("payment.refunded", 3))
    assert [mail.reader for mail in sent] == [alerts.READER]


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("payment.authorization_expiring", "Capture order o-1 soon"),
        ("payment.dispute_opened", "€19.99 of order o-1 is disputed"),
        ("payment.dispute_deadline", "3 days left to answer a dispute"),
        ("payment.dispute_closed", "The dispute of order o-1 is needs_response"),
        ("payment.fraud_warning", "Order o-1 is reported as fraud"),
        ("payment.late_money", "Money came for order o-1: paid_after_cancel"),
        ("payment.needs_review", "Look at order o-1"),
    ],
)
def test_the_desk_reads_what_waits_for_somebody(kind: str, subject: str) -> None:
    """Where money waits or is at risk the shop's own people get a mail, and the customer none."""
    (mail,) = mails(books.event(kind, 3))
    assert (mail.to, mail.reader, mail.subject) == (alerts.DESK, alerts.READER, subject)


def test_the_desks_mail_names_no_customer() -> None:
    """It has the payment and the order, and no user id."""
    (mail,) = mails(books.event("payment.late_money", 3))
    assert books.PAYMENT in mail.body
    assert "u-1" not in mail.body


def test_nobody_writes_to_whom_nobody_remembers() -> None:
    """After an erasure there is no mail to the customer, not even about news from before it."""
    assert mails(books.event("payment.erased", 5, user_id="erased"), books.event("payment.refunded", 4)) == []


def test_a_logged_mail_shows_neither_address_nor_text() -> None:
    """What somebody prints of a mail by mistake is its subject and who reads it."""
    (mail,) = mails(books.event("payment.succeeded", 2))
    assert repr(mail) == "Email(subject='We have received €19.99', reader='the customer')"


def test_money_without_a_currency_has_words() -> None:
    """A payment that was canceled before its create has none, and money may come for it all the same."""
    assert amounts.text(2600, "") == "2600 minor units"


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
