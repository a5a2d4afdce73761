"""Stripe's list of events as the SDK brings it from the simulator, and whose timeline each event belongs to."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.stripe.app import create_app
from sandbox.stripe.faults import Shot, read_fault
from sandbox.stripe.server import Running, serve
from tests.unit.customers.customer_making import CUSTOMER
from tests.unit.sandbox_stripe.raw import Raw, raw_client
from worker.adapters.breaker import THRESHOLD, Breaker
from worker.adapters.budget import Budget
from worker.adapters.gateway import StripeGateway
from worker.adapters.line import Line, MeteredClient
from worker.adapters.stripe_events import PAGE, EventList, PlaceGone, traces_of
from worker.coverage import Listed, Traces
from worker.errors import StripeUnavailable

KEY = "sk_test_123"
CARD = "payment_method=pm_card_visa&confirm=true&payment_method_types[]=card"


def ago(**long: int) -> datetime:
    return datetime.now(UTC) - timedelta(**long)


@pytest.fixture
async def run() -> AsyncIterator[Running]:
    async with serve(create_app(seed=1)) as running:
        yield running


@pytest.fixture
async def raw(run: Running) -> AsyncIterator[Raw]:
    async with raw_client(run.address) as client:
        yield client


@pytest.fixture
async def events(run: Running) -> AsyncIterator[EventList]:
    line = Line(Budget(1000), Breaker())
    gateway = StripeGateway(KEY, run.address, MeteredClient(line))
    yield EventList(gateway.client, line, deployment="test", livemode=False)
    await gateway.close()


async def everything(events: EventList, since: datetime) -> list[Listed]:
    found: list[Listed] = []
    while True:
        page = await events.page(since, found[-1].id if found else None)
        found += page.events
        if not page.more:
            return found


async def test_the_list_is_walked_to_its_end(raw: Raw, events: EventList) -> None:
    """More events than fit on a page come whole, each once, newest first, with the JSON that a webhook has."""
    for _ in range(PAGE // 2):
        await raw.post("/v1/payment_intents", "amount=500&currency=eur")
        await raw.post("/v1/customers", "description=x")
    await raw.post("/v1/payment_intents", "amount=500&currency=eur")
    found = await everything(events, ago(hours=1))
    assert len(found) == len({event.id for event in found}) == PAGE + 1
    assert [event.created for event in found] == sorted((event.created for event in found), reverse=True)
    body = json.loads(found[0].raw)
    assert (body["id"], body["type"], body["object"]) == (found[0].id, "payment_intent.created", "event")
    assert await events.one(found[0].id) == found[0].raw


async def test_what_is_too_old_is_left_out(run: Running, raw: Raw, events: EventList) -> None:
    """Only what was made since the moment that was asked for is listed."""
    run.simulator.world.clock.advance(-3600)
    await raw.post("/v1/customers", "description=old")
    run.simulator.world.clock.advance(3600)
    await raw.post("/v1/customers", "description=new")
    assert len(await everything(events, ago(minutes=10))) == 1
    assert len(await everything(events, ago(hours=2))) == 2


async def test_a_place_that_is_gone_is_told(events: EventList) -> None:
    """A list cannot be gone on with after an event that Stripe does not know."""
    with pytest.raises(PlaceGone):
        await events.page(ago(hours=1), "evt_gone")


async def test_an_event_that_is_gone_is_none(events: EventList) -> None:
    """One that Stripe lists no longer is told as none, not as an error."""
    assert await events.one("evt_gone") is None


@pytest.mark.parametrize("fault", ["503", "reset_before", "html_502", "429"])
async def test_no_answer_is_one_error(run: Running, events: EventList, fault: str) -> None:
    """Whatever goes wrong, the walk is told that Stripe does not answer."""
    run.simulator.faults.queue(Shot(read_fault(fault), "GET", "/v1/*", times=20))
    with pytest.raises(StripeUnavailable):
        await events.page(ago(hours=1), None)
    with pytest.raises(StripeUnavailable):
        await events.one("evt_1")


async def test_while_the_breaker_is_open_nothing_is_asked(run: Running) -> None:
    """With Stripe known to be away the walk is told so at once, without a request."""
    line = Line(Budget(1000), Breaker())
    gateway = StripeGateway(KEY, run.address, MeteredClient(line))
    for _ in range(THRESHOLD):
        line.breaker.failed("told to")
    with pytest.raises(StripeUnavailable, match="stripe_away"):
        await EventList(gateway.client, line, deployment="test", livemode=False).page(ago(hours=1), None)
    await gateway.close()
    assert list(run.simulator.api.requests) == []


async def test_whose_an_event_is(raw: Raw, events: EventList) -> None:
    """A payment's events name it by metadata and by its intent; what the simulator made without a mark only by the latter."""
    marks = "metadata[payment_id]=pay_1_1&metadata[order_id]=o-1&metadata[deployment]=test"
    ours = (await raw.post("/v1/payment_intents", f"amount=500&currency=eur&{CARD}&{marks}")).body["id"]
    foreign = (await raw.post("/v1/payment_intents", f"amount=500&currency=eur&{CARD}")).body["id"]
    other = marks.replace("deployment]=test", "deployment]=other")
    another = (await raw.post("/v1/payment_intents", f"amount=500&currency=eur&{CARD}&{other}")).body["id"]
    await raw.control(f"payment_intents/{ours}/refund", {"amount": 100})
    found: dict[str, set[Traces]] = {}
    for event in await everything(events, ago(hours=1)):
        found.setdefault(event.type, set()).add(event.traces)
    marked = Traces(payment_id="pay_1_1", intent_id=ours, deployment="test")
    theirs = Traces("pay_1_1", another, by_rule="another deployment's", deployment="other")
    assert found["payment_intent.succeeded"] == {marked, Traces(intent_id=foreign), theirs}
    assert found["refund.created"] == {Traces(intent_id=ours)}


