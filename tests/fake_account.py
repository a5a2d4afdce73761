"""What happens at Stripe in the in-memory model, whoever made it happen: the account's intents, news and ledger.

Customers pay in the browser, banks decide, people click in the dashboard. Requests of ours are in fake_stripe.py.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from contracts.views import DisputeFunds, DisputeStatus, RefundStatus
from tests.fake_money import Charge, Held, HeldDispute, HeldRefund
from worker.domain.facts import Decline
from worker.domain.messages import (
    ChargeSeen,
    DisputeSeen,
    IntentSeen,
    News,
    RefundSeen,
    RefundTotal,
    ReviewSeen,
    WarningSeen,
)
from worker.domain.record import Status

CONFIRMABLE = frozenset({Status.REQUIRES_PAYMENT_METHOD, Status.REQUIRES_CONFIRMATION, Status.REQUIRES_ACTION})
CANCELABLE = CONFIRMABLE | {Status.REQUIRES_CAPTURE}

VISA = "pm_card_visa"
DECLINING = "pm_card_chargeDeclined"
CHALLENGING = "pm_card_authenticationRequired"
DEBIT = "pm_usBankAccount_success"
METHODS = (VISA, DECLINING, CHALLENGING, DEBIT)
SLOW_REFUND = "pm_card_pendingRefund"
"""A good card whose refunds take their time."""

KNOWN_METHODS = frozenset({*METHODS, SLOW_REFUND})

AUTHENTICATION_REQUIRED = "authentication_required"


class Account:
    """One account. `history` is everything that happened, as webhooks; `news` is what is still to be sent of it."""

    def __init__(self) -> None:
        self.intents: dict[str, Held] = {}
        self.news: list[News] = []
        self.history: list[News] = []
        self._count = 0

    def pay_in_browser(self, intent_id: str, method: str) -> bool:
        """The customer confirms with the client secret; tell whether Stripe took it."""
        held = self.intents[intent_id]
        if held.status not in CONFIRMABLE:
            return False
        self._attempt(held, method)
        return True

    def authenticate(self, intent_id: str, *, passed: bool) -> None:
        """The customer ends a 3-D Secure challenge."""
        held = self.intents[intent_id]
        assert held.status is Status.REQUIRES_ACTION
        if passed:
            self._pay(held)
            return
        code = "payment_intent_authentication_failure"
        held.error = Decline(code, None, "The provided PaymentMethod has failed authentication.", None, held.method)
        self._move(held, Status.REQUIRES_PAYMENT_METHOD)

    def settle(self, intent_id: str, *, paid: bool) -> None:
        """The bank answers a debit."""
        held = self.intents[intent_id]
        assert held.status is Status.PROCESSING
        if paid:
            self._take(held, held.charges[-1], held.amount)
        else:
            self._decline(held, held.charges[-1], "insufficient_funds")

    def capture(self, intent_id: str, amount: int, *, final: bool = True) -> None:
        """Somebody captures at Stripe."""
        self._capture_of(self.intents[intent_id], amount, final=final)

    def refund(self, intent_id: str, amount: int) -> str:
        """Somebody refunds at Stripe: nothing of ours is in the metadata."""
        held = self.intents[intent_id]
        assert 0 < amount <= held.left
        return self._refund_of(held, amount, {}, None).id

    def move_refund(self, refund_id: str, status: RefundStatus) -> None:
        """The bank has taken a refund, or has sent it back."""
        held, refund = self._refund(refund_id)
        refund.status = status
        if status in {RefundStatus.FAILED, RefundStatus.CANCELED}:
            refund.failure = "lost_or_stolen_card"
            self._tell_refund(held, refund, "refund.failed")
        self._tell_refund(held, refund, "refund.updated")
        self._tell_refund(held, refund, "charge.refund.updated")

    def dispute(self, intent_id: str, amount: int, now: datetime, *, inquiry: bool = False) -> str:
        """The cardholder's bank takes the money back, or asks first."""
        held = self.intents[intent_id]
        status = DisputeStatus.WARNING_NEEDS_RESPONSE if inquiry else DisputeStatus.NEEDS_RESPONSE
        charge = next(charge for charge in held.charges if charge.good)
        dispute = HeldDispute(self._new("dp"), amount, status, now + timedelta(days=10), charge.id)
        held.disputes.append(dispute)
        self._tell_dispute(held, dispute, "created")
        if not inquiry:
            self._withdraw(held, dispute)
        return dispute.id

    def move_dispute(self, dispute_id: str, status: DisputeStatus) -> None:
        """The bank decides, or an inquiry becomes a dispute."""
        held, dispute = self._dispute(dispute_id)
        was, dispute.status = dispute.holds_money, status
        over = not dispute.open
        self._tell_dispute(held, dispute, "closed" if over else "updated")
        if dispute.holds_money and not was:
            self._withdraw(held, dispute)
        if status is DisputeStatus.WON:
            dispute.funds = DisputeFunds.REINSTATED
            self._tell_dispute(held, dispute, "funds_reinstated")

    def _withdraw(self, held: Held, dispute: HeldDispute) -> None:
        """The money leaves. A refund that is still on its way fails: the customer has the money by the dispute."""
        dispute.funds = DisputeFunds.WITHDRAWN
        self._tell_dispute(held, dispute, "funds_withdrawn")
        for refund in held.refunds:
            if refund.status is RefundStatus.PENDING:
                self.move_refund(refund.id, RefundStatus.FAILED)

    def warn(self, intent_id: str) -> None:
        """The card network reports fraud."""
        warning = WarningSeen(
            message_id=self._new("evt"),
            event_type="radar.early_fraud_warning.created",
            intent_id=intent_id,
            warning_id=self._new("issfr"),
            fraud_type="made_with_stolen_card",
        )
        self._send(warning)

    def review(self, intent_id: str) -> None:
        """Radar opens a review, and a person approves it."""
        review_id = self._new("prv")
        for opened, reason in ((True, "rule"), (False, "approved")):
            kind = "review.opened" if opened else "review.closed"
            message_id = self._new("evt")
            self._send(
                ReviewSeen(
                    message_id=message_id,
                    event_type=kind,
                    intent_id=intent_id,
                    review_id=review_id,
                    open=opened,
                    reason=reason,
                )
            )

    def release(self, intent_id: str) -> None:
        """An operator cancels at Stripe, or an authorization expires."""
        held = self.intents[intent_id]
        assert held.status in CANCELABLE
        self._end(held, "expired")

    def taken(self, payment_id: str) -> int:
        """The ledger: how much Stripe has taken for a payment."""
        return sum(held.received for held in self.of(payment_id))

    def kept(self, payment_id: str) -> int:
        """What of it has not been given back for good."""
        return sum(held.received - held.refunded for held in self.of(payment_id))

    def good_charges(self, payment_id: str) -> int:
        return sum(charge.good for held in self.of(payment_id) for charge in held.charges)

    def times(self, payment_id: str, status: Status) -> int:
        """How often a payment's intent came into a status; of `requires_payment_method`, by a declined attempt."""
        came = f"payment_intent.{status}"
        ids = {held.id for held in self.of(payment_id)}
        return sum(isinstance(n, IntentSeen) and n.intent.id in ids and n.event_type == came for n in self.history)

    def of(self, payment_id: str) -> list[Held]:
        return [held for held in self.intents.values() if held.metadata.get("payment_id") == payment_id]

    def _capture_of(self, held: Held, amount: int, *, final: bool) -> None:
        charge = next(charge for charge in held.charges if charge.good)
        charge.taken += amount
        if final:
            self._tell_charge(held, charge, "charge.captured")
            self._move(held, Status.SUCCEEDED)
        else:  # also when nothing is left: only a final capture, or time, ends it
            self._tell(held, "amount_capturable_updated")

    def _end(self, held: Held, reason: str) -> None:
        """What is held is released. An intent of which a part was captured has succeeded with that part."""
        if held.received:
            self._capture_of(held, 0, final=True)
            return
        held.reason = reason
        self._move(held, Status.CANCELED)

    def _refund_of(self, held: Held, amount: int, metadata: dict[str, str], reason: str | None) -> HeldRefund:
        """Most cards' refunds succeed at once, a debit's when the bank has taken it."""
        status = RefundStatus.PENDING if held.method_kind in {DEBIT, SLOW_REFUND} else RefundStatus.SUCCEEDED
        refund = HeldRefund(self._new("re"), amount, status, dict(metadata), reason)
        held.refunds.append(refund)
        self._tell_refund(held, refund, "refund.created")
        total = held.given_back
        self._send(
            RefundTotal(
                message_id=self._new("evt"), event_type="charge.refunded", intent_id=held.id, amount_refunded=total
            )
        )
        return refund

    def _attempt(self, held: Held, method: str, *, off_session: bool = False) -> None:
        held.method, held.method_kind, held.error = self._new("pm"), method, None
        if method == CHALLENGING and not off_session:
            held.action = "redirect_to_url"
            self._move(held, Status.REQUIRES_ACTION)
            return
        if method in {VISA, SLOW_REFUND}:
            self._pay(held)
            return
        charge = Charge(self._new("ch"), held.method)
        held.charges.append(charge)
        if method == DECLINING:
            self._decline(held, charge, "generic_decline")
        elif method == CHALLENGING:  # nobody is there to act
            self._decline(held, charge, AUTHENTICATION_REQUIRED, code=AUTHENTICATION_REQUIRED)
        else:
            self._move(held, Status.PROCESSING)

    def _pay(self, held: Held) -> None:
        held.error = None
        charge = Charge(self._new("ch"), held.method or "", good=True)
        held.charges.append(charge)
        if held.manual:
            held.status = Status.REQUIRES_CAPTURE
            self._tell_charge(held, charge)
            self._move(held, Status.REQUIRES_CAPTURE)
        else:
            self._take(held, charge, held.amount)

    def _take(self, held: Held, charge: Charge, amount: int) -> None:
        charge.good, charge.taken = True, amount
        self._tell_charge(held, charge)
        self._move(held, Status.SUCCEEDED)

    def _decline(self, held: Held, charge: Charge, why: str, code: str = "card_declined") -> None:
        held.error = Decline(code, why, "Your card was declined.", charge.id, held.method, "card")
        self._tell_charge(held, charge)
        self._move(held, Status.REQUIRES_PAYMENT_METHOD)

    def _move(self, held: Held, status: Status) -> None:
        held.status = status
        if status is not Status.REQUIRES_ACTION:
            held.action = None
        self._tell(held, str(status))

    def _tell(self, held: Held, what: str) -> None:
        intent = replace(held.snapshot(), client_secret=None)
        self._send(IntentSeen(message_id=self._new("evt"), event_type=f"payment_intent.{what}", intent=intent))

    def _tell_charge(self, held: Held, charge: Charge, kind: str = "") -> None:
        self._send(
            ChargeSeen(
                message_id=self._new("evt"),
                event_type=kind or ("charge.succeeded" if charge.good else "charge.failed"),
                intent_id=held.id,
                charge_id=charge.id,
                decline=None if charge.good else held.error,
                charge=held.charge() if charge.good else None,
            ),
        )

    def _tell_refund(self, held: Held, refund: HeldRefund, kind: str) -> None:
        message_id = self._new("evt")
        self._send(RefundSeen(message_id=message_id, event_type=kind, intent_id=held.id, refund=refund.snapshot()))

    def _tell_dispute(self, held: Held, dispute: HeldDispute, what: str) -> None:
        message_id, kind = self._new("evt"), f"charge.dispute.{what}"
        self._send(DisputeSeen(message_id=message_id, event_type=kind, intent_id=held.id, dispute=dispute.snapshot()))

    def _refund(self, refund_id: str) -> tuple[Held, HeldRefund]:
        return next((h, r) for h in self.intents.values() for r in h.refunds if r.id == refund_id)

    def _dispute(self, dispute_id: str) -> tuple[Held, HeldDispute]:
        return next((h, d) for h in self.intents.values() for d in h.disputes if d.id == dispute_id)

    def _send(self, news: News) -> None:
        self.news.append(news)
        self.history.append(news)

    def _new(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}_{self._count}"
