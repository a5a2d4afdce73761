"""Events in Stripe's exact shape: what the simulator sends in the life of a payment whose money goes every way."""

from contextlib import suppress
from functools import cache
from typing import Any

from sandbox.stripe import (
    captures,
    dashboard,
    disputes,
    issuer,
    payment_intents,
    radar_controls,
    refund_states,
    refunds,
)
from sandbox.stripe.errors import StripeError
from sandbox.stripe.world import World
from tests.stack_fixtures import run_apart

Json = dict[str, Any]

OURS = {"payment_id": "pay_0a_1", "order_id": "order-1", "deployment": "test"}
PAY = {"payment_method": "pm_card_visa", "confirm": True, "return_url": "https://shop.example/back"}


@cache
def events() -> dict[str, list[Json]]:
    """All events, by type, in the order in which they were sent."""
    sent: list[Json] = []

    async def lives() -> None:
        world = World(seed=1)
        world.on_event = sent.append
        for life in (_refunded, _disputed, _inquired, _captured, _released, _declined, _watched):
            life(world)

    run_apart(lives())
    found: dict[str, list[Json]] = {}
    for event in sent:
        found.setdefault(event["type"], []).append(event)
    return found


def about(kind: str, which: int = 0) -> Json:
    """The object of one event of a type."""
    found: Json = events()[kind][which]["data"]["object"]
    return found


def _intent(world: World, **more: Any) -> Json:
    asked = {"amount": 2000, "currency": "eur", "metadata": OURS, "automatic_payment_methods": {"enabled": True}}
    return payment_intents.create(world, asked | PAY | more)


def _newest(world: World, intent: Json) -> Json:
    return world.payment_intents.need(intent["id"])


def _refunded(world: World) -> None:
    """Ours succeeds and fails later; one that nobody here asked for; one that waits for the customer."""
    intent = _intent(world)
    ours = {"payment_intent": intent["id"], "amount": 500, "metadata": OURS | {"refund_id": "refund-1"}}
    made = refunds.create(world, ours | {"reason": "duplicate"})
    refund_states.fail(world, world.refunds.need(made["id"]), "declined")
    dashboard.refund(world, _newest(world, intent), {"amount": 700})
    waiting = {"amount": 100, "fate": "requires_action"}
    asked = dashboard.refund(world, _newest(world, intent), waiting)
    refund_states.cancel(world, world.refunds.need(asked["id"]))


def _disputed(world: World) -> None:
    """Answered and won; then a second one, accepted and lost."""
    intent = _intent(world)
    first = issuer.dispute_intent(world, intent, {"amount": 700})
    disputes.update(world, first["id"], {"evidence": {"customer_name": "Somebody"}})
    issuer.move(world, world.disputes.need(first["id"]), {"to": "won"})
    second = issuer.dispute_intent(world, _newest(world, intent), {"amount": 300, "reason": "duplicate"})
    disputes.close(world, second["id"], {})


def _inquired(world: World) -> None:
    """A question that becomes a dispute, and one that cannot be answered."""
    intent = _intent(world)
    asked = issuer.dispute_intent(world, intent, {"kind": "inquiry"})
    issuer.move(world, world.disputes.need(asked["id"]), {"to": "needs_response"})
    issuer.dispute_intent(world, _newest(world, intent), {"kind": "final", "amount": 100})


def _captured(world: World) -> None:
    """Held, and taken in two parts."""
    several = {"card": {"request_multicapture": "if_available"}}
    intent = _intent(world, capture_method="manual", payment_method_options=several)
    intent = captures.capture(world, intent, 500, final=False)
    captures.capture(world, intent, 300, final=True)


def _released(world: World) -> None:
    """Held until it expires."""
    captures.expire(world, _intent(world, capture_method="manual"))


def _declined(world: World) -> None:
    """Refused by the bank, in the customer's browser."""
    with suppress(StripeError):
        _intent(world, payment_method="pm_card_chargeDeclined")


def _watched(world: World) -> None:
    """An early fraud warning that is corrected, and a review that is approved."""
    intent = _intent(world)
    warned = radar_controls.warn(world, intent, {"fraud_type": "made_with_stolen_card"})
    radar_controls.change_warning(world, world.early_fraud_warnings.need(warned["id"]), {"actionable": False})
    placed = radar_controls.review(world, _newest(world, intent), {})
    radar_controls.close(world, world.reviews.need(placed["id"]), {"reason": "approved"})
