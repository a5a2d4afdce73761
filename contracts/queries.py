"""What other services may ask about payments, and the answers. A query changes nothing, so it may be repeated at will.

Every query may name its `viewer`: the user whom the answer must belong to. Another user's payment is then answered as
not found, exactly like one that does not exist. Without a viewer everything is shown: that is for operators.
Answers come from the database as it is now; statistics are as fresh as `as_of` says.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Generic, Self, TypeVar

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from contracts.envelope import Envelope
from contracts.messages import Announcement, CurrencyCode, Identifier, Moment, PaymentId, Request, UserId
from contracts.replies import Refusal, Verdict
from contracts.views import Amount, Attempt, CustomerView, DisputeView, PaymentStatus, PaymentView, RefundView

PAGE = 20
PAGE_MAX = 100
"""With more, an answer could outgrow what a reader takes (envelope.MAX_BODY_BYTES)."""

Limit = Annotated[int, Field(strict=True, ge=1, le=PAGE_MAX)]
Cursor = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9_-]+$")]
"""Opaque: `next_cursor` of the page before."""

IntentId = Annotated[str, StringConstraints(max_length=128, pattern=r"^pi_[A-Za-z0-9_]+$")]
ZoneName = Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$")]


class QueryRefusalCode(StrEnum):
    """Why there is no answer. Stable: callers may branch on these."""

    NOT_FOUND = "not_found"
    INVALID = "invalid"
    UNAVAILABLE = "unavailable"


class QueryRefusal(Announcement):
    """There is no answer: nothing is known, or not to this viewer; the query breaks a rule; or the database is away.

    `field` is the dotted path of the field at fault, when one is; `message` is one sentence for people.
    """

    TYPE: ClassVar[str] = "query.refused"
    VERSION: ClassVar[int] = 1

    code: QueryRefusalCode
    message: str
    field: str | None = None


class CommandOutcome(Announcement):
    """What became of a command: `pending` while it is worked on, else what its reply said."""

    command_id: str
    kind: str
    verdict: Verdict
    refusal: Refusal | None = None
    at: Moment


class PaymentDetails(Announcement):
    """One payment with all that happened to its money.

    `command` is there when the query named a command that is known. A refused command can be known where there is no
    payment: then `payment` is absent and `command` is there.
    """

    TYPE: ClassVar[str] = "payment.details"
    VERSION: ClassVar[int] = 1

    payment: PaymentView | None = None
    attempts: tuple[Attempt, ...] = ()
    refunds: tuple[RefundView, ...] = ()
    disputes: tuple[DisputeView, ...] = ()
    command: CommandOutcome | None = None


class OrderPayments(Announcement):
    """All payments of an order, the oldest first, and what became of a command that the query named."""

    TYPE: ClassVar[str] = "order.payments"
    VERSION: ClassVar[int] = 1

    order_id: str
    payments: tuple[PaymentView, ...] = ()
    command: CommandOutcome | None = None


class PaymentPage(Announcement):
    """Payments, the newest first. More exist exactly when `next_cursor` is there; until then a page may hold few or none."""

    TYPE: ClassVar[str] = "payment.page"
    VERSION: ClassVar[int] = 1

    items: tuple[PaymentView, ...] = ()
    next_cursor: str | None = None


class TimelineEntry(Announcement):
    """One message that the payment handled: a command, a webhook, or a call of our own that was answered."""

    at: Moment
    message_id: str
    kind: str
    outcome: str
    from_status: str
    to_status: str
    why: str | None = None
    verdict: Verdict | None = None
    refusal: Refusal | None = None
    requested_by: str | None = None
    note: str | None = None


class PendingCall(Announcement):
    """What is still to be asked of Stripe, or asked and not answered."""

    command_id: str
    operation: str
    issued_at: Moment
    sends: int


class TimelinePage(Announcement):
    """A payment's story, the oldest first. `pending` is what is not in the story yet."""

    TYPE: ClassVar[str] = "payment.timeline"
    VERSION: ClassVar[int] = 1

    payment_id: str
    entries: tuple[TimelineEntry, ...] = ()
    pending: tuple[PendingCall, ...] = ()
    next_cursor: str | None = None


class Durations(Announcement):
    """How long it took, in milliseconds. A percentile is off by at most 1/64 (1.6 %), because durations are kept in classes."""

    count: int
    median_ms: int | None = None
    p95_ms: int | None = None


class Figures(Announcement):
    """A period in one currency.

    By the time of creation, of the payments opened in the period and as they stand now: `created`, `asked`, `statuses`,
    `succeeded`, `ended`, both rates, `declines`, `time_to_success`. By the time that money moved, of whatever payment:
    `captured`, `refunded`, `disputed` with their counts. A refund that fails after it had succeeded counts against
    `refunded` when it fails, a dispute that is won against `disputed` when it is won, so both can be negative.
    """

    created: int = 0
    asked: Amount = 0
    statuses: dict[str, int] = Field(default_factory=dict)
    succeeded: int = 0
    ended: int = 0
    success_rate: float | None = None
    refund_rate: float | None = None
    declines: dict[str, int] = Field(default_factory=dict)
    time_to_success: Durations = Durations(count=0)
    captured: int = 0
    captures: int = 0
    refunded: int = 0
    refunds: int = 0
    disputed: int = 0
    disputes: int = 0


class Point(Announcement):
    """One step of a series: from `start` to the next point's, or to the period's end. See Figures for the fields."""

    start: Moment
    created: int = 0
    succeeded: int = 0
    ended: int = 0
    declined: int = 0
    captured: int = 0
    refunded: int = 0
    disputed: int = 0


class CurrencyStats(Announcement):
    """One currency's figures for the whole period, and its series when a step was asked for. Currencies are never added up."""

    currency: str
    total: Figures
    series: tuple[Point, ...] = ()


