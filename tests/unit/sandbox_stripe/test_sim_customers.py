"""Customers and their payment methods."""

import pytest
import stripe
from stripe._v1_services import V1Services

from tests.unit.sandbox_stripe.raw import Raw


async def test_a_customers_life(sdk: V1Services, raw: Raw) -> None:
    """Created, updated, found by email, deleted; each step is an event."""
    made = await sdk.customers.create_async(
        {"email": "a@example.com", "address": {"city": "Paris"}, "metadata": {"a": "1"}}
    )
    assert made.address is not None
    assert (made.address.city, made.address.line1) == ("Paris", None)
    changed = await sdk.customers.update_async(made.id, {"name": "Ada"})
    assert (changed.name, changed.email) == ("Ada", "a@example.com")
    assert [row.id for row in (await sdk.customers.list_async({"email": "a@example.com"})).data] == [made.id]
    assert (await sdk.customers.delete_async(made.id)).deleted
    assert (await sdk.customers.retrieve_async(made.id)).deleted
    assert (await sdk.customers.list_async()).data == []
    kinds = [event["type"] for event in (await raw.get("/v1/events")).body["data"]]
    assert kinds == ["customer.deleted", "customer.updated", "customer.created"]


async def test_a_deleted_customer_cannot_pay(sdk: V1Services) -> None:
    """A PaymentIntent for a deleted customer, and its update, are resource_missing."""
    customer = await sdk.customers.create_async()
    await sdk.customers.delete_async(customer.id)
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        await sdk.payment_intents.create_async({"amount": 2000, "currency": "usd", "customer": customer.id})
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        await sdk.customers.update_async(customer.id, {"name": "x"})


async def test_payment_methods_attach_and_detach(sdk: V1Services) -> None:
    """An attached method is listed for its customer; detached it is gone for good."""
    customer = await sdk.customers.create_async()
    method = await sdk.payment_methods.attach_async("pm_card_visa", {"customer": customer.id})
    assert (method.customer, method.id == "pm_card_visa") == (customer.id, False)
    renamed = await sdk.payment_methods.update_async(method.id, {"billing_details": {"name": "Ada"}})
    assert renamed.billing_details.name == "Ada"
    for listed in (
        await sdk.customers.payment_methods.list_async(customer.id),
        await sdk.payment_methods.list_async({"customer": customer.id, "type": "card"}),
    ):
        assert [row.id for row in listed.data] == [method.id]
    await sdk.payment_methods.detach_async(method.id)
    assert (await sdk.customers.payment_methods.list_async(customer.id)).data == []
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        await sdk.payment_methods.attach_async(method.id, {"customer": customer.id})


async def test_a_declined_card_cannot_be_attached(sdk: V1Services) -> None:
    """Attaching checks the card: a CardError; the card that fails later attaches and then declines."""
    customer = await sdk.customers.create_async()
    with pytest.raises(stripe.CardError):
        await sdk.payment_methods.attach_async("pm_card_chargeDeclined", {"customer": customer.id})
    method = await sdk.payment_methods.attach_async("pm_card_chargeCustomerFail", {"customer": customer.id})
    with pytest.raises(stripe.CardError) as declined:
        await sdk.payment_intents.create_async(
            {
                "amount": 2000,
                "currency": "usd",
                "customer": customer.id,
                "payment_method": method.id,
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
                "confirm": True,
            }
        )
    assert declined.value.code == "card_declined"
    assert declined.value.error is not None
    assert declined.value.error.payment_intent is not None
    assert declined.value.error.payment_intent.status == "requires_payment_method"


async def test_a_customer_may_have_a_default_payment_method(sdk: V1Services) -> None:
    """It is attached in the same request and can be expanded."""
    customer = await sdk.customers.create_async(
        {
            "payment_method": "pm_card_visa",
            "invoice_settings": {"default_payment_method": "pm_card_visa"},
            "expand": ["invoice_settings.default_payment_method"],
        }
    )
    assert customer.invoice_settings is not None
    method = customer.invoice_settings.default_payment_method
    assert isinstance(method, stripe.PaymentMethod)
    assert method.customer == customer.id


async def test_a_default_payment_method_is_one_of_the_customers(sdk: V1Services, raw: Raw) -> None:
    """Another one is refused; the default can be set, unset, and is forgotten when it is detached."""
    customer = await sdk.customers.create_async()
    path = f"/v1/customers/{customer.id}"
    stranger = (await raw.post("/v1/payment_methods", "type=card&card[token]=tok_visa")).body["id"]
    refused = await raw.post(path, f"invoice_settings[default_payment_method]={stranger}")
    assert (refused.status, refused.body["error"]["param"]) == (400, "invoice_settings[default_payment_method]")
    method = (await sdk.payment_methods.attach_async("pm_card_visa", {"customer": customer.id})).id
    chosen = f"invoice_settings[default_payment_method]={method}"
    assert (await raw.post(path, chosen)).body["invoice_settings"]["default_payment_method"] == method
    unset = (await raw.post(path, "invoice_settings[default_payment_method]=")).body
    assert unset["invoice_settings"]["default_payment_method"] is None
    await raw.post(path, chosen)
    await sdk.payment_methods.detach_async(method)
    assert (await raw.get(path)).body["invoice_settings"]["default_payment_method"] is None
    kinds = [event["type"] for event in (await raw.get("/v1/events?limit=2")).body["data"]]
    assert kinds == ["customer.updated", "payment_method.detached"]


async def test_charges_take_metadata(sdk: V1Services, raw: Raw) -> None:
    """A charge has the intent's metadata, and its own after an update, which is an event."""
    intent = await sdk.payment_intents.create_async(
        {
            "amount": 2000,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "confirm": True,
            "metadata": {"order_id": "o-1"},
        }
    )
    assert isinstance(intent.latest_charge, str)
    charge = await sdk.charges.update_async(intent.latest_charge, {"metadata": {"note": "x"}})
    assert charge.metadata.to_dict() == {"order_id": "o-1", "note": "x"}
    (event,) = (await raw.get("/v1/events?type=charge.updated")).body["data"]
    assert event["data"]["previous_attributes"] == {"metadata": {"note": None}}


async def test_the_balance_is_the_net_of_all_transactions(sdk: V1Services) -> None:
    """Captured 2000 less a fee of 88 are pending, and the refund of 500 has left what is available."""
    intent = await sdk.payment_intents.create_async(
        {
            "amount": 2000,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "confirm": True,
            "capture_method": "automatic",
        }
    )
    await sdk.refunds.create_async({"payment_intent": intent.id, "amount": 500})
    balance = await sdk.balance.retrieve_async()
    assert [(row.currency, row.amount) for row in balance.pending] == [("usd", 1912)]
    assert [(row.currency, row.amount) for row in balance.available] == [("usd", -500)]
