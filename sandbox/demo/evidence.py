"""What everybody's books say when the dust has settled: the services', Stripe's, the database's, the broker's."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import aio_pika
from pymongo import AsyncMongoClient
from pymongo.uri_parser import parse_uri

from contracts import topology
from sandbox.demo.simulator import Simulator
from sandbox.services.notifications import TYPES as NOTIFIED
from sandbox.services.notifications import NotificationService
from sandbox.services.order import Order
from sandbox.services.orders import OrderService
from worker.adapters.verify_store import VerifyStore
from worker.verification import Result, verify

Json = dict[str, Any]

DATABASE = "payments"
DEAD_LETTERS = "dead_letters"
FIELDS = (
    *("order_id", "status", "amount", "captured", "refunded", "disputed"),
    *("events", "unsent_at", "check_at", "needs_review"),
)
WHERE_A_USER_MAY_BE_NAMED = ("payments", "archive", "customers", "refusals")
ORDERS_PER_QUERY = 500

AFTER_DRAIN_S = 10.0
"""The services have a queue to empty, no more."""

LOOKS = 2
FIRST_LOOK_S, LAST_LOOK_S = 0.3, 3.0
"""Between two looks at all books: a demo is short, a crowd's books are long."""

Drain = Callable[[], Awaitable[dict[str, int | None]]]


HOLDS_MONEY = frozenset({"needs_response", "under_review", "lost"})
"""What Stripe calls a dispute that has the money: an inquiry takes none, and one that was won has given it back."""

SHOWN_AS = {"partially_refunded": "succeeded", "refunded": "succeeded"}
"""What others read, and what is stored: the totals make the difference."""


TOTALS = ("captured", "refunded", "disputed")


@dataclass(frozen=True)
class Totals:
    """Minor units that were taken, given back, and are held or lost by disputes."""

    captured: int = 0
    refunded: int = 0
    disputed: int = 0


def totals_of(order: Order) -> Totals:
    """What the order service has heard, over all payments of the order."""
    payments = order.payments.values()
    return Totals(*(sum(getattr(payment, name) for payment in payments) for name in TOTALS))


@dataclass(frozen=True)
class Expected:
    """How an order must end. `at_orders` is None where faults may change which events there are.

    `kept`: how many of its intents may end with money in them.
    `foreign`: Stripe events that must be ignored, with a word of the reason. `forgotten`: user ids that nobody may know.
    """

    status: str
    totals: Totals = field(default_factory=Totals)
    at_orders: Counter[str] | None = None
    payments: int = 1
    kept: int = 1
    foreign: dict[str, str] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)

    @property
    def holding(self) -> int:
        """How many of its intents may end with money."""
        return 0 if self.status == "canceled" else self.kept

    @property
    def at_notifications(self) -> Counter[str] | None:
        """Of the same events, those that the notification service listens to."""
        if self.at_orders is None:
            return None
        return Counter({kind: count for kind, count in self.at_orders.items() if kind in NOTIFIED})


