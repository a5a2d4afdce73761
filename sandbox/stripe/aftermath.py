"""What follows a payment by itself: the disputes of a test card.

Cards dispute when their money was taken: an authorization cannot be disputed.
"""

from sandbox.stripe import disputes
from sandbox.stripe.errors import Json
from sandbox.stripe.world import World


def charged(world: World, charge: Json) -> None:
    """The charge's money was taken, all of it or finally."""
    claims = world.cards[charge["payment_method"]].claims
    amount = charge["amount_captured"]
    if not claims or amount < len(claims):
        return

    def open_disputes() -> None:
        share = amount // len(claims)
        for position, claim in enumerate(claims):
            extra = amount - share * len(claims) if position == 0 else 0
            disputes.begin(world, world.charges.need(charge["id"]), claim, share + extra)

    world.later(world.settings.dispute_delay_s, open_disputes)
