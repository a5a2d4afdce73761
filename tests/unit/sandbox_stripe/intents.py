"""A PaymentIntent in every status, made through the API only."""

from typing import Any

from tests.unit.sandbox_stripe.raw import Raw

PLAIN = "amount=2000&currency=usd&payment_method_types[]=card&payment_method_types[]=us_bank_account"


async def make(raw: Raw, status: str) -> dict[str, Any]:
    """A new intent in this status."""
    confirmed = f"{PLAIN}&confirm=true&payment_method="
    forms = {
        "requires_payment_method": PLAIN,
        "requires_confirmation": f"{PLAIN}&payment_method=pm_card_visa",
        "requires_action": f"{confirmed}pm_card_authenticationRequired",
        "processing": f"{confirmed}pm_usBankAccount_success",
        "requires_capture": f"{confirmed}pm_card_visa&capture_method=manual",
        "succeeded": f"{confirmed}pm_card_visa",
        "canceled": PLAIN,
    }
    intent = await created(raw, forms[status])
    if status == "canceled":
        intent = (await raw.post(f"/v1/payment_intents/{intent['id']}/cancel")).body
    assert intent["status"] == status
    return intent


async def created(raw: Raw, form: str) -> dict[str, Any]:
    answer = await raw.post("/v1/payment_intents", form)
    assert answer.status == 200, answer.body
    body: dict[str, Any] = answer.body
    return body
