"""Every request that the worker ever sends is one that Stripe would take.

The calls are made by the state machine, not by hand: what it puts into a call is what is sent.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from contracts.commands import CancelReason, CaptureMethod
from sandbox.stripe.app import create_app
from sandbox.stripe.server import Running, serve
from tests.conformance.stripe_mock.replay import assert_accepted
from worker.adapters.gateway import StripeGateway
from worker.domain.effects import Send
from worker.domain.messages import Answer, Cancel, Confirm, Create, IntentSeen, Message, Result
from worker.domain.payment import decide
from worker.domain.record import Call, Operation, Payment

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CREATE = Create(
    message_id="cmd-create",
    body_hash="h1",
    issued_at=NOW,
    order_id="order-1",
    user_id="user-1",
    amount=1999,
    currency="eur",
    deployment="default",
)


@pytest.fixture
async def simulator() -> AsyncIterator[Running]:
    """A simulator that records what it is asked."""
    async with serve(create_app(seed=1)) as run:
        yield run


@pytest.fixture
async def gateway(simulator: Running) -> AsyncIterator[StripeGateway]:
    """The worker's own gateway, pointed at the simulator."""
    opened = StripeGateway("sk_test_123", simulator.address)
    yield opened
    await opened.close()


async def carried_out(
    gateway: StripeGateway, payment: Payment | None, message: Message
) -> tuple[Payment, Call, Answer]:
    """Decide, send what is to be sent, decide on the answer."""
    decision = decide(payment, message, NOW)
    assert decision.payment is not None
    assert isinstance(decision.effect, Send)
    call = decision.effect.call
    answer = await gateway.send(call, decision.payment, 0)
    assert answer.result is Result.DONE
    settled = decide(decision.payment, answer, NOW).payment
    assert settled is not None
    return settled, call, answer


@pytest.mark.parametrize("capture", list(CaptureMethod))
async def test_stripe_mock_accepts_a_create_with_every_field(
    simulator: Running, gateway: StripeGateway, stripe_mock: str, capture: CaptureMethod
) -> None:
    """A create with a description, metadata and either capture method is valid by Stripe's own document."""
    full = replace(CREATE, capture_method=capture, description="Two tickets", metadata={"basket": "7"})
    await carried_out(gateway, None, full)
    await assert_accepted(simulator.simulator.api.requests, stripe_mock)


async def test_stripe_mock_accepts_a_confirm_and_every_read(
    simulator: Running, gateway: StripeGateway, stripe_mock: str
) -> None:
    """A confirm, a read and the search for a lost create are valid by Stripe's own document."""
    payment, create, _ = await carried_out(gateway, None, CREATE)
    command = Confirm(
        message_id="cmd-confirm",
        body_hash="h2",
        issued_at=NOW,
        payment_id=payment.id,
        payment_method="pm_card_visa",
        return_url="https://shop.example/return",
    )
    payment, _, _ = await carried_out(gateway, payment, command)
    assert payment.intent_id is not None
    assert isinstance(await gateway.read(payment.intent_id, payment.version), IntentSeen)
    searched = replace(create, sends=(datetime.now(UTC),))
    assert (await gateway.find(searched, payment)).result is Result.DONE
    rows = list(simulator.simulator.api.requests)
    assert [row["method"] for row in rows] == ["POST", "POST", "GET", "GET"]
    await assert_accepted(rows, stripe_mock)


@pytest.mark.parametrize("reason", list(CancelReason))
async def test_stripe_mock_accepts_a_cancel_for_every_reason(
    simulator: Running, gateway: StripeGateway, stripe_mock: str, reason: CancelReason
) -> None:
    """Each reason that a caller may give is one of Stripe's cancellation reasons."""
    payment, _, _ = await carried_out(gateway, None, CREATE)
    command = Cancel(
        message_id="cmd-cancel",
        body_hash="h3",
        issued_at=NOW,
        payment_id=payment.id,
        deployment="default",
        reason=reason,
    )
    _, call, _ = await carried_out(gateway, payment, command)
    assert call.operation is Operation.CANCEL
    await assert_accepted(simulator.simulator.api.requests, stripe_mock)
