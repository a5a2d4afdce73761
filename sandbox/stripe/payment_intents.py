"""The PaymentIntents API: what each endpoint checks before intents.py and attempts.py move anything."""

from typing import Any

from sandbox.stripe import attempts, captures, method_options, method_types, payment_methods
from sandbox.stripe.customers import living
from sandbox.stripe.errors import Json, StripeError, invalid_request, parameter_error, state_error
from sandbox.stripe.intents import Input, Status, refuse_cancel, refuse_capture, refuse_confirm, refuse_update, step
from sandbox.stripe.validation import check_amount, merge_metadata
from sandbox.stripe.world import Backstage, World

NEEDS_CONFIRM = ("return_url", "off_session", "error_on_requires_action", "mandate", "mandate_data")
# Fixed once an attempt is under way or over.
GUARDED = (
    "amount", "capture_method", "currency", "customer", "payment_method", "payment_method_data", "payment_method_types",
    "setup_future_usage",
)  # fmt: skip
PLAIN = (
    "description", "receipt_email", "setup_future_usage", "shipping", "statement_descriptor", "statement_descriptor_suffix",
    "transfer_group", "capture_method", "currency", "amount",
)  # fmt: skip
# What a publishable key may see ("… only the properties needed on the client").
PUBLIC = (
    "id", "object", "amount", "amount_details", "automatic_payment_methods", "canceled_at", "cancellation_reason",
    "capture_method", "client_secret", "confirmation_method", "created", "currency", "description", "last_payment_error",
    "livemode", "next_action", "payment_method", "payment_method_configuration_details", "payment_method_types", "processing",
    "receipt_email", "setup_future_usage", "shipping", "status",
)  # fmt: skip
NO_METHOD = (
    "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent "
    "with a payment method and then confirm it again, or confirm it again directly with a payment method or "
    "ConfirmationToken."
)


def create(world: World, params: Json) -> Json:
    """POST /v1/payment_intents."""
    method_types.check_choice(world, params)
    _check_create(params)
    check_amount(params["amount"], params["currency"])
    customer = _customer(world, params.get("customer"))
    intent = _new(world, params, customer)
    method = payment_methods.given(world, params)
    if method is not None:
        _check_method(world, intent, method)
    if params.get("confirm"):
        method_types.check_confirmation(world, intent, params)
    world.payment_intents.put(intent)
    world.backstage[intent["id"]] = Backstage()
    if method is not None:
        status = str(step(intent["status"], Input.ATTACH))
        intent = world.payment_intents.change(intent, payment_method=method["id"], status=status)
    world.emit("payment_intent.created", intent)
    return _confirm(world, intent, params) if params.get("confirm") else intent


def retrieve(world: World, object_id: str, params: Json) -> Json:
    """GET /v1/payment_intents/:id; with a publishable key only by its client secret."""
    intent = world.payment_intents.need(object_id, "intent", in_path=True)
    _check_secret(world, intent, params)
    return _shown(world, intent)


def list_all(world: World, params: Json) -> Json:
    """GET /v1/payment_intents."""
    return world.payment_intents.page(params)


def search(_world: World, _params: Json) -> Json:
    """GET /v1/payment_intents/search: refused, so that nobody takes an empty answer for the truth."""
    raise invalid_request("The simulator has no search: list PaymentIntents by customer or by `created`.", stored=False)


