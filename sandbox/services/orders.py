"""The sample order service: asks for payments by command and learns from events what became of them."""

import asyncio
import secrets
from collections.abc import Callable

from pydantic import AnyHttpUrl

from contracts import topology
from contracts.client import PaymentsClient
from contracts.commands import (
    AcceptDispute,
    CancelPayment,
    CaptureMethod,
    CapturePayment,
    Command,
    ConfirmPayment,
    CreatePayment,
    EraseUser,
    EvidenceField,
    RefundPayment,
    Resolution,
    ResolvePayment,
    SetUpPaymentMethod,
    SubmitEvidence,
)
from contracts.envelope import Envelope
from contracts.errors import NoReply, PublishFailed
from contracts.events import Event, PaymentLateMoney, PaymentReviewOpened
from contracts.queries import ListPaymentMethods, QueryRefusal
from contracts.replies import RefusalCode, Reply
from contracts.views import MethodView, RefundView
from sandbox.services import asking
from sandbox.services.asking import PaymentRefused
from sandbox.services.inbox import Inbox
from sandbox.services.order import UNPAID, Order, Question

QUEUE = topology.subscription("orders.payment-events", "payment.#")

NAME = "order-service"
"""Who asks, in commands that move money: here it is no person."""

MAX_NAMES = 20
"""Names that one return goes through while Stripe fails, before somebody must look."""

Listener = Callable[[Order, Event], None]


