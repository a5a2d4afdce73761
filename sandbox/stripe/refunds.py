"""Refunds. Those of cards succeed at once; two test cards make one pending, or fail after it had succeeded.

Since 2025-03-31.basil a partial capture or a cancellation makes no refund, and leaves the charge's `amount_refunded` alone.
"""

from sandbox.stripe import currencies
from sandbox.stripe.cards import RefundFate
from sandbox.stripe.errors import Json, invalid_request, parameter_error
from sandbox.stripe.validation import merge_metadata
from sandbox.stripe.world import World

FAILURE_REASON = "expired_or_canceled_card"  # what the test card 4000000000005126 reports


def create(world: World, params: Json) -> Json:
    """POST /v1/refunds."""
    charge = _charge(world, params)
    amount = _amount(charge, params.get("amount"))
    fate = world.cards[charge["payment_method"]].refund
    card = charge["payment_method_details"]["type"] == "card"
    pending = fate is RefundFate.PENDING or not card
    refund = _put(
        world,
        charge,
        amount,
        status="pending" if pending else "succeeded",
        metadata=merge_metadata({}, params.get("metadata")),
        reason=params.get("reason"),
    )
    charge = _recount(world, charge)
    world.emit("refund.created", refund)
    world.emit("charge.refunded", charge)
    if pending:
        world.later(world.settings.refund_delay_s, lambda: succeed(world, refund["id"]))
    elif fate is RefundFate.FAILS_LATER:
        world.later(world.settings.refund_delay_s, lambda: fail(world, refund["id"]))
    return refund


def retrieve(world: World, object_id: str, _params: Json) -> Json:
    """GET /v1/refunds/:id."""
    return world.refunds.need(object_id, in_path=True)


def list_all(world: World, params: Json) -> Json:
    """GET /v1/refunds."""
    return world.refunds.page(params)


def update(world: World, object_id: str, params: Json) -> Json:
    """POST /v1/refunds/:id."""
    refund = world.refunds.need(object_id, in_path=True)
    new = world.refunds.change(refund, metadata=merge_metadata(refund["metadata"], params.get("metadata")))
    _updated(world, new, refund)
    return new


def cancel(world: World, object_id: str, _params: Json) -> Json:
    """POST /v1/refunds/:id/cancel: only a refund that waits for the customer can be canceled, and cards have none."""
    refund = world.refunds.need(object_id, in_path=True)
    message = (
        f"You cannot cancel this refund because it has a status of {refund['status']}. Only a refund that requires "
    )
    raise invalid_request(f"{message}action may be canceled.", stored=True)


def succeed(world: World, refund_id: str) -> None:
    """A pending refund arrived."""
    old = world.refunds.need(refund_id)
    if old["status"] == "pending":
        _updated(world, world.refunds.put({**_settled(old), "status": "succeeded"}), old)


def fail(world: World, refund_id: str) -> None:
    """The bank sent the refund back: the money is with us again, and the charge is refundable again."""
    old = world.refunds.need(refund_id)
    if old["status"] == "failed":
        return
    new = world.refunds.put({**_settled(old), "status": "failed", "failure_reason": FAILURE_REASON})
    _recount(world, world.charges.need(new["charge"]))
    _updated(world, new, old)
    world.emit("refund.failed", new)


def _settled(refund: Json) -> Json:
    """Without the reason why it was pending, which exists only as long as it is."""
    return {name: value for name, value in refund.items() if name != "pending_reason"}


def _updated(world: World, new: Json, old: Json) -> None:
    world.emit("refund.updated", new, before=old)
    world.emit("charge.refund.updated", new, before=old)


def _charge(world: World, params: Json) -> Json:
    """The charge to refund: named, or the successful one of the PaymentIntent."""
    if "charge" in params and "payment_intent" in params:
        raise parameter_error("You may only specify one of these parameters: charge, payment_intent.")
    if "charge" in params:
        charge = world.charges.need(params["charge"], "charge")
    elif "payment_intent" in params:
        charge = _charge_of(world, params["payment_intent"])
    else:
        message = "One of the following params should be provided for this request: payment_intent or charge."
        raise parameter_error(message, code="parameter_missing", param="payment_intent")
    if charge["status"] == "failed":
        message = f"Charge {charge['id']} has failed and cannot be refunded."
        raise invalid_request(message, param="charge", stored=True)
    if not charge["captured"]:
        raise invalid_request(
            f"This uncaptured Charge was created by a PaymentIntent ({charge['payment_intent']}). You must cancel the "
            "PaymentIntent to reverse the authorization instead of refunding the Charge directly.",
            param="charge",
            stored=True,
        )
    return charge


def _charge_of(world: World, intent_id: str) -> Json:
    intent = world.payment_intents.need(intent_id, "payment_intent")
    charge = world.charges.get(intent["latest_charge"])
    if charge is None or charge["status"] == "failed":
        message = f"This PaymentIntent ({intent_id}) does not have a successful charge to refund."
        raise invalid_request(message, code="payment_intent_unexpected_state", param="payment_intent", stored=True)
    return charge


def _amount(charge: Json, asked: int | None) -> int:
    left: int = charge["amount_captured"] - charge["amount_refunded"]
    if left == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise invalid_request(message, code="charge_already_refunded", stored=True)
    if charge["disputed"]:
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


def _put(world: World, charge: Json, amount: int, *, status: str, metadata: Json, reason: str | None) -> Json:
    kind = charge["payment_method_details"]["type"]
    destination: Json = {"type": "refund"} if kind == "card" else {}
    if kind == "card":
        destination |= {"reference_status": "pending", "reference_type": "acquirer_reference_number"}
    refund: Json = {
        "id": world.ids.new("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": world.ids.new("txn"),
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
    if status == "pending":
        refund["pending_reason"] = "processing"
    return world.refunds.put(refund)


def _recount(world: World, charge: Json) -> Json:
    """The charge's refunded amount, from its refunds."""
    refunds = world.refunds.where("charge", charge["id"])
    total = sum(refund["amount"] for refund in refunds if refund["status"] in {"succeeded", "pending"})
    assert 0 <= total <= charge["amount_captured"], "refunded more than was captured"
    return world.charges.change(charge, amount_refunded=total, refunded=total == charge["amount_captured"])
