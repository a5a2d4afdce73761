"""Refunds."""

from typing import Any

import pytest

from sandbox.stripe.refund_states import TRANSITIONS, Status
from tests.unit.sandbox_stripe.intents import PLAIN, created, make
from tests.unit.sandbox_stripe.raw import Raw


async def paid(raw: Raw, card: str = "pm_card_visa") -> dict[str, Any]:
    return await created(raw, f"{PLAIN}&payment_method={card}&confirm=true")


async def refund(raw: Raw, intent: dict[str, Any], more: str = "") -> dict[str, Any]:
    answer = await raw.post("/v1/refunds", f"payment_intent={intent['id']}{more}")
    assert answer.status == 200, answer.body
    body: dict[str, Any] = answer.body
    return body


async def test_a_full_refund_is_the_default(raw: Raw) -> None:
    """Without an amount all that is left goes back, and the charge is refunded."""
    intent = await paid(raw)
    await refund(raw, intent, "&amount=500")
    rest = await refund(raw, intent, "&reason=duplicate&metadata[r]=1")
    assert (rest["amount"], rest["status"], rest["reason"], rest["metadata"]) == (
        1500,
        "succeeded",
        "duplicate",
        {"r": "1"},
    )
    charge = (await raw.get(f"/v1/charges/{intent['latest_charge']}")).body
    assert (charge["amount_refunded"], charge["refunded"]) == (2000, True)
    events = [event["type"] for event in (await raw.get("/v1/events?limit=4")).body["data"]]
    assert events == ["charge.refunded", "refund.created"] * 2


async def test_more_than_is_left_is_refused(raw: Raw) -> None:
    """The message says how much was asked and how much is left."""
    intent = await paid(raw)
    await refund(raw, intent, "&amount=1500")
    answer = await raw.post("/v1/refunds", f"payment_intent={intent['id']}&amount=501")
    assert answer.status == 400
    assert answer.body["error"]["message"] == (
        "Refund amount ($5.01) is greater than unrefunded amount on charge ($5.00)"
    )


async def test_a_refunded_charge_is_refused(raw: Raw) -> None:
    """After a full refund the code is charge_already_refunded, by charge and by intent."""
    intent = await paid(raw)
    await refund(raw, intent)
    for form in (f"payment_intent={intent['id']}", f"charge={intent['latest_charge']}"):
        answer = await raw.post("/v1/refunds", form)
        assert (answer.status, answer.body["error"]["code"]) == (400, "charge_already_refunded")


@pytest.mark.parametrize("status", ["requires_payment_method", "requires_capture", "processing", "canceled"])
async def test_an_unpaid_intent_cannot_be_refunded(raw: Raw, status: str) -> None:
    """Without captured money there is nothing to refund."""
    intent = await make(raw, status)
    assert (await raw.post("/v1/refunds", f"payment_intent={intent['id']}")).status == 400


@pytest.mark.parametrize("form", ["", "payment_intent=pi_none", "payment_intent=pi_1&charge=ch_1"])
async def test_a_refund_names_one_known_payment(raw: Raw, form: str) -> None:
    """No payment, an unknown one or two of them are a 400."""
    assert (await raw.post("/v1/refunds", form)).status == 400


async def test_an_unknown_charge_is_not_found(raw: Raw) -> None:
    """Stripe looks up a refund's charge as if it stood in the path: a 404 about `id`."""
    answer = await raw.post("/v1/refunds", "charge=ch_none")
    assert (answer.status, answer.body["error"]["code"]) == (404, "resource_missing")
    assert answer.body["error"]["param"] == "id"


async def test_a_refund_can_fail_after_it_had_succeeded(raw: Raw) -> None:
    """Card 5126: succeeded at first, failed later, and the charge is refundable again."""
    intent = await paid(raw, "pm_card_refundFail")
    made = await refund(raw, intent)
    assert made["status"] == "succeeded"
    await raw.control("clock", {"advance_s": 3601})
    failed = (await raw.get(f"/v1/refunds/{made['id']}")).body
    assert (failed["status"], failed["failure_reason"]) == ("failed", "expired_or_canceled_card")
    charge = (await raw.get(f"/v1/charges/{intent['latest_charge']}")).body
    assert (charge["amount_refunded"], charge["refunded"]) == (0, False)
    kinds = {event["type"] for event in (await raw.get("/v1/events?limit=100")).body["data"]}
    assert {"refund.updated", "refund.failed", "charge.refund.updated"} <= kinds


