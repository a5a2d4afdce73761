"""Radar: warnings of issuers, reviews, and what ends them."""

from typing import Any

import pytest

from tests.unit.sandbox_stripe.intents import PLAIN, created
from tests.unit.sandbox_stripe.raw import Raw

WARNINGS = "/v1/radar/early_fraud_warnings"
ELEVATED = "pm_card_riskLevelElevated"


async def paid(raw: Raw, card: str = "pm_card_visa", more: str = "") -> dict[str, Any]:
    return await created(raw, f"{PLAIN}&payment_method={card}&confirm=true{more}")


async def warned(raw: Raw, **body: Any) -> dict[str, Any]:
    intent = await paid(raw)
    warning: dict[str, Any] = await raw.control(f"payment_intents/{intent['id']}/early_fraud_warning", body)
    return warning


async def newest(raw: Raw, count: int) -> list[str]:
    return [event["type"] for event in (await raw.get(f"/v1/events?limit={count}")).body["data"]]


async def test_a_card_warns(raw: Raw) -> None:
    """The charge succeeds and its issuer warns a moment later."""
    intent = await paid(raw, "pm_card_createIssuerFraudRecord")
    await raw.control("clock", {"advance_s": 3601})
    for query in (f"charge={intent['latest_charge']}", f"payment_intent={intent['id']}"):
        (warning,) = (await raw.get(f"{WARNINGS}?{query}")).body["data"]
        assert (warning["actionable"], warning["fraud_type"], warning["payment_intent"]) == (True, "misc", intent["id"])
    assert "radar.early_fraud_warning.created" in await newest(raw, 2)
    shown = (await raw.get(f"{WARNINGS}/{warning['id']}?expand[]=charge")).body
    assert shown["charge"]["id"] == intent["latest_charge"]
    assert (await raw.get(f"{WARNINGS}/issfr_none")).status == 404


@pytest.mark.parametrize("ending", ["refund", "dispute"])
async def test_a_warning_can_be_acted_on_until_it_is_too_late(raw: Raw, ending: str) -> None:
    """A refund in full and a dispute leave nothing to act on, and say so."""
    warning = await warned(raw, fraud_type="made_with_stolen_card")
    assert warning["fraud_type"] == "made_with_stolen_card"
    await raw.control(f"payment_intents/{warning['payment_intent']}/{ending}", {})
    assert (await raw.get(f"{WARNINGS}/{warning['id']}")).body["actionable"] is False
    assert await newest(raw, 1) == ["radar.early_fraud_warning.updated"]


async def test_a_partial_refund_leaves_the_warning(raw: Raw) -> None:
    """There is still money to lose."""
    warning = await warned(raw)
    await raw.post("/v1/refunds", f"charge={warning['charge']}&amount=5")
    assert (await raw.get(f"{WARNINGS}/{warning['id']}")).body["actionable"] is True


async def test_an_issuer_corrects_itself(raw: Raw) -> None:
    """A changed warning is radar.early_fraud_warning.updated with what it was before."""
    warning = await warned(raw)
    await raw.control(f"early_fraud_warnings/{warning['id']}/change", {"fraud_type": "card_never_received"})
    (event, *_) = (await raw.get("/v1/events")).body["data"]
    assert event["data"]["previous_attributes"] == {"fraud_type": "misc"}
    assert "error" in await raw.control(f"early_fraud_warnings/{warning['id']}/change", {"fraud_type": "x"})
    assert "error" in await raw.control(f"early_fraud_warnings/{warning['id']}/change", {"actionable": "x"})


async def test_elevated_risk_is_reviewed(raw: Raw) -> None:
    """The payment succeeds, its charge says why it is in the queue, and review.opened follows."""
    intent = await paid(raw, ELEVATED)
    assert await newest(raw, 2) == ["review.opened", "payment_intent.succeeded"]
    charge = (await raw.get(f"/v1/charges/{intent['latest_charge']}?expand[]=review")).body
    outcome = charge["outcome"]
    assert (outcome["type"], outcome["reason"], outcome["risk_level"]) == (
        "manual_review",
        "elevated_risk_level",
        "elevated",
    )
    review = charge["review"]
    assert (review["id"], review["open"], review["reason"], review["opened_reason"]) == (
        intent["review"],
        True,
        "rule",
        "rule",
    )
    assert [row["id"] for row in (await raw.get("/v1/reviews")).body["data"]] == [review["id"]]


