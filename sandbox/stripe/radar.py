"""What Radar does with a payment, and what becomes of its reviews and warnings when the payment is refunded or disputed."""

from sandbox.stripe import early_fraud_warnings, reviews
from sandbox.stripe.errors import Json
from sandbox.stripe.world import World

ELEVATED = {
    "reason": "elevated_risk_level",
    "seller_message": "Stripe evaluated this payment as having elevated risk, and placed it in your manual review queue.",
    "type": "manual_review",
}


def screened(world: World, charge: Json) -> Json:
    """A successful charge of elevated risk is placed in the review queue, by the rule that accounts have by default."""
    if charge["outcome"]["risk_level"] != "elevated" or not world.terms.review_elevated:
        return charge
    charge = world.charges.change(charge, outcome={**charge["outcome"], **ELEVATED})
    return reviews.place(world, charge, "rule")


def refunded(world: World, charge: Json, *, fraudulent: bool) -> None:
    """A refund in full ends the review and leaves no warning to act on."""
    if charge["refunded"]:
        reviews.close_of(world, charge, "refunded_as_fraud" if fraudulent else "refunded")
        early_fraud_warnings.settle(world, charge)


def disputed(world: World, charge: Json) -> None:
    reviews.close_of(world, charge, "disputed")
    early_fraud_warnings.settle(world, charge)


def canceled(world: World, intent: Json) -> None:
    """Since 2025-03-31.basil the reason is `canceled`, no longer `refunded`."""
    reviews.close_of(world, world.charges.get(intent["latest_charge"]), "canceled")
