"""What the official client sends through the simulator is accepted by stripe-mock too."""

import stripe

from sandbox.stripe.app import create_app
from sandbox.stripe.server import Running, serve
from tests.conformance.stripe_mock.replay import assert_accepted, refused
from tests.unit.sandbox_stripe.sdk import official_client

NO_REDIRECTS: stripe.params.PaymentIntentCreateParamsAutomaticPaymentMethods = {
    "enabled": True,
    "allow_redirects": "never",
}


async def _a_payments_life(run: Running) -> None:
    async with official_client(run.address) as client:
        customer = await client.customers.create_async({"email": "a@example.com", "metadata": {"user": "7"}})
        intent = await client.payment_intents.create_async(
            {
                "amount": 2000,
                "currency": "usd",
                "customer": customer.id,
                "capture_method": "manual",
                "automatic_payment_methods": NO_REDIRECTS,
                "metadata": {"order_id": "o-1"},
            },
            {"idempotency_key": "create"},
        )
        await client.payment_intents.update_async(intent.id, {"metadata": {"note": "x"}})
        await client.payment_intents.confirm_async(
            intent.id, {"payment_method": "pm_card_visa", "expand": ["latest_charge"]}, {"idempotency_key": "confirm"}
        )
        await client.payment_intents.capture_async(intent.id, {"amount_to_capture": 1500})
        await client.refunds.create_async(
            {"payment_intent": intent.id, "amount": 500, "reason": "requested_by_customer", "metadata": {"r": "1"}}
        )
        other = await client.payment_intents.create_async({"amount": 700, "currency": "eur"})
        await client.payment_intents.cancel_async(other.id, {"cancellation_reason": "abandoned"})
        await client.payment_intents.retrieve_async(intent.id, {"expand": ["latest_charge.refunds", "customer"]})
        await client.payment_intents.list_async({"customer": customer.id, "created": {"gte": 1}, "limit": 100})
        await client.charges.list_async({"payment_intent": intent.id})
        await client.refunds.list_async({"payment_intent": intent.id})
        await client.events.list_async({"types": ["charge.refunded"], "delivery_success": False})
        await client.payment_methods.attach_async("pm_card_mastercard", {"customer": customer.id})
        await client.customers.delete_async(customer.id)
        await client.accounts.retrieve_current_async()


async def test_stripe_mock_accepts_the_clients_requests(stripe_mock: str) -> None:
    """Every request of a payment's life is valid by Stripe's own document."""
    async with serve(create_app(seed=1)) as run:
        await _a_payments_life(run)
        rows = list(run.simulator.api.requests)
    assert [row["status"] for row in rows] == [200] * 16
    await assert_accepted(rows, stripe_mock)


async def test_the_replay_notices_a_bad_request(stripe_mock: str) -> None:
    """A request with an unknown parameter is reported, with stripe-mock's reason."""
    row = {"method": "POST", "path": "/v1/payment_intents", "query": "amount=1&currency=usd&colour=red"}
    (answer,) = await refused([row], stripe_mock)
    assert "colour" in answer
