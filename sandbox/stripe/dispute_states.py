"""A dispute's life, as data. Everything that decides a dispute's status is in this file.

Source: "How disputes work", "Respond to disputes", Stripe's test cards and its test evidence. Rows are statuses, columns what
can happen:

    submit     evidence goes to the bank                  escalate   an inquiry becomes a chargeback: the money is withdrawn
    win        the bank decides for us: the money, or     lose       it decides against us, we accepted, or we did not answer
               a part of it, is reinstated                dismiss    an inquiry ends without becoming a chargeback

A chargeback withdraws money as it is created. An inquiry does not, and its charge can still be refunded; so can that of a
chargeback that was won.
"""

from collections import deque
from enum import StrEnum
from typing import Any

from sandbox.stripe import balance, radar, refund_states
from sandbox.stripe.errors import Json
from sandbox.stripe.world import World


class Status(StrEnum):
    WARNING_NEEDS_RESPONSE = "warning_needs_response"
    WARNING_UNDER_REVIEW = "warning_under_review"
    WARNING_CLOSED = "warning_closed"
    NEEDS_RESPONSE = "needs_response"
    UNDER_REVIEW = "under_review"
    WON = "won"
    LOST = "lost"
    PREVENTED = "prevented"


class Input(StrEnum):
    SUBMIT = "submit"
    ESCALATE = "escalate"
    DISMISS = "dismiss"
    WIN = "win"
    LOSE = "lose"


_S, _I = Status, Input

TRANSITIONS: dict[Status, dict[Input, Status]] = {
    _S.WARNING_NEEDS_RESPONSE: {
        _I.SUBMIT: _S.WARNING_UNDER_REVIEW,
        _I.ESCALATE: _S.NEEDS_RESPONSE,
        _I.DISMISS: _S.WARNING_CLOSED,
    },
    _S.WARNING_UNDER_REVIEW: {
        _I.SUBMIT: _S.WARNING_UNDER_REVIEW,
        _I.ESCALATE: _S.NEEDS_RESPONSE,
        _I.DISMISS: _S.WARNING_CLOSED,
    },
    _S.NEEDS_RESPONSE: {_I.SUBMIT: _S.UNDER_REVIEW, _I.WIN: _S.WON, _I.LOSE: _S.LOST},
    _S.UNDER_REVIEW: {_I.SUBMIT: _S.UNDER_REVIEW, _I.WIN: _S.WON, _I.LOSE: _S.LOST},
    _S.WARNING_CLOSED: {},
    _S.WON: {},
    _S.LOST: {},
    _S.PREVENTED: {},
}

CLOSED = frozenset(status for status, row in TRANSITIONS.items() if not row)
UNANSWERED = frozenset([_S.WARNING_NEEDS_RESPONSE, _S.NEEDS_RESPONSE])
# After these the charge can be refunded. A prevented dispute has refunded it already.
REFUNDABLE = frozenset([_S.WARNING_NEEDS_RESPONSE, _S.WARNING_UNDER_REVIEW, _S.WARNING_CLOSED, _S.WON])
INQUIRIES = frozenset([_S.WARNING_NEEDS_RESPONSE, _S.WARNING_UNDER_REVIEW])

DAY_S = 24 * 3600
RESPONSE_DAYS = 8  # what test mode gives; card networks give 7 to 21


def due_by(created: int) -> int:
    """The last second of the day, in UTC, on which evidence counts."""
    return (created // DAY_S + RESPONSE_DAYS + 1) * DAY_S - 1


def path(status: str, to: Status) -> list[Input] | None:
    """The fewest inputs that lead there, or None."""
    start = Status(status)
    ways: dict[Status, list[Input]] = {start: []}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        if here is to:
            return ways[here]
        for happened, following in TRANSITIONS[here].items():
            if following not in ways:
                ways[following] = [*ways[here], happened]
                queue.append(following)
    return None


def move(world: World, dispute: Json, happened: Input, *, regained: int | None = None, **changes: Any) -> Json:
    """Store what happened, move the money and send the events. `regained` is a part of the amount that a win brings back."""
    status = TRANSITIONS[Status(dispute["status"])].get(happened)
    assert status is not None, f"{happened} in {dispute['status']}"
    new = {**dispute, **changes, "status": str(status), "is_charge_refundable": status in REFUNDABLE}
    match happened:
        case _I.SUBMIT:
            world.disputes.put(new)
            world.emit("charge.dispute.updated", new, before=dispute)
        case _I.ESCALATE:
            new = _escalated(world, new, dispute)
        case _I.WIN:
            money = balance.reinstated(world, new, new["balance_transactions"][0], regained or new["amount"])
            new["balance_transactions"] = [*new["balance_transactions"], money]
            world.disputes.put(new)
            world.emit("charge.dispute.funds_reinstated", new, before=dispute)
            world.emit("charge.dispute.closed", new, before=dispute)
        case _I.LOSE | _I.DISMISS:
            world.disputes.put(new)
            world.emit("charge.dispute.closed", new, before=dispute)
    # Test mode follows every change of a dispute with one of its charge.
    charge = world.charges.need(new["charge"])
    world.emit("charge.updated", charge, before=charge)
    return new


def can_escalate(world: World, dispute: Json) -> bool:
    """Not after a full refund: "After the payment has been fully refunded, no further funds are withdrawn"."""
    refunds = world.refunds.where("charge", dispute["charge"])
    back = sum(refund["amount"] for refund in refunds if refund["status"] == refund_states.Status.SUCCEEDED)
    return bool(back < world.charges.need(dispute["charge"])["amount_captured"])


def withdraw(world: World, dispute: Json) -> Json:
    """The money leaves; refunds still on their way are stopped, because the customer gets it back by the dispute."""
    for refund in world.refunds.where("charge", dispute["charge"]):
        if refund["status"] == refund_states.Status.PENDING:
            refund_states.fail(world, refund, "charge_for_pending_refund_disputed")
    return world.disputes.change(dispute, balance_transactions=[balance.withdrawn(world, dispute)])


def expire_later(world: World, dispute: Json) -> None:
    """Past its due date an unanswered chargeback is lost, and an unanswered inquiry is over."""
    due = dispute["evidence_details"]["due_by"]

    def lapse() -> None:
        now = world.disputes.need(dispute["id"])
        if now["status"] in UNANSWERED and now["evidence_details"]["due_by"] == due:
            move(world, now, _I.DISMISS if now["status"] in INQUIRIES else _I.LOSE)

    world.later(due + 1 - world.clock.time(), lapse)


def _escalated(world: World, new: Json, before: Json) -> Json:
    details = {**new["evidence_details"], "due_by": due_by(world.clock.seconds())}
    new["evidence_details"] = details
    if "payment_method_details" in new:
        card = {**new["payment_method_details"]["card"], "case_type": "chargeback"}
        new["payment_method_details"] = {**new["payment_method_details"], "card": card}
    new = withdraw(world, world.disputes.put(new))
    world.emit("charge.dispute.updated", new, before=before)
    world.emit("charge.dispute.funds_withdrawn", new, before=before)
    radar.disputed(world, world.charges.need(new["charge"]))
    expire_later(world, new)
    return new
