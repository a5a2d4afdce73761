"""What is done about late and strange money, held as data: a course per case. The worker's settings choose (POLICY_*)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from contracts.events import Case, Remedy

ANSWER_WITHIN = timedelta(days=3)
"""How long the order service has to answer a question: a weekend and a day."""


@dataclass(frozen=True, slots=True)
class Course:
    """A remedy; with `refund_below`, in minor units, it is a refund of smaller amounts only, and HOLD for the others."""

    remedy: Remedy
    refund_below: int | None = None

    def for_amount(self, captured: int) -> Remedy:
        """The remedy for a payment of this much money. What was not captured cannot be refunded: then a person looks."""
        if self.remedy is not Remedy.REFUND:
            return self.remedy
        small = self.refund_below is None or captured < self.refund_below
        return Remedy.REFUND if captured and small else Remedy.HOLD


COURSES: dict[Case, Course] = {
    Case.PAID_AFTER_CANCEL: Course(Remedy.ASK),
    Case.PAID_TWICE: Course(Remedy.ASK),
    Case.TERMS_DIFFER: Course(Remedy.HOLD),
    Case.REFUND_FAILED: Course(Remedy.HOLD),
    Case.FRAUD_WARNING: Course(Remedy.ASK),
    Case.REVIEW_OPENED: Course(Remedy.TELL),
}
"""The defaults move no money by themselves: somebody who knows the order decides."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A course for every case."""

    courses: Mapping[Case, Course] = field(default_factory=lambda: COURSES)
    answer_within: timedelta = ANSWER_WITHIN

    def of(self, case: Case, captured: int, now: datetime) -> tuple[Remedy, datetime | None]:
        """The remedy for a case, and until when an answer is waited for if it is a question."""
        remedy = self.courses[case].for_amount(captured)
        return remedy, now + self.answer_within if remedy is Remedy.ASK else None


DEFAULT = Policy()
