"""What the sample order service knows of an order: its own terms, and every event that payments announced of it.

Everything else is read off the events, so that it does not matter in which order they came.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from contracts.commands import CaptureMethod
from contracts.events import (
    Event,
    PaymentDisputeClosed,
    PaymentDisputeDeadline,
    PaymentDisputeOpened,
    PaymentDisputeUpdated,
    PaymentErased,
    PaymentEvent,
    PaymentFailed,
    PaymentFraudWarning,
    PaymentLateMoney,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentRefundRequested,
    PaymentRefundUpdated,
    PaymentResolved,
    PaymentReviewOpened,
    Remedy,
)
from contracts.views import DisputeView, PaymentStatus, PaymentView, RefundView

UNPAID = frozenset({
    PaymentStatus.CREATING,
    PaymentStatus.REQUIRES_PAYMENT_METHOD,
    PaymentStatus.REQUIRES_CONFIRMATION,
    PaymentStatus.REQUIRES_ACTION,
})  # fmt: skip

Question = PaymentLateMoney | PaymentFraudWarning | PaymentReviewOpened
"""The events by which payments may ask; they do if their `remedy` is `ask`."""

OfRefund = PaymentRefundRequested | PaymentRefundUpdated | PaymentRefunded | PaymentRefundFailed
OfDispute = PaymentDisputeOpened | PaymentDisputeUpdated | PaymentDisputeDeadline | PaymentDisputeClosed


@dataclass
class Order:
    """`amount` is in minor units. `create_id` names the create command: repeated until it has an answer, then kept.

    `given_up`: the shop does not want the money any more, and does not ship.
    """

    order_id: str
    user_id: str
    item: str
    amount: int
    currency: str
    create_id: str
    capture_method: CaptureMethod = CaptureMethod.AUTOMATIC
    given_up: bool = False
    payments: dict[str, PaymentEvent] = field(default_factory=dict)
    events: list[tuple[str, Event]] = field(default_factory=list)
    decline: str = ""
    moved: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def payment(self) -> PaymentView | None:
        """The newest payment, as its newest event says; the ones before it failed, were canceled or were given back."""
        return max(self.payments.values(), key=lambda event: int(event.payment_id.rpartition("_")[2]), default=None)

    @property
    def status(self) -> str:
        return str(self.payment.status) if self.payment else "new"

    @property
    def paid(self) -> bool:
        """Ship now? Only when the whole amount is there and stays: compare with your own books, not with a word."""
        return not self.given_up and any(
            (payment.captured, payment.currency) == (self.amount, self.currency)
            and not payment.refunded + payment.reserved + payment.disputed
            and payment.needs_review is None
            for payment in self.payments.values()
        )

    @property
    def open(self) -> bool:
        return self.payment is None or self.payment.status in UNPAID

    @property
    def question(self) -> Question | None:
        """The newest question that payments has asked and nobody has answered."""
        answered = {
            event.payment_id: event.sequence for _, event in self._in_order() if isinstance(event, PaymentResolved)
        }
        asked = [
            event
            for _, event in self._in_order()
            if isinstance(event, Question)
            and event.remedy is Remedy.ASK
            and event.sequence > answered.get(event.payment_id, 0)
        ]
        return asked[-1] if asked else None

    @property
    def refunds(self) -> dict[str, RefundView]:
        """Each refund by its name, as the newest event about it says."""
        return {event.refund.refund_id: event.refund for _, event in self._in_order() if isinstance(event, OfRefund)}

    @property
    def disputes(self) -> dict[str, DisputeView]:
        """Each dispute by its id, as the newest event about it says."""
        return {
            event.dispute.dispute_id: event.dispute for _, event in self._in_order() if isinstance(event, OfDispute)
        }

    def heard(self, kind: str) -> int:
        """How many events of this type have come."""
        return sum(kind == event.TYPE for _, event in self.events)

    def apply(self, event_id: str, event: Event) -> None:
        """Take one event, once. Events overtake each other: an older one adds its fact and takes no newer state back."""
        known = self.payments.get(event.payment_id)
        if known is None or event.sequence > known.sequence:
            self.payments[event.payment_id] = event
        if isinstance(event, PaymentFailed):
            self.decline = event.attempt.message or "The payment was not accepted."
        self.events.append((event_id, event))
        erased = next((event for _, event in self.events if isinstance(event, PaymentErased)), None)
        if erased is not None:
            self._forget(erased)
        self.moved.set()
        self.moved = asyncio.Event()

    def _in_order(self) -> Iterable[tuple[str, Event]]:
        return sorted(self.events, key=lambda known: known[1].sequence)

    def _forget(self, erased: PaymentErased) -> None:
        """Who ordered is forgotten: here too, in what was heard before and in what comes late."""
        tombstone = {"user_id": erased.user_id}
        self.user_id = erased.user_id
        self.events = [(event_id, event.model_copy(update=tombstone)) for event_id, event in self.events]
        self.payments = {payment_id: event.model_copy(update=tombstone) for payment_id, event in self.payments.items()}
