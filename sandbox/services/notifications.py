"""The sample notification service: hears how payments end and writes the e-mail that it would send."""

from collections.abc import Callable

from contracts import topology
from contracts.envelope import Envelope
from contracts.events import Event, PaymentCanceled, PaymentFailed, PaymentSucceeded
from sandbox.services.emails import Email, render
from sandbox.services.inbox import Inbox

TYPES = (PaymentSucceeded.TYPE, PaymentFailed.TYPE, PaymentCanceled.TYPE)
QUEUE = topology.subscription("notifications.payment-events", *TYPES)

Send = Callable[[Event, Email], None]


class NotificationService:
    """`await service.run()` until cancelled. `send` is called once for every e-mail."""

    def __init__(self, url: str, send: Send, *, shop_url: str = "https://shop.example") -> None:
        self.inbox = Inbox(url, QUEUE, self._on_event, name="notification-service events")
        self._send = send
        self._shop_url = shop_url
        self._paid: set[str] = set()

    async def run(self) -> None:
        await self.inbox.run()

    def _on_event(self, _envelope: Envelope, event: Event) -> None:
        if isinstance(event, PaymentSucceeded):
            self._paid.add(event.payment_id)
        # News of a decline may come after the news that another card has paid: nobody wants to read that then.
        if isinstance(event, PaymentFailed) and event.payment_id in self._paid:
            return
        email = render(event, _address(event.user_id), self._shop_url)
        if email is not None:
            self._send(event, email)


def _address(user_id: str) -> str:
    """Events carry no e-mail address; a notification service asks the user service. This one makes it up."""
    return f"{user_id or 'customer'}@example.com"
