"""The Refunds API: what each endpoint checks before refund_states.py moves anything, and how a refund begins.

Those of cards succeed at once; two test cards make one pending, or fail after it had succeeded, and the control API makes any
payment's refunds do so. Since 2025-03-31.basil a partial capture or a cancellation makes no refund.
"""

from sandbox.stripe import balance, currencies, radar, refund_states
from sandbox.stripe.cards import RefundFate
from sandbox.stripe.errors import Json, invalid_request, parameter_error
from sandbox.stripe.validation import merge_metadata
from sandbox.stripe.world import World

ACTION_DAYS = 45  # "refunds that require action expire after 45 days"
DAY_S = 24 * 3600

# How a refund begins: its status, and why it is pending.
BEGINNINGS: dict[RefundFate, tuple[str, str | None]] = {
    RefundFate.SUCCEEDS: ("succeeded", None),
    RefundFate.FAILS_LATER: ("succeeded", None),
    RefundFate.PENDING: ("pending", "processing"),
    RefundFate.PENDING_FAILS: ("pending", "processing"),
    RefundFate.INSUFFICIENT_FUNDS: ("pending", "insufficient_funds"),
    RefundFate.REQUIRES_ACTION: ("requires_action", None),
}


def create(world: World, params: Json) -> Json:
    """POST /v1/refunds."""
    charge = _charge(world, params)
    amount = refundable(world, charge, params.get("amount"))
    metadata = merge_metadata({}, params.get("metadata"))
    fate, failure = fate_of(world, charge)
    email = params.get("instructions_email")
    return begin(
        world, charge, amount, fate, failure, metadata=metadata, reason=params.get("reason"), instructions_email=email
    )


def retrieve(world: World, object_id: str, _params: Json) -> Json:
    """GET /v1/refunds/:id."""
    return world.refunds.need(object_id, in_path=True)


def list_all(world: World, params: Json) -> Json:
    """GET /v1/refunds."""
    return world.refunds.page(params)


def list_of_charge(world: World, charge_id: str, params: Json) -> Json:
    """GET /v1/charges/:id/refunds."""
    world.charges.need(charge_id, "charge", in_path=True)
    return {**world.refunds.page({**params, "charge": charge_id}), "url": f"/v1/charges/{charge_id}/refunds"}


def update(world: World, object_id: str, params: Json) -> Json:
    """POST /v1/refunds/:id."""
    refund = world.refunds.need(object_id, in_path=True)
    new = world.refunds.change(refund, metadata=merge_metadata(refund["metadata"], params.get("metadata")))
    world.emit("refund.updated", new, before=refund)
    world.emit("charge.refund.updated", new, before=refund)
    return new


def cancel(world: World, object_id: str, _params: Json) -> Json:
    """POST /v1/refunds/:id/cancel: "You can only cancel refunds for payment methods that require customer action"."""
    refund = world.refunds.need(object_id, in_path=True)
    if refund["status"] != refund_states.Status.REQUIRES_ACTION:
        raise invalid_request("Canceling this refund is unsupported.", stored=True)
    return refund_states.cancel(world, refund)


def refundable(world: World, charge: Json, asked: int | None) -> int:
    """The amount that a refund of this charge would have. Raises Stripe's refusals."""
    if charge["status"] == "failed":
        message = f"This PaymentIntent ({charge['payment_intent']}) does not have a successful charge to refund."
        raise invalid_request(message, code="payment_intent_unexpected_state", param="charge", stored=True)
    if charge["amount_captured"] == 0:
        raise invalid_request(
            f"This uncaptured Charge was created by a PaymentIntent ({charge['payment_intent']}). You must cancel the "
            "PaymentIntent to reverse the authorization instead of refunding the Charge directly.",
            param="charge",
            stored=True,
        )
    return _amount(world, charge, asked)


