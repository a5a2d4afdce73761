"""One attempt to pay: the intent and its payment method go to the (simulated) issuer, and its verdict moves the intent.

confirm ─▶ challenge? ─▶ requires_action ─▶ authenticate ─▶ verdict
                └────────────────────────────────────────▶ verdict: declined │ authorized │ paid │ processing ─▶ settle
"""

from sandbox.stripe import aftermath, balance, captures, cards, charges, method_options, radar, reviews
from sandbox.stripe.cards import Card, Challenge, Decline
from sandbox.stripe.errors import Json
from sandbox.stripe.hosted_pages import next_action
from sandbox.stripe.intents import Input, Status, move
from sandbox.stripe.payment_methods import card_error
from sandbox.stripe.world import World


def attempt(world: World, intent: Json, *, off_session: bool = False, refuse_action: bool = False) -> Json:
    """Run one attempt. Raises the card error (402) of a decline, after it is recorded."""
    method = world.payment_methods.need(intent["payment_method"])
    card = world.cards[method["id"]]
    behind = world.backstage[intent["id"]]
    behind.attempt += 1
    asked = method_options.challenges(intent) and not off_session and behind.authenticated != method["id"]
    supported = card.kind == "card" and card.brand != "amex"
    if (asked and supported) or needs_challenge(
        world, card, method["id"], behind.authenticated, off_session=off_session
    ):
        if off_session or refuse_action:
            return decline(world, intent, method, cards.AUTHENTICATION_REQUIRED)
        return _challenge(world, intent)
    if card.decline is not None:
        return decline(world, intent, method, card.decline)
    if card.kind != "card":
        return _submit(world, intent, method)
    return _approve(world, intent, method)


def needs_challenge(world: World, card: Card, method_id: str, authenticated: str | None, *, off_session: bool) -> bool:
    """Whether the issuer wants 3-D Secure now."""
    if authenticated == method_id:
        return False
    match card.challenge:
        case Challenge.NEVER:
            return False
        case Challenge.ALWAYS:
            return True
        case Challenge.UNLESS_SET_UP:
            return not (off_session and method_id in world.set_up)
        case Challenge.UNLESS_OFF_SESSION:
            return not off_session


def authenticate(world: World, intent: Json, *, passed: bool) -> Json:
    """The customer went through 3-D Secure. A decline after it moves the intent too, and raises nothing: nobody asked."""
    assert intent["status"] == Status.REQUIRES_ACTION
    method = world.payment_methods.need(intent["payment_method"])
    if not passed:
        return _fail_authentication(world, intent, method)
    world.backstage[intent["id"]].authenticated = method["id"]
    if intent["confirmation_method"] == "manual":
        return move(world, intent, Input.VERIFY, next_action=None)
    card = world.cards[method["id"]]
    if card.decline is not None:
        return _record_decline(world, intent, method, card.decline)[0]
    return _approve(world, intent, method)


def settle(world: World, intent: Json, *, paid: bool | None = None) -> Json:
    """The bank's answer to a debit. `paid` overrides what the test account is published to do."""
    assert intent["status"] == Status.PROCESSING
    charge = world.charges.need(intent["latest_charge"])
    method = world.payment_methods.need(charge["payment_method"])
    bounce = world.cards[method["id"]].bounce
    if paid is not None:
        bounce = None if paid else bounce or cards.GENERIC
    if bounce is None:
        charge = world.charges.change(
            charge,
            status="succeeded",
            paid=True,
            captured=True,
            amount_captured=charge["amount"],
            balance_transaction=balance.charged(world, charge, charge["amount"]),
            outcome=charges.outcome(world.cards[method["id"]], None),
        )
        world.emit("charge.succeeded", charge)
        intent = move(world, intent, Input.SETTLE, amount_received=charge["amount"], processing=None)
        world.emit("payment_intent.succeeded", intent)
        aftermath.charged(world, charge)
        return intent
    charge = charges.failed(world, charge, bounce)
    world.emit("charge.failed", charge)
    error = _last_error(bounce, method, charge["id"])
    intent = move(world, intent, Input.DECLINE, last_payment_error=error, payment_method=None, processing=None)
    world.emit("payment_intent.payment_failed", intent)
    return intent


def withdraw(world: World, intent: Json, reason: str | None) -> Json:
    """A debit is canceled before the bank has it. That its charge fails without a code is our reading."""
    charge = world.charges.need(intent["latest_charge"])
    failed = world.charges.change(charge, status="failed", failure_message="The debit was canceled.")
    world.emit("charge.failed", failed)
    return captures.cancel(world, intent, reason, Input.WITHDRAW)


