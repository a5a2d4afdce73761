"""What the coverage walk needs, in memory: where events are recorded, Stripe's list, and the queue."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from contracts.transport import Published, Stored
from tests.fake_customers import MemoryCustomerStore
from tests.fakes import MemoryStore
from worker.adapters.stripe_events import Page, PlaceGone
from worker.coverage import Home, Listed, Traces, home_without
from worker.errors import StripeUnavailable
from worker.jobs.coverage import Gap, Progress


class MemoryCoverage:
    """See jobs.coverage.CoverageStore: that of one mode. Passes the real one's conformance suite."""

    def __init__(self, payments: MemoryStore, customers: MemoryCustomerStore) -> None:
        self._payments = payments
        self._customers = customers
        self._turn: tuple[str, datetime] | None = None
        self._progress = Progress()
        self.held: dict[str, Gap] = {}

    async def homes(self, sought: Mapping[str, Traces]) -> dict[str, Home]:
        found = {name: self._home(name, traces) for name, traces in sought.items()}
        return {name: home for name, home in found.items() if home is not None}

    async def take_turn(self, owner: str, now: datetime, until: datetime) -> bool:
        if self._turn is not None and self._turn[0] != owner and self._turn[1] > now:
            return False
        self._turn = (owner, until)
        return True

    async def progress(self) -> Progress:
        return self._progress

    async def advance(self, progress: Progress) -> None:
        self._progress = progress

    async def note(self, gaps: Sequence[Gap]) -> set[str]:
        new = {gap.id: gap for gap in gaps if gap.id not in self.held}
        self.held |= new
        return set(new)

    async def gaps(self, limit: int) -> list[Gap]:
        return sorted(self.held.values(), key=lambda gap: gap.next_at)[:limit]

    async def postpone(self, gap: Gap) -> None:
        if gap.id in self.held:
            self.held[gap.id] = gap

    async def close(self, event_ids: Iterable[str]) -> None:
        for name in list(event_ids):
            self.held.pop(name, None)

    def _home(self, name: str, traces: Traces) -> Home | None:
        ours = False
        for payment in self._payments.payments.values():
            mine = payment.id == traces.payment_id or (traces.intent_id and payment.intent_id == traces.intent_id)
            archived = (payment.id, f"entry:{name}") in self._payments.archived
            if mine and (payment.entry(name) is not None or archived):
                return Home.PAYMENT
            ours |= traces.mean_payment(payment.id, payment.intent_id, payment.deployment)
        for customer in self._customers.customers.values():
            known = traces.stripe_customer_id and customer.stripe_id == traces.stripe_customer_id
            if (known or customer.id == traces.customer_id) and customer.entry(name) is not None:
                return Home.CUSTOMER
            ours |= traces.mean_customer(customer.id, customer.stripe_id)
        ignored = self._payments.ignored.get(name)
        return home_without(traces, ignored.reason if ignored else None, ours=ours)


class MemoryEvents:
    """Stripe's list of events, newest first, `size` to a page. `away` counts the requests that get no answer."""

    def __init__(self, size: int = 3) -> None:
        self.events: list[Listed] = []
        self.size = size
        self.away = 0
        self.asked: list[str] = []

    async def page(self, since: datetime, after: str | None) -> Page:
        self._answer(f"page after {after}")
        names = [event.id for event in self.events]
        if after is not None and after not in names:
            raise PlaceGone(after)
        begin = names.index(after) + 1 if after is not None else 0
        left = [event for event in self.events[begin:] if event.created >= since]
        return Page(tuple(left[: self.size]), len(left) > self.size)

    async def one(self, event_id: str) -> bytes | None:
        self._answer(event_id)
        return next((event.raw for event in self.events if event.id == event_id), None)

    def _answer(self, asked: str) -> None:
        self.asked.append(asked)
        if self.away:
            self.away -= 1
            raise StripeUnavailable("told to be away")


class MemoryQueue:
    """Keeps what is published; `full` refuses."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[Mapping[str, Any]] = []
        self.full = False

    async def publish(
        self, exchange: str, routing_key: str, body: bytes, *, kind: str, content_type: str, headers: Mapping[str, Any]
    ) -> Published:
        assert (exchange, routing_key, content_type) == ("stripe.events", kind, "application/json")
        if self.full:
            return Published(Stored.NO, "told to be full")
        self.bodies.append(body)
        self.headers.append(headers)
        return Published(Stored.YES)
