"""What a replay would do, found out by doing it without consequences.

The worker's own loop runs over the real payments; what it would write stays in memory, and where it would ask Stripe it ends.
So a rehearsal cannot drift from what a worker does, and it touches nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NoReturn, TypeVar, cast

from aio_pika.abc import AbstractIncomingMessage
from pymongo.asynchronous.database import AsyncDatabase

from contracts import topology
from contracts.errors import InvalidMessage
from contracts.replies import Reply
from worker.adapters.customer_store import MongoCustomerStore
from worker.adapters.documents import Document
from worker.adapters.inbound import Inbound
from worker.adapters.letters import livemode
from worker.adapters.store import MongoStore
from worker.customers import CustomerHandler
from worker.dead_letter import DeadLetter
from worker.domain.archive import Surplus
from worker.domain.customers.record import Customer, CustomerCall
from worker.domain.policy import Policy
from worker.domain.record import Address, Announced, Call, Payment, Status
from worker.erasure import Erasure
from worker.errors import StoreUnavailable
from worker.handler import Handler
from worker.ports import Clock, Due, Ignored, Mark, Refusal

NOT_REPLAYED = "not replayed"
BACK_AGAIN = "back again"
"""The cause is still there: the letter would return to the desk."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """The transition that a replay would make. `about` is the payment or customer; `asks` what Stripe would be asked first."""

    letter_id: str
    kind: str
    outcome: str
    why: str
    about: str = ""
    from_status: str = ""
    to_status: str = ""
    asks: str = ""


class Rehearsal:
    """Rehearses letters one by one, each on what is stored now. `policy` and `deployment` must be the workers'."""

    def __init__(self, database: AsyncDatabase[Document], clock: Clock, *, deployment: str, policy: Policy) -> None:
        self._database = database
        self._clock = clock
        self._deployment = deployment
        self._policy = policy

    async def of(self, letter: DeadLetter) -> Rehearsed:
        """What would become of a letter. Raises StoreUnavailable."""
        if letter.unreplayable:
            return Rehearsed(letter.id, letter.kind, NOT_REPLAYED, letter.unreplayable)
        steps = Steps()
        message = _Delivery(letter.body.encode(), {topology.HEADER_ORIGIN: letter.origin})
        try:
            story = await self._inbound(letter, steps).by_origin(cast("AbstractIncomingMessage", message))
        except InvalidMessage as error:
            return Rehearsed(letter.id, letter.kind, BACK_AGAIN, f"invalid: {error}")
        except Asked as asked:
            return steps.rehearsed(letter, str(asked))
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever crashes a handler is why the letter would come back
            return Rehearsed(letter.id, letter.kind, BACK_AGAIN, f"{type(error).__name__}: {error}")
        return Rehearsed(
            letter.id,
            letter.kind,
            str(story.outcome),
            story.why,
            story.payment_id or getattr(story, "customer_id", None) or "",
            str(story.from_status),
            str(story.to_status),
        )

    def _inbound(self, letter: DeadLetter, steps: "Steps") -> Inbound:
        store, gateway, outbox = ReadOnlyStore(MongoStore(self._database), steps), NoStripe(), NoOutbox()
        saved = ReadOnlyCustomers(MongoCustomerStore(self._database), steps)
        customers = CustomerHandler(saved, gateway, outbox, store, self._clock, deployment=self._deployment)
        handler = Handler(store, gateway, outbox, customers, self._clock, policy=self._policy)
        return Inbound(
            handler=handler,
            customers=customers,
            erasure=Erasure(store, handler, customers, outbox),
            store=store,
            gateway=gateway,
            outbox=outbox,
            clock=self._clock,
            deployment=self._deployment,
            livemode=livemode(letter),
        )


@dataclass(frozen=True, slots=True)
class _Delivery:
    """The parts of a delivery that are read on its way to a handler."""

    body: bytes
    headers: Mapping[str, Any]
    reply_to: str | None = None
    correlation_id: str | None = None


class Asked(Exception):
    """Stripe would be asked now; what follows depends on its answer."""


Record = TypeVar("Record", Payment, Customer)