def update(world: World, object_id: str, params: Json) -> Json:
    """POST /v1/payment_intents/:id."""
    method_types.check_choice(world, params)
    intent = world.payment_intents.need(object_id, "intent", in_path=True)
    for field in GUARDED:
        if field in params and (refusal := refuse_update(intent, field)):
            raise refusal
    if "amount" in params or "currency" in params:
        wanted = {**intent, **params}
        check_amount(wanted["amount"], wanted["currency"])
    changes = {name: params[name] for name in PLAIN if name in params}
    if "metadata" in params:
        changes["metadata"] = merge_metadata(intent["metadata"], params["metadata"])
    if "customer" in params:
        changes["customer"] = _customer(world, params["customer"])
    changes |= method_types.chosen(intent, params)
    changes |= method_options.changed({**intent, **changes}, params)
    draft = {**intent, **changes}
    method = payment_methods.given(world, params)
    if method is not None:
        _check_method(world, draft, method)
        changes |= {
            "payment_method": method["id"],
            "status": str(step(intent["status"], Input.ATTACH)),
            "next_action": None,
        }
    elif "payment_method" in params:
        changes |= {"payment_method": None, "status": str(step(intent["status"], Input.DETACH)), "next_action": None}
    return world.payment_intents.change(intent, **changes)


def confirm(world: World, object_id: str, params: Json) -> Json:
    """POST /v1/payment_intents/:id/confirm."""
    method_types.check_choice(world, params)
    intent = world.payment_intents.need(object_id, "intent", in_path=True)
    _check_secret(world, intent, params)
    if world.asking.publishable and intent["confirmation_method"] == "manual":
        message = "This PaymentIntent's confirmation_method is manual: it can only be confirmed with a secret key."
        raise invalid_request(message, code="payment_intent_invalid_parameter", stored=False)
    if refusal := refuse_confirm(intent):
        raise refusal
    changes = {name: params[name] for name in PLAIN if name in params}
    changes |= method_types.chosen(intent, params)
    changes |= method_options.changed({**intent, **changes}, params)
    draft = {**intent, **changes}
    method = payment_methods.given(world, params)
    if method is not None:
        _check_method(world, draft, method)
        changes["payment_method"] = method["id"]
    method_types.check_confirmation(world, draft, params)
    intent = world.payment_intents.change(intent, **changes)
    return _shown(world, _confirm(world, intent, params))


def capture(world: World, object_id: str, params: Json) -> Json:
    """POST /v1/payment_intents/:id/capture."""
    intent = world.payment_intents.need(object_id, "intent", in_path=True)
    if refusal := refuse_capture(intent):
        raise refusal
    final: bool = params.get("final_capture", True)
    if refusal := captures.refuse_amount(world, intent, params.get("amount_to_capture"), final=final):
        raise refusal
    changes: Json = {
        name: params[name] for name in ("statement_descriptor", "statement_descriptor_suffix") if name in params
    }
    if "metadata" in params:
        changes["metadata"] = merge_metadata(intent["metadata"], params["metadata"])
    intent = world.payment_intents.change(intent, **changes)
    amount: int = {"amount_to_capture": intent["amount_capturable"], **params}["amount_to_capture"]
    return captures.capture(world, intent, amount, final=final)


def cancel(world: World, object_id: str, params: Json) -> Json:
    """POST /v1/payment_intents/:id/cancel."""
    intent = world.payment_intents.need(object_id, "intent", in_path=True)
    reason = params.get("cancellation_reason")
    if intent["status"] == Status.PROCESSING and world.terms.cancel_processing:
        return attempts.withdraw(world, intent, reason)
    if refusal := refuse_cancel(intent):
        raise refusal
    return captures.cancel(world, intent, reason)


def _confirm(world: World, intent: Json, params: Json) -> Json:
    """Attempt the payment with what the intent has now."""
    if intent["payment_method"] is None:
        raise state_error(NO_METHOD, intent)
    method = world.payment_methods.need(intent["payment_method"], "payment_method")
    payment_methods.refuse_consumed(world, method)
    behind = world.backstage[intent["id"]]
    if "return_url" in params:
        behind.return_url = params["return_url"]
    behind.use_stripe_sdk = bool(params.get("use_stripe_sdk"))
    return attempts.attempt(
        world,
        intent,
        off_session=method_types.is_off_session(params),
        refuse_action=bool(params.get("error_on_requires_action")),
    )


