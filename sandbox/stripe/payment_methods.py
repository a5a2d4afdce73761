"""Payment methods: cards and bank accounts, made from test ids, tokens, numbers and raw parameters."""

import hashlib
from typing import Any

from sandbox.stripe import cards
from sandbox.stripe.cards import Card
from sandbox.stripe.errors import Json, StripeError, invalid_request, missing_resource, parameter_error
from sandbox.stripe.validation import merge_metadata
from sandbox.stripe.world import World

EXPIRY_MONTH = 12
EXPIRY_YEARS_AHEAD = 1  # test payment methods expire next year, as at Stripe
CENTURY = 100
SECONDS_PER_YEAR = 31_556_952

EMPTY_ADDRESS: Json = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
EMPTY_BILLING: Json = {"address": EMPTY_ADDRESS, "email": None, "name": None, "phone": None, "tax_id": None}


def create(world: World, params: Json) -> Json:
    """POST /v1/payment_methods."""
    if "payment_method" in params:
        raise parameter_error("Cloning a PaymentMethod needs a connected account.", param="payment_method")
    method = from_parameters(world, params, "")
    world.payment_methods.put(method)
    if params.get("customer"):
        method = attach(world, method, params["customer"])
    return method


def retrieve(world: World, object_id: str, _params: Json) -> Json:
    """GET /v1/payment_methods/:id. A test id answers with an object of its own, as at Stripe."""
    return resolve(world, object_id, "payment_method", in_path=True)


def update(world: World, object_id: str, params: Json) -> Json:
    """POST /v1/payment_methods/:id."""
    method = world.payment_methods.need(object_id, "payment_method", in_path=True)
    if method["customer"] is None:
        raise invalid_request(
            "You must save this PaymentMethod to a customer before you can update it.",
            param="payment_method",
            stored=True,
        )
    changes: Json = {}
    if "metadata" in params:
        changes["metadata"] = merge_metadata(method["metadata"], params["metadata"])
    if "billing_details" in params:
        changes["billing_details"] = _billing(params, method["billing_details"])
    if "allow_redisplay" in params:
        changes["allow_redisplay"] = params["allow_redisplay"]
    new = world.payment_methods.change(method, **changes)
    world.emit("payment_method.updated", new, before=method)
    return new


def attach_by_id(world: World, object_id: str, params: Json) -> Json:
    """POST /v1/payment_methods/:id/attach."""
    method = resolve(world, object_id, "payment_method", in_path=True)
    return attach(world, method, params["customer"])


def attach(world: World, method: Json, customer_id: str) -> Json:
    """Save it to a customer; some test cards refuse."""
    customer = world.customers.need(customer_id, "customer")
    if customer.get("deleted"):
        raise missing_resource("customer", customer_id, "customer", status=400)
    if method["customer"] == customer_id:
        return method
    if method["customer"] is not None:
        message = "The payment method you provided has already been attached to a customer."
        raise invalid_request(message, param="payment_method", stored=True)
    refuse_consumed(world, method)
    card = world.cards[method["id"]]
    if refuses_attachment(card):
        assert card.decline is not None
        raise card_error(card.decline)
    method = world.payment_methods.change(method, customer=customer_id)
    world.emit("payment_method.attached", method)
    return method


def refuses_attachment(card: Card) -> bool:
    """Whether the bank declines when the card is saved. One test card is published to decline only when it is charged."""
    return card.decline is not None and card.name != "chargeCustomerFail" and card.challenge is cards.Challenge.NEVER


def detach(world: World, object_id: str, _params: Json) -> Json:
    """POST /v1/payment_methods/:id/detach. A detached payment method can never be used again."""
    method = world.payment_methods.need(object_id, "payment_method", in_path=True)
    if method["customer"] is None:
        message = "The payment method you provided is not attached to a customer so detachment is impossible."
        raise invalid_request(message, param="payment_method", stored=True)
    new = world.payment_methods.change(method, customer=None)
    world.consumed.add(object_id)
    world.emit("payment_method.detached", new, before=method)
    _forget_default(world, method)
    return new


