"""Which payment methods a PaymentIntent accepts, and what that asks of its confirmation.

Source: the changelog's "Enables automatic payment methods by default" (2023-08-16), "Adds the allowed payment method types
parameter" (2026-07-29.dahlia) and "Removes the payment method types parameter" (2026-09-30.endive).
"""

from sandbox.stripe.errors import Json, invalid_request, parameter_error
from sandbox.stripe.world import World

TYPES_READ_ONLY_SINCE = "2026-09-30"
CHOSEN_TYPES = ("payment_method_types", "allowed_payment_method_types")
# "mutually exclusive with …" (2026-07-29.dahlia)
TYPE_CHOICES = (
    *CHOSEN_TYPES,
    "excluded_payment_method_types",
    "automatic_payment_methods",
    "payment_method_configuration",
)
RETURN_URL_NEEDED = (
    "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of these payment "
    "methods might redirect your customer off of your page, you must provide a `return_url`. If you don't want to accept "
    "redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and "
    "`automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment Intents."
)


def check_choice(world: World, params: Json) -> None:
    """From 2026-09-30.endive on `payment_method_types` is read-only.

    A request without a version (Stripe's command line sends such) is taken as that of an account with an older default.
    """
    version = world.asking.api_version
    if "payment_method_types" in params and version is not None and version >= TYPES_READ_ONLY_SINCE:
        raise invalid_request(
            "The `payment_method_types` parameter is no longer supported on this API version. Use "
            "`allowed_payment_method_types` or dynamic payment methods instead.",
            code="payment_method_types_no_longer_supported",
            param="payment_method_types",
            stored=False,
        )
    chosen = [name for name in TYPE_CHOICES if params.get(name)]
    if len(chosen) > 1:
        raise parameter_error(f"You may only specify one of these parameters: {', '.join(chosen)}.", param=chosen[0])


def automatic_methods(params: Json) -> Json | None:
    """Since 2023-08-16 automatic payment methods are on unless the types are chosen by the request.

    That `allowed_payment_method_types` turns them off (and with them the need for a return_url) is our reading.
    """
    given = params.get("automatic_payment_methods")
    if any(params.get(name) for name in CHOSEN_TYPES) or (given is not None and not given["enabled"]):
        return None
    return {"allow_redirects": (given or {}).get("allow_redirects", "always"), "enabled": True}


def accepted(params: Json, *, automatic: bool, offered: tuple[str, ...] = ()) -> list[str]:
    """The types that the intent accepts: as chosen, else what the simulated account has switched on in its dashboard.

    That depends on the currency of a payment; a SetupIntent has none and says what is `offered`.
    """
    if params.get("payment_method_types"):
        return list(params["payment_method_types"])
    dashboard = list(offered) or [
        "card",
        *{"usd": ["us_bank_account"], "eur": ["sepa_debit"]}.get(params["currency"], []),
    ]
    allowed = params.get("allowed_payment_method_types")
    if allowed:
        return [kind for kind in dashboard if kind in allowed]
    if not automatic:
        return ["card"]
    return [kind for kind in dashboard if kind not in (params.get("excluded_payment_method_types") or ())]


def chosen(intent: Json, params: Json) -> Json:
    """An update's or a confirmation's choice of types, as changes to the intent."""
    if not any(params.get(name) for name in (*CHOSEN_TYPES, "excluded_payment_method_types")):
        return {}
    wanted = {"currency": intent["currency"], **params}
    return {
        "payment_method_types": accepted(wanted, automatic=True),
        "allowed_payment_method_types": params.get("allowed_payment_method_types"),
        "excluded_payment_method_types": params.get("excluded_payment_method_types"),
        **({"automatic_payment_methods": None} if any(params.get(name) for name in CHOSEN_TYPES) else {}),
    }


def check_confirmation(world: World, intent: Json, params: Json) -> None:
    """Server-side confirmation under automatic payment methods: "you're now required to provide a `return_url`, unless
    `off_session=true`", and "you can't use `error_on_requires_action`" (2023-08-16). Stripe.js brings its own return_url.
    """
    automatic = intent["automatic_payment_methods"]
    if world.asking.publishable or automatic is None:
        return
    if params.get("error_on_requires_action"):
        message = "The parameter `error_on_requires_action` cannot be used with automatic payment methods."
        raise parameter_error(message, param="error_on_requires_action")
    behind = world.backstage.get(intent["id"])
    known = "return_url" in params or (behind is not None and behind.return_url is not None)
    if automatic["allow_redirects"] == "always" and not known and not is_off_session(params):
        raise parameter_error(RETURN_URL_NEEDED, param="return_url")


def is_off_session(params: Json) -> bool:
    """`true`, or the older `one_off` and `recurring`."""
    return params.get("off_session") not in {None, "", "false"}
