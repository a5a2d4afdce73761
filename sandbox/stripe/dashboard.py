"""What somebody does in Stripe's dashboard, without our API key, our idempotency keys and our metadata. And what banks do with
refunds.
"""

from starlette.routing import Route

from sandbox.stripe import captures, currencies, refund_states, refunds
from sandbox.stripe.cards import RefundFate
from sandbox.stripe.control_requests import chosen, on_object, only, whole
from sandbox.stripe.errors import Json
from sandbox.stripe.intents import refuse_cancel, refuse_capture
from sandbox.stripe.world import World

INDEX = {
    "POST /_sim/payment_intents/{id}/change": 'overwrite {"amount", "currency", "metadata", "description"} at Stripe',
    "POST /_sim/payment_intents/{id}/capture": 'capture from the dashboard: {"amount": 500, "final": true}',
    "POST /_sim/payment_intents/{id}/cancel": 'cancel from the dashboard: {"reason": "abandoned"}',
    "POST /_sim/payment_intents/{id}/expire": "end the authorization now",
    "POST /_sim/payment_intents/{id}/refund": 'refund from the dashboard: {"amount": 500, "fate": "succeeds"}',
    "POST /_sim/payment_intents/{id}/refund_fate": 'what its refunds do: {"fate": "fails_later", "failure_reason": "unknown"}',
    "POST /_sim/refunds/{id}/move": 'move a refund: {"to": "failed", "failure_reason": "declined"}',
}  # fmt: skip

FATES = tuple(RefundFate)
MOVES = {
    "succeeded": refund_states.Input.ARRIVE,
    "pending": refund_states.Input.ACT,
    "failed": refund_states.Input.FAIL,
    "canceled": refund_states.Input.CANCEL,
}
REASONS = ("abandoned", "duplicate", "fraudulent", "requested_by_customer")
REFUND_REASONS = ("duplicate", "fraudulent", "requested_by_customer")


def routes(world: World) -> list[Route]:
    intents = {
        "change": change,
        "capture": capture,
        "cancel": cancel,
        "expire": expire,
        "refund": refund,
        "refund_fate": set_refund_fate,
    }
    made = [
        on_object(world, f"/_sim/payment_intents/{{object_id}}/{name}", world.payment_intents, act)
        for name, act in intents.items()
    ]
    return [*made, on_object(world, "/_sim/refunds/{object_id}/move", world.refunds, move_refund)]


def change(world: World, intent: Json, body: Json) -> Json:
    """Overwrite an intent behind everybody's back, in any status. Stripe has no event for an intent's update."""
    only(body, "amount", "currency", "metadata", "description")
    if body.get("currency", "usd") not in currencies.SUPPORTED:
        raise ValueError(f"currency: {body['currency']} is not supported")
    whole(body, "amount")
    changes = {**body, "metadata": body["metadata"] or {}} if "metadata" in body else body
    return world.payment_intents.change(intent, **changes)


def capture(world: World, intent: Json, body: Json) -> Json:
    only(body, "amount", "final")
    amount, final = whole(body, "amount"), bool(body.get("final", True))
    if refusal := refuse_capture(intent) or captures.refuse_amount(world, intent, amount, final=final):
        raise refusal
    return captures.capture(world, intent, amount or intent["amount_capturable"], final=final)


def cancel(world: World, intent: Json, body: Json) -> Json:
    only(body, "reason")
    if refusal := refuse_cancel(intent):
        raise refusal
    return captures.cancel(world, intent, chosen(body, "reason", REASONS, "requested_by_customer"))


def expire(world: World, intent: Json, body: Json) -> Json:
    only(body)
    return captures.expire(world, intent)


def refund(world: World, intent: Json, body: Json) -> Json:
    """A refund that the service did not ask for: no key, and no metadata unless given."""
    only(body, "amount", "reason", "metadata", "fate", "failure_reason")
    charge = refunds.charge_of(world, intent)
    amount = refunds.refundable(world, charge, whole(body, "amount"))
    fate, failure = refunds.fate_of(world, charge)
    if "fate" in body:
        fate, failure = _fate(body)
    reason = chosen(body, "reason", REFUND_REASONS) if body.get("reason") else None
    return refunds.begin(world, charge, amount, fate, failure, metadata=body.get("metadata") or {}, reason=reason)


def set_refund_fate(world: World, intent: Json, body: Json) -> Json:
    """From now on, whoever makes the refunds."""
    only(body, "fate", "failure_reason")
    charge = refunds.charge_of(world, intent)
    world.refund_fates[charge["id"]] = _fate(body)
    return {"charge": charge["id"], **body}


def move_refund(world: World, row: Json, body: Json) -> Json:
    only(body, "to", "failure_reason")
    happened = MOVES[chosen(body, "to", MOVES)]
    if not refund_states.can(row, happened):
        raise ValueError(f"a refund that is {row['status']} cannot become {body['to']}")
    match happened:
        case refund_states.Input.ARRIVE:
            return refund_states.arrive(world, row)
        case refund_states.Input.ACT:
            return refund_states.act(world, row)
        case refund_states.Input.FAIL:
            return refund_states.fail(world, row, _failure(body))
        case refund_states.Input.CANCEL:
            return refund_states.cancel(world, row)


def _fate(body: Json) -> tuple[RefundFate, str]:
    return RefundFate(chosen(body, "fate", FATES)), _failure(body)


def _failure(body: Json) -> str:
    return chosen(body, "failure_reason", refund_states.FAILURES, refund_states.DEFAULT_FAILURE)
