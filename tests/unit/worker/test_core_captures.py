"""Captures: in full, in part, in several parts, and what can go wrong."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.commands import CaptureMethod, Resolution
from contracts.replies import RefusalCode
from tests.unit.worker.capturing import CANCELED, HELD, SUCCEEDED, took
from tests.unit.worker.making import (
    AMOUNT,
    NOW,
    PAYMENT,
    Story,
    cancel,
    capture,
    codes,
    confirm,
    create,
    dispute_fact,
    event_types,
    held,
    last_body,
    problem,
    resolve,
    seen,
    story,
    totals,
)
from worker.domain import limits
from worker.domain.effects import Read, Send
from worker.domain.facts import Ledger
from worker.domain.messages import Result
from worker.domain.record import Outcome, Status


def test_held_money_is_announced() -> None:
    """An authorization says how much can be captured, and until when."""
    body = last_body(held().record, "authorized")
    assert (body["capturable"], body["captured"], body["capture_before"]) == (2000, 0, "2026-03-09T12:00:00Z")


def test_a_full_capture() -> None:
    """A capture without an amount asks Stripe for all that is left, and the payment has succeeded with it."""
    made = held()
    decision = made.tell(capture())
    assert isinstance(decision.effect, Send)
    call = decision.effect.call
    assert (call.key, call.params) == (f"{PAYMENT}:capture:capture-1", {"expand": ["latest_charge"]})
    assert (call.asked_by, call.note) == ("admin-1", "why")
    assert codes(took(made, AMOUNT)) == {"capture-1": None}
    assert totals(made.record) == {"captured": 2000, "refundable": 2000}
    assert [kind for kind in event_types(made.record) if kind != "receipt"] == ["created", "authorized", "succeeded"]
    assert made.record.check_at is None


def test_a_partial_capture_releases_the_rest() -> None:
    """A final capture of a part succeeds with that part, and nothing more can be captured."""
    made = held()
    made.tell(capture(amount=500))
    assert made.head.params["amount_to_capture"] == 500
    assert "final_capture" not in made.head.params
    took(made, 500)
    assert totals(made.record) == {"captured": 500, "refundable": 500}
    assert last_body(made.record, "succeeded")["captured"] == 500
    assert codes(made.tell(capture("capture-2"))) == {"capture-2": RefusalCode.WRONG_STATE}


def test_several_captures() -> None:
    """Captures that are not final say `captured` each, and the last one says `succeeded`."""
    made = held()
    made.tell(capture("c-1", amount=500, final=False))
    assert made.head.params["final_capture"] is False
    took(made, 500, HELD)
    assert totals(made.record) == {"captured": 500, "refundable": 500, "capturable": 1500}
    assert last_body(made.record, "captured")["capturable"] == 1500
    made.tell(capture("c-2", amount=600, final=False))
    took(made, 1100, HELD)
    made.tell(capture("c-3"))
    took(made, AMOUNT)
    kinds = [kind for kind in event_types(made.record) if kind != "receipt"]
    assert kinds == ["created", "authorized", "captured", "captured", "succeeded"]
    assert totals(made.record) == {"captured": 2000, "refundable": 2000}


def test_captures_wait_for_each_other() -> None:
    """A second capture is sent when the first is answered, and refused when it no longer fits."""
    made = held()
    made.tell(capture("c-1", amount=1500, final=False))
    assert made.tell(capture("c-2", amount=600, final=False)).effect is None
    decision = took(made, 1500, HELD)
    assert codes(decision) == {"c-1": None, "c-2": RefusalCode.NOT_CAPTURABLE}
    assert decision.effect is None


def test_a_capture_behind_a_final_one_is_refused() -> None:
    """A capture that waits behind a final one is closed as a wrong state and never sent."""
    made = held()
    made.tell(capture("c-1"))
    made.tell(capture("c-2"))
    assert codes(took(made, AMOUNT)) == {"c-1": None, "c-2": RefusalCode.WRONG_STATE}


def test_a_capture_behind_a_cancel_is_refused() -> None:
    """A capture that waits behind a cancel is closed as a wrong state once the money is released."""
    made = held()
    made.tell(cancel("c-1"))
    made.tell(capture("c-2"))
    assert codes(made.answer(Result.DONE, CANCELED)) == {"c-1": None, "c-2": RefusalCode.WRONG_STATE}


@pytest.mark.parametrize("captured", [0, 500])
def test_more_than_is_held_is_refused(captured: int) -> None:
    """A capture of more than what is held and not taken yet is refused, with the amount at fault."""
    made = held()
    if captured:
        made.tell(capture("c-1", amount=captured, final=False))
        took(made, captured, HELD)
    decision = made.tell(capture("c-2", amount=AMOUNT - captured + 1))
    assert codes(decision) == {"c-2": RefusalCode.NOT_CAPTURABLE}
    assert decision.told[0].refused is not None
    assert decision.told[0].refused.field == "data.amount"
    assert made.tell(capture("c-3", amount=AMOUNT - captured)).outcome is Outcome.APPLIED


def test_a_part_must_keep_the_currencys_step() -> None:
    """A capture of a part that Stripe could not take in this currency is refused."""
    kwd: dict[str, Any] = {"amount": 5000, "currency": "kwd"}
    made = Story()
    made.tell(create(**kwd, capture_method=CaptureMethod.MANUAL))
    made.answer(Result.DONE, Status.REQUIRES_PAYMENT_METHOD, **kwd)
    made.tell(confirm())
    made.answer(Result.DONE, HELD, **kwd)
    assert codes(made.tell(capture("c-1", amount=1005))) == {"c-1": RefusalCode.AMOUNT_NOT_CHARGEABLE}
    assert made.tell(capture("c-2", amount=1010)).outcome is Outcome.APPLIED


def test_a_capture_that_is_late_is_refused() -> None:
    """A capture whose time is over is refused, at once and when its turn comes."""
    made = held()
    assert codes(made.tell(capture("c-1", expires_at=NOW))) == {"c-1": RefusalCode.EXPIRED}
    made.tell(capture("c-2", amount=500, final=False))
    made.tell(capture("c-3", expires_at=made.now + timedelta(minutes=1)))
    made.now += timedelta(minutes=2)
    assert codes(took(made, 500, HELD)) == {"c-2": None, "c-3": RefusalCode.EXPIRED}


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.NEW, HELD}, key=str))
def test_without_held_money_there_is_nothing_to_capture(status: Status) -> None:
    """In every other status a capture is refused as a wrong state."""
    made = story(status)
    assert codes(made.tell(capture())) == {"capture-1": RefusalCode.WRONG_STATE}


def test_a_capture_of_no_payment_is_refused() -> None:
    """A capture by an unknown payment id is refused by name."""
    assert codes(Story().tell(capture())) == {"capture-1": RefusalCode.UNKNOWN_PAYMENT}


def test_a_payment_under_review_takes_no_capture() -> None:
    """While a person must look nothing is captured, neither a new capture nor one that waits, until somebody decides."""
    made = held()
    made.tell(capture("c-1", amount=500, final=False))
    made.tell(capture("c-2", amount=500, final=False))
    made.tell(seen(SUCCEEDED, "evt_other", id="pi_other"))
    assert codes(took(made, 500, HELD)) == {"c-1": None, "c-2": RefusalCode.NEEDS_REVIEW}
    assert codes(made.tell(capture("c-3"))) == {"c-3": RefusalCode.NEEDS_REVIEW}
    made.tell(resolve(Resolution.KEEP))
    assert made.tell(capture("c-4")).outcome is Outcome.APPLIED


def test_what_cannot_be_captured_does_not_wait() -> None:
    """A capture that is too much, or of a payment under review, is refused at once although another call is in flight."""
    made = held()
    made.tell(capture("c-1", amount=500, final=False))
    assert codes(made.tell(capture("c-2", amount=AMOUNT + 1))) == {"c-2": RefusalCode.NOT_CAPTURABLE}
    made.tell(seen(SUCCEEDED, "evt_other", id="pi_other"))
    assert codes(made.tell(capture("c-3", amount=500))) == {"c-3": RefusalCode.NEEDS_REVIEW}
    assert made.head.id == "c-1"


def test_so_many_captures_wait_and_no_more() -> None:
    """Captures share the limit of the commands that may wait."""
    made = held()
    for number in range(limits.MAX_OPEN_CALLS):
        assert made.tell(capture(f"c-{number}", amount=1, final=False)).outcome is Outcome.APPLIED
    assert codes(made.tell(capture("one-more"))) == {"one-more": RefusalCode.TOO_MANY_COMMANDS}


def test_a_capture_that_was_done_at_stripe_is_known() -> None:
    """A capture made in the dashboard is announced like one of ours."""
    made = held()
    made.tell(seen(HELD, "evt_part", amount_received=700))
    assert totals(made.record) == {"captured": 700, "refundable": 700, "capturable": 1300}
    made.tell(seen(SUCCEEDED))
    assert event_types(made.record)[2:] == ["captured", "receipt", "succeeded"]


def test_news_of_an_earlier_part_takes_nothing_back() -> None:
    """A webhook from before the last capture never lowers what is captured."""
    made = held()
    made.tell(seen(HELD, "evt_2", amount_received=900))
    decision = made.tell(seen(HELD, "evt_1", amount_received=400))
    assert decision.outcome is Outcome.STALE
    assert made.record.captured == 900


def test_a_refusal_by_stripe_leaves_the_money_held() -> None:
    """A capture that Stripe refuses for good is refused in its words, and the money can still be captured."""
    made = held()
    made.tell(capture(amount=500, final=False))
    decision = made.answer(Result.REFUSED, problem=problem("payment_intent_invalid_parameter"))
    assert codes(decision) == {"capture-1": RefusalCode.PROVIDER_REFUSED}
    assert totals(made.record) == {"capturable": 2000}
    assert made.tell(capture("c-2")).outcome is Outcome.APPLIED


@pytest.mark.parametrize(
    ("status", "received", "code"), [(SUCCEEDED, 500, None), (HELD, 0, RefusalCode.PROVIDER_ERROR)]
)
def test_a_capture_of_unknown_outcome_is_settled_by_reading(
    status: Status, received: int, code: RefusalCode | None
) -> None:
    """A capture whose key is too old is read and never sent again: taken, or refused for another try."""
    made = held()
    made.tell(capture(amount=500))
    made.answer(Result.UNKNOWN, problem=problem())
    assert isinstance(made.tick(limits.KEY_LIFETIME).effect, Read)
    assert codes(made.read(status, amount_received=received)) == {"capture-1": code}
    assert made.record.captured == received


def test_the_money_of_an_earlier_capture_does_not_settle_a_later_one() -> None:
    """A capture that waited for another is judged by what was captured when it was sent, not when it was asked for."""
    made = held()
    made.tell(capture("c-1", amount=500, final=False))
    made.tell(capture("c-2", amount=700, final=False))
    took(made, 500, HELD)
    made.answer(Result.STORED_ERROR, problem=problem("http_500"))
    assert isinstance(made.tick().effect, Read)
    assert codes(made.read(HELD, amount_received=500)) == {"c-2": RefusalCode.PROVIDER_ERROR}


def test_a_capture_in_conflict_finds_the_authorization_gone() -> None:
    """A capture that came too late conflicts, the read finds the money released, and the capture is refused."""
    made = held()
    made.tell(capture())
    decision = made.answer(Result.CONFLICT, problem=problem("charge_expired_for_capture"))
    assert isinstance(decision.effect, Read)
    settled = made.read(CANCELED, cancellation_reason="automatic")
    assert codes(settled) == {"capture-1": RefusalCode.WRONG_STATE}
    assert last_body(made.record, "canceled")["reason"] == "automatic"


def test_a_partly_captured_payment_can_be_disputed() -> None:
    """Of money that is captured in part a dispute takes only what there is, and the rest can still be captured."""
    made = held()
    made.tell(capture("c-1", amount=500, final=False))
    took(made, 500, HELD)
    made.read(HELD, amount_received=500, ledger=Ledger((), (dispute_fact(amount=500),)))
    assert totals(made.record) == {"captured": 500, "disputed": 500, "capturable": 1500}
