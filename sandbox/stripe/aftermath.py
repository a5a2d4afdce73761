"""What follows a payment by itself: the warning and the disputes of a test card.

Cards dispute when their money was taken: an authorization cannot be disputed.
"""

from sandbox.stripe import disputes, early_fraud_warnings
from sandbox.stripe.cards import Claim
from sandbox.stripe.errors import Json
from sandbox.stripe.world import World


def charged(world: World, charge: Json) -> None:
    """The charge's money was taken, all of it or finally."""
    card = world.cards[charge["payment_method"]]
    if card.warns:
        world.later(world.settings.dispute_delay_s, lambda: _warn(world, charge["id"]))
    if card.claims and charge["amount_captured"] >= len(card.claims):
        world.later(world.settings.dispute_delay_s, lambda: _dispute(world, charge["id"], card.claims))


def _warn(world: World, charge_id: str) -> None:
    early_fraud_warnings.warn(world, world.charges.need(charge_id))


def _dispute(world: World, charge_id: str, claims: tuple[Claim, ...]) -> None:
    """Each claim is about its share of what was captured; the first is about what does not divide."""
    amount = world.charges.need(charge_id)["amount_captured"]
    share = amount // len(claims)
    for position, claim in enumerate(claims):
        extra = amount - share * len(claims) if position == 0 else 0
        disputes.begin(world, world.charges.need(charge_id), claim, share + extra)
