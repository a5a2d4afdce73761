"""The sample services: what they keep, what they ask, what they write."""

from collections.abc import Sequence
from typing import Any

import pytest

from contracts.client import PaymentsClient
from contracts.commands import (
    Command,
    ConfirmPayment,
    CreatePayment,
    RefundPayment,
    Resolution,
    ResolvePayment,
)
from contracts.envelope import encode, wrap
from contracts.errors import NoReply, NotStored
from contracts.events import Event
from contracts.replies import Refusal, RefusalCode, Reply, Verdict
from contracts.views import PaymentStatus, PaymentView, RefundStatus, RefundView
from sandbox.services import asking, orders
from sandbox.services.asking import PaymentRefused
from sandbox.services.inbox import Inbox
from sandbox.services.notifications import QUEUE
from sandbox.services.order import Order
from sandbox.services.orders import OrderService
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


def reply(verdict: Verdict, *, secret: str | None = None, code: RefusalCode | None = None, **more: Any) -> Reply:
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
    return Reply(command_id="c", verdict=verdict, payment=view, client_secret=secret, refusal=refusal, **more)


ACCEPTED = reply(Verdict.ACCEPTED, secret="pi_1_secret_2")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "FIRST_WAIT_S", 0.0)


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


def refunded(name: str = "return-1") -> Reply:
    refund = RefundView(refund_id=name, amount=700, status=RefundStatus.SUCCEEDED, at=books.AT)
    return reply(Verdict.ACCEPTED, refund=refund)


def paid(service: OrderService) -> Order:
    order = service.place("a book", 1999, "eur", "u-1", books.ORDER)
    service.inbox.take(raw(books.event("payment.succeeded", 2)))
    return order


async def test_a_refund_is_named_after_its_return() -> None:
    """The return's id is the refund's name, so that the same return is refunded once."""
    service, client = shop(refunded())
    refund = await service.refund(paid(service), "return-1", 700)
    command = client.sent[0][0]
    assert isinstance(command, RefundPayment)
    assert (command.refund_id, command.amount, refund.refund_id) == ("return-1", 700, "return-1")


async def test_a_refund_that_stripe_did_not_make_is_tried_under_the_next_name() -> None:
    """A name whose refund failed is used up; everybody who tries again takes the same next one."""
    service, client = shop(reply(Verdict.REFUSED, code=RefusalCode.PROVIDER_ERROR), refunded("return-1-2"))
    await service.refund(paid(service), "return-1")
    names = [command.refund_id for command, _ in client.sent if isinstance(command, RefundPayment)]
    assert names == ["return-1", "return-1-2"]


async def test_a_refund_of_too_much_is_not_tried_again() -> None:
    """What payments refuses for good is raised after one try."""
    service, client = shop(reply(Verdict.REFUSED, code=RefusalCode.NOT_REFUNDABLE))
    with pytest.raises(PaymentRefused) as refused:
        await service.refund(paid(service), "return-1", 5000)
    assert (refused.value.code, len(client.sent)) == (RefusalCode.NOT_REFUNDABLE, 1)


async def test_a_refund_that_is_never_made_is_given_up() -> None:
    """After twenty names a person must look."""
    failing = [reply(Verdict.REFUSED, code=RefusalCode.PROVIDER_ERROR)] * orders.MAX_NAMES
    service, client = shop(*failing)
    with pytest.raises(PaymentRefused):
        await service.refund(paid(service), "return-1")
    assert len(client.sent) == orders.MAX_NAMES


@pytest.mark.parametrize(
    ("asked", "given_up", "decision"),
    [
        (books.event("payment.late_money", 3, remedy="ask", captured=1999), True, Resolution.REFUND),
        (books.event("payment.late_money", 3, remedy="ask", captured=1999), False, Resolution.KEEP),
        (books.event("payment.late_money", 3, remedy="ask", captured=2500), False, Resolution.REFUND),
        (books.event("payment.fraud_warning", 3), False, Resolution.REFUND),
        (books.event("payment.review_opened", 3), False, Resolution.KEEP),
    ],
    ids=["given up", "still wanted", "not as asked", "fraud", "review"],
)
async def test_a_question_is_answered(asked: Event, decision: Resolution, *, given_up: bool) -> None:
    """The shop keeps what it can still deliver for, and gives back the rest; the payment that was asked about is named."""
    service, client = shop(reply(Verdict.ACCEPTED))
    order = service.place("a book", 1999, "eur", "u-1", books.ORDER)
    service.inbox.take(raw(asked))
    order.given_up = given_up
    assert await service.answer(order) is decision
    command = client.sent[0][0]
    assert isinstance(command, ResolvePayment)
    assert (command.payment_id, command.decision) == (books.PAYMENT, decision)


async def test_money_that_comes_twice_goes_back() -> None:
    """An order that another payment has paid needs no second one, however right its amount."""
    service, _ = shop(reply(Verdict.ACCEPTED))
    order = paid(service)
    service.inbox.take(raw(books.event("payment.late_money", 3, payment_id="pay_1_0", remedy="ask", captured=1999)))
    assert await service.answer(order) is Resolution.REFUND


async def test_who_confirms_without_a_way_back_is_alone() -> None:
    """A saved card is charged off session when nobody can be sent to the bank's page."""
    service, client = shop(reply(Verdict.ACCEPTED))
    await service.confirm(paid(service), "pm_1")
    command = client.sent[0][0]
    assert isinstance(command, ConfirmPayment)
    assert (command.off_session, command.return_url) == (True, None)
