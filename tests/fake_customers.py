"""In-memory stand-ins for the customers' store, gateway and Stripe. Each passes the real one's conformance suite."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from contracts.replies import Reply
from tests.fake_stripe import KEYS_KEPT, Fault
from worker.adapters.budget import OF_CUSTOMER_CALL, Priority
from worker.domain.customers.limits import MAX_METHODS
from worker.domain.customers.messages import CustomerAnswer, CustomerChanged, CustomerRead, CustomerReadFailed
from worker.domain.customers.record import Customer, CustomerCall, CustomerOperation, SavedMethod
from worker.domain.facts import StripeProblem
from worker.domain.messages import Result
from worker.domain.record import Address
from worker.errors import StoreUnavailable
from worker.ports import Due, Refusal, SetupSecret

AROUND = timedelta(minutes=2)

UNEXECUTED = {
    Fault.LOST_BEFORE: (Result.UNKNOWN, "APIConnectionError"),
    Fault.UNAVAILABLE: (Result.UNKNOWN, "http_503"),
    Fault.TOO_MANY: (Result.NOT_EXECUTED, "http_429"),
    Fault.IN_USE: (Result.NOT_EXECUTED, "http_409"),
    Fault.UNAUTHORIZED: (Result.NOT_EXECUTED, "http_401"),
    Fault.HELD_BACK: (Result.HELD_BACK, "stripe_away"),
}


class MemoryCustomerStore:
    """Customers in a dict. Records are frozen, so what is handed out cannot be changed behind its back."""

    def __init__(self) -> None:
        self.customers: dict[str, Customer] = {}
        self.away = False

    async def by_id(self, customer_id: str) -> Customer | None:
        self._answer()
        return self.customers.get(customer_id)

    async def by_stripe_id(self, stripe_id: str) -> Customer | None:
        self._answer()
        return next((one for one in self.customers.values() if one.stripe_id == stripe_id), None)

    async def commit(self, before: Customer | None, after: Customer) -> Customer | None:
        self._answer()
        stored = self.customers.get(after.id)
        if (stored.version if stored else None) != (before.version if before else None):
            return None
        others = (one for one in self.customers.values() if one.id != after.id)
        if after.stripe_id and any(one.stripe_id == after.stripe_id for one in others):
            return None
        self.customers[after.id] = after if before is None else replace(after, version=before.version + 1)
        return self.customers[after.id]

    async def due(self, now: datetime, limit: int) -> list[Due]:
        self._answer()
        waiting = ((one.check_at, one.id) for one in self.customers.values())
        names = [name for moment, name in sorted((at, name) for at, name in waiting if at and at <= now)][:limit]
        heads = {name: self.customers[name].head for name in names}
        return [Due(name, OF_CUSTOMER_CALL[head.operation] if head else Priority.READ) for name, head in heads.items()]

    def _answer(self) -> None:
        if self.away:
            raise StoreUnavailable("told to be away")


class MemoryReplies:
    """Keeps what requesters are told, and refusals without a document."""

    def __init__(self) -> None:
        self.replies: list[tuple[Address, Reply]] = []
        self.refusals: dict[str, Refusal] = {}

    async def reply(self, address: Address, reply: Reply) -> None:
        self.replies.append((address, reply))

    async def record_refusal(self, refusal: Refusal) -> None:
        self.refusals.setdefault(refusal.message_id, refusal)


@dataclass
class HeldCustomer:
    """One customer as Stripe holds it; a deleted one is remembered as that."""

    id: str
    created: datetime
    metadata: dict[str, str]
    default: str | None = None
    methods: list[str] = field(default_factory=list)
    deleted: bool = False


@dataclass
class HeldSetup:
    """One SetupIntent."""

    id: str
    key: str
    customer: str
    usage: str
    metadata: dict[str, str]
    succeeded: bool = False

    @property
    def secret(self) -> str:
        return f"{self.id}_secret_1"


@dataclass(frozen=True, slots=True)
class Said:
    """What came back: the gateway's result with what it comes with."""

    result: Result
    made: str | None = None
    secret: str | None = None
    problem: StripeProblem | None = None
    replayed: bool = False


@dataclass(frozen=True)
class Kept:
    """The answer to a key's first use. `said` None means a 500."""

    terms: tuple[Any, ...]
    at: datetime
    said: Said | None


