"""SetupIntents: cards saved for later, and what that is worth off session."""

import itertools
from typing import Any

import aiohttp
import pytest

from sandbox.stripe.setup_states import TRANSITIONS, Status
from tests.unit.sandbox_stripe.raw import Answer, Raw, raw_client

SETUPS = "/v1/setup_intents"
CARD = "payment_method_types[]=card"
ON_SETUP = "pm_card_authenticationRequiredOnSetup"
ALWAYS = "pm_card_authenticationRequired"
PAY = "amount=2000&currency=usd&payment_method_types[]=card&confirm=true&off_session=true"


async def customer(raw: Raw) -> str:
    return str((await raw.post("/v1/customers")).body["id"])


async def made(raw: Raw, form: str) -> dict[str, Any]:
    answer = await raw.post(SETUPS, form)
    assert answer.status == 200, answer.body
    body: dict[str, Any] = answer.body
    return body


async def in_status(raw: Raw, status: str) -> dict[str, Any]:
    """A SetupIntent in this status, made through the API only."""
    confirmed = f"{CARD}&confirm=true&payment_method="
    intent = await made(
        raw,
        {
            "requires_payment_method": CARD,
            "requires_confirmation": f"{CARD}&payment_method=pm_card_visa",
            "requires_action": f"{confirmed}{ALWAYS}",
            "succeeded": f"{confirmed}pm_card_visa",
            "canceled": f"{CARD}&payment_method=pm_card_visa",
        }[status],
    )
    if status == "canceled":
        intent = (await raw.post(f"{SETUPS}/{intent['id']}/cancel")).body
    assert intent["status"] == status
    return intent


async def newest(raw: Raw, count: int) -> list[str]:
    return [event["type"] for event in (await raw.get(f"/v1/events?limit={count}")).body["data"]]


def test_the_table_has_a_row_for_every_status() -> None:
    """No status is forgotten, and the two final ones lead nowhere."""
    assert set(TRANSITIONS) == set(Status)
    assert [status for status, row in TRANSITIONS.items() if not row] == [Status.SUCCEEDED, Status.CANCELED]


OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


@pytest.mark.parametrize(
    ("status", "action"), list(itertools.product((*OPEN, "succeeded", "canceled"), ("confirm", "cancel", "update")))
)
async def test_every_action_in_every_status(raw: Raw, status: str, action: str) -> None:
    """An open intent can be confirmed, canceled and given another card; an ended one refuses and is shown unchanged."""
    intent = await in_status(raw, status)
    path = f"{SETUPS}/{intent['id']}" + ("" if action == "update" else f"/{action}")
    answer = await raw.post(path, "" if action == "cancel" else "payment_method=pm_card_visa")
    now = (await raw.get(f"{SETUPS}/{intent['id']}")).body
    if status in OPEN:
        assert answer.body == now
        after = {"confirm": "succeeded", "cancel": "canceled", "update": "requires_confirmation"}
        assert now["status"] == after[action]
    else:
        error = answer.body["error"]
        assert (answer.status, error["code"]) == (400, "setup_intent_unexpected_state")
        assert error["setup_intent"] == intent == now


async def test_a_bare_setup_waits_for_a_method(raw: Raw) -> None:
    """It is meant for off-session use, has automatic payment methods, and a secret for the browser."""
    intent = await made(raw, f"customer={await customer(raw)}&metadata[user]=7&description=x")
    assert (intent["status"], intent["usage"], intent["metadata"]) == (
        "requires_payment_method",
        "off_session",
        {"user": "7"},
    )
    assert intent["automatic_payment_methods"] == {"allow_redirects": "always", "enabled": True}
    assert intent["client_secret"].startswith(f"{intent['id']}_secret_")
    assert await newest(raw, 1) == ["setup_intent.created"]


async def test_a_setup_attaches_the_card(raw: Raw) -> None:
    """Confirmed, the method belongs to the customer, and the events say so in that order."""
    owner = await customer(raw)
    intent = await made(raw, f"customer={owner}&{CARD}&confirm=true&payment_method=pm_card_visa")
    assert (intent["status"], intent["latest_attempt"][:7]) == ("succeeded", "setatt_")
    (saved,) = (await raw.get(f"/v1/payment_methods?customer={owner}")).body["data"]
    assert saved["id"] == intent["payment_method"]
    assert await newest(raw, 3) == ["setup_intent.succeeded", "payment_method.attached", "setup_intent.created"]