@dataclass
class Steps:
    """What would be written: pairs of what was and what would be."""

    taken: list[tuple[Payment | Customer | None, Payment | Customer]] = field(default_factory=list)

    def take(self, before: Record | None, after: Record) -> Record:
        """Note a commit instead of writing it; returns the record as it would be stored."""
        self.taken.append((before, after))
        return replace(after, version=before.version + 1) if before else after

    def rehearsed(self, letter: DeadLetter, asks: str) -> Rehearsed:
        """The way up to where Stripe is asked."""
        if not self.taken:
            return Rehearsed(letter.id, letter.kind, "applied", "its answer decides", asks=asks)
        before, after = self.taken[0][0], self.taken[-1][1]
        told = after.timeline[len(before.timeline) if before else 0 :]
        why = told[-1].why if told else "its answer decides"
        from_status = before.status if before else Status.NEW
        return Rehearsed(letter.id, letter.kind, "applied", why, after.id, str(from_status), str(after.status), asks)


class ReadOnlyStore:
    """See ports.Store. Reads what is stored, and writes nothing."""

    def __init__(self, inner: MongoStore, steps: Steps) -> None:
        self._inner = inner
        self._steps = steps

    async def by_id(self, payment_id: str) -> Payment | None:
        return await self._inner.by_id(payment_id)

    async def by_order(self, order_id: str) -> list[Payment]:
        return await self._inner.by_order(order_id)

    async def by_intent(self, intent_id: str) -> Payment | None:
        return await self._inner.by_intent(intent_id)

    async def commit(self, before: Payment | None, after: Payment) -> Payment | None:
        return self._steps.take(before, after)

    async def mark_sent(self, marks: Sequence[Mark]) -> None:
        pass

    async def unsent(self, before: datetime, limit: int) -> list[Payment]:
        return await self._inner.unsent(before, limit)

    async def due(self, now: datetime, limit: int) -> list[Due]:
        return await self._inner.due(now, limit)

    async def record_refusal(self, refusal: Refusal) -> None:
        pass

    async def refusal(self, message_id: str) -> Refusal | None:
        return await self._inner.refusal(message_id)

    async def archive(self, payment: Payment, moved: Surplus) -> bool:
        del payment, moved
        return True

    async def recall(self, payment: Payment, message_id: str) -> Payment:
        return await self._inner.recall(payment, message_id)

    async def of_user(self, user_id: str, limit: int) -> list[str]:
        return await self._inner.of_user(user_id, limit)

    async def erase_archive(self, payment_id: str, tombstone: str) -> None:
        pass

    async def record_ignored(self, ignored: Ignored) -> None:
        pass


class ReadOnlyCustomers:
    """See ports.CustomerStore."""

    def __init__(self, inner: MongoCustomerStore, steps: Steps) -> None:
        self._inner = inner
        self._steps = steps

    async def by_id(self, customer_id: str) -> Customer | None:
        return await self._inner.by_id(customer_id)

    async def by_stripe_id(self, stripe_id: str) -> Customer | None:
        return await self._inner.by_stripe_id(stripe_id)

    async def commit(self, before: Customer | None, after: Customer) -> Customer | None:
        return self._steps.take(before, after)

    async def due(self, now: datetime, limit: int) -> list[Due]:
        return await self._inner.due(now, limit)


class NoStripe:
    """See ports.Gateway and ports.CustomerGateway. Where Stripe is asked, the rehearsal ends."""

    async def send(self, call: Call | CustomerCall, record: Payment | Customer, chained: int) -> NoReturn:
        del record, chained
        raise Asked(f"{call.operation} under {call.key}, send {len(call.sends)}")

    async def read(self, stripe_id: str, version: int, *, for_secret: bool = False) -> NoReturn:
        del version, for_secret
        raise Asked(f"how {stripe_id} is now")

    async def find(self, call: Call | CustomerCall, record: Payment | Customer) -> NoReturn:
        made = "intent" if isinstance(record, Payment) else "customer"
        raise Asked(f"whether {call.key} had made its {made}")

    async def owner(self, intent_id: str) -> NoReturn:
        raise Asked(f"whose {intent_id} is")

    async def secret(self, setup_intent: str) -> NoReturn:
        raise Asked(f"how {setup_intent} is now")


class NoOutbox:
    """See ports.Outbox. Nobody is told."""

    async def publish(self, payment: Payment, events: Sequence[Announced]) -> int:
        del payment
        return len(events)

    async def reply(self, address: Address, reply: Reply) -> None:
        pass
