"""Messages and records for the tests of the pure core. Records are made by `decide` alone, never by hand."""

import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.commands import CancelReason, CaptureMethod, Resolution
from contracts.replies import RefusalCode, Verdict
from contracts.views import DisputeStatus, RefundStatus
from tests.unit.worker.invariants import check
from worker.domain.effects import Decision
from worker.domain.facts import Charge, Decline, DisputeFact, Intent, Ledger, RefundFact, StripeProblem
from worker.domain.messages import (
    Accept,
    Answer,
    Cancel,
    Capture,
    ChargeSeen,
    Confirm,
    Create,
    DisputeSeen,
    Erase,
    Evidence,
    IntentChanged,
    IntentSeen,
    Message,
    ReadFailed,
    RefundSeen,
    RefundTotal,
    RefundWanted,
    Resolve,
    Result,
    ReviewSeen,
    Tick,
    WarningSeen,
)
from worker.domain.payment import decide
from worker.domain.policy import DEFAULT, Policy
from worker.domain.record import Address, Call, Payment, Status, payment_id

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ORDER, USER, DEPLOYMENT = "order-1", "user-1", "test"
PAYMENT = payment_id(ORDER, 1)
INTENT = "pi_1"
AMOUNT = 2000
SECOND = timedelta(seconds=1)


def create(message_id: str = "create-1", **changes: Any) -> Create:
    command = Create(
        message_id=message_id,
        body_hash="create",
        issued_at=NOW,
        reply=Address("replies", message_id),
        order_id=ORDER,
        user_id=USER,
        amount=AMOUNT,
        currency="eur",
        deployment=DEPLOYMENT,
    )
    return replace(command, **changes)


def confirm(message_id: str = "confirm-1", **changes: Any) -> Confirm:
    command = Confirm(
        message_id=message_id,
        body_hash="confirm",
        issued_at=NOW,
        reply=Address("replies", message_id),
        payment_id=PAYMENT,
        payment_method="pm_card_visa",
        return_url="https://shop.example/back",
    )
    return replace(command, **changes)


def cancel(message_id: str = "cancel-1", **changes: Any) -> Cancel:
    """A cancel by payment id."""
    command = Cancel(
        message_id=message_id,
        body_hash="cancel",
        issued_at=NOW,
        reply=Address("replies", message_id),
        payment_id=PAYMENT,
        deployment=DEPLOYMENT,
        reason=CancelReason.REQUESTED_BY_CUSTOMER,
    )
    return replace(command, **changes)


def cancel_order(message_id: str = "cancel-order-1", **changes: Any) -> Cancel:
    return cancel(message_id, **({"payment_id": None, "order_id": ORDER} | changes))


def _privileged(message_id: str) -> dict[str, Any]:
    return {
        "message_id": message_id,
        "body_hash": message_id,
        "issued_at": NOW,
        "reply": Address("replies", message_id),
        "payment_id": PAYMENT,
        "requested_by": "admin-1",
        "note": "why",
    }


def capture(message_id: str = "capture-1", **changes: Any) -> Capture:
    return Capture(**(_privileged(message_id) | changes))


def refund(message_id: str = "refund-1", **changes: Any) -> RefundWanted:
    """A refund whose name is its command's id, unless told otherwise."""
    return RefundWanted(**(_privileged(message_id) | {"refund_id": message_id} | changes))


def evidence(message_id: str = "evidence-1", **changes: Any) -> Evidence:
    about = {"dispute_id": "dp_1", "evidence": {"customer_name": "Somebody"}}
    return Evidence(**(_privileged(message_id) | about | changes))


def accept(message_id: str = "accept-1", **changes: Any) -> Accept:
    return Accept(**(_privileged(message_id) | {"dispute_id": "dp_1"} | changes))


def resolve(decision: Resolution = Resolution.KEEP, message_id: str = "resolve-1", **changes: Any) -> Resolve:
    return Resolve(**(_privileged(message_id) | {"decision": decision} | changes))


def erase(message_id: str = "erase-1", **changes: Any) -> Erase:
    return Erase(**(_privileged(message_id) | changes))


def refund_fact(
    amount: int, status: RefundStatus = RefundStatus.SUCCEEDED, name: str | None = None, number: int = 1
) -> RefundFact:
    """A refund at Stripe: ours under its name, or else somebody's in the dashboard."""
    owner = PAYMENT if name else None
    failure = "lost_or_stolen_card" if status is RefundStatus.FAILED else None
    return RefundFact(f"re_{number}", amount, status, name, owner, failure=failure)


def refund_seen(fact: RefundFact, event_id: str = "") -> RefundSeen:
    event_id = event_id or f"evt_{fact.id}_{fact.status}"
    return RefundSeen(message_id=event_id, event_type="refund.updated", intent_id=INTENT, refund=fact)


