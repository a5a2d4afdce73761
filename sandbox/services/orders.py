"""The sample order service: asks for payments by command and learns from events what became of them."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import AnyHttpUrl

from contracts import topology
from contracts.client import PaymentsClient
from contracts.commands import CancelPayment, ConfirmPayment, CreatePayment
from contracts.envelope import Envelope
from contracts.errors import NoReply, PublishFailed
from contracts.events import Event, PaymentFailed
from contracts.replies import RefusalCode, Reply, Verdict
from contracts.views import PaymentStatus
from sandbox.services.inbox import Inbox

QUEUE = topology.subscription("orders.payment-events", "payment.#")

PATIENCE_S = 600.0
"""How long a command is repeated before its order is given up: a bad day at Stripe lasts minutes."""

FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 5.0
"""Between two askings for the same command's outcome; each one helps it along."""

TRY_ANEW = frozenset(
    {RefusalCode.PROVIDER_ERROR, RefusalCode.PAYMENT_FAILED, RefusalCode.EXPIRED, RefusalCode.BEING_CANCELED}
)
"""Refusals after which the same may be asked again, under a new command id: nothing was done, and nothing will be."""

UNPAID = frozenset({
    PaymentStatus.CREATING,
    PaymentStatus.REQUIRES_PAYMENT_METHOD,
    PaymentStatus.REQUIRES_CONFIRMATION,
    PaymentStatus.REQUIRES_ACTION,
})  # fmt: skip


class PaymentRefused(Exception):
    """Payments will not do what was asked; `reply.refusal` says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.refusal.message if reply.refusal else "refused")
        self.reply = reply

    @property
    def code(self) -> RefusalCode | None:
        return self.reply.refusal.code if self.reply.refusal else None


@dataclass
class Payment:
    """What the newest event said of one payment of an order."""

    payment_id: str
    sequence: int
    status: PaymentStatus
    captured: int


@dataclass
class Order:
    """`amount` is in minor units. `create_id` names the create command: repeated until it has an answer, then kept."""

    order_id: str
    user_id: str
    item: str
    amount: int
    currency: str
    create_id: str
    payments: dict[str, Payment] = field(default_factory=dict)
    events: list[tuple[str, Event]] = field(default_factory=list)
    decline: str = ""
    moved: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def payment(self) -> Payment | None:
        """The newest payment; the ones before it failed or were canceled."""
        return max(self.payments.values(), key=lambda payment: int(payment.payment_id.rpartition("_")[2]), default=None)

    @property
    def status(self) -> str:
        return str(self.payment.status) if self.payment else "new"

    @property
    def paid(self) -> bool:
        """Ship now? Only when the whole amount was captured: compare with your own books, not with a word."""
        return any(payment.captured == self.amount for payment in self.payments.values() if payment.captured)

    @property
    def open(self) -> bool:
        return self.payment is None or self.payment.status in UNPAID


Listener = Callable[[Order, Event], None]


class OrderService:
    """`async with payments: ...; await service.run()` until cancelled. Everything is kept in memory: it is a sample."""

    def __init__(self, url: str, payments: PaymentsClient, *, on_event: Listener | None = None) -> None:
        self.orders: dict[str, Order] = {}
        self.inbox = Inbox(url, QUEUE, self._on_event, name="order-service events")
        self._payments = payments
        self._on_order_event = on_event

    async def run(self) -> None:
        await self.inbox.run()

    def place(self, item: str, amount: int, currency: str, user_id: str, order_id: str | None = None) -> Order:
        """Take an order. Nothing is asked of payments before the customer comes to pay."""
        order_id = order_id or f"o-{secrets.token_hex(4)}"
        order = Order(order_id, user_id, item, amount, currency, create_id=_command_id("create"))
        self.orders[order_id] = order
        return order

    async def start_payment(self, order: Order) -> Reply:
        """Open the order's payment, or find the one that is open: the reply holds the client secret for the browser.

        Raises PaymentRefused, and TimeoutError when there is no answer for PATIENCE_S.
        """
        command = CreatePayment(
            order_id=order.order_id,
            user_id=order.user_id,
            amount=order.amount,
            currency=order.currency,
            description=order.item,
        )
        async with asyncio.timeout(PATIENCE_S):
            while True:
                reply = await self._until_answered(command, order.create_id)
                if reply.refusal is None:
                    return reply
                _raise_unless_worth_another_try(reply)
                # An answered command is over: the same id would only repeat its answer.
                order.create_id = _command_id("create")
                await asyncio.sleep(FIRST_WAIT_S)

    async def confirm(self, order: Order, payment_method: str, return_url: str) -> Reply:
        """Charge a payment method that the customer chose before, without a browser. Raises PaymentRefused."""
        assert order.payment is not None, "a payment is confirmed after it was created"
        command = ConfirmPayment(
            payment_id=order.payment.payment_id,
            payment_method=payment_method,
            return_url=AnyHttpUrl(return_url),
        )
        return await self._accepted(command, "confirm")

    async def cancel(self, order: Order) -> Reply:
        """Give the order's payment up, also one whose create is still on its way. Raises PaymentRefused."""
        return await self._accepted(CancelPayment(order_id=order.order_id), "cancel")

    async def until(self, order: Order, reached: Callable[[Order], bool]) -> None:
        """Wait until events have brought the order there. Bound it with a timeout."""
        while not reached(order):
            await order.moved.wait()

    async def _accepted(self, command: ConfirmPayment | CancelPayment, kind: str) -> Reply:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                reply = await self._until_answered(command, _command_id(kind))
                if reply.refusal is None:
                    return reply
                _raise_unless_worth_another_try(reply)
                await asyncio.sleep(FIRST_WAIT_S)

    async def _until_answered(self, command: CreatePayment | ConfirmPayment | CancelPayment, command_id: str) -> Reply:
        """Repeat a command under its id until the answer is final: it is carried out once, however often it is sent."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                reply = await self._payments.send(command, command_id=command_id)
            except (NoReply, PublishFailed):
                pass  # perhaps stored, perhaps not: the repeat tells
            else:
                if reply.verdict is not Verdict.PENDING and not _secret_owed(command, reply):
                    return reply
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    def _on_event(self, envelope: Envelope, event: Event) -> None:
        order = self.orders.get(event.order_id)
        if order is None:
            return  # some other shop's
        known = order.payments.get(event.payment_id)
        # Events overtake each other: an older one adds its fact and never takes a newer state back.
        if known is None or event.sequence > known.sequence:
            order.payments[event.payment_id] = Payment(event.payment_id, event.sequence, event.status, event.captured)
        if isinstance(event, PaymentFailed):
            order.decline = event.attempt.message or "The payment was not accepted."
        order.events.append((envelope.id, event))
        if self._on_order_event is not None:
            self._on_order_event(order, event)
        order.moved.set()
        order.moved = asyncio.Event()


def _raise_unless_worth_another_try(reply: Reply) -> None:
    if reply.refusal is not None and reply.refusal.code not in TRY_ANEW:
        raise PaymentRefused(reply)


def _secret_owed(command: CreatePayment | ConfirmPayment | CancelPayment, reply: Reply) -> bool:
    """A create that was accepted while Stripe could not be asked for the secret: ask again."""
    unpaid = reply.payment is not None and reply.payment.status in UNPAID
    return isinstance(command, CreatePayment) and reply.refusal is None and unpaid and reply.client_secret is None


def _command_id(kind: str) -> str:
    return f"{kind}-{secrets.token_hex(8)}"
