"""Reviews: Radar, or somebody, wants a person to look at a payment.

open ─▶ approved (by the API or the dashboard), refunded, refunded_as_fraud, disputed, canceled, …: closed, for good
"""

from sandbox.stripe.errors import Json, invalid_request
from sandbox.stripe.world import World

CLOSED_REASONS = (
    "acknowledged", "approved", "canceled", "disputed", "payment_never_settled", "redacted", "refunded",
    "refunded_as_fraud",
)  # fmt: skip
OPENED_REASONS = ("manual", "rule")


def retrieve(world: World, object_id: str, _params: Json) -> Json:
    """GET /v1/reviews/:id."""
    return world.reviews.need(object_id, "review", in_path=True)


def list_all(world: World, params: Json) -> Json:
    """GET /v1/reviews: those that are still open ("The list … open reviews")."""
    return world.reviews.page(params, lambda review: bool(review["open"]))


def approve(world: World, object_id: str, _params: Json) -> Json:
    """POST /v1/reviews/:id/approve."""
    review = world.reviews.need(object_id, "review", in_path=True)
    if not review["open"]:
        raise invalid_request("This review has already been closed.", stored=True)
    return close(world, review, "approved")


def place(world: World, charge: Json, reason: str) -> Json:
    """A review of this charge, of which nobody has been told yet. Returns the charge with it."""
    review = world.reviews.put(
        {
            "id": world.ids.new("prv"),
            "object": "review",
            "billing_zip": charge["billing_details"]["address"]["postal_code"],
            "charge": charge["id"],
            "closed_reason": None,
            "created": world.clock.seconds(),
            "ip_address": None,
            "ip_address_location": None,
            "livemode": False,
            "open": True,
            "opened_reason": reason,
            "payment_intent": charge["payment_intent"],
            "reason": reason,
            "session": None,
        }
    )
    return world.charges.change(charge, review=review["id"])


def announce(world: World, charge: Json) -> None:
    """Tell of the review that was placed on the charge, if one was."""
    review = world.reviews.get(charge["review"])
    if review is not None:
        world.emit("review.opened", review)


def close(world: World, review: Json, reason: str) -> Json:
    new = world.reviews.change(review, open=False, reason=reason, closed_reason=reason)
    world.emit("review.closed", new, before=review)
    return new


def close_of(world: World, charge: Json | None, reason: str) -> None:
    """Close the charge's review, if it has one that is open."""
    review = world.reviews.get(charge["review"]) if charge is not None else None
    if review is not None and review["open"]:
        close(world, review, reason)
