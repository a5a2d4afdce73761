"""Answers queries from the database. Decides whose a payment is and what is shown of it; changes nothing.

Another user's payment is answered exactly like one that does not exist. What became of a command is told with the payment
that it is recorded on, or, when it was refused and there is none, by itself.
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Protocol

from contracts.queries import (
    AnyAnswer,
    AnyQuery,
    CommandOutcome,
    EventPage,
    GetEvents,
    GetOrder,
    GetPayment,
    GetPaymentStats,
    GetTimeline,
    ListPaymentMethods,
    ListUserPayments,
    OrderPayments,
    PaymentDetails,
    PaymentMethods,
    PaymentPage,
    PendingCall,
    QueryRefusal,
    QueryRefusalCode,
    TimelineEntry,
    TimelinePage,
)
from contracts.replies import Refusal as RefusalView
from contracts.replies import RefusalCode, Verdict
from contracts.views import PaymentView
from worker import cursors
from worker.adapters.outbox import event_envelope
from worker.domain.announce import attempt_view, dispute_view, refund_view, shown_status, view
from worker.domain.customers.record import Customer, customer_id
from worker.domain.customers.view import customer_view
from worker.domain.record import CallState, Entry, Payment, Refused
from worker.period import Periods
from worker.ports import Refusal

SCANNED_MAX = 1_000
"""Payments that one page of a history looks through. Filters that fit few of a long history make short pages."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a page of a history ended: a payment's moment of creation, and its id among those of the same moment."""

    at: datetime
    payment_id: str


class Reading(Protocol):
    """Payments as queries read them, archived parts included. Raises StoreUnavailable when the database does not answer."""

    async def by_id(self, payment_id: str) -> Payment | None: ...

    async def by_intent(self, intent_id: str) -> Payment | None: ...

    async def by_order(self, order_id: str) -> list[Payment]:
        """All payments of an order, oldest first."""

    def history(
        self, user_id: str, since: datetime | None, until: datetime | None, after: Place | None
    ) -> AsyncGenerator[Payment, None]:
        """A user's payments, the newest first, without their stories: at most SCANNED_MAX.

        None was opened before `since`, none after `until` or the place; those of the very moment are there.
        """

    async def refusal(self, command_id: str) -> Refusal | None:
        """A refusal that has no payment to be recorded on."""


class Customers(Protocol):
    """The saved payment methods of users. Raises StoreUnavailable when the database does not answer."""

    async def by_id(self, customer_id: str) -> Customer | None: ...


NOTHING = QueryRefusal(code=QueryRefusalCode.NOT_FOUND, message="There is no such thing, or it is not this viewer's.")
MALFORMED_CURSOR = QueryRefusal(
    code=QueryRefusalCode.INVALID, message="is no cursor that an answer of this query gave", field="data.cursor"
)


