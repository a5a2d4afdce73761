"""The SetupIntents API: what each endpoint checks before setup_states.py and setup_attempts.py move anything."""

from typing import Any

from sandbox.stripe import method_types, payment_methods, setup_attempts
from sandbox.stripe.customers import living
from sandbox.stripe.errors import Json, StripeError, invalid_request, parameter_error
from sandbox.stripe.setup_states import Input, Status, move, refuse_cancel, refuse_confirm, refuse_update
from sandbox.stripe.validation import merge_metadata
from sandbox.stripe.world import Backstage, World

OFFERED = ("card", "sepa_debit", "us_bank_account")
NEEDS_CONFIRM = ("mandate_data", "return_url", "single_use")
# What a publishable key may see.
PUBLIC = (
    "id", "object", "automatic_payment_methods", "cancellation_reason", "client_secret", "created", "description",
    "last_setup_error", "livemode", "next_action", "payment_method", "payment_method_configuration_details",
    "payment_method_types", "status", "usage",
)  # fmt: skip


def create(world: World, params: Json) -> Json:
    """POST /v1/setup_intents."""
    method_types.check_choice(world, params)
    if not params.get("confirm"):
        for name in NEEDS_CONFIRM:
            if name in params:
                message = (
                    f"The parameter `{name}` cannot be passed when creating a SetupIntent unless `confirm` is true."
                )
                raise parameter_error(message, param=name)
    customer = living(world, params["customer"]) if params.get("customer") else None
    intent = _new(world, params, customer["id"] if customer else None)
    method = payment_methods.given(world, params)
    if method is not None:
        _check_method(intent, method)
    if params.get("confirm"):
        method_types.check_confirmation(world, intent, params)
    world.setup_intents.put(intent)
    world.backstage[intent["id"]] = Backstage()
    if method is not None:
        intent = move(world, intent, Input.ATTACH, payment_method=method["id"])
    world.emit("setup_intent.created", intent)
    return _confirm(world, intent, params) if params.get("confirm") else intent


def retrieve(world: World, object_id: str, params: Json) -> Json:
    """GET /v1/setup_intents/:id; with a publishable key only by its client secret."""
    intent = world.setup_intents.need(object_id, "intent", in_path=True)
    _check_secret(world, intent, params)
    return _shown(world, intent)


def list_all(world: World, params: Json) -> Json:
    """GET /v1/setup_intents."""
    return world.setup_intents.page(params)


def update(world: World, object_id: str, params: Json) -> Json:
    """POST /v1/setup_intents/:id. Stripe has no event for it."""
    method_types.check_choice(world, params)
    intent = world.setup_intents.need(object_id, "intent", in_path=True)
    changes: Json = {name: params[name] for name in ("description", "flow_directions") if name in params}
    if "metadata" in params:
        changes["metadata"] = merge_metadata(intent["metadata"], params["metadata"])
    if params.get("customer"):
        changes["customer"] = living(world, params["customer"])["id"]
    method = payment_methods.given(world, params)
    if method is None:
        return world.setup_intents.change(intent, **changes)
    if refusal := refuse_update(intent):
        raise refusal
    _check_method({**intent, **changes}, method, intent)
    return move(world, intent, Input.ATTACH, **changes, payment_method=method["id"], next_action=None)


def confirm(world: World, object_id: str, params: Json) -> Json:
    """POST /v1/setup_intents/:id/confirm."""
    method_types.check_choice(world, params)
    intent = world.setup_intents.need(object_id, "intent", in_path=True)
    _check_secret(world, intent, params)
    method = payment_methods.given(world, params)
    if refusal := refuse_confirm(intent, method["id"] if method else intent["payment_method"]):
        raise refusal
    if method is not None:
        _check_method(intent, method, intent)
    method_types.check_confirmation(world, intent, params)
    return _shown(world, _confirm(world, intent, params, method))


