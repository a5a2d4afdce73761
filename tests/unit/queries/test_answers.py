"""What each query is answered, and to whom."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contracts.envelope import MAX_BODY_BYTES, unwrap
from contracts.events import EVENTS
from contracts.queries import (
    AnyQuery,
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
    QueryRefusal,
    QueryRefusalCode,
    StatsView,
    TimelinePage,
)
from contracts.replies import RefusalCode, Verdict
from contracts.views import PaymentStatus
from tests.unit.queries.making import MINUTE, NOW, announced, declined, paid
from tests.unit.queries.memory_reading import MemoryReading
from tests.unit.queries.memory_stats import MemoryStats
from tests.unit.worker.making import story
from worker.domain.customers.record import (
    Customer,
    CustomerCall,
    CustomerOperation,
    CustomerStatus,
    SavedMethod,
    customer_id,
)
from worker.domain.record import Call, Entry, Operation, Outcome, Payment, Refused, Status, payment_id
from worker.jobs.rollups import Rollups
from worker.period import Periods
from worker.ports import Refusal
from worker.queries import SCANNED_MAX, Queries

QUARTER = timedelta(minutes=15)
UNKNOWN = "pay_0_1"


class MemoryCustomers:
    def __init__(self) -> None:
        self.customers: dict[str, Customer] = {}

    async def by_id(self, customer_id: str) -> Customer | None:
        return self.customers.get(customer_id)


class World:
    """Queries over payments in memory."""

    def __init__(self, *payments: Payment) -> None:
        self.reading = MemoryReading({payment.id: payment for payment in payments})
        self.stats = MemoryStats(self.reading.payments)
        self.customers = MemoryCustomers()
        self.queries = Queries(self.reading, self.customers, Periods(self.stats), deployment="test")

    async def ask(self, query: AnyQuery, kind: type[Any]) -> Any:
        answer = await self.queries.answer(query)
        assert isinstance(answer, kind), answer
        return answer

    async def refused(self, query: AnyQuery) -> QueryRefusal:
        answer = await self.queries.answer(query)
        assert isinstance(answer, QueryRefusal), answer
        return answer


def entry(message_id: str, kind: str = "confirm", **changes: Any) -> Entry:
    made = Entry(
        at=NOW,
        message_id=message_id,
        kind=kind,
        outcome=Outcome.APPLIED,
        from_status=Status.REQUIRES_PAYMENT_METHOD,
        to_status=Status.SUCCEEDED,
        why=f"{kind} done",
        verdict=Verdict.ACCEPTED,
    )
    return replace(made, **changes)


def refused_entry(message_id: str, kind: str, code: RefusalCode) -> Entry:
    return entry(
        message_id, kind, outcome=Outcome.REFUSED, verdict=Verdict.REFUSED, refused=Refused(code, "no", "data.amount")
    )


def call(command_id: str, operation: Operation = Operation.CONFIRM) -> Call:
    return Call(id=command_id, operation=operation, key=f"key:{command_id}", params={}, issued_at=NOW, sends=(NOW,))


OF_ANOTHER = [
    GetPayment(payment_id=payment_id("o-1", 1)),
    GetPayment(payment_intent_id="pi_1"),
    GetOrder(order_id="o-1"),
    ListUserPayments(user_id="u-1"),
    GetTimeline(payment_id=payment_id("o-1", 1)),
    GetEvents(payment_id=payment_id("o-1", 1)),
    ListPaymentMethods(user_id="u-1"),
]
OF_NOBODY = [
    GetPayment(payment_id=UNKNOWN),
    GetPayment(payment_intent_id="pi_2"),
    GetOrder(order_id="o-2"),
    GetTimeline(payment_id=UNKNOWN),
    GetEvents(payment_id=UNKNOWN),
]


@pytest.mark.parametrize("query", OF_ANOTHER, ids=lambda query: str(query.TYPE))
async def test_anothers_is_answered_as_not_found(query: AnyQuery) -> None:
    """To another viewer a payment is exactly as absent as one that does not exist; its owner and an operator see it."""
    world = World(paid("o-1", intent_id="pi_1"))
    stranger = await world.refused(query.model_copy(update={"viewer": "u-2"}))
    nothing = await world.refused(GetPayment(payment_id=UNKNOWN))
    assert (stranger, stranger.code) == (nothing, QueryRefusalCode.NOT_FOUND)
    for viewer in ("u-1", None):
        assert not isinstance(await world.queries.answer(query.model_copy(update={"viewer": viewer})), QueryRefusal)


@pytest.mark.parametrize("query", OF_NOBODY, ids=lambda query: str(query.TYPE))
async def test_what_does_not_exist_is_not_found(query: AnyQuery) -> None:
    """A payment or an order that nobody has is not found, by an operator either."""
    assert (await World(paid("o-1")).refused(query)).code is QueryRefusalCode.NOT_FOUND


async def test_a_payment_is_told_with_all_that_happened_to_it() -> None:
    """Details have the view and the declined attempts, by either id."""
    payment = declined(paid(intent_id="pi_1"), "insufficient_funds", NOW + MINUTE)
    world = World(payment)
    by_ours = await world.ask(GetPayment(payment_id=payment.id), PaymentDetails)
    assert await world.ask(GetPayment(payment_intent_id="pi_1"), PaymentDetails) == by_ours
    assert by_ours.payment.payment_id == payment.id
    assert [attempt.decline_code for attempt in by_ours.attempts] == ["insufficient_funds"]
    assert by_ours.command is None


async def test_what_became_of_a_command_is_told() -> None:
    """A command is told as accepted, refused with its reason, or pending while its call is open; an unknown one is not told."""
    payment = paid(
        timeline=(
            entry("done"),
            refused_entry("no", "confirm", RefusalCode.CARD_DECLINED),
            entry("evt_1", "charge.failed", verdict=None),
        ),
        calls=(call("open"),),
    )
    world = World(payment)
    found = {}
    for name in ("done", "no", "open", "evt_1", "other"):
        answer = await world.ask(GetPayment(payment_id=payment.id, command_id=name, viewer="u-1"), PaymentDetails)
        found[name] = (answer.command.verdict, answer.command.refusal) if answer.command else None
        assert answer.payment is not None
    assert found["done"] == (Verdict.ACCEPTED, None)
    assert found["no"] is not None
    assert found["no"][1] is not None
    assert (found["no"][0], found["no"][1].code) == (Verdict.REFUSED, RefusalCode.CARD_DECLINED)
    assert found["open"] == (Verdict.PENDING, None)
    assert found["evt_1"] is None
    assert found["other"] is None


async def test_a_create_that_is_still_a_draft_is_pending() -> None:
    """A create that waits for its user's customer is told as pending."""
    payment = paid(draft=call("create-1", Operation.CREATE), status=Status.CREATING)
    answer = await World(payment).ask(GetOrder(order_id="o-1", command_id="create-1"), OrderPayments)
    assert (answer.command.verdict, answer.command.kind) == (Verdict.PENDING, "create")


