"""Every name on the broker, and the arguments that each is declared with. Declared from here and nowhere else.

A redeclaration with other arguments is refused by RabbitMQ (406), so all processes must use these very values
(docs/reliability.md, rule 7). Nothing here needs more than RabbitMQ 3.10 or is denied by 4.x.
"""

from dataclasses import dataclass, field
from typing import Any

COMMANDS = "payments.commands"
PRIVILEGED = "payments.privileged"
QUERIES = "payments.queries"
EVENTS = "payments.events"
STRIPE = "stripe.events"
RETRY = "payments.retry"
RETURN = "payments.return"
DEAD = "payments.dead"
PROBE = "payments.probe"

EXCHANGES = (COMMANDS, PRIVILEGED, QUERIES, EVENTS, STRIPE, RETRY, RETURN, DEAD, PROBE)
"""All topic, all durable. RETURN is where the delay tiers send what has waited: its keys name the queue to go back to.
Nothing is ever bound to PROBE: a publish to it is confirmed, comes back, and reaches nobody."""

COMMANDS_QUEUE = "payments.commands"
PRIVILEGED_QUEUE = "payments.privileged"
QUERIES_QUEUE = "payments.queries"
STRIPE_QUEUE = "stripe.events"
QUARANTINE_QUEUE = "payments.quarantine"
DEAD_LETTERS_QUEUE = "payments.dead-letters"

INBOUND_QUEUES = (COMMANDS_QUEUE, PRIVILEGED_QUEUE, STRIPE_QUEUE)
"""What a worker consumes and may send to a delay tier. Queries are not among them: a late answer helps nobody."""

DELIVERY_LIMIT = 100_000
"""Explicit, since 4.x drops after 20 without it and -1 exists only since 4.0; attempts are counted in our own header."""

QUARANTINE_DELIVERY_LIMIT = 3
"""Only here may the broker give up on a message: it is alone in flight, so it is the culprit."""

QUERY_TTL_MS = 10_000
"""A query's asker has gone by then."""


@dataclass(frozen=True)
class Tier:
    """One delay: a queue with one time to live, so that a message never waits behind a longer one."""

    name: str
    delay_ms: int

    @property
    def queue(self) -> str:
        return f"{RETRY}.{self.name}"

    def key(self, origin: str) -> str:
        """Publish to RETRY under this key and the message comes back to the queue `origin` after the delay."""
        return f"wait-{self.name}.{origin}"


TIERS = (
    Tier("5s", 5_000),
    Tier("30s", 30_000),
    Tier("2m", 120_000),
    Tier("10m", 600_000),
    Tier("1h", 3_600_000),
)
"""What could not be applied waits here: about 1 h 13 min in all, then it is a dead letter (docs/reliability.md, rule 12)."""


def quarantine_key(origin: str) -> str:
    """Publish to RETRY under this key and the message goes to the quarantine queue."""
    return f"quarantine.{origin}"


HEADER_ATTEMPT = "x-payments-attempt"
HEADER_ORIGIN = "x-payments-origin"
HEADER_FIRST_FAILED_AT = "x-payments-first-failed-at"
HEADER_ERROR_TYPE = "x-payments-error-type"
HEADER_ERROR_TEXT = "x-payments-error-text"
HEADER_REASON = "x-payments-reason"
HEADER_STRIPE_EVENT_ID = "x-stripe-event-id"
HEADER_RECEIVED_AT = "x-received-at"


@dataclass(frozen=True)
class Queue:
    """One durable queue: its arguments and what is bound to it, as (exchange, routing key) pairs."""

    name: str
    arguments: dict[str, Any]
    bindings: tuple[tuple[str, str], ...] = field(default=())


def _quorum(
    dead_letter_exchange: str | None = DEAD, delivery_limit: int = DELIVERY_LIMIT, **more: Any
) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "x-queue-type": "quorum",
        "x-delivery-limit": delivery_limit,
        "x-overflow": "reject-publish",
    }
    if dead_letter_exchange is not None:
        arguments |= {"x-dead-letter-exchange": dead_letter_exchange, "x-dead-letter-strategy": "at-least-once"}
    return arguments | more


def _inbound(name: str, exchange: str) -> Queue:
    returns = tuple((RETURN, tier.key(name)) for tier in TIERS)
    return Queue(name, _quorum(), ((exchange, "#"), *returns))


QUEUES = (
    _inbound(COMMANDS_QUEUE, COMMANDS),
    _inbound(PRIVILEGED_QUEUE, PRIVILEGED),
    _inbound(STRIPE_QUEUE, STRIPE),
    Queue(QUERIES_QUEUE, {"x-message-ttl": QUERY_TTL_MS}, ((QUERIES, "#"),)),
    *(
        Queue(tier.queue, _quorum(RETURN, **{"x-message-ttl": tier.delay_ms}), ((RETRY, f"wait-{tier.name}.#"),))
        for tier in TIERS
    ),
    Queue(QUARANTINE_QUEUE, _quorum(delivery_limit=QUARANTINE_DELIVERY_LIMIT), ((RETRY, "quarantine.#"),)),
    Queue(DEAD_LETTERS_QUEUE, _quorum(dead_letter_exchange=None), ((DEAD, "#"),)),
)


def subscription(name: str, *patterns: str) -> Queue:
    """Describe a subscriber's own queue for events, for example subscription("orders.payment-events", "payment.#")."""
    return Queue(name, _quorum(dead_letter_exchange=None), tuple((EVENTS, pattern) for pattern in patterns))
