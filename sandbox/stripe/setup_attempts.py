"""One attempt to set up a payment method: no money moves, but the bank may want to see the customer.

confirm ─▶ challenge? ─▶ requires_action ─▶ authenticate ─▶ verdict
                └────────────────────────────────────────▶ verdict: declined │ succeeded
"""

from sandbox.stripe import payment_methods
from sandbox.stripe.cards import Challenge
from sandbox.stripe.errors import Json
from sandbox.stripe.hosted_pages import next_action
from sandbox.stripe.payment_methods import card_error
from sandbox.stripe.setup_states import Input, Status, move
from sandbox.stripe.world import World


def attempt(world: World, intent: Json, method: Json) -> Json:
    """Run one attempt. Raises the card error (402) of a decline, after it is recorded."""
    behind = world.backstage[intent["id"]]
    behind.attempt += 1
    intent = world.setup_intents.change(intent, payment_method=method["id"], latest_attempt=world.ids.new("setatt"))
    card = world.cards[method["id"]]
    if card.challenge is not Challenge.NEVER and behind.authenticated != method["id"]:
        action = next_action(world, "setup_intents", intent)
        intent = move(world, intent, Input.CHALLENGE, next_action=action, last_setup_error=None)
        world.emit("setup_intent.requires_action", intent)
        return intent
    if payment_methods.refuses_attachment(card):
        assert card.decline is not None
        error: Json = card_error(card.decline).error | {"decline_code": card.decline.decline_code}
        intent = _failed(world, intent, {**error, "payment_method": method})
        raise card_error(
            card.decline, decline_code=card.decline.decline_code, payment_method=method, setup_intent=intent
        )
    return _succeeded(world, intent, method)


def authenticate(world: World, intent: Json, *, passed: bool) -> Json:
    """The customer went through 3-D Secure."""
    assert intent["status"] == Status.REQUIRES_ACTION
    method = world.payment_methods.need(intent["payment_method"])
    if not passed:
        error: Json = {
            "code": "setup_intent_authentication_failure",
            "doc_url": "https://stripe.com/docs/error-codes/setup-intent-authentication-failure",
            "message": "The latest attempt to set up the payment method has failed because authentication failed.",
            "payment_method": method,
            "type": "invalid_request_error",
        }
        return _failed(world, intent, error)
    world.backstage[intent["id"]].authenticated = method["id"]
    return _succeeded(world, intent, method)


def _succeeded(world: World, intent: Json, method: Json) -> Json:
    """The method belongs to the customer, and is not challenged off session where its card allows that."""
    if intent["customer"] is not None and method["customer"] is None:
        payment_methods.attach(world, method, intent["customer"])
    world.set_up.add(method["id"])
    mandate = world.ids.new("mandate") if method["type"] != "card" else None
    intent = move(world, intent, Input.SUCCEED, next_action=None, last_setup_error=None, mandate=mandate)
    world.emit("setup_intent.succeeded", intent)
    return intent


def _failed(world: World, intent: Json, error: Json) -> Json:
    intent = move(world, intent, Input.FAIL, last_setup_error=error, next_action=None, payment_method=None)
    world.emit("setup_intent.setup_failed", intent)
    return intent