class FakeCustomerStripe:
    """One account. `news` is what is still to be sent of what happened; the customers are its ledger.

    `stolen` are methods that were detached for somebody else than their owner: Stripe would let that happen.
    """

    def __init__(self) -> None:
        self.customers: dict[str, HeldCustomer] = {}
        self.setups: dict[str, HeldSetup] = {}
        self.detached: set[str] = set()
        self.stolen: list[str] = []
        self.news: list[CustomerChanged] = []
        self._kept: dict[str, Kept] = {}
        self._count = 0

    def perform(self, call: CustomerCall, now: datetime, fault: Fault = Fault.NONE) -> Said:
        """Carry out one request under its key, with at most one fault. A delete has no key."""
        if fault in UNEXECUTED:
            result, code = UNEXECUTED[fault]
            return Said(result, problem=StripeProblem(code, fault.value))
        keyed = call.operation is not CustomerOperation.DELETE
        terms = (call.operation, call.target, repr(sorted(call.params.items())))
        kept = self._kept.get(call.key) if keyed else None
        if kept is not None and now - kept.at < KEYS_KEPT:
            said = _replay(kept, terms)
        elif fault is Fault.STORED:
            if keyed:
                self._kept[call.key] = Kept(terms, now, None)
            return Said(Result.UNKNOWN, problem=StripeProblem("http_500", fault.value))
        else:
            said = self._work(call, now)
            if keyed and said.result is Result.DONE:
                self._kept[call.key] = Kept(terms, now, None if fault is Fault.STORED_AFTER else said)
        if fault is Fault.LOST_AFTER:
            return Said(Result.UNKNOWN, problem=StripeProblem("APIConnectionError", fault.value))
        if fault is Fault.STORED_AFTER and kept is None:
            return Said(Result.UNKNOWN, problem=StripeProblem("http_500", fault.value))
        return said

    def find(self, customer: Customer, since: datetime, until: datetime) -> str | None:
        """The living customer with this user's mark among those created in a window, the newest first."""
        for held in reversed(self.living(customer.id, customer.deployment)):
            if since <= held.created <= until:
                return held.id
        return None

    def read(self, stripe_id: str) -> tuple[SavedMethod, ...] | None:
        """A customer's methods, the newest first, or None of one that is not."""
        held = self.customers.get(stripe_id)
        if held is None or held.deleted:
            return None
        newest = list(reversed(held.methods))[:MAX_METHODS]
        return tuple(
            SavedMethod(name, "card", "visa", "4242", exp_month=12, exp_year=2030, default=name == held.default)
            for name in newest
        )

    def living(self, customer_id: str, deployment: str) -> list[HeldCustomer]:
        """The ledger: the customers that bear a user's mark and are not deleted, the oldest first."""
        mark = (customer_id, deployment)
        held = (one for one in self.customers.values() if not one.deleted)
        return [one for one in held if (one.metadata.get("customer_id"), one.metadata.get("deployment")) == mark]

    def save(self, setup_id: str) -> str:
        """The user confirms a SetupIntent in the browser: its method is attached to the customer."""
        setup = self.setups[setup_id]
        setup.succeeded = True
        method = self.attach(setup.customer)
        self._tell("setup_intent.succeeded", setup.customer, setup.metadata)
        return method

    def attach(self, stripe_id: str) -> str:
        """A payment method is saved to a customer."""
        method = self._new("pm")
        self.customers[stripe_id].methods.append(method)
        self._tell("payment_method.attached", stripe_id)
        return method

    def remove(self, stripe_id: str, method: str) -> None:
        """Somebody detaches a payment method in the dashboard."""
        held = self.customers[stripe_id]
        held.methods.remove(method)
        held.default = None if held.default == method else held.default
        self.detached.add(method)
        self._tell("payment_method.detached", stripe_id)

    def delete(self, stripe_id: str) -> None:
        """A customer is deleted, by us or in the dashboard; its methods can never be used again."""
        held = self.customers[stripe_id]
        self.detached.update(held.methods)
        held.deleted, held.default, held.methods = True, None, []
        self._tell("customer.deleted", stripe_id, held.metadata)

    def _work(self, call: CustomerCall, now: datetime) -> Said:
        if call.target is not None and call.operation is not CustomerOperation.DETACH:
            held = self.customers.get(call.target)
            if held is None or held.deleted:
                field = "customer" if call.operation is CustomerOperation.SET_UP else "id"
                return _refused("resource_missing", "No such customer", field)
        match call.operation:
            case CustomerOperation.CREATE:
                return self._create(call, now)
            case CustomerOperation.SET_UP:
                return self._set_up(call)
            case CustomerOperation.SET_DEFAULT:
                return self._set_default(call)
            case CustomerOperation.DETACH:
                return self._detach(call)
            case CustomerOperation.DELETE:
                self.delete(call.target or "")
                return Said(Result.DONE)

    def _create(self, call: CustomerCall, now: datetime) -> Said:
        held = HeldCustomer(self._new("cus"), now, dict(call.params["metadata"]))
        self.customers[held.id] = held
        self._tell("customer.created", held.id, held.metadata)
        return Said(Result.DONE, held.id)

    def _set_up(self, call: CustomerCall) -> Said:
        params = call.params
        setup = HeldSetup(self._new("seti"), call.key, call.target or "", params["usage"], dict(params["metadata"]))
        self.setups[setup.id] = setup
        return Said(Result.DONE, setup.id, setup.secret)

    def _set_default(self, call: CustomerCall) -> Said:
        held = self.customers[call.target or ""]
        if call.method not in held.methods:
            return _refused("resource_missing", "No such PaymentMethod", "invoice_settings[default_payment_method]")
        held.default = call.method
        self._tell("customer.updated", held.id, held.metadata)
        return Said(Result.DONE)

    def _detach(self, call: CustomerCall) -> Said:
        owner = next((held for held in self.customers.values() if call.method in held.methods), None)
        if owner is not None:
            if owner.id != call.target:
                self.stolen.append(call.method)
            self.remove(owner.id, call.method)
            return Said(Result.DONE)
        if call.method in self.detached:
            return _refused("http_400", "It is not attached to a customer so detachment is impossible.")
        return _refused("resource_missing", "No such PaymentMethod", "payment_method")

    def _tell(self, what: str, stripe_id: str, metadata: dict[str, str] | None = None) -> None:
        mark = metadata.get("customer_id") if metadata else None
        self.news.append(
            CustomerChanged(message_id=self._new("evt"), event_type=what, stripe_id=stripe_id, customer_id=mark)
        )

    def _new(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}_{self._count}"