async def test_a_declined_setup_says_why(raw: Raw) -> None:
    """402 with the intent, which wants another method and remembers the error."""
    answer = await raw.post(SETUPS, f"{CARD}&confirm=true&payment_method=pm_card_chargeDeclinedExpiredCard")
    error = answer.body["error"]
    assert (answer.status, error["type"], error["code"], error["decline_code"]) == (
        402,
        "card_error",
        "expired_card",
        "expired_card",
    )
    intent = error["setup_intent"]
    assert (intent["status"], intent["payment_method"], intent["last_setup_error"]["code"]) == (
        "requires_payment_method",
        None,
        "expired_card",
    )
    assert await newest(raw, 1) == ["setup_intent.setup_failed"]
    again = await raw.post(f"{SETUPS}/{intent['id']}/confirm", "payment_method=pm_card_visa")
    assert (again.body["status"], again.body["last_setup_error"]) == ("succeeded", None)


async def press(raw: Raw, url: str, outcome: str) -> aiohttp.ClientResponse:
    async with raw.session.post(url, data={"outcome": outcome}, allow_redirects=False) as response:
        return response


@pytest.mark.parametrize(
    ("outcome", "status", "event"),
    [
        ("succeed", "succeeded", "setup_intent.succeeded"),
        ("fail", "requires_payment_method", "setup_intent.setup_failed"),
    ],
)
async def test_the_page_leads_back_to_the_shop(raw: Raw, outcome: str, status: str, event: str) -> None:
    """3-D Secure of a setup has the same page, and the return address names the setup."""
    form = f"{CARD}&confirm=true&payment_method={ALWAYS}&return_url=https://shop.example/"
    intent = await made(raw, form)
    assert await newest(raw, 1) == ["setup_intent.requires_action"]
    url = intent["next_action"]["redirect_to_url"]["url"]
    async with raw.session.get(url) as page:
        assert "A payment method is saved." in await page.text()
    response = await press(raw, url, outcome)
    assert f"setup_intent={intent['id']}&setup_intent_client_secret=" in response.headers["Location"]
    assert (await raw.get(f"{SETUPS}/{intent['id']}")).body["status"] == status
    assert await newest(raw, 1) == [event]


async def test_the_control_authenticates_too(raw: Raw) -> None:
    """It fails with setup_intent_authentication_failure, and refuses what waits for nobody."""
    intent = await made(raw, f"{CARD}&confirm=true&payment_method={ALWAYS}")
    assert intent["next_action"]["type"] == "use_stripe_sdk"
    failed = await raw.control(f"setup_intents/{intent['id']}/authenticate", {"outcome": "fail"})
    assert failed["last_setup_error"]["code"] == "setup_intent_authentication_failure"
    again = await raw.control(f"setup_intents/{intent['id']}/authenticate", {"outcome": "fail"})
    assert again == {"error": "ValueError: the SetupIntent is requires_payment_method, not requires_action"}


async def off_session(raw: Raw, card: str) -> Answer:
    """Set up with the customer present, then paid without him."""
    owner = await customer(raw)
    intent = await made(raw, f"customer={owner}&{CARD}&confirm=true&payment_method={card}")
    if intent["status"] == "requires_action":
        intent = await raw.control(f"setup_intents/{intent['id']}/authenticate")
    return await raw.post("/v1/payment_intents", f"{PAY}&customer={owner}&payment_method={intent['payment_method']}")


@pytest.mark.parametrize("card", [ON_SETUP, "pm_card_visa", "pm_card_authenticationRequiredSetupForOffSession"])
async def test_a_card_that_was_set_up_pays_off_session(raw: Raw, card: str) -> None:
    """Its bank does not ask again."""
    assert (await off_session(raw, card)).body["status"] == "succeeded"


async def test_a_bank_may_always_ask(raw: Raw) -> None:
    """Set up or not: 402 authentication_required with the intent in the error, open for another method."""
    answer = await off_session(raw, ALWAYS)
    error = answer.body["error"]
    assert (answer.status, error["type"], error["code"]) == (402, "card_error", "authentication_required")
    intent = error["payment_intent"]
    assert (intent["status"], intent["last_payment_error"]["code"]) == (
        "requires_payment_method",
        "authentication_required",
    )
    assert intent["last_payment_error"]["payment_method"]["id"] == error["payment_method"]["id"]


async def test_a_card_that_was_only_attached_is_not_set_up(raw: Raw) -> None:
    """Attaching asks no bank: off session the card is declined."""
    owner = await customer(raw)
    method = (await raw.post(f"/v1/payment_methods/{ON_SETUP}/attach", f"customer={owner}")).body["id"]
    answer = await raw.post("/v1/payment_intents", f"{PAY}&customer={owner}&payment_method={method}")
    assert answer.body["error"]["code"] == "authentication_required"


