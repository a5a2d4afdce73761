"""Controls over Radar: warnings and reviews of any payment, and how they end."""

from starlette.routing import Route

from sandbox.stripe import early_fraud_warnings, refunds, reviews
from sandbox.stripe.control_requests import chosen, on_object, only
from sandbox.stripe.early_fraud_warnings import DEFAULT_FRAUD, FRAUD_TYPES
from sandbox.stripe.errors import Json
from sandbox.stripe.world import World

INDEX = {
    "POST /_sim/payment_intents/{id}/early_fraud_warning": 'an issuer warns: {"fraud_type": "made_with_stolen_card"}',
    "POST /_sim/early_fraud_warnings/{id}/change": 'the issuer corrects itself: {"actionable": false, "fraud_type": "misc"}',
    "POST /_sim/payment_intents/{id}/review": 'place a payment in the review queue: {"opened_reason": "manual"}',
    "POST /_sim/reviews/{id}/close": 'close a review: {"reason": "refunded_as_fraud"}',
}  # fmt: skip


def routes(world: World) -> list[Route]:
    intents = "/_sim/payment_intents/{object_id}"
    return [
        on_object(world, f"{intents}/early_fraud_warning", world.payment_intents, warn),
        on_object(world, f"{intents}/review", world.payment_intents, review),
        on_object(world, "/_sim/early_fraud_warnings/{object_id}/change", world.early_fraud_warnings, change_warning),
        on_object(world, "/_sim/reviews/{object_id}/close", world.reviews, close),
    ]


def warn(world: World, intent: Json, body: Json) -> Json:
    only(body, "fraud_type")
    fraud = chosen(body, "fraud_type", FRAUD_TYPES, DEFAULT_FRAUD)
    return early_fraud_warnings.warn(world, refunds.charge_of(world, intent), fraud)


def change_warning(world: World, warning: Json, body: Json) -> Json:
    only(body, "actionable", "fraud_type")
    if "fraud_type" in body:
        chosen(body, "fraud_type", FRAUD_TYPES)
    if not isinstance(body.get("actionable", True), bool):
        raise TypeError("actionable: true or false")
    return early_fraud_warnings.change(world, warning, body)


def review(world: World, intent: Json, body: Json) -> Json:
    only(body, "opened_reason")
    charge = refunds.charge_of(world, intent)
    if charge["review"] is not None:
        raise ValueError(f"the charge already has the review {charge['review']}")
    charge = reviews.place(world, charge, chosen(body, "opened_reason", reviews.OPENED_REASONS, "manual"))
    world.payment_intents.change(intent, review=charge["review"])
    reviews.announce(world, charge)
    return world.reviews.need(charge["review"])


def close(world: World, row: Json, body: Json) -> Json:
    only(body, "reason")
    if not row["open"]:
        raise ValueError(f"the review was closed: {row['closed_reason']}")
    return reviews.close(world, row, chosen(body, "reason", reviews.CLOSED_REASONS, "approved"))
