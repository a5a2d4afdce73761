"""Everything the simulator knows: the tables, the clock, and who is asking right now.

Handlers are plain functions of the world and the request; they run to their end without awaiting, so each request is atomic.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.stripe.cards import Card, RefundFate
from sandbox.stripe.clock import Clock
from sandbox.stripe.errors import Json
from sandbox.stripe.ids import Ids
from sandbox.stripe.tables import Table
from sandbox.stripe.terms import Terms

# What the Stripe SDK 16.1 pins (`stripe.api_version`).
API_VERSION = "2026-10-28.endive"

EVENT_RETENTION_S = 30 * 24 * 3600  # "List events, going back up to 30 days"
MAX_EVENTS = 100_000  # about 300 MB; at 5 events a payment this is 20,000 payments
EVENT_PRUNE_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Settings:
    """How the simulated account behaves in time. All delays are on the simulator's clock."""

    processing_delay_s: float = (
        3.0  # how long a debit stays `processing`; days at a bank, minutes in Stripe's test mode
    )
    refund_delay_s: float = 3.0  # when a pending refund succeeds, or one that fails later fails
    balance_delay_s: float = 1.0  # automatic_async: the balance transaction follows the confirmation
    dispute_delay_s: float = 0.5  # "a dispute is immediately created": test mode takes half a second
    evidence_delay_s: float = 3.0  # how long a bank thinks about test evidence; about five seconds in test mode
    authorization_s: float = 7 * 24 * 3600  # "7 days by default" for online card payments


@dataclass(frozen=True, slots=True)
class Asking:
    """The request being executed, as events and links need it."""

    request_id: str | None = None
    idempotency_key: str | None = None
    publishable: bool = False
    address: str = "http://127.0.0.1"
    api_version: str | None = None  # as the request named it


@dataclass(slots=True)
class Backstage:
    """What Stripe knows of a PaymentIntent or a SetupIntent and does not show."""

    return_url: str | None = None
    # The payment method for which 3-D Secure succeeded; the next attempt with it is not challenged.
    authenticated: str | None = None
    # Distinguishes attempts: a late timer or an old 3-D Secure page must not settle a newer attempt.
    attempt: int = 0
    use_stripe_sdk: bool = False
    parts: int = 0  # captures so far


class World:
    """One simulated Stripe account."""

    def __init__(
        self, *, seed: int | None = None, clock: Clock | None = None, settings: Settings | None = None
    ) -> None:
        self.clock = clock or Clock()
        self.ids = Ids(seed)
        self.settings = settings or Settings()
        self.terms = Terms()
        self.account_id = self.ids.new("acct", 16)
        self.customers = Table("customer", "/v1/customers")
        self.payment_methods = Table("PaymentMethod", "/v1/payment_methods", ("customer",))
        self.payment_intents = Table("payment_intent", "/v1/payment_intents", ("customer",))
        self.setup_intents = Table("setupintent", "/v1/setup_intents", ("customer", "payment_method"))
        self.charges = Table("charge", "/v1/charges", ("payment_intent", "customer"))
        self.refunds = Table("refund", "/v1/refunds", ("charge", "payment_intent"))
        self.disputes = Table("dispute", "/v1/disputes", ("charge", "payment_intent"))
        self.early_fraud_warnings = Table(
            "early fraud warning", "/v1/radar/early_fraud_warnings", ("charge", "payment_intent")
        )
        self.reviews = Table("review", "/v1/reviews")
        self.balance_transactions = Table("balance transaction", "/v1/balance_transactions", ("source",))
        self.events = Table("event", "/v1/events")
        self.webhook_endpoints = Table("webhook endpoint", "/v1/webhook_endpoints")
        self.cards: dict[str, Card] = {}
        self.consumed: set[str] = set()
        # Per charge: what becomes of its refunds, and why they fail, where the control API has said so.
        self.refund_fates: dict[str, tuple[RefundFate, str]] = {}
        self.set_up: set[str] = set()
        self.backstage: dict[str, Backstage] = {}
        self.secrets: dict[str, list[str]] = {}
        self.asking = Asking()
        self.on_event: Callable[[Json], None] = lambda _event: None

    def emit(
        self, kind: str, subject: Json, *, before: Json | None = None, previous: Json | None = None, **envelope: Any
    ) -> Json:
        """Record an event about the object as it is now, and hand it to the webhooks.

        `previous` are its previous_attributes where they do not follow from the object before; `envelope` overwrites the rest.
        """
        content: Json = {"object": subject}
        if before is not None:
            previous = difference(before, subject)
        if previous is not None:
            content["previous_attributes"] = previous
        event: Json = {
            "id": self.ids.new("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.clock.seconds(),
            "data": content,
            "livemode": False,
            "pending_webhooks": 0,
            "request": {"id": self.asking.request_id, "idempotency_key": self.asking.idempotency_key},
            "type": kind,
            **envelope,
        }
        self.events.put(event)
        self._prune_events()
        self.on_event(event)
        return event

    def later(self, delay_s: float, act: Callable[[], None]) -> None:
        """Run on the clock, as nobody's request."""

        def run() -> None:
            self.nobody_asks()
            act()

        self.clock.call_later(delay_s, run)

    def nobody_asks(self) -> None:
        """What follows happens by itself: its events name no request."""
        self.asking = Asking(address=self.asking.address)

    def table(self, object_id: str) -> Table | None:
        """Where an id lives, by its prefix."""
        return {
            "cus": self.customers,
            "pm": self.payment_methods,
            "seti": self.setup_intents,
            "pi": self.payment_intents,
            "ch": self.charges,
            "re": self.refunds,
            "du": self.disputes,
            "issfr": self.early_fraud_warnings,
            "prv": self.reviews,
            "txn": self.balance_transactions,
            "evt": self.events,
            "we": self.webhook_endpoints,
        }.get(object_id.partition("_")[0])

    def current(self, row: Json) -> Json:
        """The object as of now: a balance transaction becomes available without anybody touching it."""
        if row["object"] == "balance_transaction" and row["status"] == "pending":
            return {**row, "status": "available"} if row["available_on"] <= self.clock.seconds() else row
        return row

    def _prune_events(self) -> None:
        horizon = self.clock.seconds() - EVENT_RETENTION_S
        expired = self.events.count_while(lambda event: event["created"] < horizon)
        if expired:
            self.events.drop_oldest(expired)
        if len(self.events) > MAX_EVENTS:
            self.events.drop_oldest(EVENT_PRUNE_CHUNK)


def difference(before: Json, after: Json) -> Json:
    """The old values of what changed; inside a hash only its changed keys, new ones as null."""
    changed: Json = {}
    for name, new in after.items():
        old = before.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            changed[name] = {key: old.get(key) for key in {**old, **new} if old.get(key) != new.get(key)}
        else:
            changed[name] = old
    return changed
