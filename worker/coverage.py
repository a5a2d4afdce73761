"""Where an event of Stripe's must be recorded, and what a walk through Stripe's list says: values, no I/O.

An event is accounted for when a timeline has it, when it is recorded as ignored, or when a rule that needs nobody's books
says that it is nothing for us (a type without a rule, the other mode, another deployment's).
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


class Home(StrEnum):
    """Where an event is accounted for."""

    PAYMENT = "payment"
    CUSTOMER = "customer"
    IGNORED = "ignored"
    BY_RULE = "by_rule"


@dataclass(frozen=True, slots=True)
class Traces:
    """Whose timeline an event would be in: by our ids or by Stripe's. `by_rule` says why it is nothing for us."""

    payment_id: str | None = None
    intent_id: str | None = None
    customer_id: str | None = None
    stripe_customer_id: str | None = None
    by_rule: str = ""


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
