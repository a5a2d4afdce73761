"""Every request that the worker ever sends is one that Stripe would take.

The calls are made by the state machine, not by hand: what it puts into a call is what is sent.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.commands import CancelReason, CaptureMethod, EvidenceField, FutureUsage, RefundReason
from contracts.events import Case, Remedy
from sandbox.stripe import dashboard, issuer
from sandbox.stripe.app import create_app
from sandbox.stripe.server import Running, serve
from tests.conformance.stripe_mock.replay import assert_accepted
from worker.adapters.gateway import StripeGateway
from worker.domain.effects import Send
from worker.domain.messages import (
    Accept,
    Answer,
    Cancel,
    Capture,
    Confirm,
    Create,
    CustomerSeen,
    Evidence,
    IntentSeen,
    Message,
    RefundWanted,
    Result,
    WarningSeen,
)
from worker.domain.payment import decide
from worker.domain.policy import DEFAULT, Course, Policy
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

CONFIRM = Confirm(
    message_id="cmd-confirm",
    body_hash="h2",
    issued_at=NOW,
    payment_id="",
    payment_method="pm_card_visa",
    return_url="https://shop.example/return",
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
    gateway: StripeGateway, payment: Payment | None, message: Message, policy: Policy = DEFAULT
) -> tuple[Payment, Call, Answer]:
    """Decide, send what is to be sent, decide on the answer."""
    decision = decide(payment, message, NOW, policy=policy)
    assert decision.payment is not None
    assert isinstance(decision.effect, Send)
    call = decision.effect.call
    answer = await gateway.send(call, decision.payment, 0)
    assert answer.result is Result.DONE
    settled = decide(decision.payment, answer, NOW).payment
    assert settled is not None
    return settled, call, answer


async def paid(gateway: StripeGateway, capture_method: CaptureMethod = CaptureMethod.AUTOMATIC) -> Payment:
    """A payment whose money is there, or held; it may be captured in parts."""
    several = capture_method is CaptureMethod.MANUAL
    command = replace(CREATE, capture_method=capture_method, multicapture=several)
    payment, _, _ = await carried_out(gateway, None, command)
    payment, _, _ = await carried_out(gateway, payment, replace(CONFIRM, payment_id=payment.id))
    return payment


async def disputed(gateway: StripeGateway, simulator: Running) -> tuple[Payment, str]:
    """A payment whose record knows of its dispute, and the dispute's id."""
    payment = await paid(gateway)
    world = simulator.simulator.world
    dispute = issuer.dispute_intent(world, world.payment_intents.need(payment.intent_id or ""), {})
    after = decide(payment, await gateway.read(payment.intent_id or "", payment.version), NOW).payment
    assert after is not None
    return after, str(dispute["id"])


def asked(payment: Payment, message_id: str = "cmd-privileged") -> dict[str, Any]:
    """What every privileged command brings."""
    common = {"message_id": message_id, "body_hash": message_id, "issued_at": NOW}
    return common | {"payment_id": payment.id, "requested_by": "admin-1", "note": "why"}


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
    payment, _, _ = await carried_out(gateway, payment, replace(CONFIRM, payment_id=payment.id))
    assert payment.intent_id is not None
    assert isinstance(await gateway.read(payment.intent_id, payment.version), IntentSeen)
    searched = replace(create, sends=(datetime.now(UTC),))
    assert (await gateway.find(searched, payment)).result is Result.DONE
    rows = list(simulator.simulator.api.requests)
    assert [row["path"].split("/")[2] for row in rows if row["method"] == "GET"] == [
        "payment_intents",
        "refunds",
        "disputes",
        "payment_intents",
    ]
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


@pytest.mark.parametrize("usage", list(FutureUsage))
async def test_stripe_mock_accepts_a_create_for_a_customer(
    simulator: Running, gateway: StripeGateway, stripe_mock: str, usage: FutureUsage
) -> None:
    """A create that waited for its user's customer, saves the method and sends a receipt is valid."""
    customer = await gateway.client.v1.customers.create_async({})
    command = replace(
        CREATE,
        capture_method=CaptureMethod.MANUAL,
        multicapture=True,
        with_customer=True,
        setup_future_usage=str(usage),
        receipt_email="somebody@shop.example",
    )
    waiting = decide(None, command, NOW).payment
    _, call, _ = await carried_out(gateway, waiting, CustomerSeen(customer.id))
    expected = {"customer", "setup_future_usage", "receipt_email", "payment_method_options"}
    assert expected <= call.params.keys()
    await assert_accepted(simulator.simulator.api.requests, stripe_mock)