def list_all(world: World, params: Json) -> Json:
    """GET /v1/payment_methods."""
    filters = {name: params[name] for name in ("type", "allow_redisplay") if name in params}
    return world.payment_methods.page(
        params, lambda method: all(method[name] == value for name, value in filters.items())
    )


def list_of_customer(world: World, customer_id: str, params: Json) -> Json:
    """GET /v1/customers/:id/payment_methods."""
    world.customers.need(customer_id, "customer", in_path=True)
    page = list_all(world, {**params, "customer": customer_id})
    return {**page, "url": f"/v1/customers/{customer_id}/payment_methods"}


def resolve(world: World, reference: str, param: str, *, in_path: bool = False) -> Json:
    """A payment method by id; a test id (`pm_card_visa`) makes a new object each time, as at Stripe."""
    known = world.payment_methods.get(reference)
    if known is not None:
        return known
    card = cards.by_payment_method(reference)
    if card is None:
        raise missing_resource("PaymentMethod", reference, param, status=404 if in_path else 400)
    return _put(world, card, {})


def given(world: World, params: Json) -> Json | None:
    """The payment method that a request names, or brings along."""
    if params.get("payment_method"):
        return resolve(world, params["payment_method"], "payment_method")
    if params.get("payment_method_data"):
        return from_parameters(world, params["payment_method_data"], "payment_method_data")
    return None


def from_parameters(world: World, params: Json, prefix: str) -> Json:
    """A payment method from `type` and its hash: a published number, a token, an account or an IBAN."""
    kind = params["type"]
    details = params.get(kind)
    if kind == "card":
        card = _card(world, details or {}, f"{prefix}[card]" if prefix else "card")
    elif kind in {"us_bank_account", "sepa_debit"}:
        card = _account(kind, details or {}, f"{prefix}[{kind}]" if prefix else kind)
    else:
        message = (
            f"The payment method type provided: {kind} is invalid. Please ensure the provided type is activated in "
        )
        message += "your dashboard (https://dashboard.stripe.com/account/payments/settings)."
        raise parameter_error(message, param=f"{prefix}[type]" if prefix else "type")
    return _put(world, card, params)


def refuse_consumed(world: World, method: Json) -> None:
    if method["id"] in world.consumed:
        raise invalid_request(
            "This PaymentMethod was previously used without being attached to a Customer or was detached from a Customer, "
            "and may not be used again.",
            param="payment_method",
            stored=True,
        )


def card_error(decline: cards.Decline, **extra: Any) -> StripeError:
    """402 with Stripe's body. `extra` adds charge, payment_intent and payment_method."""
    error: Json = {"code": decline.code}
    if decline.advice_code:
        error["advice_code"] = decline.advice_code
    if decline.code in {"card_declined", "authentication_required"} or "charge" in extra:
        error["decline_code"] = decline.decline_code
    error["doc_url"] = f"https://stripe.com/docs/error-codes/{decline.code.replace('_', '-')}"
    error["message"] = decline.message
    if decline.code in {"incorrect_number", "incorrect_cvc", "expired_card"}:
        error["param"] = {"incorrect_number": "number", "incorrect_cvc": "cvc", "expired_card": "exp_month"}[
            decline.code
        ]
    error |= extra
    error["type"] = "card_error"
    return StripeError(402, error, stored=True)


def _card(world: World, details: Json, prefix: str) -> Card:
    if "token" in details:
        card = cards.by_token(details["token"])
        if card is None:
            raise missing_resource("token", details["token"], f"{prefix}[token]", status=400)
        return card
    if "number" not in details:
        raise parameter_error(
            f"Missing required param: {prefix}[number].", code="parameter_missing", param=f"{prefix}[number]"
        )
    number = details["number"].replace(" ", "").replace("-", "")
    _check_expiry(world, details, prefix)
    if not cards.is_luhn(number):
        raise card_error(cards.NUMBER)
    card = cards.by_number(number)
    if card is not None and card.kind == "card":
        return card
    raise card_error(
        cards.Decline(
            "card_declined",
            "test_mode_live_card",
            "Your card was declined. Your request was in test mode, but used a non test (live) card. For a list of valid test "
            "cards, visit: https://stripe.com/docs/testing.",
        )
    )