class OrderService:
    """`async with payments: ...; await service.run()` until cancelled. Everything is kept in memory: it is a sample.

    What asks payments for something raises PaymentRefused, and TimeoutError when there is no answer for PATIENCE_S.
    """

    def __init__(self, url: str, payments: PaymentsClient, *, on_event: Listener | None = None) -> None:
        self.orders: dict[str, Order] = {}
        self.inbox = Inbox(url, QUEUE, self._on_event, name="order-service events")
        self._payments = payments
        self._on_order_event = on_event

    async def run(self) -> None:
        await self.inbox.run()

    def place(
        self,
        item: str,
        amount: int,
        currency: str,
        user_id: str,
        order_id: str | None = None,
        *,
        capture_method: CaptureMethod = CaptureMethod.AUTOMATIC,
    ) -> Order:
        """Take an order. Nothing is asked of payments before the customer comes to pay."""
        order_id = order_id or f"o-{secrets.token_hex(4)}"
        order = Order(order_id, user_id, item, amount, currency, asking.command_id("create"), capture_method)
        self.orders[order_id] = order
        return order

    async def start_payment(self, order: Order, *, saved: bool = False, in_parts: bool = False) -> Reply:
        """Open the order's payment, or find the one that is open: the reply holds the client secret for the browser.

        `saved`: one of the user's saved payment methods may pay it; `in_parts`: it is captured more than once.
        """
        command = CreatePayment(
            order_id=order.order_id,
            user_id=order.user_id,
            amount=order.amount,
            currency=order.currency,
            capture_method=order.capture_method,
            description=order.item,
            use_customer=saved,
            multicapture=in_parts,
        )
        async with asyncio.timeout(asking.PATIENCE_S):
            while True:
                reply = await asking.until_answered(self._payments, command, order.create_id, final=_has_its_secret)
                if reply.refusal is None:
                    return reply
                asking.raise_unless_worth_another_try(reply)
                # An answered command is over: the same id would only repeat its answer.
                order.create_id = asking.command_id("create")
                await asyncio.sleep(asking.FIRST_WAIT_S)

    async def confirm(self, order: Order, payment_method: str, return_url: str | None = None) -> Reply:
        """Charge a payment method that the customer chose before; without a way back they are not there to be asked."""
        command = ConfirmPayment(
            payment_id=_paid_by(order),
            payment_method=payment_method,
            return_url=AnyHttpUrl(return_url) if return_url else None,
            off_session=return_url is None,
        )
        return await self._accepted(command, "confirm")

    async def cancel(self, order: Order) -> Reply:
        """Give the order's payment up, also one whose create is still on its way."""
        order.given_up = True
        return await self._accepted(CancelPayment(order_id=order.order_id), "cancel")

    async def capture(self, order: Order, amount: int | None = None, *, final: bool = True) -> Reply:
        """Take what is held, or a part of it; `final` releases the rest."""
        command = CapturePayment(payment_id=_paid_by(order), requested_by=NAME, amount=amount, final=final)
        return await self._accepted(command, "capture")

    async def refund(
        self, order: Order, return_id: str, amount: int | None = None, note: str | None = None
    ) -> RefundView:
        """Give money back for one return. Harmless to repeat, also by two at once: the return gives the refund its name.

        A refund that Stripe failed to make is over; the next try takes the return's next name, the same for everybody.
        """
        for number in range(1, MAX_NAMES + 1):
            name = return_id if number == 1 else f"{return_id}-{number}"
            command = RefundPayment(
                payment_id=_paid_by(order), refund_id=name, requested_by=NAME, amount=amount, note=note
            )
            async with asyncio.timeout(asking.PATIENCE_S):
                reply = await asking.until_answered(self._payments, command, asking.command_id("refund"))
            if reply.refusal is None:
                assert reply.refund is not None, "what is accepted is shown"
                return reply.refund
            if reply.refusal.code is not RefusalCode.PROVIDER_ERROR:
                break
        raise PaymentRefused(reply)

    async def answer(self, order: Order) -> Resolution:
        """Say what is to become of the money that payments asks about."""
        question = order.question
        assert question is not None, "nothing was asked"
        decision = _decision(order, question)
        await self.decide(question.payment_id, decision, NAME)
        return decision

    async def decide(self, payment_id: str, decision: Resolution, who: str) -> Reply:
        """What a person decides about a payment that needs review."""
        command = ResolvePayment(payment_id=payment_id, decision=decision, requested_by=who)
        return await self._accepted(command, "resolve")

    async def submit_evidence(self, order: Order, dispute_id: str, text: str) -> Reply:
        """Answer a dispute, for good: what the shop knows of the delivery."""
        command = SubmitEvidence(
            payment_id=_paid_by(order),
            dispute_id=dispute_id,
            requested_by=NAME,
            evidence={EvidenceField.PRODUCT_DESCRIPTION: order.item, EvidenceField.UNCATEGORIZED_TEXT: text},
        )
        return await self._accepted(command, "evidence")

    async def accept_dispute(self, order: Order, dispute_id: str) -> Reply:
        """Give a dispute up: the cardholder is right."""
        command = AcceptDispute(payment_id=_paid_by(order), dispute_id=dispute_id, requested_by=NAME)
        return await self._accepted(command, "accept")

    async def start_saving(self, user_id: str) -> Reply:
        """Let a user save a payment method without paying: the reply holds the client secret for their browser."""
        return await self._accepted(SetUpPaymentMethod(user_id=user_id), "set-up")

    async def methods(self, user_id: str) -> tuple[MethodView, ...]:
        """What a user has saved, the newest first; none while payments cannot be asked."""
        try:
            found = await self._payments.ask(ListPaymentMethods(user_id=user_id, viewer=user_id))
        except (NoReply, PublishFailed):
            return ()
        return () if isinstance(found, QueryRefusal) else found.methods

    async def saved(self, user_id: str) -> MethodView:
        """Wait until a user has saved a method: the browser does, Stripe tells payments, and payments can be asked."""
        async with asyncio.timeout(asking.PATIENCE_S):
            while True:
                methods = await self.methods(user_id)
                if methods:
                    return methods[0]
                await asyncio.sleep(asking.FIRST_WAIT_S)

    async def erase(self, user_id: str) -> int:
        """Have a user forgotten; how many payments were theirs. Their events follow, one `payment.erased` for each."""
        reply = await self._accepted(EraseUser(user_id=user_id, requested_by=NAME), "erase")
        return reply.erased or 0

    async def until(self, order: Order, reached: Callable[[Order], bool]) -> None:
        """Wait until events have brought the order there. Bound it with a timeout."""
        while not reached(order):
            await order.moved.wait()

    async def _accepted(self, command: Command, kind: str) -> Reply:
        return await asking.until_accepted(self._payments, command, kind)

    def _on_event(self, envelope: Envelope, event: Event) -> None:
        order = self.orders.get(event.order_id)
        if order is None:
            return  # some other shop's
        order.apply(envelope.id, event)
        if self._on_order_event is not None:
            self._on_order_event(order, event)


def _paid_by(order: Order) -> str:
    assert order.payment is not None, "a payment that was created"
    return order.payment.payment_id


def _decision(order: Order, question: Question) -> Resolution:
    """This shop keeps what it still delivers for, in full and once. A warned charge goes back: a dispute costs more."""
    if isinstance(question, PaymentReviewOpened):
        return Resolution.KEEP  # whoever reviews it at Stripe decides, and refunds there
    others = [other for other in order.payments.values() if other.payment_id != question.payment_id]
    wanted = (
        isinstance(question, PaymentLateMoney)
        and not order.given_up
        and (question.captured, question.currency) == (order.amount, order.currency)
        and not any(other.captured > other.refunded for other in others)
    )
    return Resolution.KEEP if wanted else Resolution.REFUND


def _has_its_secret(reply: Reply) -> bool:
    """A create that was accepted while Stripe could not be asked for the secret is asked again."""
    unpaid = reply.payment is not None and reply.payment.status in UNPAID
    return asking.answered(reply) and not (reply.refusal is None and unpaid and reply.client_secret is None)
