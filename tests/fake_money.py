"""Intents, charges, refunds and disputes as the in-memory model of Stripe holds them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from contracts.views import DisputeFunds, DisputeStatus, RefundStatus
from worker.domain.facts import Charge as ChargeFact
from worker.domain.facts import Decline, DisputeFact, Intent, Ledger, RefundFact
from worker.domain.record import Status

HELD = timedelta(days=7)
"""How long a card authorization holds."""


@dataclass
class HeldRefund:
    """One refund at Stripe; `metadata` is empty for one that was made in the dashboard."""

    id: str
    amount: int
    status: RefundStatus
    metadata: dict[str, str]
    reason: str | None = None
    failure: str | None = None

    @property
    def counts(self) -> bool:
        return self.status not in {RefundStatus.FAILED, RefundStatus.CANCELED}

    def snapshot(self) -> RefundFact:
        """The refund as an answer or a webhook shows it now."""
        return RefundFact(
            id=self.id,
            amount=self.amount,
            status=self.status,
            refund_id=self.metadata.get("refund_id"),
            payment_id=self.metadata.get("payment_id"),
            reason=self.reason,
            failure=self.failure,
        )


@dataclass
class HeldDispute:
    """One dispute at Stripe."""

    id: str
    amount: int
    status: DisputeStatus
    due_by: datetime
    charge_id: str
    funds: DisputeFunds = DisputeFunds.UNTOUCHED
    submitted: bool = False

    @property
    def inquiry(self) -> bool:
        return self.status in {DisputeStatus.WARNING_NEEDS_RESPONSE, DisputeStatus.WARNING_UNDER_REVIEW}

    @property
    def answerable(self) -> bool:
        return self.status in {DisputeStatus.NEEDS_RESPONSE, DisputeStatus.WARNING_NEEDS_RESPONSE}

    @property
    def open(self) -> bool:
        return self.status not in {DisputeStatus.WON, DisputeStatus.LOST, DisputeStatus.WARNING_CLOSED}

    @property
    def holds_money(self) -> bool:
        return self.status in {DisputeStatus.NEEDS_RESPONSE, DisputeStatus.UNDER_REVIEW, DisputeStatus.LOST}

    def snapshot(self) -> DisputeFact:
        """The dispute as an answer or a webhook shows it now."""
        return DisputeFact(
            id=self.id,
            amount=self.amount,
            status=self.status,
            reason="fraudulent",
            funds=self.funds,
            due_by=self.due_by,
            submitted=self.submitted,
            charge_id=self.charge_id,
        )


@dataclass
class Charge:
    """One charge; `good` once the money is held or taken, of which `taken` is ours."""

    id: str
    method: str
    good: bool = False
    taken: int = 0


@dataclass
class Held:
    """One PaymentIntent as Stripe holds it."""

    id: str
    created: datetime
    amount: int
    currency: str
    manual: bool
    metadata: dict[str, str]
    status: Status = Status.REQUIRES_PAYMENT_METHOD
    method: str | None = None
    method_kind: str = ""
    charges: list[Charge] = field(default_factory=list)
    error: Decline | None = None
    reason: str | None = None
    action: str | None = None
    several: bool = False
    refunds: list[HeldRefund] = field(default_factory=list)
    disputes: list[HeldDispute] = field(default_factory=list)

    @property
    def received(self) -> int:
        return sum(charge.taken for charge in self.charges)

    @property
    def given_back(self) -> int:
        """What `charge.amount_refunded` says: all refunds but those that failed."""
        return sum(refund.amount for refund in self.refunds if refund.counts)

    @property
    def refunded(self) -> int:
        return sum(refund.amount for refund in self.refunds if refund.status is RefundStatus.SUCCEEDED)

    @property
    def disputed(self) -> int:
        return sum(dispute.amount for dispute in self.disputes if dispute.holds_money)

    @property
    def left(self) -> int:
        """What Stripe would still refund."""
        return 0 if self.disputed else self.received - self.given_back

    @property
    def capturable(self) -> int:
        """What is held and not taken; a capture that was not the last may have left nothing."""
        return self.amount - self.received if self.status is Status.REQUIRES_CAPTURE else 0

    def ledger(self) -> Ledger:
        """What a read finds beside the intent."""
        return Ledger(
            tuple(refund.snapshot() for refund in self.refunds), tuple(dispute.snapshot() for dispute in self.disputes)
        )

    def charge(self) -> ChargeFact | None:
        """The good charge, as it says more of itself."""
        good = next((charge for charge in self.charges if charge.good), None)
        held = self.created + HELD if self.manual and self.status is Status.REQUIRES_CAPTURE else None
        return ChargeFact(good.id, f"https://receipts.example/{good.id}", held) if good else None

    def snapshot(self) -> Intent:
        """The intent as an API answer or a webhook shows it now."""
        return Intent(
            id=self.id,
            status=self.status,
            amount=self.amount,
            amount_received=self.received,
            currency=self.currency,
            latest_charge_id=self.charges[-1].id if self.charges else None,
            decline=self.error,
            cancellation_reason=self.reason,
            action=self.action,
            client_secret=f"{self.id}_secret_1",
        )
