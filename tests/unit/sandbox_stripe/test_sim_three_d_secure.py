"""3-D Secure: the challenge, its page, and what follows."""

from typing import Any

import aiohttp
import pytest

from tests.unit.sandbox_stripe.intents import PLAIN, created
from tests.unit.sandbox_stripe.raw import Raw

CARD = "pm_card_authenticationRequired"
SHOP = "https://shop.example/back?cart=7"
FORM = f"{PLAIN}&confirm=true&return_url={SHOP.replace('?', '%3F')}"


async def challenged(raw: Raw, card: str = CARD, more: str = "") -> dict[str, Any]:
    intent = await created(raw, f"{FORM}&payment_method={card}{more}")
    assert intent["status"] == "requires_action"
    return intent


async def now(raw: Raw, intent: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = (await raw.get(f"/v1/payment_intents/{intent['id']}")).body
    return body


async def press(raw: Raw, url: str, outcome: str) -> aiohttp.ClientResponse:
    async with raw.session.post(url, data={"outcome": outcome}, allow_redirects=False) as response:
        return response


@pytest.mark.parametrize(
    ("outcome", "status", "redirect"),
    [("succeed", "succeeded", "succeeded"), ("fail", "requires_payment_method", "failed")],
)
async def test_the_page_leads_back_to_the_shop(raw: Raw, outcome: str, status: str, redirect: str) -> None:
    """The page shows two buttons; either ends the challenge and returns with the intent and the outcome."""
    intent = await challenged(raw)
    action = intent["next_action"]
    assert (action["type"], action["redirect_to_url"]["return_url"]) == ("redirect_to_url", SHOP)
    url = action["redirect_to_url"]["url"]
    async with raw.session.get(url) as page:
        text = await page.text()
    assert "Complete" in text
    assert "Fail" in text
    response = await press(raw, url, outcome)
    assert response.status == 303
    assert response.headers["Location"] == (
        f"{SHOP}&payment_intent={intent['id']}&payment_intent_client_secret={intent['client_secret']}"
        f"&redirect_status={redirect}"
    )
    assert (await now(raw, intent))["status"] == status


async def test_a_failed_authentication_makes_no_charge(raw: Raw) -> None:
    """The intent wants a payment method again and says payment_intent_authentication_failure."""
    intent = await challenged(raw)
    await raw.control(f"payment_intents/{intent['id']}/authenticate", {"outcome": "fail"})
    after = await now(raw, intent)
    assert after["last_payment_error"]["code"] == "payment_intent_authentication_failure"
    assert (after["latest_charge"], after["next_action"]) == (None, None)
    assert (await raw.get(f"/v1/charges?payment_intent={intent['id']}")).body["data"] == []
    (event, *_) = (await raw.get("/v1/events")).body["data"]
    assert event["type"] == "payment_intent.payment_failed"


async def test_a_card_may_be_declined_after_authentication(raw: Raw) -> None:
    """Authenticated and without funds: the intent fails with a charge, and nobody gets a 402."""
    intent = await challenged(raw, "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds")
    after = await raw.control(f"payment_intents/{intent['id']}/authenticate")
    assert after["status"] == "requires_payment_method"
    assert after["last_payment_error"]["decline_code"] == "insufficient_funds"


async def test_manual_capture_and_manual_confirmation_go_on_after_it(raw: Raw) -> None:
    """Authentication leads to requires_capture, or back to requires_confirmation for the server to confirm."""
    held = await challenged(raw, more="&capture_method=manual")
    assert (await raw.control(f"payment_intents/{held['id']}/authenticate"))["status"] == "requires_capture"
    manual = await challenged(raw, more="&confirmation_method=manual")
    assert (await raw.control(f"payment_intents/{manual['id']}/authenticate"))["status"] == "requires_confirmation"
    paid = (await raw.post(f"/v1/payment_intents/{manual['id']}/confirm")).body
    assert paid["status"] == "succeeded"


async def test_without_a_return_url_stripe_js_must_act(raw: Raw) -> None:
    """The next action is use_stripe_sdk, and its page ends without a redirect."""
    intent = await created(raw, f"{PLAIN}&confirm=true&payment_method={CARD}")
    assert intent["next_action"]["type"] == "use_stripe_sdk"
    response = await press(raw, intent["next_action"]["use_stripe_sdk"]["stripe_js"], "succeed")
    assert response.status == 200
    assert (await now(raw, intent))["status"] == "succeeded"


async def test_an_old_page_cannot_pay(raw: Raw) -> None:
    """The page of an earlier attempt, or pressed twice, does nothing."""
    intent = await challenged(raw)
    url = intent["next_action"]["redirect_to_url"]["url"]
    await raw.post(f"/v1/payment_intents/{intent['id']}/confirm", f"payment_method={CARD}")
    assert (await press(raw, url, "succeed")).status == 200
    assert (await now(raw, intent))["status"] == "requires_action"
    await raw.control(f"payment_intents/{intent['id']}/authenticate")
    again = await raw.control(f"payment_intents/{intent['id']}/authenticate")
    assert again == {"error": "the PaymentIntent is succeeded, not requires_action"}


async def test_a_canceled_challenge_stays_canceled(raw: Raw) -> None:
    """Authenticating after a cancel changes nothing."""
    intent = await challenged(raw)
    await raw.post(f"/v1/payment_intents/{intent['id']}/cancel")
    await press(raw, intent["next_action"]["redirect_to_url"]["url"], "succeed")
    assert (await now(raw, intent))["status"] == "canceled"