@dataclass(frozen=True)
class Evidence:
    """The books of our orders alone. `troubles` tells, by order id, which stories did not go as they are written.

    `differing`: by payment id, what is not as its recorded steps make it.
    `ignored`: by event id, why the worker left a Stripe event alone. `named`: by user id, where it is still to be read.
    """

    expected: dict[str, Expected]
    orders: dict[str, Order]
    notified: frozenset[str] = frozenset()
    ledger: Sequence[Json] = ()
    payments: Sequence[Json] = ()
    queues: dict[str, int] = field(default_factory=dict)
    dead_letters: int = 0
    pending_webhooks: int = 0
    exits: dict[str, int | None] = field(default_factory=dict)
    ignored: dict[str, str] = field(default_factory=dict)
    named: dict[str, list[str]] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)
    differing: dict[str, str] = field(default_factory=dict)

    @property
    def announced(self) -> dict[str, str]:
        """What the database says was announced: event id to type."""
        return {
            f"{payment['_id']}.{event['sequence']}": event["type"]
            for payment in self.payments
            for event in payment["events"]
        }

    def charged(self, order_id: str) -> Totals:
        """What Stripe has really taken and given back."""
        entries = self.ledger_of(order_id)
        disputes = [dispute for entry in entries for dispute in entry["disputes"]]
        return Totals(
            captured=sum(entry["captured"] for entry in entries),
            refunded=sum(entry["refunded"] for entry in entries),
            disputed=sum(dispute["amount"] for dispute in disputes if dispute["status"] in HOLDS_MONEY),
        )

    def stored(self, order_id: str) -> Totals:
        """What the database says of it."""
        payments = self.payments_of(order_id)
        return Totals(*(sum(payment.get(name, 0) for payment in payments) for name in TOTALS))

    def known(self, order_id: str) -> Totals:
        """What the order service has heard of it."""
        return totals_of(self.orders[order_id])

    def ledger_of(self, order_id: str) -> list[Json]:
        return self._entries.get(order_id, [])

    def payments_of(self, order_id: str) -> list[Json]:
        return self._documents.get(order_id, [])

    @cached_property
    def _entries(self) -> dict[str, list[Json]]:
        """By order id: a crowd's books are long, and are looked up again and again."""
        found: dict[str, list[Json]] = {}
        for entry in self.ledger:
            found.setdefault(entry["metadata"].get("order_id"), []).append(entry)
        return found

    @cached_property
    def _documents(self) -> dict[str, list[Json]]:
        found: dict[str, list[Json]] = {}
        for payment in self.payments:
            found.setdefault(payment["order_id"], []).append(payment)
        return found

    def heard(self, order_id: str) -> Counter[str]:
        """The events that the order service has of an order."""
        return Counter(event.TYPE for _, event in self.orders[order_id].events)

    def mailed(self, order_id: str) -> Counter[str]:
        """The events that the notification service has of an order."""
        return Counter(
            event["type"]
            for payment in self.payments_of(order_id)
            for event in payment["events"]
            if f"{payment['_id']}.{event['sequence']}" in self.notified
        )


