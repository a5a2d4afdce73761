"""The Disputes API, and how a dispute begins.

In test mode the evidence decides: `uncategorized_text` of `winning_evidence`, `losing_evidence` or, for an inquiry,
`escalate_inquiry_evidence` ends the review a moment after it was submitted. Everything else stays under review.
"""

from sandbox.stripe import dispute_states, radar
from sandbox.stripe.cards import Claim
from sandbox.stripe.dispute_states import CLOSED, INQUIRIES, Input, Status
from sandbox.stripe.errors import Json, invalid_request
from sandbox.stripe.validation import merge_metadata
from sandbox.stripe.world import World

EVIDENCE = (
    "access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure",
    "cancellation_rebuttal", "customer_communication", "customer_email_address", "customer_name", "customer_purchase_ip",
    "customer_signature", "duplicate_charge_documentation", "duplicate_charge_explanation", "duplicate_charge_id",
    "product_description", "receipt", "refund_policy", "refund_policy_disclosure", "refund_refusal_explanation",
    "service_date", "service_documentation", "shipping_address", "shipping_carrier", "shipping_date",
    "shipping_documentation", "shipping_tracking_number", "uncategorized_file", "uncategorized_text",
)  # fmt: skip
# What the bank decides, for a chargeback and for an inquiry.
VERDICTS: dict[str, tuple[Input | None, Input]] = {
    "winning_evidence": (Input.WIN, Input.DISMISS),
    "losing_evidence": (Input.LOSE, Input.DISMISS),
    "escalate_inquiry_evidence": (None, Input.ESCALATE),
}


def retrieve(world: World, object_id: str, _params: Json) -> Json:
    """GET /v1/disputes/:id."""
    return world.disputes.need(object_id, "dispute", in_path=True)


def list_all(world: World, params: Json) -> Json:
    """GET /v1/disputes."""
    return world.disputes.page(params)


def update(world: World, object_id: str, params: Json) -> Json:
    """POST /v1/disputes/:id. Evidence is submitted at once unless `submit=false`, which only stages it."""
    dispute = _open(world, object_id)
    given = params.get("evidence") or {}
    submits: bool = params.get("submit", bool(given))
    evidence = {**dispute["evidence"], **given}
    details = dispute["evidence_details"]
    written = any(value for name, value in evidence.items() if name != "enhanced_evidence")
    changes: Json = {
        "evidence": evidence,
        "metadata": merge_metadata(dispute["metadata"], params.get("metadata")),
        "evidence_details": {**details, "has_evidence": written},
    }
    if "intended_submission_method" in params:
        changes["intended_submission_method"] = params["intended_submission_method"]
    if not submits:
        new = world.disputes.change(dispute, **changes)
        world.emit("charge.dispute.updated", new, before=dispute)
        return new
    late = world.clock.seconds() > details["due_by"]
    changes["evidence_details"] |= {
        "past_due": late,
        "submission_count": details["submission_count"] + 1,
        "submission_method": "manual",
    }
    new = dispute_states.move(world, dispute, Input.SUBMIT, **changes)
    _decide_later(world, new)
    return new


def close(world: World, object_id: str, _params: Json) -> Json:
    """POST /v1/disputes/:id/close: "acknowledging it as lost". An inquiry that is accepted is over."""
    dispute = _open(world, object_id)
    return dispute_states.move(world, dispute, Input.DISMISS if dispute["status"] in INQUIRIES else Input.LOSE)


def begin(world: World, charge: Json, claim: Claim, amount: int, due: int | None = None) -> Json:
    """The cardholder disputes a captured charge."""
    charge = world.charges.change(charge, disputed=True)
    dispute = world.disputes.put(_new(world, charge, claim, amount, due))
    inquiry = dispute["status"] in INQUIRIES
    takes_money = not inquiry and dispute["status"] != Status.PREVENTED
    if takes_money:
        dispute = dispute_states.withdraw(world, dispute)
    world.emit("charge.dispute.created", dispute)
    if takes_money:
        world.emit("charge.dispute.funds_withdrawn", dispute)
    if dispute["status"] in CLOSED:
        world.emit("charge.dispute.closed", dispute)
    else:
        dispute_states.expire_later(world, dispute)
    radar.disputed(world, charge)
    return dispute


def _open(world: World, object_id: str) -> Json:
    dispute = world.disputes.need(object_id, "dispute", in_path=True)
    if dispute["status"] in CLOSED:
        raise invalid_request("This dispute is already closed", stored=True)
    return dispute


def _decide_later(world: World, dispute: Json) -> None:
    verdict = VERDICTS.get(dispute["evidence"]["uncategorized_text"] or "")
    if verdict is None:
        return
    submission = dispute["evidence_details"]["submission_count"]

    def decide() -> None:
        now = world.disputes.need(dispute["id"])
        happened = verdict[now["status"] in INQUIRIES]
        if happened is Input.ESCALATE and not dispute_states.can_escalate(world, now):
            happened = Input.DISMISS
        current = now["evidence_details"]["submission_count"] == submission and now["status"] not in CLOSED
        if current and happened is not None:
            dispute_states.move(world, now, happened)

    world.later(world.settings.evidence_delay_s, decide)


def _first_status(claim: Claim) -> Status:
    if claim.final:
        return Status.LOST
    if claim.case_type == "resolution":
        return Status.PREVENTED
    return Status.WARNING_NEEDS_RESPONSE if claim.case_type == "inquiry" else Status.NEEDS_RESPONSE


def _new(world: World, charge: Json, claim: Claim, amount: int, due: int | None) -> Json:
    now = world.clock.seconds()
    status = _first_status(claim)
    answerable = status not in CLOSED
    dispute: Json = {
        "id": world.ids.new("du"),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            # "Will be 0 if the customer's bank … doesn't allow a response"
            "due_by": (due or dispute_states.due_by(now)) if answerable else 0,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": status in dispute_states.REFUNDABLE,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": claim.reason,
        "status": str(status),
    }
    brand = charge["payment_method_details"].get("card", {}).get("brand")
    if brand is not None:
        card = {
            "brand": brand,
            "case_type": claim.case_type,
            "network": brand,
            "network_reason_code": claim.network_code,
        }
        dispute["payment_method_details"] = {"card": card, "type": "card"}
    return dispute