async def test_a_setup_takes_the_customers_own_methods_only(raw: Raw) -> None:
    """Another customer's method, or one of a customer that was not named, is refused about payment_method."""
    owner, other = await customer(raw), await customer(raw)
    method = (await raw.post("/v1/payment_methods/pm_card_visa/attach", f"customer={owner}")).body["id"]
    for form in (f"customer={other}", ""):
        answer = await raw.post(SETUPS, f"{CARD}&payment_method={method}&{form}")
        assert (answer.status, answer.body["error"]["param"]) == (400, "payment_method")
    assert (await raw.post(SETUPS, f"{CARD}&payment_method=pm_sepaDebit_success")).status == 400


async def test_a_setup_without_a_method_cannot_be_confirmed(raw: Raw) -> None:
    """The missing method is the first thing that is said."""
    intent = await in_status(raw, "requires_payment_method")
    error = (await raw.post(f"{SETUPS}/{intent['id']}/confirm")).body["error"]
    assert error["message"].startswith("You cannot confirm this SetupIntent because it's missing a payment method.")


async def test_setups_are_found(raw: Raw) -> None:
    """By id, by customer and by payment method; an unknown one is a 404 about `intent`."""
    owner = await customer(raw)
    intent = await made(raw, f"customer={owner}&{CARD}&confirm=true&payment_method=pm_card_visa")
    await in_status(raw, "requires_payment_method")
    for query in (f"customer={owner}", f"payment_method={intent['payment_method']}"):
        assert (await raw.get(f"{SETUPS}?{query}")).body["data"] == [intent]
    shown = (await raw.get(f"{SETUPS}/{intent['id']}?expand[]=payment_method.customer")).body
    assert shown["payment_method"]["customer"]["id"] == owner
    missing = await raw.get(f"{SETUPS}/seti_none")
    assert (missing.status, missing.body["error"]["message"]) == (404, "No such setupintent: 'seti_none'")
    assert missing.body["error"]["param"] == "intent"


async def test_a_setups_words_change_in_any_status(raw: Raw) -> None:
    """Description and metadata of an ended intent are no secret of its method."""
    intent = await in_status(raw, "succeeded")
    changed = (await raw.post(f"{SETUPS}/{intent['id']}", "description=y&metadata[a]=1")).body
    assert (changed["description"], changed["metadata"], changed["status"]) == ("y", {"a": "1"}, "succeeded")


async def test_a_browser_sets_up_with_the_secret(raw: Raw) -> None:
    """A publishable key confirms and reads by the client secret, and sees what a customer may see."""
    intent = await made(raw, f"customer={await customer(raw)}")
    async with raw_client(raw.address, "pk_test_123") as browser:
        path = f"{SETUPS}/{intent['id']}"
        assert (await browser.get(path)).status == 400
        form = f"client_secret={intent['client_secret']}"
        done = (await browser.post(f"{path}/confirm", f"{form}&payment_method=pm_card_visa")).body
        assert (done["status"], "customer" in done) == ("succeeded", False)
        assert (await browser.get(f"{path}?{form}")).body["status"] == "succeeded"


async def test_a_setup_is_repeated_under_its_key(raw: Raw) -> None:
    """The same key makes one SetupIntent."""
    first = await raw.post(SETUPS, f"{CARD}&confirm=true&payment_method=pm_card_visa", key="k")
    again = await raw.post(SETUPS, f"{CARD}&confirm=true&payment_method=pm_card_visa", key="k")
    assert again.body == first.body
    assert len((await raw.get(SETUPS)).body["data"]) == 1


async def test_confirm_parameters_need_a_confirmation(raw: Raw) -> None:
    """A return_url without confirm=true is refused, and so is a deleted customer."""
    assert (await raw.post(SETUPS, "return_url=https://shop.example/")).body["error"]["param"] == "return_url"
    owner = await customer(raw)
    await raw.delete(f"/v1/customers/{owner}")
    assert (await raw.post(SETUPS, f"customer={owner}")).body["error"]["code"] == "resource_missing"


async def test_a_receipt_can_be_read(raw: Raw) -> None:
    """The charge's receipt_url says what was paid and what went back."""
    intent = (
        await raw.post("/v1/payment_intents", f"{PAY}&payment_method=pm_card_visa&receipt_email=a@example.com")
    ).body
    await raw.post("/v1/refunds", f"payment_intent={intent['id']}&amount=500")
    charge = (await raw.get(f"/v1/charges/{intent['latest_charge']}")).body
    assert charge["receipt_email"] == "a@example.com"
    async with raw.session.get(charge["receipt_url"]) as page:
        assert "Paid $20.00, refunded $5.00." in await page.text()
    async with raw.session.get(f"{raw.address}/_sim/receipts/ch_none") as page:
        assert page.status == 404