def refund_total(amount: int, event_id: str = "") -> RefundTotal:
    event_id = event_id or f"evt_total_{amount}"
    return RefundTotal(message_id=event_id, event_type="charge.refunded", intent_id=INTENT, amount_refunded=amount)


def dispute_fact(status: DisputeStatus = DisputeStatus.NEEDS_RESPONSE, **changes: Any) -> DisputeFact:
    made = DisputeFact("dp_1", AMOUNT, status, "fraudulent", due_by=NOW + timedelta(days=10), charge_id="ch_1")
    return replace(made, **changes)


def dispute_seen(fact: DisputeFact, event_id: str = "") -> DisputeSeen:
    event_id = event_id or f"evt_{fact.id}_{fact.status}_{fact.funds}"
    return DisputeSeen(message_id=event_id, event_type="charge.dispute.updated", intent_id=INTENT, dispute=fact)


def warning(number: int = 1, **changes: Any) -> WarningSeen:
    made = WarningSeen(
        message_id=f"evt_warning_{number}",
        event_type="radar.early_fraud_warning.created",
        intent_id=INTENT,
        warning_id=f"issfr_{number}",
        fraud_type="made_with_stolen_card",
    )
    return replace(made, **changes)


def review(*, opened: bool, reason: str | None = None, **changes: Any) -> ReviewSeen:
    kind = "opened" if opened else "closed"
    made = ReviewSeen(
        message_id=f"evt_review_{kind}",
        event_type=f"review.{kind}",
        intent_id=INTENT,
        review_id="prv_1",
        open=opened,
        reason=reason,
    )
    return replace(made, **changes)


def intent(status: Status, **changes: Any) -> Intent:
    paid = AMOUNT if status is Status.SUCCEEDED else 0
    made = Intent(id=INTENT, status=status, amount=AMOUNT, amount_received=paid, currency="eur")
    return replace(made, client_secret="pi_1_secret", **changes)


def seen(status: Status, event_id: str = "", **changes: Any) -> IntentSeen:
    """A webhook's snapshot of the intent."""
    return IntentSeen(
        message_id=event_id or f"evt_{status}",
        event_type=f"payment_intent.{status}",
        intent=intent(status, **changes),
    )


def read(payment: Payment, status: Status, **changes: Any) -> IntentSeen:
    """A read of the intent that began with this record."""
    return IntentSeen(
        message_id=f"read-{payment.version}",
        event_type="read",
        intent=intent(status, **changes),
        version=payment.version,
    )


def changed(event_id: str = "evt_changed") -> IntentChanged:
    return IntentChanged(message_id=event_id, event_type="payment_intent.succeeded", intent_id=INTENT)


def declined(charge_id: str | None = "ch_1", **changes: Any) -> Decline:
    made = Decline("card_declined", "generic_decline", "Your card was declined.", charge_id, "pm_1", "card")
    return replace(made, **changes)


def unauthenticated(payment_method_id: str = "pm_1") -> Decline:
    """A failed 3-D Secure: Stripe makes no charge."""
    return Decline(
        "payment_intent_authentication_failure",
        None,
        "The provided PaymentMethod has failed authentication.",
        None,
        payment_method_id,
        "card",
    )


def charge_failed(charge_id: str = "ch_1", event_id: str = "") -> ChargeSeen:
    return ChargeSeen(
        message_id=event_id or f"evt_failed_{charge_id}",
        event_type="charge.failed",
        intent_id=INTENT,
        charge_id=charge_id,
        decline=declined(charge_id),
    )


def charge_succeeded(charge_id: str = "ch_1", event_id: str = "") -> ChargeSeen:
    return ChargeSeen(
        message_id=event_id or f"evt_succeeded_{charge_id}",
        event_type="charge.succeeded",
        intent_id=INTENT,
        charge_id=charge_id,
    )


def problem(code: str = "http_503", **changes: Any) -> StripeProblem:
    return replace(StripeProblem(code, f"Stripe says {code}"), **changes)