def _new(world: World, params: Json, customer: str | None) -> Json:
    object_id = world.ids.new("pi")
    automatic = method_types.automatic_methods(params)
    types = method_types.accepted(params, automatic=automatic is not None)
    intent: Json = {
        "id": object_id,
        "object": "payment_intent",
        "allowed_payment_method_types": params.get("allowed_payment_method_types"),
        "amount": params["amount"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": automatic,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": params.get("capture_method", "automatic_async"),
        "client_secret": world.ids.client_secret(object_id),
        "confirmation_method": params.get("confirmation_method", "automatic"),
        "created": world.clock.seconds(),
        "currency": params["currency"],
        "customer": customer,
        "customer_account": None,
        "description": params.get("description"),
        "excluded_payment_method_types": params.get("excluded_payment_method_types"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "managed_payments": {"enabled": False},
        "metadata": merge_metadata({}, params.get("metadata")),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": method_options.of(types, params.get("payment_method_options")),
        "payment_method_types": types,
        "processing": None,
        "receipt_email": params.get("receipt_email"),
        "review": None,
        "setup_future_usage": params.get("setup_future_usage"),
        "shipping": _shipping(params.get("shipping")),
        "source": None,
        "statement_descriptor": params.get("statement_descriptor"),
        "statement_descriptor_suffix": params.get("statement_descriptor_suffix"),
        "status": str(Status.REQUIRES_PAYMENT_METHOD),
        "transfer_data": None,
        "transfer_group": params.get("transfer_group"),
    }
    return intent


def _shipping(given: Json | None) -> Json | None:
    if given is None:
        return None
    address = {**payment_methods.EMPTY_ADDRESS, **given["address"]}
    return {"carrier": None, "name": None, "phone": None, "tracking_number": None, **given, "address": address}


def _check_create(params: Json) -> None:
    if not params.get("confirm"):
        for name in NEEDS_CONFIRM:
            if name in params:
                message = (
                    f"The parameter `{name}` cannot be passed when creating a PaymentIntent unless `confirm` is true."
                )
                raise parameter_error(message, param=name)
    if params.get("payment_method") and params.get("payment_method_data"):
        raise parameter_error("You may only specify one of these parameters: payment_method, payment_method_data.")


def _customer(world: World, customer_id: str | None) -> str | None:
    return living(world, customer_id)["id"] if customer_id is not None else None


def _check_method(world: World, intent: Json, method: Json) -> None:
    """A payment method fits the intent: its type is accepted, it is the same customer's, and it was not used up."""
    if method["type"] not in intent["payment_method_types"]:
        raise _bad_method(
            f"The PaymentMethod provided ({method['type']}) is not allowed for this PaymentIntent. Please attempt again with a "
            f"PaymentMethod of one of the following types: {', '.join(intent['payment_method_types'])}."
        )
    payment_methods.refuse_consumed(world, method)
    owner = method["customer"]
    if owner is None or owner == intent["customer"]:
        return
    if intent["customer"] is None:
        raise _bad_method(
            f"The PaymentMethod you provided is attached to a customer ({owner}): you must also provide the customer."
        )
    raise _bad_method("The PaymentMethod you provided belongs to another customer than the one of this PaymentIntent.")


def _bad_method(message: str) -> StripeError:
    return invalid_request(message, code="payment_intent_invalid_parameter", param="payment_method", stored=False)


def _check_secret(world: World, intent: Json, params: Json) -> None:
    secret: Any = params.get("client_secret")
    if secret is None and not world.asking.publishable:
        return
    if secret != intent["client_secret"]:
        message = "The client_secret provided does not match the client_secret associated with this PaymentIntent."
        raise invalid_request(message, code="payment_intent_invalid_parameter", param="client_secret", stored=False)


def _shown(world: World, intent: Json) -> Json:
    return {name: intent[name] for name in PUBLIC} if world.asking.publishable else intent