class FakeCustomerGateway:
    """See ports.CustomerGateway. `fault` is asked before each request what goes wrong with it."""

    def __init__(self, stripe: FakeCustomerStripe, clock: Callable[[], datetime], fault: Callable[[], Fault]) -> None:
        self._stripe = stripe
        self._clock = clock
        self._fault = fault

    async def send(self, call: CustomerCall, customer: Customer, chained: int) -> CustomerAnswer:
        said = self._stripe.perform(call, self._clock(), self._fault())
        return CustomerAnswer(
            call_id=call.id,
            result=said.result,
            version=customer.version,
            made=said.made,
            client_secret=said.secret,
            problem=said.problem,
            chained=chained,
            replayed=said.replayed,
            sent_at=call.sends[-1] if said.result is Result.HELD_BACK else None,
        )

    async def read(self, stripe_id: str, version: int) -> CustomerRead | CustomerReadFailed:
        fault = self._fault()
        if fault is not Fault.NONE:
            return CustomerReadFailed(reason=fault.value)
        methods = self._stripe.read(stripe_id)
        return CustomerRead(stripe_id=stripe_id, version=version, deleted=methods is None, methods=methods or ())

    async def find(self, call: CustomerCall, customer: Customer) -> CustomerAnswer:
        if self._fault() is not Fault.NONE:
            return CustomerAnswer(call_id=call.id, result=Result.UNKNOWN, version=customer.version)
        for moment in call.sends:
            found = self._stripe.find(customer, moment - AROUND, moment + AROUND)
            if found is not None:
                return CustomerAnswer(call_id=call.id, result=Result.DONE, version=customer.version, made=found)
        return CustomerAnswer(call_id=call.id, result=Result.NOT_FOUND, version=customer.version)

    async def secret(self, setup_intent: str) -> SetupSecret | CustomerReadFailed:
        setup = self._stripe.setups.get(setup_intent)
        if self._fault() is not Fault.NONE or setup is None:
            return CustomerReadFailed(reason="told to fail")
        return SetupSecret(None if setup.succeeded else setup.secret)


def _replay(kept: Kept, terms: tuple[Any, ...]) -> Said:
    if kept.terms != terms:
        problem = StripeProblem("idempotency_error", "Keys can only be used with the same parameters.")
        return Said(Result.KEY_MISUSED, problem=problem)
    if kept.said is None:
        return Said(Result.STORED_ERROR, problem=StripeProblem("http_500", "the stored answer"), replayed=True)
    return replace(kept.said, replayed=True)


def _refused(code: str, message: str, field: str | None = None) -> Said:
    return Said(Result.REFUSED, problem=StripeProblem(code, message, field))