async def test_a_refusal_without_a_payment_is_told_by_itself() -> None:
    """A refused command that has no payment is found with the id it was about, and with no other."""
    world = World()
    world.reading.refusals = {
        "c-1": Refusal("c-1", "capture", "unknown_payment", "no such payment", NOW, payment_id=UNKNOWN),
        "c-2": Refusal("c-2", "create", "amount_too_small", "too small", NOW, order_id="o-1"),
    }
    by_payment = await world.ask(GetPayment(payment_id=UNKNOWN, command_id="c-1", viewer="u-1"), PaymentDetails)
    assert (by_payment.payment, by_payment.command.refusal.code) == (None, RefusalCode.UNKNOWN_PAYMENT)
    by_order = await world.ask(GetOrder(order_id="o-1", command_id="c-2", viewer="u-1"), OrderPayments)
    assert (by_order.payments, by_order.command.refusal.code) == ((), RefusalCode.AMOUNT_TOO_SMALL)
    await world.refused(GetPayment(payment_id="pay_1_1", command_id="c-1"))
    await world.refused(GetOrder(order_id="o-2", command_id="c-2"))
    await world.refused(GetOrder(order_id="o-1", command_id="c-1"))


async def test_a_create_refused_on_anothers_payment_is_told_without_it() -> None:
    """Who was refused because the order is another's learns that again, and nothing of the payment."""
    refused = refused_entry("c-1", "create", RefusalCode.ORDER_HAS_PAYMENT)
    world = World(paid(timeline=(refused, entry("c-2"), refused_entry("c-3", "confirm", RefusalCode.WRONG_STATE))))
    answer = await world.ask(GetOrder(order_id="o-1", command_id="c-1", viewer="u-2"), OrderPayments)
    assert (answer.payments, answer.command.refusal.code) == ((), RefusalCode.ORDER_HAS_PAYMENT)
    for command in ("c-2", "c-3"):
        await world.refused(GetOrder(order_id="o-1", command_id=command, viewer="u-2"))


