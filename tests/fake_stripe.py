"""A small model of Stripe for the pure core and the simulation: intents, idempotency keys, webhooks, and its own ledger.

No I/O and no waiting; the clock is an argument. It knows what the worker uses and no more; the conformance suite holds
its answers against the real gateway's on the simulator.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from contracts.views import DisputeFunds, DisputeStatus, RefundStatus
from tests.fake_money import HeldDispute, HeldRefund
from worker.domain.facts import Charge as ChargeFact
from worker.domain.facts import Decline, DisputeFact, Intent, Ledger, RefundFact, StripeProblem
from worker.domain.messages import (
    ChargeSeen,
    DisputeSeen,
    IntentSeen,
    News,
    RefundSeen,
    RefundTotal,
    Result,
    ReviewSeen,
    WarningSeen,
)
from worker.domain.record import Call, Operation, Status

KEYS_KEPT = timedelta(hours=24)
HELD = timedelta(days=7)
"""How long a card authorization holds."""

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


UNCODED = "http_400"
"""What the gateway calls a refusal to which Stripe gives no code."""

AUTHENTICATION_REQUIRED = "authentication_required"


class Fault(Enum):
    """What can go wrong with one request: whether it is executed, and what stays under its key."""

    NONE = "answered"
    LOST_BEFORE = "never arrived"
    LOST_AFTER = "executed, the answer is lost"
    UNAVAILABLE = "503, not executed"
    TOO_MANY = "429, not executed"
    IN_USE = "409, the key is in flight"
    UNAUTHORIZED = "401, not executed"
    STORED = "500, not executed, the key keeps the 500"
    STORED_AFTER = "500, executed, the key keeps the 500"


_UNEXECUTED = {
    Fault.LOST_BEFORE: (Result.UNKNOWN, "APIConnectionError"),
    Fault.UNAVAILABLE: (Result.UNKNOWN, "http_503"),
    Fault.TOO_MANY: (Result.NOT_EXECUTED, "http_429"),
    Fault.IN_USE: (Result.NOT_EXECUTED, "http_409"),
    Fault.UNAUTHORIZED: (Result.NOT_EXECUTED, "http_401"),
}


@dataclass(frozen=True, slots=True)
class Said:
    """What came back: the gateway's result with what it comes with."""

    result: Result
    intent: Intent | None = None
    refund: RefundFact | None = None
    dispute: DisputeFact | None = None
    problem: StripeProblem | None = None
    replayed: bool = False


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


@dataclass(frozen=True)
class Kept:
    """The answer to a key's first use. `said` None means a 500."""

    terms: tuple[Any, ...]
    at: datetime
    said: Said | None