def decline(world: World, intent: Json, method: Json, reason: Decline) -> Json:
    """Record a refused attempt and answer the caller with 402."""
    intent, charge = _record_decline(world, intent, method, reason)
    raise card_error(reason, charge=charge["id"], payment_intent=intent, payment_method=method)


def _record_decline(world: World, intent: Json, method: Json, reason: Decline) -> tuple[Json, Json]:
    charge = charges.record(world, intent, method, status="failed", captured=False, decline=reason)
    world.emit("charge.failed", charge)
    error = _last_error(reason, method, charge["id"])
    intent = move(
        world,
        intent,
        Input.DECLINE,
        last_payment_error=error,
        latest_charge=charge["id"],
        next_action=None,
        payment_method=None,
    )
    world.backstage[intent["id"]].authenticated = None
    world.emit("payment_intent.payment_failed", intent)
    return intent, charge


def _challenge(world: World, intent: Json) -> Json:
    action = next_action(world, "payment_intents", intent)
    intent = move(world, intent, Input.CHALLENGE, next_action=action, last_payment_error=None)
    world.emit("payment_intent.requires_action", intent)
    return intent


def _fail_authentication(world: World, intent: Json, method: Json) -> Json:
    error: Json = {
        "code": "payment_intent_authentication_failure",
        "doc_url": "https://stripe.com/docs/error-codes/payment-intent-authentication-failure",
        "message": "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new "
        "PaymentMethod to attempt to fulfill this PaymentIntent again.",
        "payment_method": method,
        "type": "invalid_request_error",
    }
    intent = move(world, intent, Input.DECLINE, last_payment_error=error, next_action=None, payment_method=None)
    world.emit("payment_intent.payment_failed", intent)
    return intent


def _submit(world: World, intent: Json, method: Json) -> Json:
    charge = charges.record(world, intent, method, status="pending", captured=False)
    world.emit("charge.pending", charge)
    intent = move(world, intent, Input.SUBMIT, latest_charge=charge["id"], next_action=None, last_payment_error=None)
    world.emit("payment_intent.processing", intent)
    if world.cards[method["id"]].settles:
        world.later(world.settings.processing_delay_s, lambda: _settle_if_pending(world, intent["id"], charge["id"]))
    return intent


def _settle_if_pending(world: World, intent_id: str, charge_id: str) -> None:
    intent = world.payment_intents.need(intent_id)
    if intent["status"] == Status.PROCESSING and intent["latest_charge"] == charge_id:
        settle(world, intent)


def _approve(world: World, intent: Json, method: Json) -> Json:
    how = method_options.capture_method(intent, method["type"])
    charge = charges.record(world, intent, method, status="succeeded", captured=how != "manual")
    if how == "automatic":
        transaction = balance.charged(world, charge, charge["amount"])
        charge = world.charges.change(charge, balance_transaction=transaction)
    charge = radar.screened(world, charge)
    world.emit("charge.succeeded", charge)
    _keep_method(world, intent, method)
    common: Json = {
        "latest_charge": charge["id"],
        "last_payment_error": None,
        "next_action": None,
        "review": charge["review"],
    }
    if how == "manual":
        intent = move(world, intent, Input.AUTHORIZE, amount_capturable=intent["amount"], **common)
        world.emit("payment_intent.amount_capturable_updated", intent)
        reviews.announce(world, charge)
        captures.expire_later(world, intent["id"])
        return intent
    intent = move(world, intent, Input.PAY, amount_received=intent["amount"], **common)
    world.emit("payment_intent.succeeded", intent)
    reviews.announce(world, charge)
    if how == "automatic_async":
        world.later(world.settings.balance_delay_s, lambda: _add_balance_transaction(world, charge["id"]))
    aftermath.charged(world, charge)
    return intent


def _keep_method(world: World, intent: Json, method: Json) -> None:
    """After its first use a payment method is saved to the customer if that was asked for, or else used up."""
    if method["customer"] is not None:
        return
    if intent["customer"] is not None and method_options.future_usage(intent, method["type"]):
        method = world.payment_methods.change(method, customer=intent["customer"])
        world.set_up.add(method["id"])
        world.emit("payment_method.attached", method)
    else:
        world.consumed.add(method["id"])


def _add_balance_transaction(world: World, charge_id: str) -> None:
    """automatic_async: the balance transaction is not there yet when the confirmation returns; charge.updated brings it."""
    charge = world.charges.need(charge_id)
    new = world.charges.change(charge, balance_transaction=balance.charged(world, charge, charge["amount_captured"]))
    world.emit("charge.updated", new, before=charge)


def _last_error(reason: Decline, method: Json, charge_id: str) -> Json:
    error: Json = card_error(reason, charge=charge_id).error
    return {**error, "payment_method": method}