def cancel(world: World, object_id: str, params: Json) -> Json:
    """POST /v1/setup_intents/:id/cancel."""
    intent = world.setup_intents.need(object_id, "intent", in_path=True)
    if refusal := refuse_cancel(intent):
        raise refusal
    reason = params.get("cancellation_reason")
    intent = move(world, intent, Input.CANCEL, cancellation_reason=reason, next_action=None)
    world.emit("setup_intent.canceled", intent)
    return intent


def _confirm(world: World, intent: Json, params: Json, method: Json | None = None) -> Json:
    if refusal := refuse_confirm(intent, method["id"] if method else intent["payment_method"]):
        raise refusal
    method = method or world.payment_methods.need(intent["payment_method"], "payment_method")
    payment_methods.refuse_consumed(world, method)
    behind = world.backstage[intent["id"]]
    if "return_url" in params:
        behind.return_url = params["return_url"]
    behind.use_stripe_sdk = bool(params.get("use_stripe_sdk"))
    return setup_attempts.attempt(world, intent, method)


def _new(world: World, params: Json, customer: str | None) -> Json:
    object_id = world.ids.new("seti")
    automatic = method_types.automatic_methods(params)
    types = method_types.accepted(params, automatic=automatic is not None, offered=OFFERED)
    card = {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
    options = {"card": card, "us_bank_account": {"verification_method": "automatic"}}
    return {
        "id": object_id,
        "object": "setup_intent",
        "allowed_payment_method_types": params.get("allowed_payment_method_types"),
        "application": None,
        "automatic_payment_methods": automatic,
        "cancellation_reason": None,
        "client_secret": world.ids.client_secret(object_id),
        "created": world.clock.seconds(),
        "customer": customer,
        "customer_account": None,
        "description": params.get("description"),
        "excluded_payment_method_types": params.get("excluded_payment_method_types"),
        "flow_directions": params.get("flow_directions"),
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": merge_metadata({}, params.get("metadata")),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {kind: options[kind] for kind in types if kind in options},
        "payment_method_types": types,
        "single_use_mandate": None,
        "status": str(Status.REQUIRES_PAYMENT_METHOD),
        "usage": params.get("usage", "off_session"),
    }


def _check_method(intent: Json, method: Json, shown: Json | None = None) -> None:
    """Its type is accepted, and it is the same customer's. A refusal shows the intent if there is one already."""
    embedded: dict[str, Any] = {"setup_intent": shown} if shown is not None else {}
    if method["type"] not in intent["payment_method_types"]:
        raise _refused(
            f"The PaymentMethod provided ({method['type']}) is not allowed for this SetupIntent. Please attempt again with a "
            f"PaymentMethod of one of the following types: {', '.join(intent['payment_method_types'])}.",
            **embedded,
        )
    owner = method["customer"]
    if owner is None or owner == intent["customer"]:
        return
    if intent["customer"] is None:
        raise _refused(
            f"The payment method supplied ({method['id']}) belongs to the Customer {owner}. Please include the Customer in the "
            "`customer` parameter on the SetupIntent.",
            **embedded,
        )
    raise _refused(
        f"The PaymentMethod {method['id']} does not belong to the Customer you supplied {intent['customer']}. Please use this "
        "PaymentMethod with the Customer that it belongs to instead.",
        **embedded,
    )


def _refused(message: str, **embedded: Any) -> StripeError:
    return invalid_request(message, param="payment_method", stored=bool(embedded), **embedded)


def _check_secret(world: World, intent: Json, params: Json) -> None:
    secret: Any = params.get("client_secret")
    if secret is None and not world.asking.publishable:
        return
    if secret != intent["client_secret"]:
        message = "The client_secret provided does not match the client_secret associated with this SetupIntent."
        raise invalid_request(message, code="setup_intent_invalid_parameter", param="client_secret", stored=False)


def _shown(world: World, intent: Json) -> Json:
    return {name: intent[name] for name in PUBLIC} if world.asking.publishable else intent