async def test_a_review_is_approved_once(raw: Raw) -> None:
    """Approved it is closed and in no list any more; a second approval is refused."""
    review = (await paid(raw, ELEVATED))["review"]
    done = (await raw.post(f"/v1/reviews/{review}/approve")).body
    assert (done["open"], done["reason"], done["closed_reason"]) == (False, "approved", "approved")
    assert await newest(raw, 1) == ["review.closed"]
    assert (await raw.get("/v1/reviews")).body["data"] == []
    assert (await raw.get(f"/v1/reviews/{review}")).body == done
    assert (await raw.post(f"/v1/reviews/{review}/approve")).status == 400
    assert (await raw.get("/v1/reviews/prv_none")).body["error"]["param"] == "review"


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("refund", {}, "refunded"),
        ("refund", {"reason": "fraudulent"}, "refunded_as_fraud"),
        ("dispute", {"kind": "inquiry"}, "disputed"),
    ],
)
async def test_what_happens_to_the_payment_ends_its_review(
    raw: Raw, path: str, body: dict[str, Any], reason: str
) -> None:
    """A refund in full, as fraud or not, and a dispute each close it with their reason."""
    intent = await paid(raw, ELEVATED)
    await raw.control(f"payment_intents/{intent['id']}/{path}", body)
    review = (await raw.get(f"/v1/reviews/{intent['review']}")).body
    assert (review["open"], review["closed_reason"]) == (False, reason)
    assert "review.closed" in await newest(raw, 3)


async def test_a_canceled_authorization_ends_its_review(raw: Raw) -> None:
    """Since basil the reason is canceled."""
    intent = await paid(raw, ELEVATED, "&capture_method=manual")
    assert (intent["status"], intent["review"] is None) == ("requires_capture", False)
    await raw.post(f"/v1/payment_intents/{intent['id']}/cancel")
    assert (await raw.get(f"/v1/reviews/{intent['review']}")).body["closed_reason"] == "canceled"


async def test_the_rule_can_be_switched_off(raw: Raw) -> None:
    """Without it elevated risk is only said."""
    await raw.control("account", {"review_elevated": False})
    intent = await paid(raw, ELEVATED)
    charge = (await raw.get(f"/v1/charges/{intent['latest_charge']}")).body
    assert (intent["review"], charge["outcome"]["type"], charge["outcome"]["risk_level"]) == (
        None,
        "authorized",
        "elevated",
    )


async def test_anybody_can_ask_for_a_review(raw: Raw) -> None:
    """The control places any payment in the queue, once, and closes the review for any reason."""
    intent = await paid(raw)
    review = await raw.control(f"payment_intents/{intent['id']}/review", {})
    assert (review["opened_reason"], review["charge"]) == ("manual", intent["latest_charge"])
    assert (await raw.get(f"/v1/payment_intents/{intent['id']}")).body["review"] == review["id"]
    assert "error" in await raw.control(f"payment_intents/{intent['id']}/review", {})
    closed = await raw.control(f"reviews/{review['id']}/close", {"reason": "acknowledged"})
    assert closed["closed_reason"] == "acknowledged"
    assert "error" in await raw.control(f"reviews/{review['id']}/close", {"reason": "acknowledged"})


async def test_a_merchant_reports_fraud(raw: Raw) -> None:
    """fraud_details[user_report] of a charge is set, and unset by an empty text."""
    path = f"/v1/charges/{(await paid(raw))['latest_charge']}"
    report = "fraud_details[user_report]"
    assert (await raw.post(path, f"{report}=safe")).body["fraud_details"] == {"user_report": "safe"}
    assert (await raw.post(path, f"{report}=")).body["fraud_details"] == {}
    assert (await raw.post(path, f"{report}=maybe")).status == 400
