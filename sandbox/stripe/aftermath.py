"""What a test card brings after the payment itself: nothing yet for any of them.

Called when the money was taken, because "an authorized but uncaptured" payment cannot be disputed.
"""

from sandbox.stripe.errors import Json
from sandbox.stripe.world import World


def charged(world: World, charge: Json) -> None:
    """The charge's money was taken, all of it or finally."""


def refunded(world: World, charge: Json, *, fraudulent: bool) -> None:
    """The charge was refunded, in part or in full."""


def canceled(world: World, intent: Json) -> None:
    """The intent was canceled, or its authorization expired."""
