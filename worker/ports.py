"""What the loops need from the outside. The real ones are in adapters/, the in-memory ones in tests/fakes.py and
tests/fake_customers.py; both pass the same conformance suite.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from contracts.replies import Reply
from worker.domain.archive import Surplus
from worker.domain.customers.messages import CustomerAnswer, CustomerRead, CustomerReadFailed
from worker.domain.customers.record import Customer, CustomerCall
from worker.domain.messages import Answer, IntentSeen, ReadFailed
from worker.domain.record import Address, Announced, Call, Payment

Clock = Callable[[], datetime]
"""Now, in UTC, no finer than the database keeps it."""


@dataclass(frozen=True, slots=True)
class Due:
    """A payment or customer whose moment has come. `rank` says what it is likely to ask Stripe for: lower goes first."""

    id: str
    rank: int


@dataclass(frozen=True, slots=True)
class Mark:
    """Events of one payment that the broker has confirmed."""

    payment_id: str
    order_id: str
    sequences: tuple[int, ...]


ANOTHER_DEPLOYMENTS = "another deployment's"
"""Why an event is ignored whose metadata names another deployment than ours, and whose payment or customer is not here."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose intent it is, by the metadata that our create put on it; all None for somebody else's."""

    payment_id: str | None = None
    order_id: str | None = None
    deployment: str | None = None

    @property
    def whole(self) -> bool:
        """Whether all of it is there: to a refund made in the dashboard anybody may have written a `payment_id`."""
        return None not in {self.payment_id, self.order_id, self.deployment}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A command that was refused and has no payment to be recorded on."""

    message_id: str
    kind: str
    code: str
    message: str
    at: datetime
    order_id: str | None = None
    payment_id: str | None = None
    body_hash: str = ""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A Stripe event that belongs to no payment of ours, and why. `intent_id`: the PaymentIntent that it is about, if any."""

    event_id: str
    type: str
    reason: str
    at: datetime
    intent_id: str | None = None


class Refusals(Protocol):
    """Where a refusal is kept that has no document of its own."""

    async def record_refusal(self, refusal: Refusal) -> None:
        """Keep it; harmless to repeat."""


class Store(Refusals, Protocol):
    """One document per payment. Raises StoreUnavailable when the database does not answer."""

    async def by_id(self, payment_id: str) -> Payment | None: ...

    async def by_order(self, order_id: str) -> list[Payment]:
        """All payments of an order, dead ones too, oldest first."""

    async def by_intent(self, intent_id: str) -> Payment | None: ...

    async def commit(self, before: Payment | None, after: Payment) -> Payment | None:
        """Write one step by compare-and-swap on the version; None when another writer was first.

        Returns the record as it is now stored, with its new version. `before` None inserts.
        """

    async def mark_sent(self, marks: Sequence[Mark]) -> None:
        """Note that these events are sent, without hiding a neighbour's unsent one."""

    async def unsent(self, before: datetime, limit: int) -> list[Payment]:
        """Payments whose oldest unsent event is older than `before`."""

    async def due(self, now: datetime, limit: int) -> list[Due]:
        """The payments whose `check_at` has come, the longest overdue first."""

    async def refusal(self, message_id: str) -> Refusal | None:
        """The refusal that was recorded for a command, if any: it is final, whatever has come since."""

    async def archive(self, payment: Payment, moved: Surplus) -> bool:
        """Move parts of a document to the archive, there first; False when another writer was first, and nothing is lost."""

    async def recall(self, payment: Payment, message_id: str) -> Payment:
        """The payment with what the archive knows of this message, if anything."""

    async def of_user(self, user_id: str, limit: int) -> list[str]:
        """Ids of a user's payments, any `limit` of them."""

    async def erase_archive(self, payment_id: str, tombstone: str) -> None:
        """Put the tombstone in place of the user in what is archived of a payment."""

    async def record_ignored(self, ignored: Ignored) -> None:
        """Keep a Stripe event that belongs to no payment; harmless to repeat."""


class Gateway(Protocol):
    """Stripe. Never raises for what Stripe or the network does: every outcome is a message."""

    async def send(self, call: Call, payment: Payment, chained: int) -> Answer:
        """Perform one call under its key with its exact parameters; `chained` is handed back with the answer."""

    async def read(self, intent_id: str, version: int, *, for_secret: bool = False) -> IntentSeen | ReadFailed:
        """Retrieve an intent, with its refunds and disputes if it has money; it counts only for the version loaded before.

        `for_secret` says that the sender of a create waits for what it is told: then it goes when creates go, not last.
        """

    async def find(self, call: Call, payment: Payment) -> Answer:
        """Look for the intent of a create around each of its sends, by matching metadata in Stripe's lists."""

    async def owner(self, intent_id: str) -> Owner | ReadFailed:
        """Whose an intent is, when the news that we have does not say."""


class Customers(Protocol):
    """The customers at Stripe, an aggregate of their own."""

    async def ensure(self, user_id: str, issued_at: datetime | None = None) -> str | None:
        """The id of a user's customer at Stripe, created if need be; None when it is not there yet.

        `issued_at` is when it was asked for: what was asked for before the user was erased gets none.
        """


class CustomerStore(Protocol):
    """One document per user. Raises StoreUnavailable when the database does not answer."""

    async def by_id(self, customer_id: str) -> Customer | None: ...

    async def by_stripe_id(self, stripe_id: str) -> Customer | None: ...

    async def commit(self, before: Customer | None, after: Customer) -> Customer | None:
        """Write one step by compare-and-swap on the version; None when another writer was first.

        Returns the record as it is now stored, with its new version. `before` None inserts.
        """

    async def due(self, now: datetime, limit: int) -> list[Due]:
        """The customers whose `check_at` has come, the longest overdue first."""


@dataclass(frozen=True, slots=True)
class SetupSecret:
    """A SetupIntent's client secret; None once there is nothing left for the user to confirm."""

    value: str | None = field(repr=False)


class CustomerGateway(Protocol):
    """Stripe. Never raises for what Stripe or the network does: every outcome is a value."""

    async def send(self, call: CustomerCall, customer: Customer, chained: int) -> CustomerAnswer:
        """Perform one call under its key with its exact parameters; `chained` is handed back with the answer."""

    async def read(self, stripe_id: str, version: int) -> CustomerRead | CustomerReadFailed:
        """Retrieve a customer and its payment methods, the newest first; it counts only for the version loaded before."""

    async def find(self, call: CustomerCall, customer: Customer) -> CustomerAnswer:
        """Look for the customer of a create around each of its sends, by matching metadata in Stripe's list."""

    async def secret(self, setup_intent: str) -> SetupSecret | CustomerReadFailed:
        """Read a SetupIntent again for its client secret."""


class Replies(Protocol):
    """Tells those who asked."""

    async def reply(self, address: Address, reply: Reply) -> None:
        """Answer a requester, best effort."""


class Outbox(Replies, Protocol):
    """Tells the world. Events are durable in the document: a publish that fails is repeated by the relay's sweep."""

    async def publish(self, payment: Payment, events: Sequence[Announced]) -> int:
        """Publish confirmed, and mark as sent what is confirmed; never raises for what the broker does.

        Returns how many went out now: what waits only for its mark is not sent again.
        """