async def test_stripe_mock_accepts_a_confirm_without_the_customer(
    simulator: Running, gateway: StripeGateway, stripe_mock: str
) -> None:
    """An off-session confirm, which has no page to come back to, is valid."""
    payment, _, _ = await carried_out(gateway, None, CREATE)
    command = replace(CONFIRM, payment_id=payment.id, off_session=True, return_url=None)
    _, call, _ = await carried_out(gateway, payment, command)
    assert call.params["off_session"]
    await assert_accepted(simulator.simulator.api.requests, stripe_mock)


@pytest.mark.parametrize(
    "said", [{}, {"amount": 500}, {"amount": 500, "final": False}, {"amount": 1999, "final": False}]
)
async def test_stripe_mock_accepts_every_capture(
    simulator: Running, gateway: StripeGateway, stripe_mock: str, said: dict[str, Any]
) -> None:
    """A capture of all, of a part, and of a part that is not the last are valid."""
    payment = await paid(gateway, CaptureMethod.MANUAL)
    _, call, _ = await carried_out(gateway, payment, Capture(**asked(payment), **said))
    assert call.operation is Operation.CAPTURE
    await assert_accepted(simulator.simulator.api.requests, stripe_mock)


@pytest.mark.parametrize("reason", [None, *RefundReason])
async def test_stripe_mock_accepts_every_refund(
    simulator: Running, gateway: StripeGateway, stripe_mock: str, reason: RefundReason | None
) -> None:
    """A refund of a part, for every reason and for none, and one of all that is left are valid."""
    payment = await paid(gateway)
    part = RefundWanted(**asked(payment, "cmd-1"), refund_id="refund-1", amount=500, reason=reason)
    payment, call, _ = await carried_out(gateway, payment, part)
    assert call.operation is Operation.REFUND
    rest = RefundWanted(**asked(payment, "cmd-2"), refund_id="refund-2")
    await carried_out(gateway, payment, rest)
    await assert_accepted(simulator.simulator.api.requests, stripe_mock)


async def test_stripe_mock_accepts_a_refund_by_the_policy(
    simulator: Running, gateway: StripeGateway, stripe_mock: str
) -> None:
    """A refund that nobody asked for, because the policy makes it, is valid."""
    payment = await paid(gateway)
    warned = WarningSeen(
        message_id="evt_1",
        event_type="radar.early_fraud_warning.created",
        intent_id=payment.intent_id or "",
        warning_id="issfr_1",
    )
    refunding = Policy({case: Course(Remedy.REFUND) for case in Case})
    _, call, _ = await carried_out(gateway, payment, warned, refunding)
    assert (call.operation, call.asked_by) == (Operation.REFUND, None)
    await assert_accepted(simulator.simulator.api.requests, stripe_mock)


@pytest.mark.parametrize("submit", [False, True])
async def test_stripe_mock_accepts_evidence_of_every_kind(
    simulator: Running, gateway: StripeGateway, stripe_mock: str, *, submit: bool
) -> None:
    """Every text that a caller may give is one of Stripe's, saved or submitted."""
    payment, dispute = await disputed(gateway, simulator)
    texts = {str(field): f"{field}: \N{EURO SIGN} & more" for field in EvidenceField}
    command = Evidence(**asked(payment), dispute_id=dispute, evidence=texts, submit=submit)
    _, call, _ = await carried_out(gateway, payment, command)
    assert call.operation is Operation.EVIDENCE
    await assert_accepted(simulator.simulator.api.requests, stripe_mock)


async def test_stripe_mock_accepts_giving_a_dispute_up(
    simulator: Running, gateway: StripeGateway, stripe_mock: str
) -> None:
    """Accepting a dispute is valid."""
    payment, dispute = await disputed(gateway, simulator)
    _, call, _ = await carried_out(gateway, payment, Accept(**asked(payment), dispute_id=dispute))
    assert call.operation is Operation.ACCEPT
    await assert_accepted(simulator.simulator.api.requests, stripe_mock)


async def test_stripe_mock_accepts_the_second_page_of_a_ledger(
    simulator: Running, gateway: StripeGateway, stripe_mock: str
) -> None:
    """What a read asks for when a payment has more refunds than fit on a page is valid."""
    payment = await paid(gateway)
    world = simulator.simulator.world
    for _ in range(101):
        dashboard.refund(world, world.payment_intents.need(payment.intent_id or ""), {"amount": 1})
    assert isinstance(await gateway.read(payment.intent_id or "", payment.version), IntentSeen)
    rows = list(simulator.simulator.api.requests)
    assert sum("starting_after" in row["query"] for row in rows) == 1
    await assert_accepted(rows, stripe_mock)


def test_every_operation_is_tried() -> None:
    """A call that somebody adds to the worker has to be tried here."""
    tried = {Operation.CREATE, Operation.CONFIRM, Operation.CANCEL, Operation.CAPTURE, Operation.REFUND}
    assert set(Operation) == tried | {Operation.EVIDENCE, Operation.ACCEPT}
