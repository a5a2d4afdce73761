"""Charges: one per attempt that reached the bank. A failed 3-D Secure makes none."""

from sandbox.stripe import method_options
from sandbox.stripe.cards import Card, Decline
from sandbox.stripe.errors import Json, invalid_request
from sandbox.stripe.hosted_pages import receipt
from sandbox.stripe.validation import merge_metadata
from sandbox.stripe.world import World

# "Multicapture … is available with Amex, Visa, Discover, Mastercard", and since with these.
MULTICAPTURE_BRANDS = frozenset(["amex", "visa", "discover", "mastercard", "diners", "unionpay", "jcb"])


def retrieve(world: World, object_id: str, _params: Json) -> Json:
    """GET /v1/charges/:id."""
    return world.charges.need(object_id, in_path=True)


def list_all(world: World, params: Json) -> Json:
    """GET /v1/charges."""
    return world.charges.page(params)


def update(world: World, object_id: str, params: Json) -> Json:
    """POST /v1/charges/:id."""
    charge = world.charges.need(object_id, in_path=True)
    changes: Json = {
        name: params[name] for name in ("description", "receipt_email", "shipping", "transfer_group") if name in params
    }
    if "fraud_details" in params:
        merged = {**charge["fraud_details"], **params["fraud_details"]}
        changes["fraud_details"] = {name: value for name, value in merged.items() if value is not None}
    if "metadata" in params:
        changes["metadata"] = merge_metadata(charge["metadata"], params["metadata"])
    if params.get("customer"):
        if charge["customer"] is not None:
            raise invalid_request("You cannot change the customer of a charge.", param="customer", stored=True)
        changes["customer"] = world.customers.need(params["customer"], "customer")["id"]
    new = world.charges.change(charge, **changes)
    world.emit("charge.updated", new, before=charge)
    return new


def record(
    world: World, intent: Json, method: Json, *, status: str, captured: bool, decline: Decline | None = None
) -> Json:
    """Write the charge of one attempt: `succeeded`, `pending` or `failed`."""
    card = world.cards[method["id"]]
    charge: Json = {
        "id": world.ids.new("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"] if captured and status == "succeeded" else 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": "SANDBOX" if decline is None else None,
        "captured": captured and status == "succeeded",
        "created": world.clock.seconds(),
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": decline.code if decline else None,
        "failure_message": decline.message if decline else None,
        "fraud_details": {},
        "livemode": False,
        "metadata": intent["metadata"],
        "on_behalf_of": None,
        "outcome": outcome(card, decline, pending=status == "pending"),
        "paid": status == "succeeded",
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {"type": card.kind, card.kind: _details(world, card, method, intent)},
        "radar_options": {},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": intent["shipping"],
        "source": None,
        "source_transfer": None,
        "statement_descriptor": intent["statement_descriptor"],
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": status,
        "transfer_data": None,
        "transfer_group": intent["transfer_group"],
    }
    if status == "succeeded":
        charge["receipt_url"] = receipt(world, charge["id"])
    return world.charges.put(charge)


def outcome(card: Card, decline: Decline | None, *, pending: bool = False) -> Json:
    """What Radar and the bank said."""
    if decline is None:
        message = "Payment complete." if not pending else "Payment pending."
        network, reason, kind = "approved_by_network", None, "authorized"
    elif decline.network_status == "not_sent_to_network":
        message, network, kind = "Stripe blocked this payment as too risky.", decline.network_status, "blocked"
        reason = "highest_risk_level"
    else:
        message = f"The bank returned the decline code `{decline.decline_code}`."
        network, reason, kind = decline.network_status, decline.decline_code, "issuer_declined"
    return {
        "advice_code": decline.advice_code if decline else None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": network,
        "reason": reason,
        "risk_level": card.risk if card.kind == "card" else "not_assessed",
        "risk_score": {"normal": 20, "elevated": 65, "highest": 90}[card.risk],
        "seller_message": message,
        "type": kind,
    }


def failed(world: World, charge: Json, decline: Decline) -> Json:
    """A pending charge that the bank returned."""
    return world.charges.change(
        charge,
        status="failed",
        paid=False,
        failure_code=decline.code,
        failure_message=decline.message,
        outcome=outcome(world.cards[charge["payment_method"]], decline),
    )


def _details(world: World, card: Card, method: Json, intent: Json) -> Json:
    shown = method[card.kind]
    if card.kind == "sepa_debit":
        shared = {name: shown[name] for name in ("bank_code", "branch_code", "country", "fingerprint", "last4")}
        return {**shared, "mandate": None}
    if card.kind == "us_bank_account":
        names = ("account_holder_type", "account_type", "bank_name", "fingerprint", "last4", "routing_number")
        return {**{name: shown[name] for name in names}, "payment_reference": None}
    authenticated = world.backstage[intent["id"]].authenticated == method["id"]
    manual = method_options.capture_method(intent, "card") == "manual"
    several = card.multicapture and manual and method_options.wants_multicapture(intent) and world.terms.multicapture
    return {
        "amount_authorized": intent["amount"],
        "authorization_code": None,
        "brand": card.brand,
        **({"capture_before": world.clock.seconds() + int(world.settings.authorization_s)} if manual else {}),
        "checks": shown["checks"],
        "country": card.country,
        "exp_month": shown["exp_month"],
        "exp_year": shown["exp_year"],
        "extended_authorization": {"status": "disabled"},
        "fingerprint": shown["fingerprint"],
        "funding": card.funding,
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "last4": card.last4,
        "mandate": None,
        "multicapture": {"status": "available" if several and card.brand in MULTICAPTURE_BRANDS else "unavailable"},
        "network": card.brand,
        "network_token": {"used": False},
        "network_transaction_id": None,
        "overcapture": {"maximum_amount_capturable": intent["amount"], "status": "unavailable"},
        "regulated_status": "unregulated",
        "three_d_secure": _three_d_secure() if authenticated else None,
        "transaction_link_id": None,
        "wallet": None,
    }


def _three_d_secure() -> Json:
    return {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "05",
        "exemption_indicator": None,
        "result": "authenticated",
        "result_reason": None,
        "transaction_id": None,
        "version": "2.2.0",
    }
