"""Stripe's own examples of every object that the worker reads, through the worker's own gateway."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from contracts.views import DisputeStatus, RefundStatus
from tests.conformance.stripe_mock.replay import HEADERS
from tests.unit.worker.making import Story, accept, capture, dispute_fact, dispute_seen, evidence, refund, story
from worker.adapters.gateway import API_VERSION, StripeGateway
from worker.adapters.snapshots import charge_of, dispute_of, intent_of, refund_of
from worker.adapters.translate import stripe_event
from worker.domain.messages import IntentChanged, IntentSeen, Result
from worker.domain.record import Status

STRIPES = frozenset(RefundStatus) - {RefundStatus.REQUESTED}


@pytest.fixture
async def gateway(stripe_mock: str) -> AsyncIterator[StripeGateway]:
    """The worker's own gateway, pointed at stripe-mock."""
    opened = StripeGateway("sk_test_123", stripe_mock)
    yield opened
    await opened.close()


async def example(stripe_mock: str, path: str) -> dict[str, Any]:
    """Stripe's example of an object."""
    async with (
        aiohttp.ClientSession(headers=HEADERS) as session,
        session.get(f"{stripe_mock}/v1/{path}") as response,
    ):
        found: dict[str, Any] = await response.json()
        return found


async def test_stripes_examples_are_read(stripe_mock: str) -> None:
    """An intent, a charge, a refund and a dispute as Stripe documents them are read."""
    assert intent_of(await example(stripe_mock, "payment_intents/pi_1")).id == "pi_1"
    assert charge_of(await example(stripe_mock, "charges/ch_1")).id == "ch_1"
    assert refund_of(await example(stripe_mock, "refunds/re_1")).status in STRIPES
    assert dispute_of(await example(stripe_mock, "disputes/du_1")).status in DisputeStatus


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("refund.created", "refunds/re_1"),
        ("charge.dispute.created", "disputes/du_1"),
        ("charge.refunded", "charges/ch_1"),
        ("charge.captured", "charges/ch_1"),
        ("radar.early_fraud_warning.created", "radar/early_fraud_warnings/issfr_1"),
        ("review.opened", "reviews/prv_1"),
    ],
)
async def test_stripes_examples_are_news(stripe_mock: str, kind: str, path: str) -> None:
    """An event about each of Stripe's examples is news, once the example names an intent."""
    event = await example(stripe_mock, "events/evt_1")
    about = await example(stripe_mock, path) | {"payment_intent": "pi_1"}
    body = event | {"type": kind, "data": {"object": about}, "livemode": False, "api_version": API_VERSION}
    found = stripe_event(json.dumps(body).encode(), livemode=False)
    assert found.news is not None, found.ignored
    assert not isinstance(found.news, IntentChanged)
    assert found.intent_id == "pi_1"


async def test_a_read_of_stripes_example_is_whole(gateway: StripeGateway) -> None:
    """A read with its expanded charge comes back from Stripe's own examples."""
    seen = await gateway.read("pi_1", 7)
    assert isinstance(seen, IntentSeen)
    assert (seen.intent.id, seen.version) == ("pi_1", 7)


async def test_stripes_answers_are_understood(gateway: StripeGateway) -> None:
    """The answers to a refund, to evidence, to giving up a dispute and to a capture are told as done, with their objects."""
    made = story(Status.SUCCEEDED)
    made.tell(refund(amount=500))
    answer = await gateway.send(made.head, made.record, 0)
    assert (answer.result, answer.refund is not None) == (Result.DONE, True)
    for command in (evidence(), accept()):
        made = story(Status.SUCCEEDED)
        made.tell(dispute_seen(dispute_fact()))
        made.tell(command)
        answer = await gateway.send(made.head, made.record, 0)
        assert (answer.result, answer.dispute is not None) == (Result.DONE, True)
    held = Story().reach(Status.REQUIRES_CAPTURE)
    held.tell(capture())
    answer = await gateway.send(held.head, held.record, 0)
    assert (answer.result, answer.intent is not None) == (Result.DONE, True)