class FakeStripe:
    """One account. `history` is everything that happened, as webhooks; `news` is what is still to be sent of it."""

    def __init__(self) -> None:
        self.intents: dict[str, Held] = {}
        self.news: list[News] = []
        self.history: list[News] = []
        self._kept: dict[str, Kept] = {}
        self._count = 0

    def perform(self, call: Call, now: datetime, fault: Fault = Fault.NONE) -> Said:
        """Carry out one request under its key, with at most one fault."""
        if fault in _UNEXECUTED:
            result, code = _UNEXECUTED[fault]
            return Said(result, problem=StripeProblem(code, fault.value))
        terms = (call.operation, call.intent_id, repr(sorted(call.params.items())))
        kept = self._kept.get(call.key)
        if kept is not None and now - kept.at < KEYS_KEPT:
            said = self._replay(kept, terms)
        elif fault is Fault.STORED:
            self._kept[call.key] = Kept(terms, now, None)
            return Said(Result.UNKNOWN, problem=StripeProblem("http_500", fault.value))
        else:
            said = self._first(call, terms, now, keep=fault is not Fault.STORED_AFTER)
        if fault is Fault.LOST_AFTER:
            return Said(Result.UNKNOWN, problem=StripeProblem("APIConnectionError", fault.value))
        if fault is Fault.STORED_AFTER and kept is None:
            return Said(Result.UNKNOWN, problem=StripeProblem("http_500", fault.value))
        return said

    def retrieve(self, intent_id: str) -> tuple[Intent, Ledger | None] | None:
        """A read: the intent with its charge, and its refunds and disputes if it has received money."""
        held = self.intents.get(intent_id)
        if held is None:
            return None
        return replace(held.snapshot(), charge=held.charge()), held.ledger() if held.received else None

    def find(self, payment_id: str, deployment: str, since: datetime, until: datetime) -> Intent | None:
        """The intent of a payment among those created in a window, by its metadata."""
        for held in self.intents.values():
            owner = (held.metadata.get("payment_id"), held.metadata.get("deployment"))
            if since <= held.created <= until and owner == (payment_id, deployment):
                return held.snapshot()
        return None

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
        held.reason = "expired"
        self._move(held, Status.CANCELED)

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

    def _replay(self, kept: Kept, terms: tuple[Any, ...]) -> Said:
        if kept.terms != terms:
            return _refused(Result.KEY_MISUSED, "idempotency_error", "Keys can only be used with the same parameters.")
        if kept.said is None:
            return Said(Result.STORED_ERROR, problem=StripeProblem("http_500", "the stored answer"), replayed=True)
        return replace(kept.said, replayed=True)

    def _first(self, call: Call, terms: tuple[Any, ...], now: datetime, *, keep: bool) -> Said:
        problem = self._invalid(call)
        if problem is not None:
            return problem  # what did not pass validation was not executed, and no key keeps it
        work: dict[Operation, Callable[[Call, datetime], Said]] = {
            Operation.CREATE: self._create,
            Operation.CONFIRM: self._confirm,
            Operation.CANCEL: self._cancel,
            Operation.CAPTURE: self._capture,
            Operation.REFUND: self._refund_call,
            Operation.EVIDENCE: self._evidence,
            Operation.ACCEPT: self._accept,
        }
        said = work[call.operation](call, now)
        self._kept[call.key] = Kept(terms, now, said if keep else None)
        return said

    def _invalid(self, call: Call) -> Said | None:
        if call.operation is Operation.CREATE:
            return None
        if call.operation in {Operation.EVIDENCE, Operation.ACCEPT}:
            known = any(dispute.id == call.about for held in self.intents.values() for dispute in held.disputes)
            return None if known else _refused(Result.REFUSED, "resource_missing", "No such dispute", "dispute")
        if call.intent_id not in self.intents:
            return _refused(Result.REFUSED, "resource_missing", "No such payment_intent", "intent")
        held = self.intents[call.intent_id]
        if call.operation is not Operation.CONFIRM or held.status not in CONFIRMABLE:
            return None
        if call.params["payment_method"] not in KNOWN_METHODS:
            return _refused(Result.REFUSED, "resource_missing", "No such PaymentMethod", "payment_method")
        if "return_url" not in call.params and not call.params.get("off_session"):
            return _refused(Result.REFUSED, UNCODED, "You must provide a `return_url`.", "return_url")
        return None

    def _create(self, call: Call, now: datetime) -> Said:
        params = call.params
        held = Held(
            id=self._new("pi"),
            created=now,
            amount=params["amount"],
            currency=params["currency"],
            manual=params["capture_method"] == "manual",
            metadata=dict(params["metadata"]),
            several="payment_method_options" in params,
        )
        self.intents[held.id] = held
        self._tell(held, "created")
        return Said(Result.DONE, held.snapshot())

    def _confirm(self, call: Call, _now: datetime) -> Said:
        held = self.intents[call.intent_id or ""]
        if held.status not in CONFIRMABLE:
            return _conflict(held)
        self._attempt(held, call.params["payment_method"], off_session=call.params.get("off_session", False))
        snapshot = held.snapshot()
        if held.status is Status.REQUIRES_PAYMENT_METHOD:
            found = held.error
            assert found is not None
            problem = StripeProblem(found.code or "", found.message or "", decline=found)
            return Said(Result.DECLINED, snapshot, problem=problem)
        return Said(Result.DONE, replace(snapshot, charge=held.charge()))

    def _cancel(self, call: Call, _now: datetime) -> Said:
        held = self.intents[call.intent_id or ""]
        if held.status not in CANCELABLE:
            return _conflict(held)
        held.reason = call.params["cancellation_reason"]
        self._move(held, Status.CANCELED)
        return Said(Result.DONE, held.snapshot())

    def _capture(self, call: Call, _now: datetime) -> Said:
        held = self.intents[call.intent_id or ""]
        if held.status is not Status.REQUIRES_CAPTURE:
            return _conflict(held)
        amount = call.params.get("amount_to_capture", held.capturable)
        if amount > held.capturable:
            return _refused(Result.REFUSED, "amount_too_large", "More than is held.")
        final = call.params.get("final_capture", True)
        if not final and not held.several:
            return _refused(Result.REFUSED, "payment_intent_invalid_parameter", "Not available.", "final_capture")
        self._capture_of(held, amount, final=final)
        return Said(Result.DONE, replace(held.snapshot(), charge=held.charge()))

    def _capture_of(self, held: Held, amount: int, *, final: bool) -> None:
        charge = next(charge for charge in held.charges if charge.good)
        charge.taken += amount
        if final:
            self._tell_charge(held, charge, "charge.captured")
            self._move(held, Status.SUCCEEDED)
        else:  # also when nothing is left: only a final capture, or time, ends it
            self._tell(held, "amount_capturable_updated")

    def _refund_call(self, call: Call, _now: datetime) -> Said:
        held, amount = self.intents[call.params["payment_intent"]], call.params["amount"]
        if not any(charge.good for charge in held.charges):
            return _refused(Result.CONFLICT, "payment_intent_unexpected_state", "No successful charge to refund.")
        if not held.received:
            return _refused(Result.REFUSED, UNCODED, "This uncaptured Charge was created by a PaymentIntent.", "charge")
        if held.given_back >= held.received:
            return _refused(Result.CONFLICT, "charge_already_refunded", "The charge has already been refunded.")
        if held.disputed:
            return _refused(Result.CONFLICT, "charge_disputed", "The charge has been charged back.")
        if amount > held.left:
            return _refused(Result.CONFLICT, UNCODED, "Greater than the unrefunded amount.", "amount")
        refund = self._refund_of(held, amount, call.params["metadata"], call.params.get("reason"))
        return Said(Result.DONE, refund=refund.snapshot())

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

    def _evidence(self, call: Call, _now: datetime) -> Said:
        held, dispute = self._dispute(call.about or "")
        if not dispute.open:
            return _refused(Result.REFUSED, UNCODED, "This dispute is already closed")
        if call.params["submit"]:
            dispute.submitted = True
            dispute.status = DisputeStatus.WARNING_UNDER_REVIEW if dispute.inquiry else DisputeStatus.UNDER_REVIEW
        self._tell_dispute(held, dispute, "updated")
        return Said(Result.DONE, dispute=dispute.snapshot())

    def _accept(self, call: Call, _now: datetime) -> Said:
        """A dispute is lost; of an inquiry that nobody answers nothing is left."""
        held, dispute = self._dispute(call.about or "")
        if not dispute.open:
            return _refused(Result.REFUSED, UNCODED, "This dispute is already closed")
        dispute.status = DisputeStatus.WARNING_CLOSED if dispute.inquiry else DisputeStatus.LOST
        self._tell_dispute(held, dispute, "closed")
        return Said(Result.DONE, dispute=dispute.snapshot())

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


def _refused(result: Result, code: str, message: str, field: str | None = None) -> Said:
    return Said(result, problem=StripeProblem(code, message, field))


def _conflict(held: Held) -> Said:
    return _refused(Result.CONFLICT, "payment_intent_unexpected_state", f"It has a status of {held.status}.")