def begin(
    world: World,
    charge: Json,
    amount: int,
    fate: RefundFate,
    failure: str,
    *,
    metadata: Json,
    reason: str | None,
    instructions_email: str | None = None,
) -> Json:
    """Make the refund, send its events, and let its fate take its course."""
    status, pending_reason = BEGINNINGS[fate]
    before = charge
    refund = _new(world, charge, amount, status=status, metadata=metadata, reason=reason)
    if pending_reason is not None:
        refund["pending_reason"] = pending_reason
    if status == "requires_action":
        refund |= _instructions(world, instructions_email)
    elif pending_reason != "insufficient_funds":
        refund["balance_transaction"] = balance.refunded(world, refund, charge)
    world.refunds.put(refund)
    charge = refund_states.recount(world, charge)
    if reason == "fraudulent":
        charge = world.charges.change(charge, fraud_details={**charge["fraud_details"], "user_report": "fraudulent"})
    world.emit("refund.created", refund)
    world.emit("charge.refunded", charge, before=before)
    radar.refunded(world, charge, fraudulent=reason == "fraudulent")
    _follow(world, refund["id"], fate, failure)
    return refund


def fate_of(world: World, charge: Json) -> tuple[RefundFate, str]:
    """What becomes of this charge's refunds: as the control API said, else as the test card is published."""
    if charge["id"] in world.refund_fates:
        return world.refund_fates[charge["id"]]
    card = world.cards[charge["payment_method"]]
    # Only cards refund at once.
    fate = card.refund if card.kind == "card" else RefundFate.PENDING
    return fate, refund_states.DEFAULT_FAILURE


def _follow(world: World, refund_id: str, fate: RefundFate, failure: str) -> None:
    def arrive() -> None:
        refund = world.refunds.need(refund_id)
        if refund_states.can(refund, refund_states.Input.ARRIVE):
            refund_states.arrive(world, refund)

    def fail() -> None:
        refund = world.refunds.need(refund_id)
        if refund_states.can(refund, refund_states.Input.FAIL):
            refund_states.fail(world, refund, failure)

    if fate is RefundFate.PENDING:
        world.later(world.settings.refund_delay_s, arrive)
    elif fate in {RefundFate.FAILS_LATER, RefundFate.PENDING_FAILS}:
        world.later(world.settings.refund_delay_s, fail)


def _charge(world: World, params: Json) -> Json:
    """The charge to refund: named, or the successful one of the PaymentIntent."""
    if "charge" in params and "payment_intent" in params:
        raise parameter_error("You may only specify one of these parameters: charge, payment_intent.")
    if "charge" in params:
        charge = world.charges.need(params["charge"], in_path=True)
    elif "payment_intent" in params:
        charge = charge_of(world, world.payment_intents.need(params["payment_intent"], "payment_intent"))
    else:
        raise parameter_error(
            "One of the following params should be provided for this request: payment_intent or charge."
        )
    return charge


def charge_of(world: World, intent: Json) -> Json:
    """The successful charge of an intent. Raises Stripe's refusal."""
    charge = world.charges.get(intent["latest_charge"])
    if charge is None or charge["status"] != "succeeded":
        message = f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
        raise invalid_request(message, code="payment_intent_unexpected_state", param="payment_intent", stored=True)
    return charge


def _amount(world: World, charge: Json, asked: int | None) -> int:
    left: int = charge["amount_captured"] - charge["amount_refunded"]
    if left == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise invalid_request(message, code="charge_already_refunded", stored=True)
    if not all(dispute["is_charge_refundable"] for dispute in world.disputes.where("charge", charge["id"])):
        message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise invalid_request(message, code="charge_disputed", stored=True)
    if asked is not None and asked > left:
        money = charge["currency"]
        message = (
            f"Refund amount ({currencies.as_text(asked, money)}) is greater than unrefunded amount on charge "
            f"({currencies.as_text(left, money)})"
        )
        raise invalid_request(message, param="amount", stored=True)
    return asked if asked is not None else left


def _instructions(world: World, email: str | None) -> Json:
    """The customer is asked by e-mail where the money shall go."""
    now = world.clock.seconds()
    to = email or "customer@example.com"
    details = {"email_sent": {"email_sent_at": now, "email_sent_to": to}, "expires_at": now + ACTION_DAYS * DAY_S}
    return {"instructions_email": to, "next_action": {"display_details": details, "type": "display_details"}}


def _new(world: World, charge: Json, amount: int, *, status: str, metadata: Json, reason: str | None) -> Json:
    kind = charge["payment_method_details"]["type"]
    destination: Json = {"type": "refund"} if kind == "card" else {}
    if kind == "card":
        destination |= {"reference_status": "pending", "reference_type": "acquirer_reference_number"}
    return {
        "id": world.ids.new("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": world.clock.seconds(),
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "destination_details": {kind: destination, "type": kind},
        "metadata": metadata,
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": status,
        "transfer_reversal": None,
    }
