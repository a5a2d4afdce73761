"""What a payment leaves behind on its ways is valid by Stripe's OpenAPI document, as objects and as events."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from sandbox.stripe.app import create_app
from sandbox.stripe.cards import RefundFate
from sandbox.stripe.dispute_states import Status
from sandbox.stripe.reviews import CLOSED_REASONS
from sandbox.stripe.server import serve
from tests.conformance.stripe_mock.document import load, violations
from tests.conformance.stripe_mock.process import NotHereError, find
from tests.unit.sandbox_stripe.intents import PLAIN, created
from tests.unit.sandbox_stripe.raw import Raw, raw_client

KINDS = (
    "payment_intents", "charges", "refunds", "disputes", "balance_transactions", "setup_intents", "customers",
    "payment_methods", "radar/early_fraud_warnings", "events",
)  # fmt: skip
PAID = f"{PLAIN}&confirm=true&payment_method="
MONTH_S = 30 * 24 * 3600

Story = Callable[[Raw], Awaitable[None]]


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    try:
        find()  # the document comes with it
        return load()
    except NotHereError as reason:
        pytest.skip(str(reason))


@pytest.fixture
async def raw() -> AsyncIterator[Raw]:
    async with serve(create_app(seed=1)) as run, raw_client(run.address) as client:
        yield client


async def captures(raw: Raw) -> None:
    """Several captures of one authorization, one of them a refunded part, and one that expires partly captured."""
    form = f"{PAID}pm_card_visa&capture_method=manual&payment_method_options[card][request_multicapture]=if_available"
    for final in ("true", "false"):
        intent = await created(raw, form)
        path = f"/v1/payment_intents/{intent['id']}/capture"
        await raw.post(path, "amount_to_capture=700&final_capture=false")
        await raw.post("/v1/refunds", f"charge={intent['latest_charge']}&amount=100")
        await raw.post(path, f"amount_to_capture=300&final_capture={final}")


async def refunds(raw: Raw) -> None:
    """A refund of every fate, ended in every way."""
    for fate in RefundFate:
        intent = await created(raw, f"{PAID}pm_card_visa&description=x")
        await raw.control(f"payment_intents/{intent['id']}/refund_fate", {"fate": fate})
        made = (await raw.post("/v1/refunds", f"payment_intent={intent['id']}&amount=100&reason=fraudulent")).body
        if fate is RefundFate.REQUIRES_ACTION:
            await raw.control(f"refunds/{made['id']}/move", {"to": "pending"})
        if fate is RefundFate.INSUFFICIENT_FUNDS:
            await raw.control(f"refunds/{made['id']}/move", {"to": "canceled"})


async def conversion(raw: Raw) -> None:
    """Payments and refunds that settle in another currency."""
    await raw.control("account", {"settlement_currency": "eur", "exchange_rates": {"usd": "0.92"}})
    intent = await created(raw, f"{PAID}pm_card_visa&capture_method=automatic")
    await raw.post("/v1/refunds", f"payment_intent={intent['id']}&amount=100")
    debit = await created(raw, f"{PAID}pm_usBankAccount_success")
    await raw.control(f"payment_intents/{debit['id']}/settle")
    await raw.post("/v1/refunds", f"payment_intent={debit['id']}")


async def disputes(raw: Raw) -> None:
    """A dispute of every kind, in every status."""
    for kind, status in itertools.product(("chargeback", "compliance", "final", "inquiry", "prevented"), Status):
        intent = await created(raw, f"{PAID}pm_card_visa&capture_method=automatic")
        made = await raw.control(f"payment_intents/{intent['id']}/dispute", {"kind": kind, "amount": 500})
        await raw.post(f"/v1/disputes/{made['id']}", "evidence[uncategorized_text]=x&submit=false")
        await raw.control(f"disputes/{made['id']}/move", {"to": status})
    for account in ("sepaDebit_disputed", "card_createMultipleDisputes"):
        form = f"amount=2000&currency=eur&confirm=true&payment_method=pm_{account}"
        await raw.post("/v1/payment_intents", f"{form}&payment_method_types[]=card&payment_method_types[]=sepa_debit")


async def setups(raw: Raw) -> None:
    """A SetupIntent in every status, with every way to fail."""
    customer = (await raw.post("/v1/customers")).body["id"]
    form = f"customer={customer}&payment_method_types[]=card&payment_method_types[]=sepa_debit&confirm=true&payment_method="
    await raw.post("/v1/setup_intents", f"customer={customer}&usage=on_session")
    canceled = (await raw.post("/v1/setup_intents", "payment_method=pm_card_visa")).body
    await raw.post(f"/v1/setup_intents/{canceled['id']}/cancel", "cancellation_reason=abandoned")
    for method in ("pm_card_visa", "pm_card_chargeDeclined", "pm_sepaDebit_success", "pm_card_authenticationRequired"):
        await raw.post("/v1/setup_intents", f"{form}{method}")
    for outcome in ("succeed", "fail"):
        more = "pm_card_authenticationRequired&return_url=https://shop.example/"
        waiting = (await raw.post("/v1/setup_intents", f"{form}{more}")).body
        await raw.control(f"setup_intents/{waiting['id']}/authenticate", {"outcome": outcome})


async def radar(raw: Raw) -> None:
    """Warnings, and a review closed for every reason."""
    for reason in CLOSED_REASONS:
        intent = await created(raw, f"{PAID}pm_card_riskLevelElevated")
        await raw.control(f"payment_intents/{intent['id']}/early_fraud_warning", {})
        await raw.control(f"reviews/{intent['review']}/close", {"reason": reason})
        await raw.post("/v1/refunds", f"payment_intent={intent['id']}")


STORIES: tuple[Story, ...] = (captures, refunds, conversion, disputes, setups, radar)


async def everything(raw: Raw) -> list[dict[str, Any]]:
    """All objects as they are, and as the events remember them."""
    rows = [row for kind in KINDS for row in (await raw.get(f"/v1/{kind}?limit=100")).body["data"]]
    return [
        *rows,
        *(row["data"]["object"] for row in rows if row["object"] == "event"),
        (await raw.get("/v1/balance")).body,
    ]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_every_object_of_a_story_is_valid(raw: Raw, schemas: dict[str, Any], story: Story) -> None:
    """No object breaks Stripe's own schema, before or after a month has passed."""
    await story(raw)
    before = await everything(raw)
    await raw.control("clock", {"advance_s": MONTH_S})
    after = await everything(raw)
    assert sorted({line for row in before + after for line in violations(row, schemas)}) == []
