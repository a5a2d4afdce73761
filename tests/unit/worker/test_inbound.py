"""Whose news it is: by all of our metadata, else by its intent, else by asking Stripe."""

import json
from typing import Any, cast

import pytest
from aio_pika import IncomingMessage
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from tests.fake_gateway import FakeGateway
from tests.fake_money import Held
from tests.fake_stripe import FakeStripe, Fault
from tests.fakes import MemoryOutbox, MemoryStore, NoCustomers
from tests.unit.worker.making import AMOUNT, DEPLOYMENT, INTENT, NOW, ORDER, PAYMENT, SECOND, story
from tests.unit.worker.stripe_events import Json, events
from worker.adapters.inbound import Inbound
from worker.customers import CustomerHandler
from worker.domain.record import Outcome, Status
from worker.erasure import Erasure
from worker.errors import StripeUnavailable
from worker.handler import Handler, Report

OURS = {"payment_id": PAYMENT, "order_id": ORDER, "deployment": DEPLOYMENT}


class World:
    """One paid payment, and what else Stripe has."""

    def __init__(self, deployment: str = DEPLOYMENT) -> None:
        self.store, self.stripe, self.fault = MemoryStore(), FakeStripe(), Fault.NONE
        record = story(Status.SUCCEEDED).record
        self.store.payments[record.id] = record
        now = record.updated_at + SECOND
        gateway = FakeGateway(self.stripe, lambda: now, lambda: self.fault)
        outbox = MemoryOutbox(self.store)
        handler = Handler(self.store, gateway, outbox, NoCustomers(), lambda: now)
        self.inbound = Inbound(
            handler=handler,
            customers=cast("CustomerHandler", None),
            erasure=cast("Erasure", None),
            store=self.store,
            gateway=gateway,
            outbox=outbox,
            clock=lambda: now,
            deployment=deployment,
            livemode=False,
        )

    async def hear(self, kind: str, **changes: Any) -> Report:
        """Deliver an event of the simulator's, with changes to its object."""
        event = events()[kind][0]
        body = event | {"data": {"object": event["data"]["object"] | changes}}
        report = await self.inbound.stripe(delivery(json.dumps(body).encode()))
        assert isinstance(report, Report)
        return report

    def reason(self) -> str:
        """Why the one event was ignored."""
        (ignored,) = self.store.ignored.values()
        return ignored.reason


def delivery(body: bytes) -> IncomingMessage:
    """A webhook as the client library hands it over."""
    return IncomingMessage(
        DeliveredMessage(
            delivery=Basic.Deliver("tag", 1, exchange="e", routing_key="k"),
            header=ContentHeader(properties=Basic.Properties(headers={})),
            body=body,
            channel=None,  # type: ignore[arg-type] # nothing is acked here
        ),
    )


@pytest.fixture
def world() -> World:
    return World()


STRANGERS: list[Json] = [
    {},
    {"payment_id": "ticket-7"},
    {"payment_id": "pay_0b_1", "order_id": "order-9"},
    {"deployment": "production", "order_id": "9"},
]
"""What people write on refunds in the dashboard."""


@pytest.mark.parametrize("metadata", STRANGERS)
async def test_a_refund_in_the_dashboard_is_found_by_its_intent(world: World, metadata: Json) -> None:
    """Whatever somebody wrote on it, a refund of our payment is imported, once."""
    for _ in range(2):
        report = await world.hear("refund.created", payment_intent=INTENT, metadata=metadata)
        assert report.payment_id == PAYMENT
    (refund,) = world.store.payments[PAYMENT].refunds
    assert (refund.amount, refund.made_at_stripe, refund.asked_by) == (500, True, None)


@pytest.mark.parametrize("kind", ["charge.dispute.created", "radar.early_fraud_warning.created", "review.opened"])
async def test_what_bears_no_metadata_is_found_by_its_intent(world: World, kind: str) -> None:
    """A dispute, a warning or a review of our payment is recorded on it."""
    report = await world.hear(kind, payment_intent=INTENT)
    assert (report.payment_id, report.outcome) == (PAYMENT, Outcome.APPLIED)
    assert not world.store.ignored


async def test_another_deployments_is_ignored(world: World) -> None:
    """An object that bears all of another deployment's metadata is ignored without asking Stripe."""
    world.fault = Fault.UNAVAILABLE
    await world.hear("refund.created", metadata=OURS | {"deployment": "production"}, payment_intent="pi_other")
    assert world.reason() == "another deployment's"
    assert [ignored.intent_id for ignored in world.store.ignored.values()] == ["pi_other"]


async def test_a_worker_with_a_mistyped_deployment_takes_what_is_in_its_books() -> None:
    """What metadata calls another deployment's is applied where the database has the payment: by its intent, or by its id."""
    mistyped = World("Default")
    report = await mistyped.hear("refund.created", metadata=OURS, payment_intent=INTENT)
    assert (report.payment_id, report.outcome) == (PAYMENT, Outcome.APPLIED)
    mistyped.store.payments[PAYMENT] = story(Status.CREATING).record
    report = await mistyped.hear("payment_intent.succeeded", metadata=OURS, id="pi_unheard_of")
    assert report.payment_id == PAYMENT
    assert not mistyped.store.ignored


async def test_another_deployments_payment_of_our_id_is_ignored(world: World) -> None:
    """Two deployments may have a payment of one id: an event of the other's finds nothing here."""
    await world.hear("payment_intent.succeeded", metadata=OURS | {"deployment": "production"}, id="pi_theirs")
    assert world.reason() == "another deployment's"
    assert world.store.payments[PAYMENT].status is Status.SUCCEEDED


def holds(world: World, metadata: dict[str, str]) -> None:
    """Stripe has an intent that no record names."""
    held = Held("pi_other", NOW, AMOUNT, "eur", manual=False, metadata=metadata)
    world.stripe.intents["pi_other"] = held


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({}, "nobody's: no metadata of ours"),
        ({"cart": "9"}, "nobody's: no metadata of ours"),
        (OURS | {"deployment": "production"}, "another deployment's"),
        (OURS | {"payment_id": "pay_0c_1"}, "no such payment here"),
    ],
)
async def test_stripe_says_whose_an_unknown_intent_is(world: World, metadata: dict[str, str], reason: str) -> None:
    """An intent that no record names is looked up: its own metadata says whose it is, and why it is ignored."""
    holds(world, metadata)
    await world.hear("charge.dispute.created", payment_intent="pi_other")
    assert world.reason() == reason


async def test_an_intent_that_does_not_exist_is_nobodys(world: World) -> None:
    """What is about an intent that Stripe does not know is ignored, too."""
    await world.hear("charge.dispute.created", payment_intent="pi_gone")
    assert world.reason() == "its intent does not exist"


async def test_while_stripe_is_silent_it_waits(world: World) -> None:
    """While Stripe does not say whose an unknown intent is, the event is neither taken nor ignored: it comes again."""
    world.fault = Fault.UNAVAILABLE
    with pytest.raises(StripeUnavailable):
        await world.hear("charge.dispute.created", payment_intent="pi_other")
    assert not world.store.ignored


async def test_a_connected_accounts_money_is_ignored(world: World) -> None:
    """A refund of a connected account's payment is ignored, even if it claims to be ours."""
    event = events()["refund.created"][0] | {"account": "acct_1"}
    body = event | {"data": {"object": event["data"]["object"] | {"metadata": OURS, "payment_intent": INTENT}}}
    await world.inbound.stripe(delivery(json.dumps(body).encode()))
    assert world.reason().startswith("another account's")
    assert not world.store.payments[PAYMENT].refunds
