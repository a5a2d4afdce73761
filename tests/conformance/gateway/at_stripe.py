"""What happens at Stripe without us, for either Stripe: the dashboard, and the cardholder's bank."""

from datetime import UTC, datetime
from typing import Any, Protocol

from contracts.views import DisputeStatus, RefundStatus
from sandbox.stripe import dashboard, issuer
from sandbox.stripe.world import World
from tests.fake_stripe import FakeStripe


class AtStripe(Protocol):
    """Everything by Stripe's ids; amounts in minor units."""

    def intents(self) -> int:
        """How many intents the account has."""

    def refunds(self) -> int:
        """How many refunds the account has."""

    def capture(self, intent_id: str, amount: int) -> None:
        """Somebody captures in the dashboard, finally."""

    def refund(self, intent_id: str, amount: int) -> str:
        """Somebody refunds in the dashboard: nothing of ours is on it."""

    def move_refund(self, refund_id: str, status: RefundStatus) -> None:
        """The customer's bank has taken a refund, or has sent it back."""

    def dispute(self, intent_id: str, amount: int, *, inquiry: bool = False) -> str:
        """The cardholder disputes; returns the dispute's id."""

    def decide(self, dispute_id: str, status: DisputeStatus) -> None:
        """The cardholder's bank decides."""


class InMemory:
    """See AtStripe."""

    def __init__(self, stripe: FakeStripe) -> None:
        self._stripe = stripe

    def intents(self) -> int:
        return len(self._stripe.intents)

    def refunds(self) -> int:
        return sum(len(held.refunds) for held in self._stripe.intents.values())

    def capture(self, intent_id: str, amount: int) -> None:
        self._stripe.capture(intent_id, amount)

    def refund(self, intent_id: str, amount: int) -> str:
        return self._stripe.refund(intent_id, amount)

    def move_refund(self, refund_id: str, status: RefundStatus) -> None:
        self._stripe.move_refund(refund_id, status)

    def dispute(self, intent_id: str, amount: int, *, inquiry: bool = False) -> str:
        return self._stripe.dispute(intent_id, amount, datetime.now(UTC), inquiry=inquiry)

    def decide(self, dispute_id: str, status: DisputeStatus) -> None:
        self._stripe.move_dispute(dispute_id, status)


class Simulated:
    """See AtStripe; by the simulator's own controls."""

    def __init__(self, world: World) -> None:
        self._world = world

    def intents(self) -> int:
        return len(self._world.payment_intents)

    def refunds(self) -> int:
        return len(self._world.refunds)

    def capture(self, intent_id: str, amount: int) -> None:
        dashboard.capture(self._world, self._intent(intent_id), {"amount": amount})

    def refund(self, intent_id: str, amount: int) -> str:
        made = dashboard.refund(self._world, self._intent(intent_id), {"amount": amount})
        return str(made["id"])

    def move_refund(self, refund_id: str, status: RefundStatus) -> None:
        dashboard.move_refund(self._world, self._world.refunds.need(refund_id), {"to": str(status)})

    def dispute(self, intent_id: str, amount: int, *, inquiry: bool = False) -> str:
        kind = "inquiry" if inquiry else "chargeback"
        made = issuer.dispute_intent(self._world, self._intent(intent_id), {"kind": kind, "amount": amount})
        return str(made["id"])

    def decide(self, dispute_id: str, status: DisputeStatus) -> None:
        issuer.move(self._world, self._world.disputes.need(dispute_id), {"to": str(status)})

    def _intent(self, intent_id: str) -> dict[str, Any]:
        self._world.nobody_asks()
        return self._world.payment_intents.need(intent_id)
