"""`payment_method_options`: what a PaymentIntent asks of one payment method type. Only cards have any that matter here."""

from sandbox.stripe.errors import Json

NO_CARD_OPTIONS: Json = {
    "installments": None,
    "mandate_options": None,
    "network": None,
    "request_three_d_secure": "automatic",
}
MODELLED = frozenset(["capture_method", "request_multicapture", "request_three_d_secure", "setup_future_usage"])


def of(types: list[str], given: Json | None) -> Json:
    """The options of a new intent: per accepted type, the given ones over the defaults."""
    return {kind: _merged(_defaults(kind), given, kind) for kind in types}


def changed(intent: Json, params: Json) -> Json:
    """An update's or a confirmation's options, as changes to the intent."""
    if not params.get("payment_method_options"):
        return {}
    old = intent["payment_method_options"]
    new = {
        kind: _merged(old.get(kind, _defaults(kind)), params["payment_method_options"], kind)
        for kind in intent["payment_method_types"]
    }
    return {"payment_method_options": new}


def capture_method(intent: Json, kind: str) -> str:
    """How money is taken with that type: the type's own choice goes before the intent's."""
    own = intent["payment_method_options"].get(kind, {}).get("capture_method")
    return str(own or intent["capture_method"])


def wants_multicapture(intent: Json) -> bool:
    return bool(intent["payment_method_options"].get("card", {}).get("request_multicapture") == "if_available")


def future_usage(intent: Json, kind: str) -> str | None:
    """Whether the method is to be kept for later: the type's own choice goes before the intent's."""
    own = intent["payment_method_options"].get(kind, {}).get("setup_future_usage")
    wanted = own or intent["setup_future_usage"]
    return None if wanted == "none" else wanted


def challenges(intent: Json) -> bool:
    """Whether the merchant asks for 3-D Secure wherever the card supports it."""
    asked = intent["payment_method_options"].get("card", {}).get("request_three_d_secure")
    return asked in {"any", "challenge"}


def _defaults(kind: str) -> Json:
    if kind == "card":
        return NO_CARD_OPTIONS
    if kind == "us_bank_account":
        return {"verification_method": "automatic"}
    return {}


def _merged(old: Json, given: Json | None, kind: str) -> Json:
    new = (given or {}).get(kind)
    if kind != "card" or not new:
        return old
    merged = {**old, **{name: value for name, value in new.items() if name in MODELLED}}
    return {name: value for name, value in merged.items() if name in NO_CARD_OPTIONS or value is not None}
