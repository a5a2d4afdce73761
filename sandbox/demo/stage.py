"""The services around payments, on stage: who plays in a scenario, and how its story is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from contracts.client import PaymentsClient
from contracts.events import Event, PaymentCanceled, PaymentFailed
from sandbox.demo.customer import Customer
from sandbox.demo.evidence import Books
from sandbox.demo.simulator import Simulator
from sandbox.run.services import running
from sandbox.run.system import System
from sandbox.services.emails import Email
from sandbox.services.notifications import NotificationService
from sandbox.services.order import Order
from sandbox.services.orders import OrderService

REQUEST_S = 30.0
"""Longer than any latency that the simulator is told to have."""

Tell = Callable[[str, str, str], None]
"""order id, who, what"""


class SlowClient(PaymentsClient):
    """A client whose messages can be held on their way to the broker, as a slow network does."""

    def __init__(self, url: str, *, source: str) -> None:
        super().__init__(url, source=source)
        self.open_road = asyncio.Event()
        self.on_the_road = asyncio.Event()

    async def _carry(self, exchange: str, kind: str, body: bytes, timeout_s: float) -> bytes | None:
        self.on_the_road.set()
        await self.open_road.wait()
        return await super()._carry(exchange, kind, body, timeout_s)


@dataclass(frozen=True)
class Stage:
    """Everyone who plays. `slow` is a second client of the order service, behind a slow network."""

    payments: PaymentsClient
    slow: SlowClient
    orders: OrderService
    notifications: NotificationService
    customer: Customer
    simulator: Simulator
    books: Books


@asynccontextmanager
async def set_up(system: System, tell: Tell) -> AsyncIterator[Stage]:
    """Start the sample services beside a running system; end them, and remove their queues."""
    assert system.settings.real is None, "the demo plays against the simulator"
    url = system.stack.rabbitmq_url
    timeout = aiohttp.ClientTimeout(total=REQUEST_S)

    def on_event(order: Order, event: Event) -> None:
        tell(order.order_id, "→ order service", f"{event.TYPE} #{event.sequence}{_why(event)}")

    def on_email(event: Event, email: Email) -> None:
        tell(event.order_id, "→ notification svc", f"e-mail to {email.reader}: “{email.subject}”")

    async with (
        aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session,
        PaymentsClient(url, source="order-service") as payments,
        SlowClient(url, source="order-service") as slow,
    ):
        orders = OrderService(url, payments, on_event=on_event)
        notifications = NotificationService(url, on_email)
        simulator = Simulator(session, system.stripe_url)
        customer = Customer(session, system.stripe_url)
        books = Books(url, system.stack.mongo_uri, simulator, orders, notifications)
        async with running(orders, notifications), books:
            yield Stage(payments, slow, orders, notifications, customer, simulator, books)


def _why(event: Event) -> str:
    if isinstance(event, PaymentFailed):
        return f" ({event.attempt.decline_code or event.attempt.code}: {event.attempt.message})"
    if isinstance(event, PaymentCanceled):
        return f" ({event.reason})"
    return ""