class Queries:
    """One method per query."""

    def __init__(self, reading: Reading, customers: Customers, periods: Periods, *, deployment: str) -> None:
        self._reading = reading
        self._customers = customers
        self._periods = periods
        self._deployment = deployment

    async def answer(self, query: AnyQuery) -> AnyAnswer:
        """Answer a query. Raises StoreUnavailable."""
        match query:
            case GetPayment():
                return await self._payment(query)
            case GetOrder():
                return await self._order(query)
            case ListUserPayments():
                return await self._history(query)
            case GetTimeline():
                return await self._timeline(query)
            case GetPaymentStats():
                return NOTHING if query.viewer else await self._periods.stats(query)
            case GetEvents():
                return await self._events(query)
            case ListPaymentMethods():
                return await self._methods(query)

    async def _payment(self, query: GetPayment) -> PaymentDetails | QueryRefusal:
        if query.payment_intent_id is not None:
            payment = await self._reading.by_intent(query.payment_intent_id)
        else:
            payment = await self._reading.by_id(query.payment_id or "")
        found = [payment] if payment else []
        command = _recorded(query.command_id, found, query.viewer)
        if command is None and query.command_id and query.payment_id:
            command = await self._refused(query.command_id, payment_id=query.payment_id)
        if payment is None or not _may_see(query.viewer, payment):
            return PaymentDetails(command=command) if command else NOTHING
        return PaymentDetails(
            payment=view(payment),
            attempts=tuple(attempt_view(attempt, payment) for attempt in payment.attempts),
            refunds=tuple(refund_view(refund) for refund in payment.refunds),
            disputes=tuple(dispute_view(dispute) for dispute in payment.disputes),
            command=command,
        )

    async def _order(self, query: GetOrder) -> OrderPayments | QueryRefusal:
        found = await self._reading.by_order(query.order_id)
        command = _recorded(query.command_id, found, query.viewer)
        if command is None and query.command_id:
            command = await self._refused(query.command_id, order_id=query.order_id)
        shown = tuple(view(payment) for payment in found if _may_see(query.viewer, payment))
        if not shown and command is None:
            return NOTHING
        return OrderPayments(order_id=query.order_id, payments=shown, command=command)

    async def _history(self, query: ListUserPayments) -> PaymentPage | QueryRefusal:
        if query.viewer not in {None, query.user_id}:
            return NOTHING
        after = None
        if query.cursor is not None:
            try:
                after = Place(*cursors.read_place(query.cursor))
            except ValueError:
                return MALFORMED_CURSOR
        items, last = await self._page(query, after)
        cursor = cursors.of_place(last.at, last.payment_id) if last else None
        return PaymentPage(items=tuple(items), next_cursor=cursor)

    async def _page(self, query: ListUserPayments, after: Place | None) -> tuple[list[PaymentView], Place | None]:
        """What fits the filters after a place, and where it ended, if there may be more."""
        items: list[PaymentView] = []
        last, scanned = after, 0
        async with aclosing(
            self._reading.history(query.user_id, query.created_since, query.created_until, after)
        ) as history:
            async for payment in history:
                scanned += 1
                place = Place(payment.created_at, payment.id)
                if after and place >= after:
                    continue
                if _wanted(query, payment):
                    if len(items) == query.limit:
                        return items, last
                    items.append(view(payment))
                last = place
        return items, last if scanned == SCANNED_MAX else None

    async def _timeline(self, query: GetTimeline) -> TimelinePage | QueryRefusal:
        payment = await self._own(query.payment_id, query.viewer)
        if payment is None:
            return NOTHING
        try:
            start = cursors.read_number(query.cursor) if query.cursor else 0
        except ValueError:
            return MALFORMED_CURSOR
        end = start + query.limit
        waiting = (*((payment.draft,) if payment.draft else ()), *(call for call in payment.calls if call.open))
        return TimelinePage(
            payment_id=payment.id,
            entries=tuple(_entry(entry) for entry in payment.timeline[start:end]),
            pending=tuple(
                PendingCall(
                    command_id=call.id, operation=str(call.operation), issued_at=call.issued_at, sends=len(call.sends)
                )
                for call in waiting
            ),
            next_cursor=cursors.of_number(end) if len(payment.timeline) > end else None,
        )

    async def _events(self, query: GetEvents) -> EventPage | QueryRefusal:
        payment = await self._own(query.payment_id, query.viewer)
        if payment is None:
            return NOTHING
        wanted = (event for event in payment.events if event.sequence >= query.from_sequence)
        page = list(islice(wanted, query.limit))
        more = next(wanted, None)
        return EventPage(
            payment_id=payment.id,
            events=tuple(event_envelope(payment.id, event) for event in page),
            next_sequence=more.sequence if more else None,
        )

    async def _methods(self, query: ListPaymentMethods) -> PaymentMethods | QueryRefusal:
        if query.viewer not in {None, query.user_id}:
            return NOTHING
        customer = await self._customers.by_id(customer_id(self._deployment, query.user_id))
        if customer is None:
            return PaymentMethods(user_id=query.user_id)
        command = _outcome(customer, query.command_id) if query.command_id else None
        return PaymentMethods(user_id=query.user_id, methods=customer_view(customer).methods, command=command)

    async def _own(self, payment_id: str, viewer: str | None) -> Payment | None:
        payment = await self._reading.by_id(payment_id)
        return payment if payment and _may_see(viewer, payment) else None

    async def _refused(self, command_id: str, **about: str) -> CommandOutcome | None:
        """A refusal without a payment. It names nobody; whoever knows the command's id and what it was about sent it."""
        found = await self._reading.refusal(command_id)
        if found is None or any(getattr(found, name) != value for name, value in about.items()):
            return None
        refusal = RefusalView(code=RefusalCode(found.code), message=found.message)
        return CommandOutcome(
            command_id=command_id, kind=found.kind, verdict=Verdict.REFUSED, refusal=refusal, at=found.at
        )


def _may_see(viewer: str | None, payment: Payment) -> bool:
    return viewer in {None, payment.user_id}


def _wanted(query: ListUserPayments, payment: Payment) -> bool:
    return (
        (not query.statuses or shown_status(payment) in query.statuses)
        and query.currency in {None, payment.currency}
        and (query.created_until is None or payment.created_at < query.created_until)
    )


def _recorded(command_id: str | None, found: Iterable[Payment], viewer: str | None) -> CommandOutcome | None:
    """What became of a command, by the payments that it can be recorded on.

    A create is refused on another's payment when the order has one. Its sender may know that much, and was told.
    """
    for payment in found if command_id else ():
        outcome = _outcome(payment, command_id or "")
        refused_create = outcome and outcome.kind == "create" and outcome.verdict is Verdict.REFUSED
        if outcome and (refused_create or _may_see(viewer, payment)):
            return outcome
    return None


def _outcome(record: Payment | Customer, command_id: str) -> CommandOutcome | None:
    entry = record.entry(command_id)
    if entry is not None and entry.verdict is not None:
        return CommandOutcome(
            command_id=command_id,
            kind=str(entry.kind),
            verdict=entry.verdict,
            refusal=_refusal(entry.refused),
            at=entry.at,
        )
    call = record.call(command_id)
    if call is None or getattr(call, "state", CallState.OPEN) is not CallState.OPEN:
        return None
    return CommandOutcome(command_id=command_id, kind=str(call.operation), verdict=Verdict.PENDING, at=call.issued_at)


def _entry(entry: Entry) -> TimelineEntry:
    return TimelineEntry(
        at=entry.at,
        message_id=entry.message_id,
        kind=entry.kind,
        outcome=str(entry.outcome),
        from_status=str(entry.from_status),
        to_status=str(entry.to_status),
        why=entry.why or None,
        verdict=entry.verdict,
        refusal=_refusal(entry.refused),
        requested_by=entry.message.get("requested_by"),
        note=entry.message.get("note"),
    )


def _refusal(refused: Refused | None) -> RefusalView | None:
    if refused is None:
        return None
    return RefusalView(
        code=refused.code, message=refused.message, field=refused.field, decline_code=refused.decline_code
    )
