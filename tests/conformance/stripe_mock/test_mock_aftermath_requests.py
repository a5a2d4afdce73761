"""What the official client asks after a payment, through the simulator, is accepted by stripe-mock too."""

from typing import Any

import aiohttp
from stripe._v1_services import V1Services

from sandbox.stripe.app import create_app
from sandbox.stripe.server import Running, serve
from tests.conformance.stripe_mock.replay import assert_accepted
from tests.unit.sandbox_stripe.sdk import official_client


async def _control(run: Running, path: str, body: dict[str, Any]) -> dict[str, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{run.address}/_sim/{path}", json=body) as response,
    ):
        found: dict[str, Any] = await response.json()
        assert response.status == 200, found
        return found


async def _paid(client: V1Services, card: str = "pm_card_visa") -> str:
    intent = await client.payment_intents.create_async(
        {
            "amount": 2000,
            "currency": "usd",
            "payment_method": card,
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    return intent.id


async def _disputed(run: Running, client: V1Services) -> None:
    for text in ("winning_evidence", None):
        intent = await _paid(client)
        dispute = (await _control(run, f"payment_intents/{intent}/dispute", {}))["id"]
        await client.disputes.list_async({"payment_intent": intent, "created": {"gte": 1}})
        await client.disputes.retrieve_async(dispute, {"expand": ["charge", "payment_intent"]})
        if text is None:
            await client.disputes.close_async(dispute)
            continue
        await client.disputes.update_async(dispute, {"evidence": {"customer_name": "Ada"}, "submit": False})
        await client.disputes.update_async(dispute, {"evidence": {"uncategorized_text": text}, "metadata": {"a": "1"}})


async def _captured(client: V1Services) -> None:
    held = await client.payment_intents.create_async(
        {
            "amount": 2000,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "capture_method": "manual",
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "payment_method_options": {"card": {"request_multicapture": "if_available"}},
        }
    )
    await client.payment_intents.capture_async(held.id, {"amount_to_capture": 700, "final_capture": False})
    await client.payment_intents.capture_async(held.id, {"amount_to_capture": 0, "final_capture": True})


async def _saved(client: V1Services) -> None:
    customer = await client.customers.create_async({"email": "a@example.com"})
    setup = await client.setup_intents.create_async(
        {
            "customer": customer.id,
            "usage": "off_session",
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": {"user": "7"},
        }
    )
    await client.setup_intents.update_async(setup.id, {"description": "x"})
    done = await client.setup_intents.confirm_async(setup.id, {"payment_method": "pm_card_visa"})
    assert isinstance(done.payment_method, str)
    method = done.payment_method
    await client.customers.update_async(customer.id, {"invoice_settings": {"default_payment_method": method}})
    await client.setup_intents.list_async({"customer": customer.id})
    canceled = await client.setup_intents.create_async({"customer": customer.id})
    await client.setup_intents.cancel_async(canceled.id, {"cancellation_reason": "abandoned"})
    await client.payment_methods.detach_async(method)


async def _watched(run: Running, client: V1Services) -> None:
    intent = await _paid(client, "pm_card_riskLevelElevated")
    warning = (await _control(run, f"payment_intents/{intent}/early_fraud_warning", {}))["id"]
    await client.radar.early_fraud_warnings.list_async({"payment_intent": intent})
    await client.radar.early_fraud_warnings.retrieve_async(warning, {"expand": ["charge"]})
    (review,) = (await client.reviews.list_async({"limit": 1})).data
    await client.reviews.approve_async(review.id)
    await client.reviews.retrieve_async(review.id)
    await _control(run, f"payment_intents/{intent}/refund_fate", {"fate": "requires_action"})
    refund = await client.refunds.create_async({"payment_intent": intent, "amount": 100})
    await client.refunds.cancel_async(refund.id)


async def _reconciled(client: V1Services) -> None:
    page = await client.balance_transactions.list_async({"type": "adjustment", "expand": ["data.source"]})
    await client.balance_transactions.retrieve_async(page.data[0].id, {"expand": ["source"]})
    await client.balance_transactions.list_async({"created": {"gte": 1}, "currency": "usd", "limit": 100})


async def test_stripe_mock_accepts_what_follows_a_payment(stripe_mock: str) -> None:
    """Captures in parts, refunds, disputes, setups, Radar and the balance are asked for as Stripe's document says."""
    async with serve(create_app(seed=1)) as run, official_client(run.address) as client:
        await _captured(client)
        await _disputed(run, client)
        await _saved(client)
        await _watched(run, client)
        await _reconciled(client)
        rows = list(run.simulator.api.requests)
    assert {row["status"] for row in rows} == {200}
    await assert_accepted(rows, stripe_mock)
