"""A small model of Stripe for the pure core and the simulation: requests under idempotency keys, to an account of its own.

No I/O and no waiting; the clock is an argument. It knows what the worker uses and no more; the conformance suite holds
its answers against the real gateway's on the simulator.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from contracts.views import DisputeStatus
from tests.fake_account import CANCELABLE, CONFIRMABLE, KNOWN_METHODS, Account
from tests.fake_money import Held
from worker.domain.facts import DisputeFact, Intent, Ledger, RefundFact, StripeProblem
from worker.domain.messages import Result
from worker.domain.record import Call, Operation, Status

KEYS_KEPT = timedelta(hours=24)

UNCODED = "http_400"
"""What the gateway calls a refusal to which Stripe gives no code."""


class Fault(Enum):
    """What can go wrong with one request: whether it is executed, and what stays under its key."""

    NONE = "answered"
    LOST_BEFORE = "never arrived"
    LOST_AFTER = "executed, the answer is lost"
    UNAVAILABLE = "503, not executed"
    TOO_MANY = "429, not executed"
    IN_USE = "409, the key is in flight"
    UNAUTHORIZED = "401, not executed"
    HELD_BACK = "held back, never sent"
    STORED = "500, not executed, the key keeps the 500"
    STORED_AFTER = "500, executed, the key keeps the 500"


_UNEXECUTED = {
    Fault.LOST_BEFORE: (Result.UNKNOWN, "APIConnectionError"),
    Fault.UNAVAILABLE: (Result.UNKNOWN, "http_503"),
    Fault.TOO_MANY: (Result.NOT_EXECUTED, "http_429"),
    Fault.IN_USE: (Result.NOT_EXECUTED, "http_409"),
    Fault.UNAUTHORIZED: (Result.NOT_EXECUTED, "http_401"),
    Fault.HELD_BACK: (Result.HELD_BACK, "stripe_away"),
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


@dataclass(frozen=True)
class Kept:
    """The answer to a key's first use. `said` None means a 500."""

    terms: tuple[Any, ...]
    at: datetime
    said: Said | None


class FakeStripe(Account):
    """The account, and the requests that reach it."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[str, Kept] = {}
        self.done: set[str] = set()
        """The keys under which something was done, whether or not the answer got through."""

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
        if said.result is Result.DONE:
            self.done.add(call.key)
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
        self._end(held, call.params["cancellation_reason"])
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


def _refused(result: Result, code: str, message: str, field: str | None = None) -> Said:
    return Said(result, problem=StripeProblem(code, message, field))


def _conflict(held: Held) -> Said:
    return _refused(Result.CONFLICT, "payment_intent_unexpected_state", f"It has a status of {held.status}.")
