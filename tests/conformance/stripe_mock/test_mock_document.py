"""Every object that the simulator returns, in every state, is valid by Stripe's OpenAPI document: types, enums, nulls."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sandbox.stripe.app import create_app
from sandbox.stripe.intents import Status
from sandbox.stripe.server import serve
from tests.conformance.stripe_mock.document import load, violations
from tests.conformance.stripe_mock.process import NotHereError, find
from tests.unit.sandbox_stripe.raw import Raw, raw_client

FORM = "amount=2000&currency=usd&payment_method_types[]=card&payment_method_types[]=us_bank_account"
SHIPPING = "shipping[name]=Ada&shipping[address][line1]=1 High Street"
ATTEMPTS = (
    "pm_card_visa&metadata[order_id]=o-1",
    f"pm_card_visa&{SHIPPING}",
    "pm_card_visa&capture_method=manual",
    "pm_card_chargeDeclined",
    "pm_card_visa_chargeDeclinedFraudulent",
    "pm_card_authenticationRequired",
    "pm_card_authenticationRequired&return_url=https://shop.example/",
    "pm_card_refundFail",
    "pm_card_pendingRefund",
    "pm_usBankAccount_success",
    "pm_usBankAccount_accountClosed",
    "pm_usBankAccount_processing",
)


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


async def live(raw: Raw) -> None:
    """Bring payments into every state there is."""
    await raw.post("/v1/webhook_endpoints", "url=http://127.0.0.1:1/&enabled_events[]=setup_intent.created")
    await raw.post("/v1/customers", f"email=a@example.com&address[city]=Paris&{SHIPPING}")
    await raw.post("/v1/payment_intents", "amount=2000&currency=jpy")
    for attempt in ATTEMPTS:
        await raw.post("/v1/payment_intents", f"{FORM}&confirm=true&payment_method={attempt}")
    debit = "amount=900&currency=eur&payment_method_types[]=sepa_debit&confirm=true&payment_method=pm_sepaDebit_success"
    await raw.post("/v1/payment_intents", debit)
    for intent in (await raw.get("/v1/payment_intents?limit=100")).body["data"]:
        if intent["status"] == "succeeded":
            await raw.post("/v1/refunds", f"payment_intent={intent['id']}&amount=500")
        if intent["status"] == "requires_action":
            await raw.control(f"payment_intents/{intent['id']}/authenticate", {"outcome": "fail"})


async def everything(raw: Raw) -> list[dict[str, Any]]:
    """All objects as they are, and as the events remember them."""
    kinds = ("payment_intents", "charges", "refunds", "customers", "payment_methods", "webhook_endpoints", "events")
    rows = [row for kind in kinds for row in (await raw.get(f"/v1/{kind}?limit=100")).body["data"]]
    remembered = [row["data"]["object"] for row in rows if row["object"] == "event"]
    return [*rows, *remembered, (await raw.get("/v1/account")).body, (await raw.get("/v1/balance")).body]


async def test_every_object_in_every_state_is_valid(raw: Raw, schemas: dict[str, Any]) -> None:
    """No object breaks Stripe's own schema, before or after debits settle, refunds fail and authorizations expire."""
    await live(raw)
    before = await everything(raw)
    await raw.control("clock", {"advance_s": 8 * 24 * 3600})
    after = await everything(raw)
    statuses = {row["status"] for row in before + after if row["object"] == "payment_intent"}
    assert statuses == set(Status)
    assert sorted({line for row in before + after for line in violations(row, schemas)}) == []


def test_a_wrong_object_is_noticed(schemas: dict[str, Any]) -> None:
    """A status that Stripe does not have, and a missing field, are violations."""
    found = violations({"object": "refund", "id": "re_1", "amount": "5", "created": 1, "currency": "usd"}, schemas)
    assert any("refund.amount" in line for line in found)