def _check_expiry(world: World, details: Json, prefix: str) -> None:
    for name in ("exp_month", "exp_year"):
        if name not in details:
            full = f"{prefix}[{name}]"
            raise parameter_error(f"Missing required param: {full}.", code="parameter_missing", param=full)
    year = details["exp_year"] + (2000 if details["exp_year"] < CENTURY else 0)
    this_year = 1970 + world.clock.seconds() // SECONDS_PER_YEAR
    if year < this_year:
        decline = cards.Decline("invalid_expiry_year", "invalid_expiry_year", "Your card's expiration year is invalid.")
        raise card_error(decline, param="exp_year")


def _account(kind: str, details: Json, prefix: str) -> Card:
    field = "iban" if kind == "sepa_debit" else "account_number"
    if field not in details:
        raise parameter_error(
            f"Missing required param: {prefix}[{field}].", code="parameter_missing", param=f"{prefix}[{field}]"
        )
    card = cards.by_number(details[field].replace(" ", ""))
    if card is None or card.kind != kind:
        raise parameter_error(
            f"You must use a test bank account number in test mode ({field}).", param=f"{prefix}[{field}]"
        )
    return card


def _forget_default(world: World, method: Json) -> None:
    """A detached method is nobody's default any more."""
    customer = world.customers.need(method["customer"])
    settings = customer["invoice_settings"]
    if settings["default_payment_method"] == method["id"]:
        new = world.customers.change(customer, invoice_settings={**settings, "default_payment_method": None})
        world.emit("customer.updated", new, before=customer)


def _put(world: World, card: Card, params: Json) -> Json:
    method: Json = {
        "id": world.ids.new("pm"),
        "object": "payment_method",
        "allow_redisplay": params.get("allow_redisplay", "unspecified"),
        "billing_details": _billing(params, EMPTY_BILLING),
        card.kind: _details(world, card, params.get(card.kind) or {}),
        "created": world.clock.seconds(),
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": merge_metadata({}, params.get("metadata")),
        "type": card.kind,
    }
    world.payment_methods.put(method)
    world.cards[method["id"]] = card
    return method


def _billing(params: Json, old: Json) -> Json:
    given = params.get("billing_details") or {}
    if not given:
        return old
    address = {**old["address"], **(given.get("address") or {})}
    return {**old, **given, "address": address}


def fingerprint(number: str) -> str:
    """The same number has the same fingerprint, and it does not reveal it."""
    return hashlib.sha256(number.encode()).hexdigest()[:16]


def _details(world: World, card: Card, given: Json) -> Json:
    if card.kind == "card":
        year = 1970 + world.clock.seconds() // SECONDS_PER_YEAR + EXPIRY_YEARS_AHEAD
        return {
            "brand": card.brand,
            "checks": {
                "address_line1_check": None,
                "address_postal_code_check": None,
                "cvc_check": "pass" if "cvc" in given else None,
            },
            "country": card.country,
            "display_brand": card.brand,
            "exp_month": given.get("exp_month", EXPIRY_MONTH),
            "exp_year": given.get("exp_year", year),
            "fingerprint": fingerprint(card.number),
            "funding": card.funding,
            "generated_from": None,
            "last4": card.last4,
            "networks": {"available": [card.brand], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": card.brand != "amex"},
            "wallet": None,
        }
    if card.kind == "sepa_debit":
        return {
            "bank_code": card.number[4:12],
            "branch_code": "",
            "country": card.country,
            "fingerprint": fingerprint(card.number),
            "generated_from": {"charge": None, "setup_attempt": None},
            "last4": card.last4,
        }
    return {
        "account_holder_type": given.get("account_holder_type", "individual"),
        "account_type": given.get("account_type", "checking"),
        "bank_name": "STRIPE TEST BANK",
        "financial_connections_account": None,
        "fingerprint": fingerprint(card.number),
        "last4": card.last4,
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": given.get("routing_number", "110000000"),
        "status_details": {},
    }
