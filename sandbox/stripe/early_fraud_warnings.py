"""Early fraud warnings: an issuer says that a payment may be fraudulent, before anybody disputes it."""

from sandbox.stripe.errors import Json
from sandbox.stripe.world import World

FRAUD_TYPES = (
    "card_never_received", "fraudulent_card_application", "made_with_counterfeit_card", "made_with_lost_card",
    "made_with_stolen_card", "misc", "unauthorized_use_of_card",
)  # fmt: skip
DEFAULT_FRAUD = "misc"  # what the test card 4000000000005423 reports


def retrieve(world: World, object_id: str, _params: Json) -> Json:
    """GET /v1/radar/early_fraud_warnings/:id."""
    return world.early_fraud_warnings.need(object_id, "early_fraud_warning", in_path=True)


def list_all(world: World, params: Json) -> Json:
    """GET /v1/radar/early_fraud_warnings."""
    return world.early_fraud_warnings.page(params)


def warn(world: World, charge: Json, fraud_type: str = DEFAULT_FRAUD) -> Json:
    """The issuer warns. "An EFW is actionable if it has not received a dispute and has not been fully refunded"."""
    warning = world.early_fraud_warnings.put(
        {
            "id": world.ids.new("issfr"),
            "object": "radar.early_fraud_warning",
            "actionable": not charge["disputed"] and not charge["refunded"],
            "charge": charge["id"],
            "created": world.clock.seconds(),
            "fraud_type": fraud_type,
            "livemode": False,
            "payment_intent": charge["payment_intent"],
        }
    )
    world.emit("radar.early_fraud_warning.created", warning)
    return warning


def change(world: World, warning: Json, changes: Json) -> Json:
    new = world.early_fraud_warnings.change(warning, **changes)
    world.emit("radar.early_fraud_warning.updated", new, before=warning)
    return new


def settle(world: World, charge: Json) -> None:
    """The charge was disputed or refunded in full: there is nothing left to act on."""
    for warning in world.early_fraud_warnings.where("charge", charge["id"]):
        if warning["actionable"]:
            change(world, warning, {"actionable": False})