class Story:
    """One record, driven through `decide` and committed as the store does; every step is checked for the invariants.

    `around` says how the order's other payments are: `paid_elsewhere`, `live_elsewhere`.
    """

    def __init__(self, now: datetime = NOW, policy: Policy = DEFAULT) -> None:
        self.now = now
        self.policy = policy
        self.around: dict[str, bool] = {}
        self.payment: Payment | None = None
        self.last: Decision | None = None

    @property
    def record(self) -> Payment:
        assert self.payment is not None
        return self.payment

    @property
    def head(self) -> Call:
        head = self.record.head
        assert head is not None
        return head

    def tell(self, message: Message, after: timedelta = SECOND) -> Decision:
        """Let some time pass, decide and commit."""
        self.now += after
        self.last = decided(self.payment, message, self.now, policy=self.policy, **self.around)
        self.payment = committed(self.payment, self.last)
        return self.last

    def answer(
        self,
        result: Result = Result.DONE,
        status: Status | None = None,
        *,
        after: timedelta = SECOND,
        call: Call | None = None,
        problem: StripeProblem | None = None,
        version: int | None = None,
        chained: int = 0,
        refund: RefundFact | None = None,
        dispute: DisputeFact | None = None,
        **intent_changes: Any,
    ) -> Decision:
        """Stripe's answer to the head, for the version that was committed before the send unless another is given."""
        asked = call or self.head
        return self.tell(
            Answer(
                call_id=asked.id,
                result=result,
                version=self.record.version if version is None else version,
                intent=intent(status, **intent_changes) if status else None,
                refund=refund,
                dispute=dispute,
                problem=problem,
                request_id="req_1",
                chained=chained,
                sent_at=asked.sends[-1] if result is Result.HELD_BACK else None,
            ),
            after,
        )

    def read(self, status: Status, *, ledger: Ledger | None = None, **changes: Any) -> Decision:
        """What a read that began with the newest record brings."""
        return self.tell(replace(read(self.record, status, **changes), ledger=ledger))

    def read_fails(self, *, lost: bool = False) -> Decision:
        return self.tell(ReadFailed(reason="APIConnectionError", lost=lost))

    def tick(self, after: timedelta | None = None) -> Decision:
        """The sweeper comes: when something is due, unless told otherwise."""
        if after is None:
            assert self.record.check_at is not None, "nothing is waited for"
            after = max(self.record.check_at - self.now, timedelta())
        return self.tell(Tick(), after)

    def reach(self, status: Status, method: CaptureMethod = CaptureMethod.AUTOMATIC) -> "Story":
        """Get there the ordinary way."""
        self.tell(create(capture_method=method))
        if status is Status.CREATING:
            return self
        if status is Status.FAILED:
            self.answer(Result.REFUSED, problem=problem("amount_too_small"))
            return self
        self.answer(Result.DONE, Status.REQUIRES_PAYMENT_METHOD)
        if status is Status.CANCELED:
            self.tell(cancel())
            self.answer(Result.DONE, Status.CANCELED)
        elif status is not Status.REQUIRES_PAYMENT_METHOD:
            self.tell(confirm())
            self.answer(Result.DONE, status, charge=charge(status))
        assert self.record.status is status
        return self


def charge(status: Status) -> Charge | None:
    """The expanded charge of an intent that has one."""
    held = NOW + timedelta(days=7) if status is Status.REQUIRES_CAPTURE else None
    return Charge("ch_1", "https://receipts.example/1", held) if held or status is Status.SUCCEEDED else None


def story(status: Status) -> Story:
    return Story().reach(status)


def paid(policy: Policy = DEFAULT) -> Story:
    """A payment whose money is captured."""
    return Story(policy=policy).reach(Status.SUCCEEDED)


def held(policy: Policy = DEFAULT) -> Story:
    """A payment whose money is held and waits for a capture; the authorization lasts seven days."""
    return Story(policy=policy).reach(Status.REQUIRES_CAPTURE, CaptureMethod.MANUAL)


def decided(payment: Payment | None, message: Message, now: datetime, number: int = 1, **around: Any) -> Decision:
    """Decide twice, for it must come out the same, and check what must hold of every decision."""
    kept = copy.deepcopy((payment, message))
    decision = decide(payment, message, now, number=number, **around)
    assert decide(payment, message, now, number=number, **around) == decision, "decided differently the second time"
    assert (payment, message) == kept, "an input was changed"
    check(payment, message, now, decision)
    return decision


def committed(before: Payment | None, decision: Decision) -> Payment | None:
    """What the store returns for a decision that nobody got in the way of."""
    after = decision.payment
    if after is None or before is None or not decision.write:
        return after
    return replace(after, version=before.version + 1)


def event_types(payment: Payment) -> list[str]:
    return [event.type.removeprefix("payment.") for event in payment.events]


def last_body(payment: Payment, kind: str) -> dict[str, Any]:
    """The body of the newest event of a type."""
    return next(event.body for event in reversed(payment.events) if event.type == f"payment.{kind}")


def codes(decision: Decision) -> dict[str, RefusalCode | None]:
    """Who was told, and how each was refused; None for those who were not."""
    return {told.command_id: told.refused.code if told.refused else None for told in decision.told}


def verdicts(decision: Decision) -> dict[str, Verdict]:
    return {told.command_id: told.verdict for told in decision.told}


def totals(payment: Payment) -> dict[str, int]:
    """Every amount that is counted, but for those that are zero."""
    names = ("captured", "refunded", "reserved", "disputed", "refundable", "capturable")
    return {name: amount for name in names if (amount := getattr(payment, name))}