async def test_a_refund_can_be_pending_first(raw: Raw) -> None:
    """Card 7726: pending, then succeeded with refund.updated."""
    made = await refund(raw, await paid(raw, "pm_card_pendingRefund"))
    assert (made["status"], made["pending_reason"]) == ("pending", "processing")
    await raw.control("clock", {"advance_s": 3601})
    assert (await raw.get(f"/v1/refunds/{made['id']}")).body["status"] == "succeeded"
    (event, *_) = (await raw.get("/v1/events?type=refund.updated")).body["data"]
    assert event["data"]["previous_attributes"]["status"] == "pending"


async def test_refunds_take_new_metadata_and_are_listed(raw: Raw) -> None:
    """A refund is updated, found by its charge and its intent, and one of a card cannot be canceled by the API."""
    intent = await paid(raw)
    made = await refund(raw, intent, "&amount=5")
    updated = (await raw.post(f"/v1/refunds/{made['id']}", "metadata[order_id]=6735")).body
    assert updated["metadata"] == {"order_id": "6735"}
    for query in (f"charge={intent['latest_charge']}", f"payment_intent={intent['id']}"):
        assert (await raw.get(f"/v1/refunds?{query}")).body["data"] == [updated]
    refused = await raw.post(f"/v1/refunds/{made['id']}/cancel")
    assert (refused.status, refused.body["error"]["message"]) == (400, "Canceling this refund is unsupported.")


async def newest(raw: Raw, count: int) -> list[str]:
    return [event["type"] for event in (await raw.get(f"/v1/events?limit={count}")).body["data"]]