def event(kind: str, about: dict[str, Any], **more: Any) -> bytes:
    body = {"id": "evt_1", "type": kind, "livemode": False, "data": {"object": {"object": "x", **about}}, **more}
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    ("raw_event", "traces"),
    [
        (event("payout.paid", {"id": "po_1"}), Traces(by_rule="no rule for this type")),
        (event("charge.failed", {"payment_intent": None}), Traces(by_rule="about no payment intent")),
        (event("charge.failed", {"payment_intent": "pi_1"}, account="acct_1"), Traces(by_rule="another account's")),
        (event("charge.failed", {"payment_intent": "pi_1"}, livemode=True), Traces(by_rule="of the other mode")),
        (event("customer.updated", {"id": "cus_1"}), Traces(stripe_customer_id="cus_1")),
        (
            event("customer.updated", {"id": "cus_1", "metadata": {"customer_id": CUSTOMER, "deployment": "test"}}),
            Traces(customer_id=CUSTOMER, stripe_customer_id="cus_1"),
        ),
        (
            event("customer.updated", {"id": "cus_1", "metadata": {"customer_id": CUSTOMER, "deployment": "other"}}),
            Traces(customer_id=CUSTOMER, stripe_customer_id="cus_1", by_rule="another deployment's"),
        ),
        (event("payment_method.attached", {"id": "pm_1", "customer": "cus_1"}), Traces(stripe_customer_id="cus_1")),
        (b"[]", Traces()),
        (b"\xff", Traces()),
    ],
)
def test_a_rule_says_what_is_nothing_for_us(raw_event: bytes, traces: Traces) -> None:
    """The walk judges an event as the queue would, and what is no event at all is left to the queue."""
    found = traces_of(raw_event, deployment="test", livemode=False)
    assert found.by_rule.startswith(traces.by_rule)
    assert bool(found.by_rule) is bool(traces.by_rule)
    assert Traces(found.payment_id, found.intent_id, found.customer_id, found.stripe_customer_id) == Traces(
        traces.payment_id, traces.intent_id, traces.customer_id, traces.stripe_customer_id
    )
