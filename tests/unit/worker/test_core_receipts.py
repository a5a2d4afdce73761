"""Stripe's receipt of a payment: told exactly once."""

from dataclasses import replace
from itertools import permutations

from tests.unit.worker.capturing import HELD, SUCCEEDED, took
from tests.unit.worker.making import (
    AMOUNT,
    capture,
    charge,
    charge_succeeded,
    event_types,
    held,
    last_body,
    seen,
    story,
)
from worker.domain.facts import Charge
from worker.domain.messages import Message
from worker.domain.record import Status


def receipt_messages() -> list[Message]:
    """Everything that may bring the money or the receipt of a payment that is confirmed in the browser."""
    found: Charge | None = charge(SUCCEEDED)
    return [
        seen(SUCCEEDED),
        replace(charge_succeeded(), charge=found),
        replace(charge_succeeded(event_id="evt_updated"), event_type="charge.updated", charge=found),
        seen(SUCCEEDED, "evt_expanded", charge=found),
    ]


def test_the_receipt_is_told_exactly_once_in_every_order() -> None:
    """Whichever of the money and the receipt is heard of first, and however often, one event brings the receipt."""
    for order in permutations(receipt_messages()):
        made = story(Status.REQUIRES_PAYMENT_METHOD)
        for message in order:
            made.tell(message)
        assert event_types(made.record).count("receipt") == 1
        assert last_body(made.record, "receipt")["receipt_url"] == "https://receipts.example/1"
        assert last_body(made.record, "receipt")["captured"] == AMOUNT


def test_the_receipt_of_the_confirms_answer_is_told() -> None:
    """An answer that brings both the money and the receipt tells of both, once."""
    assert event_types(story(SUCCEEDED).record) == ["created", "succeeded", "receipt"]


def test_held_money_has_no_receipt_yet() -> None:
    """A receipt that Stripe shows before anything is captured is told with the first money, and not again."""
    made = held()
    assert made.record.receipt_url is not None
    assert "receipt" not in event_types(made.record)
    made.tell(capture("c-1", amount=500, final=False))
    took(made, 500, HELD)
    made.tell(capture("c-2"))
    took(made, AMOUNT)
    assert event_types(made.record).count("receipt") == 1
