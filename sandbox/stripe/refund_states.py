"""A refund's life, as data. Everything that decides a refund's status is in this file.

Source: "Refund and cancel payments" (statuses, failed refunds) and the test cards 7726 and 5126. Rows are statuses, columns
what can happen:

    arrive    the money reached the customer        act     the customer said where it shall go
    fail      it came back                          cancel  it was stopped, and what it had taken is returned

pending, requires_action and succeeded count as refunded on the charge; failed and canceled do not.
"""

from enum import StrEnum
from typing import Any

from sandbox.stripe import balance
from sandbox.stripe.errors import Json
from sandbox.stripe.world import World


class Status(StrEnum):
    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class Input(StrEnum):
    ARRIVE = "arrive"
    ACT = "act"
    FAIL = "fail"
    CANCEL = "cancel"


_S, _I = Status, Input

TRANSITIONS: dict[Status, dict[Input, Status]] = {
    _S.PENDING: {_I.ARRIVE: _S.SUCCEEDED, _I.FAIL: _S.FAILED, _I.CANCEL: _S.CANCELED},
    _S.REQUIRES_ACTION: {_I.ACT: _S.PENDING, _I.FAIL: _S.FAILED, _I.CANCEL: _S.CANCELED},
    # Refunds are asynchronous: "a refund can appear to succeed and later fail".
    _S.SUCCEEDED: {_I.FAIL: _S.FAILED, _I.CANCEL: _S.CANCELED},
    _S.FAILED: {},
    _S.CANCELED: {},
}

COUNTED = frozenset([_S.PENDING, _S.REQUIRES_ACTION, _S.SUCCEEDED])
DEFAULT_FAILURE = "expired_or_canceled_card"  # what the test card 4000000000005126 reports
FAILURES = (
    "charge_for_pending_refund_disputed", "declined", "expired_or_canceled_card", "insufficient_funds", "lost_or_stolen_card",
    "merchant_request", "unknown",
)  # fmt: skip
# What is there only as long as the status lasts.
_PASSING = ("pending_reason", "next_action")


def can(refund: Json, happened: Input) -> bool:
    return happened in TRANSITIONS[Status(refund["status"])]


def arrive(world: World, refund: Json) -> Json:
    """A pending refund arrived. One that waited for the account's balance takes its money now."""
    return _move(world, refund, Input.ARRIVE)


def act(world: World, refund: Json) -> Json:
    """The customer gave what the refund was waiting for; it is on its way."""
    return _move(world, refund, Input.ACT, pending_reason="processing")


def fail(world: World, refund: Json, reason: str = DEFAULT_FAILURE) -> Json:
    """The bank sent it back: the money is with us again, and the charge is refundable again."""
    new = _move(world, refund, Input.FAIL, failure_reason=reason)
    world.emit("refund.failed", new)
    return new


def cancel(world: World, refund: Json) -> Json:
    return _move(world, refund, Input.CANCEL)


def recount(world: World, charge: Json) -> Json:
    """The charge's refunded amount, from its refunds. While more can be captured nothing is refunded in full."""
    refunds = world.refunds.where("charge", charge["id"])
    total = sum(refund["amount"] for refund in refunds if refund["status"] in COUNTED)
    assert 0 <= total <= charge["amount_captured"], "refunded more than was captured"
    whole = charge["captured"] and total == charge["amount_captured"]
    return world.charges.change(charge, amount_refunded=total, refunded=whole)


def _move(world: World, refund: Json, happened: Input, **changes: Any) -> Json:
    status = TRANSITIONS[Status(refund["status"])].get(happened)
    assert status is not None, f"{happened} in {refund['status']}"
    kept = {name: value for name, value in refund.items() if name not in _PASSING}
    new = {**kept, "status": str(status), **changes}
    charge = world.charges.need(refund["charge"])
    if status in COUNTED and new["balance_transaction"] is None:
        new["balance_transaction"] = balance.refunded(world, new, charge)
    if status not in COUNTED and new["balance_transaction"] is not None:
        new["failure_balance_transaction"] = balance.refund_failed(world, new)
    world.refunds.put(new)
    recount(world, charge)
    world.emit("refund.updated", new, before=refund)
    world.emit("charge.refund.updated", new, before=refund)
    return new
