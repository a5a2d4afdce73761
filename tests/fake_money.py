"""Refunds and disputes as the in-memory model of Stripe holds them."""

from dataclasses import dataclass
from datetime import datetime

from contracts.views import DisputeFunds, DisputeStatus, RefundStatus
from worker.domain.facts import DisputeFact, RefundFact


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