class Books:
    """Where the evidence comes from: `async with` it from before the first payment to the end."""

    def __init__(
        self,
        rabbitmq_url: str,
        mongo_uri: str,
        simulator: Simulator,
        orders: OrderService,
        notifications: NotificationService,
    ) -> None:
        self._rabbitmq_url = rabbitmq_url
        self._client = AsyncMongoClient[Json](mongo_uri, tz_aware=True)
        self._database = self._client[parse_uri(mongo_uri)["database"] or DATABASE]
        self._simulator = simulator
        self._orders = orders
        self._notifications = notifications
        self._dead_before = 0

    async def __aenter__(self) -> Self:
        """Note what was there before us: a broker or a database that was given may have a past."""
        self._dead_before = await self._database[DEAD_LETTERS].count_documents({})
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def conclude(
        self, expected: dict[str, Expected], within_s: float, report: Callable[[str], None], drain: Drain
    ) -> Evidence:
        """Wait until all is quiet, end worker and ingress, and give the books as they are then.

        Only after a drain they are final: the broker does not tell how many messages a worker has in its hands.
        """
        await self.settle(expected, within_s, report)
        exits = await drain()
        found = await self.settle(expected, AFTER_DRAIN_S, report)
        return replace(found, exits=exits, differing=await self._differing(expected))

    async def settle(self, expected: dict[str, Expected], within_s: float, report: Callable[[str], None]) -> Evidence:
        """Wait until nothing is on its way in two looks in a row, or the time is up; the books as they are then."""
        deadline = time.monotonic() + within_s
        wait_s = FIRST_LOOK_S
        quiet = 0
        while True:
            found = await self.collect(expected)
            open_ends = unsettled(found)
            quiet = 0 if open_ends else quiet + 1
            if quiet == LOOKS or time.monotonic() > deadline:
                return found
            report("; ".join(open_ends))
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 1.5, LAST_LOOK_S) if open_ends else FIRST_LOOK_S

    async def collect(self, expected: dict[str, Expected]) -> Evidence:
        return Evidence(
            expected=expected,
            orders={order_id: self._orders.orders[order_id] for order_id in expected},
            notified=frozenset(self._notifications.inbox.seen),
            ledger=await self._simulator.ledger(),
            payments=await self._payments(list(expected)),
            queues=await queue_depths(self._rabbitmq_url),
            dead_letters=await self._database[DEAD_LETTERS].count_documents({}) - self._dead_before,
            pending_webhooks=await self._simulator.pending(),
            ignored=await self._ignored([event_id for each in expected.values() for event_id in each.foreign]),
            named={user: await self._naming(user) for each in expected.values() for user in each.forgotten},
        )

    async def _payments(self, order_ids: list[str]) -> list[Json]:
        found: list[Json] = []
        for start in range(0, len(order_ids), ORDERS_PER_QUERY):
            chosen = {"order_id": {"$in": order_ids[start : start + ORDERS_PER_QUERY]}}
            found += await self._database["payments"].find(chosen, dict.fromkeys(FIELDS, 1)).to_list()
        return found

    async def _differing(self, order_ids: Iterable[str]) -> dict[str, str]:
        """Payments that differ from what their recorded steps make, and in which fields; or why that cannot be said."""
        store, found = VerifyStore(self._database), {}
        for order_id in order_ids:
            for verified in map(verify, await store.of(order_id)):
                if verified.result is not Result.EQUAL:
                    fields = ", ".join(difference.field for difference in verified.differences)
                    found[verified.payment_id] = fields or verified.why
        return found

    async def _ignored(self, event_ids: list[str]) -> dict[str, str]:
        found = self._database["stripe_events"].find({"_id": {"$in": event_ids}})
        return {event["_id"]: event["reason"] async for event in found}

    async def _naming(self, user: str) -> list[str]:
        """Every document and every order in which this user id is still to be read."""
        places = [f"order {order.order_id}" for order in self._orders.orders.values() if user in repr(order)]
        for collection in WHERE_A_USER_MAY_BE_NAMED:
            documents = await self._database[collection].find().to_list()
            places += [f"{collection} {document['_id']}" for document in documents if user in repr(document)]
        return places


def unsettled(found: Evidence) -> list[str]:
    """What is still on its way, in words; empty when all is quiet."""
    announced = found.announced
    heard = {event_id for order in found.orders.values() for event_id, _ in order.events}
    owed = [event_id for event_id, kind in announced.items() if kind in NOTIFIED]
    counts = {
        "orders without a payment": sum(not found.payments_of(order_id) for order_id in found.expected),
        "webhooks on their way": found.pending_webhooks,
        "messages in queues": sum(found.queues.values()),
        "payments with something open": sum("check_at" in payment for payment in found.payments),
        "payments with unsent events": sum("unsent_at" in payment for payment in found.payments),
        "foreign events not looked at": sum(len(each.foreign) for each in found.expected.values()) - len(found.ignored),
        "events not heard by the order service": len(announced.keys() - heard),
        "events not heard by the notification service": len(set(owed) - found.notified),
    }
    return [f"{count} {what}" for what, count in counts.items() if count]


async def queue_depths(rabbitmq_url: str) -> dict[str, int]:
    """Messages that wait in each of payments' queues."""
    connection = await aio_pika.connect(rabbitmq_url, timeout=10)
    async with connection:
        channel = await connection.channel()
        depths = {}
        for queue in topology.QUEUES:
            declared = await channel.declare_queue(queue.name, passive=True)
            depths[queue.name] = declared.declaration_result.message_count or 0
        return depths
