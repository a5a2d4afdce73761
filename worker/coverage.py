"""Where an event of Stripe's must be recorded, and what a walk through Stripe's list says: values, no I/O.

An event is accounted for when a timeline has it, when a rule says that it is nothing for us (a type without a rule, the other
mode, another deployment's), or when it is recorded as ignored. A record of ignoring, and a deployment's name in the metadata,
say what was so for one worker at one moment: they count for as long as our books have nothing that the event is about.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

HORIZON = timedelta(days=30)
"""How far Stripe's list of events reaches back (Stripe API reference, "List all events")."""

LATE_AFTER = timedelta(hours=1)
"""A younger one is on its way: Stripe repeats webhooks, and the walk puts back what is lost."""


DISCARDED = "discarded by"
"""How the reason of an event begins that a person has put aside: that counts, whatever the books say."""


def mode_of(*, livemode: bool) -> str:
    """Stripe's name for what a key sees: its list of events has those of one mode, and no place in it is one of the other's."""
    return "live" if livemode else "test"


class Home(StrEnum):
    """Where an event is accounted for."""

    PAYMENT = "payment"
    CUSTOMER = "customer"
    IGNORED = "ignored"
    BY_RULE = "by_rule"


@dataclass(frozen=True, slots=True)
class Traces:
    """Whose timeline an event would be in: by our ids or by Stripe's. `by_rule` says why it is nothing for us.

    With ids beside it that is another deployment's, the one that `deployment` names: unless our own books have it.
    """

    payment_id: str | None = None
    intent_id: str | None = None
    customer_id: str | None = None
    stripe_customer_id: str | None = None
    by_rule: str = ""
    deployment: str | None = None

    @property
    def settled(self) -> bool:
        """Whether the rule needs nobody's books."""
        ids = (self.payment_id, self.intent_id, self.customer_id, self.stripe_customer_id)
        return bool(self.by_rule) and not any(ids)

    def mean_payment(self, payment_id: str, intent_id: str | None, deployment: str) -> bool:
        """Whether adapters/inbound.py would take the event to this payment of ours.

        Two deployments may have a payment of one id, for it is made from the order's; Stripe's ids are unique.
        """
        if payment_id == self.payment_id and (not self.by_rule or deployment == self.deployment):
            return True
        by_intent = self.payment_id is None or bool(self.by_rule)
        return by_intent and self.intent_id is not None and intent_id == self.intent_id

    def mean_customer(self, customer_id: str, stripe_id: str | None) -> bool:
        """Whether adapters/inbound.py would take the event to this customer of ours."""
        if self.customer_id is not None:
            return customer_id == self.customer_id
        return self.stripe_customer_id is not None and stripe_id == self.stripe_customer_id


def home_without(traces: Traces, reason: str | None, *, ours: bool) -> Home | None:
    """Where an event is accounted for that no timeline has; None if it is missing.

    `reason` is why it is recorded as ignored, if it is; `ours` says that our books have what it is about.
    """
    if reason is not None and reason.startswith(DISCARDED):
        return Home.IGNORED
    if ours:
        return None
    if traces.by_rule:
        return Home.BY_RULE
    return None if reason is None else Home.IGNORED


@dataclass(frozen=True, slots=True)
class Listed:
    """One event of Stripe's list. `raw` is its JSON, which holds client secrets: it goes to the broker and nowhere else."""

    id: str
    type: str
    created: datetime
    traces: Traces = field(default_factory=Traces)
    raw: bytes = field(default=b"", repr=False, compare=False)


@dataclass
class Coverage:
    """What a walk has counted. Bounded: of what is missing it keeps the newest and the oldest alone."""

    now: datetime
    accounted: Counter[Home] = field(default_factory=Counter)
    missing: int = 0
    late: int = 0
    oldest: Listed | None = None
    shown: list[Listed] = field(default_factory=list)

    SHOWN = 100

    def count(self, events: Iterable[Listed], homes: Mapping[str, Home]) -> None:
        """Count events, newest first, by where they are."""
        for event in events:
            home = homes.get(event.id)
            if home is not None:
                self.accounted[home] += 1
                continue
            self.missing += 1
            self.late += event.created <= self.now - LATE_AFTER
            if self.oldest is None or event.created <= self.oldest.created:
                self.oldest = event
            if len(self.shown) < self.SHOWN:
                self.shown.append(event)

    @property
    def listed(self) -> int:
        return self.accounted.total() + self.missing

    @property
    def percent(self) -> str:
        """Accounted for, in hundredths of a percent rounded down: 100 only if nothing is missing."""
        if not self.missing:
            return "100 %"
        hundredths = self.accounted.total() * 10_000 // self.listed
        return f"{hundredths // 100}.{hundredths % 100:02} %"
