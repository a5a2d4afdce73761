"""The sample notification service: hears what payments announce and writes the e-mails that it would send.

It logs nothing of what it hears: an e-mail's address is the customer's own.
"""

from collections.abc import Callable

from contracts import topology
from contracts.envelope import Envelope
from contracts.events import (
    Event,
    PaymentAuthorizationExpiring,
    PaymentCanceled,
    PaymentDisputeClosed,
    PaymentDisputeDeadline,
    PaymentDisputeOpened,
    PaymentErased,
    PaymentFailed,
    PaymentFraudWarning,
    PaymentLateMoney,
    PaymentNeedsReview,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentSucceeded,
)
from sandbox.services import alerts, emails
from sandbox.services.emails import Email
from sandbox.services.inbox import Inbox

TYPES = tuple(
    kind.TYPE
    for kind in (
        PaymentSucceeded,
        PaymentFailed,
        PaymentCanceled,
        PaymentRefunded,
        PaymentRefundFailed,
        PaymentAuthorizationExpiring,
        PaymentDisputeOpened,
        PaymentDisputeDeadline,
        PaymentDisputeClosed,
        PaymentFraudWarning,
        PaymentLateMoney,
        PaymentNeedsReview,
        PaymentErased,
    )
)
QUEUE = topology.subscription("notifications.payment-events", *TYPES)

Send = Callable[[Event, Email], None]


class NotificationService:
    """`await service.run()` until cancelled. `send` is called once for every e-mail."""

    def __init__(self, url: str, send: Send, *, shop_url: str = "https://shop.example") -> None:
        self.inbox = Inbox(url, QUEUE, self._on_event, name="notification-service events")
        self._send = send
        self._shop_url = shop_url
        self._paid: set[str] = set()
        self._refunded: set[str] = set()
        self._failed: set[str] = set()
        self._forgotten: set[str] = set()

    async def run(self) -> None:
        await self.inbox.run()

    def _on_event(self, _envelope: Envelope, event: Event) -> None:
        for email in (self._to_customer(event), alerts.render(event)):
            if email is not None:
                self._send(event, email)

    def _to_customer(self, event: Event) -> Email | None:
        match event:
            case PaymentErased():
                self._forgotten.add(event.payment_id)
            case PaymentSucceeded():
                self._paid.add(event.payment_id)
        # Whom nobody remembers nobody writes to. And news come in any order: of a decline perhaps after another card has
        # paid, when nobody wants to read it.
        if event.payment_id in self._forgotten or (isinstance(event, PaymentFailed) and event.payment_id in self._paid):
            return None
        if isinstance(event, PaymentRefunded | PaymentRefundFailed) and not self._is_news(event):
            return None
        return emails.render(event, _address(event.user_id), self._shop_url)

    def _is_news(self, event: PaymentRefunded | PaymentRefundFailed) -> bool:
        """Whether the customer is to read of a refund: that it comes, or that what they were told came to nothing."""
        name = f"{event.payment_id}:{event.refund.refund_id}"
        if isinstance(event, PaymentRefundFailed):
            self._failed.add(name)
            return name in self._refunded
        self._refunded.add(name)
        return name not in self._failed  # heard of first, the failure is the later news


def _address(user_id: str) -> str:
    """Events carry no e-mail address; a notification service asks the user service. This one makes it up."""
    return f"{user_id or 'customer'}@example.com"