async def test_an_order_has_all_its_payments() -> None:
    """An order's payments come oldest first, dead ones too, and of a shared order each viewer sees their own."""
    first = paid(status=Status.CANCELED)
    second = paid(at=NOW + MINUTE, id=payment_id("o-1", 2), user_id="u-2")
    world = World(second, first)
    answer = await world.ask(GetOrder(order_id="o-1"), OrderPayments)
    assert [one.payment_id for one in answer.payments] == [first.id, second.id]
    mine = await world.ask(GetOrder(order_id="o-1", viewer="u-2"), OrderPayments)
    assert [one.payment_id for one in mine.payments] == [second.id]


async def pages(world: World, **filters: Any) -> list[list[str]]:
    found, cursor = [], None
    while True:
        page = await world.ask(ListUserPayments(user_id="u-1", cursor=cursor, **filters), PaymentPage)
        found.append([one.order_id for one in page.items])
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_a_history_is_paged_without_gaps_or_repeats() -> None:
    """Pages follow each other, the newest first, also through payments of one moment; the last has no cursor."""
    world = World(*(paid(f"o-{n}", NOW + n // 3 * MINUTE) for n in range(10)))
    (whole,) = await pages(world, limit=10)
    assert len(whole) == 10
    assert await pages(world, limit=4) == [whole[:4], whole[4:8], whole[8:]]
    assert await pages(world, limit=5) == [whole[:5], whole[5:]]


async def test_a_payment_that_comes_while_one_pages_disturbs_nothing() -> None:
    """What is opened after the first page is on no later one, and nothing is left out or repeated by it."""
    world = World(*(paid(f"o-{n}", NOW + n * MINUTE) for n in range(4)))
    first = await world.ask(ListUserPayments(user_id="u-1", limit=2), PaymentPage)
    late = paid("late", NOW + 9 * MINUTE)
    world.reading.payments[late.id] = late
    second = await world.ask(ListUserPayments(user_id="u-1", limit=2, cursor=first.next_cursor), PaymentPage)
    assert [one.order_id for one in (*first.items, *second.items)] == ["o-3", "o-2", "o-1", "o-0"]


async def test_a_history_is_filtered_as_people_read_it() -> None:
    """Filters are by shown status, so that a refunded payment is no succeeded one, by currency and by date."""
    full = {"status": Status.SUCCEEDED, "captured": 2000}
    world = World(
        paid("new", NOW),
        announced(paid("paid", NOW + MINUTE), "payment.succeeded", NOW, **full),
        announced(paid("part", NOW + 2 * MINUTE), "payment.refunded", NOW, refunded=1, **full),
        announced(paid("back", NOW + 3 * MINUTE, currency="jpy"), "payment.refunded", NOW, refunded=2000, **full),
    )
    assert await pages(world, statuses=(PaymentStatus.SUCCEEDED,)) == [["paid"]]
    both = (PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.REFUNDED)
    assert await pages(world, statuses=both) == [["back", "part"]]
    assert await pages(world, statuses=both, limit=1) == [["back"], ["part"]]
    assert await pages(world, currency="JPY") == [["back"]]
    assert await pages(world, created_since=NOW + MINUTE, created_until=NOW + 3 * MINUTE) == [["part", "paid"]]
    assert await pages(world, statuses=(PaymentStatus.FAILED,)) == [[]]


async def test_a_page_looks_through_a_bounded_number_of_payments() -> None:
    """A filter that fits only the oldest of a long history makes an empty page that can be gone on from."""
    many = [paid(f"o-{n}", NOW + n * MINUTE) for n in range(SCANNED_MAX + 5)]
    world = World(replace(many[0], currency="jpy"), *many[1:])
    assert await pages(world, currency="jpy") == [[], ["o-0"]]


@pytest.mark.parametrize(
    "query",
    [
        ListUserPayments(user_id="u-1", cursor="bm9uc2Vuc2U"),
        ListUserPayments(user_id="u-1", cursor="A"),
        GetTimeline(payment_id=payment_id("o-1", 1), cursor="bm9uc2Vuc2U"),
    ],
)
async def test_a_made_up_cursor_is_invalid(query: AnyQuery) -> None:
    """What is no cursor of ours is refused by the name of its field."""
    refusal = await World(paid()).refused(query)
    assert (refusal.code, refusal.field) == (QueryRefusalCode.INVALID, "data.cursor")


async def test_a_timeline_tells_the_story_in_pages() -> None:
    """Entries come oldest first with who asked and why; what is not settled stands beside them."""
    asked = {"requested_by": "support-1", "note": "broken"}
    entries = tuple(
        entry(f"m-{n}", "refund" if n == 2 else "confirm", message=asked if n == 2 else {}) for n in range(5)
    )
    payment = paid(timeline=entries, calls=(call("c-9", Operation.CANCEL),))
    world = World(payment)
    first = await world.ask(GetTimeline(payment_id=payment.id, limit=3), TimelinePage)
    second = await world.ask(GetTimeline(payment_id=payment.id, limit=3, cursor=first.next_cursor), TimelinePage)
    assert [one.message_id for one in (*first.entries, *second.entries)] == [f"m-{n}" for n in range(5)]
    assert (first.entries[2].requested_by, first.entries[2].note) == ("support-1", "broken")
    assert [(one.command_id, one.operation, one.sends) for one in first.pending] == [("c-9", "cancel", 1)]
    assert second.next_cursor is None


async def test_events_come_as_they_were_published() -> None:
    """Events from a sequence on come in their envelopes, with where to go on, and are read like any other."""
    payment = story(Status.SUCCEEDED).record
    world = World(payment)
    first = await world.ask(GetEvents(payment_id=payment.id, limit=1), EventPage)
    rest = await world.ask(GetEvents(payment_id=payment.id, from_sequence=first.next_sequence), EventPage)
    envelopes = (*first.events, *rest.events)
    assert [one.id for one in envelopes] == [f"{payment.id}.{n + 1}" for n in range(len(payment.events))]
    assert [unwrap(one, EVENTS).TYPE for one in envelopes] == [event.type for event in payment.events]
    assert rest.next_sequence is None
    assert (await world.ask(GetEvents(payment_id=payment.id, from_sequence=99), EventPage)).events == ()


async def test_saved_methods_are_told_with_what_became_of_a_command() -> None:
    """A user's methods come as they are stored, a user without any has none, and a command about them is told."""
    world = World()
    asked = CustomerCall(id="c-1", operation=CustomerOperation.DETACH, key="k", params={}, issued_at=NOW)
    name = customer_id("test", "u-1")
    world.customers.customers[name] = Customer(
        id=name,
        user_id="u-1",
        deployment="test",
        status=CustomerStatus.ACTIVE,
        created_at=NOW,
        updated_at=NOW,
        methods=(SavedMethod("pm_1", "card", "visa", "4242", 4, 2031, default=True),),
        calls=(asked,),
    )
    mine = await world.ask(ListPaymentMethods(user_id="u-1", command_id="c-1", viewer="u-1"), PaymentMethods)
    assert [(one.payment_method, one.expires, one.default) for one in mine.methods] == [("pm_1", "04/2031", True)]
    assert (mine.command.verdict, mine.command.kind) == (Verdict.PENDING, "detach")
    none = await world.ask(ListPaymentMethods(user_id="u-2"), PaymentMethods)
    assert (none.methods, none.command) == ((), None)


async def test_statistics_are_those_of_the_payments() -> None:
    """A period's figures and series are what its payments come to, by currency, and say how fresh they are."""
    taken = announced(
        declined(paid("o-1"), "insufficient_funds", NOW + MINUTE),
        "payment.succeeded",
        NOW + 20 * MINUTE,
        status=Status.SUCCEEDED,
        captured=2000,
    )
    gone = announced(paid("o-2", currency="jpy"), "payment.canceled", NOW + MINUTE, status=Status.CANCELED)
    world = World(taken, gone, paid("o-3"))
    await Rollups(world.stats, lambda: NOW + timedelta(hours=1)).catch_up()
    query = GetPaymentStats(since=NOW, until=NOW + 2 * QUARTER, step="quarter_hour")
    answer = await world.ask(query, StatsView)
    eur, jpy = answer.currencies
    assert (eur.currency, eur.total.created, eur.total.asked, eur.total.captured) == ("eur", 2, 4000, 2000)
    assert (eur.total.success_rate, eur.total.refund_rate) == (1.0, 0.0)
    assert eur.total.declines == {"insufficient_funds": 1}
    assert eur.total.time_to_success.count == 1
    assert 64 * abs(eur.total.time_to_success.median_ms - 1_200_000) <= 1_200_000
    assert [(one.created, one.captured) for one in eur.series] == [(2, 0), (0, 2000)]
    assert (jpy.currency, jpy.total.success_rate, jpy.total.refund_rate) == ("jpy", 0.0, None)
    assert answer.as_of == NOW + timedelta(hours=1)
    only = await world.ask(query.model_copy(update={"currency": "jpy"}), StatsView)
    assert [one.currency for one in only.currencies] == ["jpy"]


PERIOD: dict[str, Any] = {"since": NOW, "until": NOW + timedelta(days=2)}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"timezone": "Europe/Atlantis"}, "data.timezone"),
        ({"timezone": "Europe"}, "data.timezone"),
        ({"until": NOW}, "data.until"),
        ({"since": NOW.replace(year=1)}, "data.until"),
        ({"until": NOW.replace(year=9999)}, "data.until"),
        ({"until": NOW + timedelta(days=401)}, "data.until"),
        ({"until": NOW + timedelta(days=200), "step": "hour"}, "data.step"),
    ],
)
async def test_a_period_that_breaks_a_rule_is_invalid(changes: dict[str, Any], field: str) -> None:
    """An unknown zone, a period that is empty, too long or absurd, and too many points are refused by field."""
    refusal = await World().refused(GetPaymentStats(**PERIOD | changes))
    assert (refusal.code, refusal.field) == (QueryRefusalCode.INVALID, field)


async def test_points_are_limited_over_all_currencies() -> None:
    """A step that is long enough for one currency may be too short for all."""
    world = World(*(paid(f"o-{code}", NOW, currency=code) for code in ("eur", "jpy", "usd")))
    await Rollups(world.stats, lambda: NOW).catch_up()
    query = GetPaymentStats(since=NOW, until=NOW + timedelta(days=20), step="hour")
    assert (await world.refused(query)).field == "data.step"
    one = await world.ask(query.model_copy(update={"currency": "eur"}), StatsView)
    assert len(one.currencies[0].series) == 480
    assert len(one.model_dump_json()) < MAX_BODY_BYTES


async def test_statistics_are_nobodys_own() -> None:
    """A viewer gets no statistics."""
    refusal = await World().refused(GetPaymentStats(**PERIOD, viewer="u-1"))
    assert refusal.code is QueryRefusalCode.NOT_FOUND
