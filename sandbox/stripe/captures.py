"""What becomes of an authorization: captured at once or in parts, canceled, expired.

Source: "Place a hold on a payment method", "Capture a payment multiple times", and the change of 2025-03-31.basil, since when a
partial capture or a cancellation makes no refund and sends no `charge.refunded`.

once      charge.captured, payment_intent.succeeded
parts     every capture: charge.updated, payment_intent.amount_capturable_updated; the final one besides: charge.captured,
          payment_intent.succeeded. Until then `captured` is false and the intent `requires_capture`
expiry    nothing captured: charge.expired, payment_intent.canceled (`expired`);
          something captured: the rest is released and the intent has succeeded
"""

from typing import Any

from sandbox.stripe import aftermath, balance, radar
from sandbox.stripe.errors import Json, StripeError, invalid_request, state_error
from sandbox.stripe.intents import Input, Status, move
from sandbox.stripe.world import World

MAX_PARTS = 50  # "Stripe allows you to capture up to 50 times for a single PaymentIntent"


def refuse_amount(world: World, intent: Json, asked: int | None, *, final: bool) -> StripeError | None:
    """Stripe's refusal of this capture of an intent that requires one, if it refuses."""
    charge = world.charges.need(intent["latest_charge"])
    parts = in_parts(charge)
    if not final and not parts:
        message = (
            "`final_capture` cannot be set to false, because multicapture is not available for this PaymentIntent."
        )
        return invalid_request(
            message, code="payment_intent_invalid_parameter", param="final_capture", stored=True, payment_intent=intent
        )
    if asked is not None and asked < 0:
        return invalid_request(
            "Invalid non-negative integer", param="amount_to_capture", stored=True, payment_intent=intent
        )
    # Zero ends a multicapture without taking more ("if we do a capture with amount=0 and final_capture=true").
    if asked == 0 and not (final and parts and intent["amount_received"]):
        message = "This value must be greater than or equal to 1."
        return invalid_request(
            message, code="parameter_invalid_integer", param="amount", stored=True, payment_intent=intent
        )
    if asked is not None and asked > intent["amount_capturable"]:
        return invalid_request(
            "The payment could not be captured because the requested capture amount is greater than the amount you can capture "
            "for this charge. Contact us via https://support.stripe.com/contact/ for help.",
            code="amount_too_large",
            stored=True,
            payment_intent=intent,
        )
    if not final and world.backstage[intent["id"]].parts >= MAX_PARTS:
        return state_error(f"This PaymentIntent can be captured at most {MAX_PARTS} times.", intent)
    return None


def capture(world: World, intent: Json, amount: int, *, final: bool) -> Json:
    """Take the authorized money, or a part of it. What is left after the final capture is released."""
    charge = world.charges.need(intent["latest_charge"])
    if in_parts(charge):
        return _capture_part(world, intent, charge, amount, final=final)
    before = charge
    charge = _taken(world, charge, amount, captured=True)
    world.emit("charge.captured", charge, before=before)
    aftermath.charged(world, charge)
    intent = move(world, intent, Input.CAPTURE, amount_received=amount, amount_capturable=0)
    world.emit("payment_intent.succeeded", intent)
    return intent


def cancel(world: World, intent: Json, reason: str | None, happened: Input = Input.CANCEL) -> Json:
    """End the intent; an authorization is released, and a review of it ends.

    "Uncaptured PaymentIntents transition to `canceled`, while partially captured PaymentIntents transition to `succeeded`."
    """
    if intent["amount_received"]:
        return _close(world, intent, world.charges.need(intent["latest_charge"]), Input.RELEASE)
    if happened is Input.EXPIRE:
        world.emit("charge.expired", world.charges.need(intent["latest_charge"]))
    intent = move(
        world,
        intent,
        happened,
        canceled_at=world.clock.seconds(),
        cancellation_reason=reason,
        amount_capturable=0,
        next_action=None,
        processing=None,
    )
    world.emit("payment_intent.canceled", intent)
    radar.canceled(world, intent)
    return intent


def expire_later(world: World, intent_id: str) -> None:
    def due() -> None:
        expire(world, world.payment_intents.need(intent_id))

    world.later(world.settings.authorization_s, due)


def expire(world: World, intent: Json) -> Json:
    """The authorization ran out; whoever was captured or canceled before does not notice."""
    if intent["status"] != Status.REQUIRES_CAPTURE:
        return intent
    return cancel(world, intent, "expired", Input.EXPIRE)


def in_parts(charge: Json) -> bool:
    """Whether the authorization may be captured more than once."""
    card = charge["payment_method_details"].get("card") or {}
    return bool(card.get("multicapture", {}).get("status") == "available")


def _capture_part(world: World, intent: Json, charge: Json, amount: int, *, final: bool) -> Json:
    world.backstage[intent["id"]].parts += 1
    if amount:
        before = charge
        charge = _taken(world, charge, amount)
        world.emit("charge.updated", charge, before=before)
    before = intent
    left = 0 if final else intent["amount_capturable"] - amount
    received = intent["amount_received"] + amount
    intent = move(world, intent, Input.CAPTURE_PART, amount_received=received, amount_capturable=left)
    world.emit("payment_intent.amount_capturable_updated", intent, before=before)
    return _close(world, intent, charge, Input.CAPTURE) if final else intent


def _close(world: World, intent: Json, charge: Json, happened: Input) -> Json:
    """The last of several captures, or the end of their time."""
    closed = world.charges.change(
        charge, captured=True, refunded=charge["amount_refunded"] == charge["amount_captured"]
    )
    world.emit("charge.captured", closed, before=charge)
    aftermath.charged(world, closed)
    intent = move(world, intent, happened, amount_capturable=0)
    world.emit("payment_intent.succeeded", intent)
    return intent


def _taken(world: World, charge: Json, amount: int, **changes: Any) -> Json:
    transaction = balance.charged(world, charge, amount)
    return world.charges.change(
        charge, amount_captured=charge["amount_captured"] + amount, balance_transaction=transaction, **changes
    )
