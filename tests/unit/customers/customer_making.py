"""Messages and records for the tests of the customer's core. Records are made by `decide` alone, never by hand."""

import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.unit.customers.customer_invariants import check
from worker.domain.customers.effects import CustomerDecision
from worker.domain.customers.machine import decide
from worker.domain.customers.messages import (
    CustomerAnswer,
    CustomerChanged,
    CustomerMessage,
    CustomerRead,
    CustomerReadFailed,
    CustomerTick,
    Detach,
    Ensure,
    Erase,
    SetDefault,
    SetUp,
)
from worker.domain.customers.record import Customer, CustomerCall, CustomerStatus, SavedMethod, customer_id
from worker.domain.facts import StripeProblem
from worker.domain.messages import Result
from worker.domain.record import Address

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
USER, DEPLOYMENT = "user-1", "test"
CUSTOMER = customer_id(DEPLOYMENT, USER)
CUS, METHOD, SETUP = "cus_1", "pm_1", "seti_1"
SECRET = "seti_1_secret_x"
SECOND = timedelta(seconds=1)
CARD = SavedMethod(METHOD, "card", "visa", "4242", 12, 2030)


def set_up(message_id: str = "set-up-1", **changes: Any) -> SetUp:
    return replace(SetUp(**_common(message_id, "set-up")), **changes)


def set_default(message_id: str = "default-1", **changes: Any) -> SetDefault:
    return replace(SetDefault(**_common(message_id, "default"), payment_method=METHOD), **changes)


def detach(message_id: str = "detach-1", **changes: Any) -> Detach:
    return replace(Detach(**_common(message_id, "detach"), payment_method=METHOD), **changes)


def _common(message_id: str, body_hash: str) -> dict[str, Any]:
    return {
        "message_id": message_id,
        "body_hash": body_hash,
        "issued_at": NOW,
        "reply": Address("replies", message_id),
        "user_id": USER,
        "deployment": DEPLOYMENT,
    }


def ensure(**changes: Any) -> Ensure:
    return replace(Ensure(user_id=USER, deployment=DEPLOYMENT), **changes)


def erase(**changes: Any) -> Erase:
    return replace(Erase(user_id=USER, deployment=DEPLOYMENT), **changes)


def changed(event_type: str = "payment_method.attached", event_id: str = "", **changes: Any) -> CustomerChanged:
    """A webhook about the user's customer."""
    news = CustomerChanged(message_id=event_id or f"evt_{event_type}", event_type=event_type, stripe_id=CUS)
    return replace(news, **changes)


def marked(event_type: str = "customer.updated", event_id: str = "", **changes: Any) -> CustomerChanged:
    """A webhook about a customer that bears the user's mark."""
    return changed(event_type, event_id, **({"customer_id": CUSTOMER} | changes))


def problem(code: str = "http_503", **changes: Any) -> StripeProblem:
    return replace(StripeProblem(code, f"Stripe says {code}"), **changes)


class CustomerStory:
    """One record, driven through `decide` and committed as the store does; every step is checked for the invariants."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now
        self.customer: Customer | None = None
        self.last: CustomerDecision | None = None

    @property
    def record(self) -> Customer:
        assert self.customer is not None
        return self.customer

    @property
    def head(self) -> CustomerCall:
        head = self.record.head
        assert head is not None
        return head

    def tell(self, message: CustomerMessage, after: timedelta = SECOND) -> CustomerDecision:
        """Let some time pass, decide and commit."""
        self.now += after
        self.last = decided(self.customer, message, self.now)
        self.customer = committed(self.customer, self.last)
        return self.last

    def answer(
        self,
        result: Result = Result.DONE,
        made: str | None = None,
        *,
        after: timedelta = SECOND,
        call: CustomerCall | None = None,
        **changes: Any,
    ) -> CustomerDecision:
        """Stripe's answer to the head, for the version that was committed before the send."""
        answer = CustomerAnswer(
            call_id=(call or self.head).id,
            result=result,
            version=self.record.version,
            made=made,
            client_secret=SECRET if made and made.startswith("seti") else None,
        )
        return self.tell(replace(answer, **changes), after)

    def read(self, *methods: SavedMethod, **changes: Any) -> CustomerDecision:
        """What a read that began with the newest record brings."""
        stripe_id = self.record.stripe_id
        assert stripe_id is not None
        seen = CustomerRead(stripe_id=stripe_id, version=self.record.version, methods=methods)
        return self.tell(replace(seen, **changes))

    def read_fails(self) -> CustomerDecision:
        return self.tell(CustomerReadFailed(reason="APIConnectionError"))

    def tick(self, after: timedelta | None = None) -> CustomerDecision:
        """The sweeper comes: when something is due, unless told otherwise."""
        if after is None:
            assert self.record.check_at is not None, "nothing is waited for"
            after = max(self.record.check_at - self.now, timedelta())
        return self.tell(CustomerTick(), after)

    def saved(self, *methods: SavedMethod) -> "CustomerStory":
        """The user has saved payment methods, and we have read of it."""
        self.tell(changed(event_id=f"evt_saved_{len(self.record.timeline)}"))
        self.read(*(methods or (CARD,)))
        return self

    def reach(self, status: CustomerStatus) -> "CustomerStory":
        """Get there the ordinary way."""
        self.tell(ensure())
        if status is CustomerStatus.CREATING:
            return self
        self.answer(made=CUS)
        if status is CustomerStatus.ABSENT:
            self.tell(marked("customer.deleted"))
            self.read(deleted=True)
        elif status is not CustomerStatus.ACTIVE:
            self.tell(erase())
            if status is CustomerStatus.ERASED:
                self.answer()
        assert self.record.status is status
        return self


def story(status: CustomerStatus) -> CustomerStory:
    return CustomerStory().reach(status)


def decided(customer: Customer | None, message: CustomerMessage, now: datetime) -> CustomerDecision:
    """Decide twice, for it must come out the same, and check what must hold of every decision."""
    kept = copy.deepcopy((customer, message))
    decision = decide(customer, message, now)
    assert decide(customer, message, now) == decision, "decided differently the second time"
    assert (customer, message) == kept, "an input was changed"
    check(customer, now, decision)
    return decision


def committed(before: Customer | None, decision: CustomerDecision) -> Customer | None:
    """What the store returns for a decision that nobody got in the way of."""
    after = decision.customer
    if after is None or before is None or not decision.write:
        return after
    return replace(after, version=before.version + 1)