class StatsView(Announcement):
    """Statistics of a period, by currency.

    `since` and `until` are the period that is counted: what was asked for, widened to whole quarters of an hour.
    `as_of` is until when changes are counted; absent before the first roll-up.
    """

    TYPE: ClassVar[str] = "payment.stats"
    VERSION: ClassVar[int] = 1

    since: Moment
    until: Moment
    timezone: str
    as_of: Moment | None = None
    currencies: tuple[CurrencyStats, ...] = ()


class EventPage(Announcement):
    """A payment's announced events in their envelopes, as they were published, the oldest first.

    There is more exactly when `next_sequence` is there.
    """

    TYPE: ClassVar[str] = "payment.event_page"
    VERSION: ClassVar[int] = 1

    payment_id: str
    events: tuple[Envelope, ...] = ()
    next_sequence: int | None = None


class PaymentMethods(CustomerView):
    """A user's saved payment methods; none for a user who never saved one.

    `command` is what became of a command about them that the query named.
    """

    TYPE: ClassVar[str] = "customer.methods"
    VERSION: ClassVar[int] = 1

    command: CommandOutcome | None = None


Answered = TypeVar(
    "Answered", PaymentDetails, OrderPayments, PaymentPage, TimelinePage, StatsView, EventPage, PaymentMethods
)


class Query(Request, Generic[Answered]):
    """What all queries have in common; the parameter is what answers it."""

    TYPE: ClassVar[str] = ""
    VERSION: ClassVar[int] = 1

    viewer: UserId | None = None


class GetPayment(Query[PaymentDetails]):
    """One payment, by our id or by Stripe's; with `command_id` also what became of that command."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["payment_id"]}, {"required": ["payment_intent_id"]}]}
    )

    TYPE: ClassVar[str] = "payment.get"
    ANSWER: ClassVar[type[PaymentDetails]] = PaymentDetails

    payment_id: PaymentId | None = None
    payment_intent_id: IntentId | None = None
    command_id: Identifier | None = None

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if (self.payment_id is None) == (self.payment_intent_id is None):
            raise ValueError("give exactly one of payment_id and payment_intent_id")
        return self


class GetOrder(Query[OrderPayments]):
    """All payments of an order; with `command_id` also what became of that command."""

    TYPE: ClassVar[str] = "order.get"
    ANSWER: ClassVar[type[OrderPayments]] = OrderPayments

    order_id: Identifier
    command_id: Identifier | None = None


class ListUserPayments(Query[PaymentPage]):
    """A user's payments, the newest first. Statuses are as people read them; `created_until` is exclusive."""

    TYPE: ClassVar[str] = "payment.list"
    ANSWER: ClassVar[type[PaymentPage]] = PaymentPage

    user_id: UserId
    statuses: Annotated[tuple[PaymentStatus, ...], Field(max_length=len(PaymentStatus))] = ()
    currency: CurrencyCode | None = None
    created_since: Moment | None = None
    created_until: Moment | None = None
    limit: Limit = PAGE
    cursor: Cursor | None = None


class GetTimeline(Query[TimelinePage]):
    """What a payment went through, message by message."""

    TYPE: ClassVar[str] = "payment.get_timeline"
    ANSWER: ClassVar[type[TimelinePage]] = TimelinePage

    payment_id: PaymentId
    limit: Limit = PAGE
    cursor: Cursor | None = None


class SeriesStep(StrEnum):
    """The distance between two points of a series. Days, weeks (from Monday) and months are those of the time zone."""

    QUARTER_HOUR = "quarter_hour"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class GetPaymentStats(Query[StatsView]):
    """Counts, amounts, rates and times of a period, by currency. `until` is exclusive.

    A period has at most 400 days, an answer at most 1,000 points. Statistics are nobody's own: with a `viewer` there are none.
    """

    TYPE: ClassVar[str] = "payment.get_stats"
    ANSWER: ClassVar[type[StatsView]] = StatsView

    since: Moment
    until: Moment
    currency: CurrencyCode | None = None
    timezone: ZoneName = "UTC"
    step: SeriesStep | None = None


class GetEvents(Query[EventPage]):
    """A payment's events from a sequence on: for a consumer that was not bound when they were published."""

    TYPE: ClassVar[str] = "payment.get_events"
    ANSWER: ClassVar[type[EventPage]] = EventPage

    payment_id: PaymentId
    from_sequence: Annotated[int, Field(strict=True, ge=1, le=2**31)] = 1
    limit: Limit = PAGE


class ListPaymentMethods(Query[PaymentMethods]):
    """A user's saved payment methods; with `command_id` also what became of a command about them."""

    TYPE: ClassVar[str] = "customer.list_methods"
    ANSWER: ClassVar[type[PaymentMethods]] = PaymentMethods

    user_id: UserId
    command_id: Identifier | None = None


AnyQuery = GetPayment | GetOrder | ListUserPayments | GetTimeline | GetPaymentStats | GetEvents | ListPaymentMethods
AnyAnswer = (
    PaymentDetails | OrderPayments | PaymentPage | TimelinePage | StatsView | EventPage | PaymentMethods | QueryRefusal
)

QUERIES: dict[str, type[AnyQuery]] = {
    kind.TYPE: kind
    for kind in (
        GetPayment,
        GetOrder,
        ListUserPayments,
        GetTimeline,
        GetPaymentStats,
        GetEvents,
        ListPaymentMethods,
    )
}
ANSWERS: dict[str, type[AnyAnswer]] = {
    kind.TYPE: kind for kind in (*(query.ANSWER for query in QUERIES.values()), QueryRefusal)
}
"""Either the query's own answer or a refusal comes back."""