async def charge_of(raw: Raw, intent: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = (await raw.get(f"/v1/charges/{intent['latest_charge']}")).body
    return body


def test_the_table_has_a_row_for_every_status() -> None:
    """No status of a refund is forgotten, and the two final ones lead nowhere."""
    assert set(TRANSITIONS) == set(Status)
    assert [status for status, row in TRANSITIONS.items() if not row] == [Status.FAILED, Status.CANCELED]


async def test_a_failed_refund_gives_back_what_it_took(raw: Raw) -> None:
    """The failure has a balance transaction of its own, which is the opposite of the refund's."""
    made = await refund(raw, await paid(raw, "pm_card_refundFail"), "&amount=700")
    await raw.control("clock", {"advance_s": 3601})
    failed = (await raw.get(f"/v1/refunds/{made['id']}?expand[]=failure_balance_transaction")).body
    back = failed["failure_balance_transaction"]
    assert (back["type"], back["reporting_category"], back["amount"], back["net"], back["source"]) == (
        "refund_failure",
        "refund_failure",
        700,
        700,
        made["id"],
    )
    assert await newest(raw, 3) == ["refund.failed", "charge.refund.updated", "refund.updated"]


async def test_a_refund_of_the_dashboard_bears_no_name_of_ours(raw: Raw) -> None:
    """It has no metadata, and its events name neither a request nor a key."""
    intent = await paid(raw)
    made = await raw.control(f"payment_intents/{intent['id']}/refund", {"amount": 300})
    assert (made["amount"], made["status"], made["metadata"]) == (300, "succeeded", {})
    events = (await raw.get("/v1/events?limit=2")).body["data"]
    assert [event["type"] for event in events] == ["charge.refunded", "refund.created"]
    assert [event["request"] for event in events] == [{"id": None, "idempotency_key": None}] * 2
    assert events[0]["data"]["previous_attributes"] == {"amount_refunded": 0}
    assert (await charge_of(raw, intent))["amount_refunded"] == 300


async def test_the_dashboard_is_refused_what_stripe_refuses(raw: Raw) -> None:
    """More than is left is Stripe's 400 for the dashboard too."""
    intent = await paid(raw)
    answer = await raw.control(f"payment_intents/{intent['id']}/refund", {"amount": 2001})
    assert answer["stripe"]["param"] == "amount"


async def test_a_fraudulent_refund_marks_the_charge(raw: Raw) -> None:
    """The reason is reported on the charge as the user's."""
    intent = await paid(raw)
    await refund(raw, intent, "&reason=fraudulent")
    assert (await charge_of(raw, intent))["fraud_details"] == {"user_report": "fraudulent"}


@pytest.mark.parametrize(
    ("fate", "first", "later", "left"),
    [
        ("succeeds", "succeeded", "succeeded", 2000),
        ("pending", "pending", "succeeded", 2000),
        ("pending_fails", "pending", "failed", 0),
        ("fails_later", "succeeded", "failed", 0),
        ("insufficient_funds", "pending", "pending", 2000),
        ("requires_action", "requires_action", "requires_action", 2000),
    ],
)
async def test_every_fate_of_a_refund(raw: Raw, fate: str, first: str, later: str, left: int) -> None:
    """A refund of the API does what the control said of its payment, and counts on the charge until it fails."""
    intent = await paid(raw)
    await raw.control(f"payment_intents/{intent['id']}/refund_fate", {"fate": fate, "failure_reason": "declined"})
    made = await refund(raw, intent)
    assert made["status"] == first
    assert (await charge_of(raw, intent))["amount_refunded"] == 2000
    await raw.control("clock", {"advance_s": 3601})
    after = (await raw.get(f"/v1/refunds/{made['id']}")).body
    assert after["status"] == later
    assert (await charge_of(raw, intent))["amount_refunded"] == left
    if later == "failed":
        assert after["failure_reason"] == "declined"


async def test_a_refund_that_requires_action_can_be_canceled(raw: Raw) -> None:
    """Only such a one can be canceled by the API; it had taken nothing, and the charge is refundable again."""
    intent = await paid(raw)
    await raw.control(f"payment_intents/{intent['id']}/refund_fate", {"fate": "requires_action"})
    made = await refund(raw, intent, "&instructions_email=a@example.com")
    assert made["next_action"]["display_details"]["email_sent"]["email_sent_to"] == "a@example.com"
    assert made["balance_transaction"] is None
    gone = (await raw.post(f"/v1/refunds/{made['id']}/cancel")).body
    assert (gone["status"], "next_action" in gone) == ("canceled", False)
    assert (await charge_of(raw, intent))["amount_refunded"] == 0
    assert (await raw.post(f"/v1/refunds/{made['id']}/cancel")).status == 400


async def test_a_refund_waits_for_the_balance(raw: Raw) -> None:
    """Pending for insufficient funds it has taken nothing; once it arrives it has."""
    intent = await paid(raw)
    made = await raw.control(f"payment_intents/{intent['id']}/refund", {"fate": "insufficient_funds"})
    assert (made["pending_reason"], made["balance_transaction"]) == ("insufficient_funds", None)
    moved = await raw.control(f"refunds/{made['id']}/move", {"to": "succeeded"})
    assert moved["balance_transaction"].startswith("txn_")
    assert "pending_reason" not in moved


async def test_a_refund_moves_as_a_bank_moves_it(raw: Raw) -> None:
    """The control fails a succeeded refund with a reason, and refuses a move that no refund makes."""
    made = await refund(raw, await paid(raw))
    failed = await raw.control(f"refunds/{made['id']}/move", {"to": "failed", "failure_reason": "lost_or_stolen_card"})
    assert (failed["status"], failed["failure_reason"]) == ("failed", "lost_or_stolen_card")
    again = await raw.control(f"refunds/{made['id']}/move", {"to": "succeeded"})
    assert again["error"] == "ValueError: a refund that is failed cannot become succeeded"
    assert "error" in await raw.control("refunds/re_none/move", {"to": "failed"})
