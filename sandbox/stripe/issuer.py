"""What customers' banks do by themselves: they authenticate, dispute, and decide about disputes."""

from starlette.routing import Route

from sandbox.stripe import dispute_states, disputes, refunds, setup_attempts, setup_states
from sandbox.stripe.cards import Claim
from sandbox.stripe.control_requests import chosen, on_object, only, whole
from sandbox.stripe.dispute_states import Input, Status
from sandbox.stripe.errors import Json
from sandbox.stripe.world import World

INDEX = {
    "POST /_sim/payment_intents/{id}/dispute": 'dispute its charge: {"kind": "inquiry", "reason": "general", "amount": 500}',
    "POST /_sim/setup_intents/{id}/authenticate": 'end a 3-D Secure: {"outcome": "succeed|fail"}',
    "POST /_sim/charges/{id}/dispute": "the same, by charge",
    "POST /_sim/disputes/{id}/move": 'move a dispute: {"to": "won", "amount": 300}',
}  # fmt: skip

KINDS = ("chargeback", "compliance", "final", "inquiry", "prevented")
REASONS = (
    "bank_cannot_process", "check_returned", "credit_not_processed", "customer_initiated", "debit_not_authorized",
    "duplicate", "fraudulent", "general", "incorrect_account_details", "insufficient_funds", "noncompliant",
    "product_not_received", "product_unacceptable", "subscription_canceled", "unrecognized",
)  # fmt: skip


def routes(world: World) -> list[Route]:
    return [
        on_object(world, "/_sim/payment_intents/{object_id}/dispute", world.payment_intents, dispute_intent),
        on_object(world, "/_sim/charges/{object_id}/dispute", world.charges, dispute),
        on_object(world, "/_sim/setup_intents/{object_id}/authenticate", world.setup_intents, authenticate_setup),
        on_object(world, "/_sim/disputes/{object_id}/move", world.disputes, move),
    ]


def authenticate_setup(world: World, intent: Json, body: Json) -> Json:
    only(body, "outcome")
    passed = chosen(body, "outcome", ("succeed", "fail"), "succeed") == "succeed"
    if intent["status"] != setup_states.Status.REQUIRES_ACTION:
        raise ValueError(f"the SetupIntent is {intent['status']}, not requires_action")
    return setup_attempts.authenticate(world, intent, passed=passed)


def dispute_intent(world: World, intent: Json, body: Json) -> Json:
    return dispute(world, refunds.charge_of(world, intent), body)


def dispute(world: World, charge: Json, body: Json) -> Json:
    """A dispute of any kind, of all that was captured or of a part, with a due date of its own if wanted."""
    only(body, "kind", "reason", "amount", "due_by", "network_code")
    kind = chosen(body, "kind", KINDS, "chargeback")
    case = {"final": "chargeback", "prevented": "resolution"}.get(kind, kind)
    claim = Claim(chosen(body, "reason", REASONS, "fraudulent"), case, body.get("network_code"), final=kind == "final")
    amount = whole(body, "amount") or charge["amount_captured"]
    if charge["status"] != "succeeded" or charge["amount_captured"] == 0:
        raise ValueError("only a charge whose money was taken can be disputed")
    return disputes.begin(world, charge, claim, amount, whole(body, "due_by"))


def move(world: World, row: Json, body: Json) -> Json:
    """To a status, by the shortest way there: an inquiry that is lost was escalated before. `amount` is what a win regains."""
    only(body, "to", "amount")
    to = Status(chosen(body, "to", tuple(Status)))
    regained = whole(body, "amount")
    if regained is not None and regained > row["amount"]:
        raise ValueError("amount: more than was disputed")
    way = dispute_states.path(row["status"], to)
    if not way:
        raise ValueError(f"a dispute that is {row['status']} cannot become {to}")
    if Input.ESCALATE in way and not dispute_states.can_escalate(world, row):
        raise ValueError("an inquiry about a payment that was refunded in full does not escalate")
    for happened in way:
        changes: Json = {}
        if happened is Input.SUBMIT:
            details = row["evidence_details"]
            changes["evidence_details"] = {**details, "submission_count": details["submission_count"] + 1}
        row = dispute_states.move(world, row, happened, regained=regained, **changes)
    return row
