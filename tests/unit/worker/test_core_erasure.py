"""Forgetting who paid: the user goes from the record and from every event, the money and what happened stay."""

from dataclasses import replace

import pytest

from contracts.replies import RefusalCode, Verdict
from tests.unit.worker.making import (
    USER,
    Story,
    cancel_order,
    capture,
    codes,
    create,
    dispute_fact,
    dispute_seen,
    erase,
    event_types,
    held,
    last_body,
    paid,
    problem,
    refund,
    refund_fact,
    refund_seen,
    story,
    totals,
    verdicts,
)
from worker.domain.effects import Send
from worker.domain.messages import Result
from worker.domain.record import Outcome, Status

EXISTING = sorted(set(Status) - {Status.NEW}, key=str)


@pytest.mark.parametrize("status", EXISTING)
def test_every_payment_can_be_erased(status: Status) -> None:
    """In every status the user is replaced by a tombstone, announced once, and the command is accepted."""
    made = story(status)
    decision = made.tell(erase())
    assert verdicts(decision)["erase-1"] is Verdict.ACCEPTED
    assert made.record.user_id == "erased"
    assert made.record.erased_at == made.now
    assert event_types(made.record).count("erased") == 1
    assert made.record.status is status
    assert USER not in str(made.record)


def test_every_event_forgets_the_user() -> None:
    """What was announced before, sent or not, carries the tombstone from here on, and is otherwise as it was."""
    made = paid()
    made.payment = replace(made.record, events=tuple(replace(event, sent=True) for event in made.record.events))
    before = made.record.events
    made.tell(erase())
    after = made.record.events
    assert [event.body for event in after[:-1]] == [event.body | {"user_id": "erased"} for event in before]
    assert [(event.sequence, event.sent) for event in after] == [(1, True), (2, True), (3, True), (4, False)]
    assert last_body(made.record, "erased")["user_id"] == "erased"


def with_everything() -> Story:
    """A payment with a refund done, one refused, a dispute, and words of people about them."""
    made = paid()
    made.tell(refund("r-1", amount=500, note="for Jane Doe"))
    made.answer(Result.DONE, refund=refund_fact(500, name="r-1"))
    made.tell(refund("r-2", amount=300, note="Jane Doe again"))
    made.answer(Result.REFUSED, problem=problem("balance_insufficient"))
    made.tell(refund("r-3", amount=9999, note="all for Jane Doe"))
    made.tell(dispute_seen(dispute_fact(amount=700)))
    return made


def test_amounts_and_what_happened_stay() -> None:
    """Amounts, ids at Stripe, refunds, disputes and the story stay as they are."""
    made = with_everything()
    before = made.record
    made.tell(erase())
    after = made.record
    assert totals(after) == totals(before) == {"captured": 2000, "refunded": 500, "disputed": 700, "refundable": 800}
    assert (after.intent_id, after.order_id, after.disputes) == (before.intent_id, before.order_id, before.disputes)
    assert [(found.id, found.amount, found.status, found.stripe_id) for found in after.refunds] == [
        (found.id, found.amount, found.status, found.stripe_id) for found in before.refunds
    ]
    assert [(entry.message_id, entry.outcome) for entry in after.timeline[:-1]] == [
        (entry.message_id, entry.outcome) for entry in before.timeline
    ]


def test_what_people_wrote_is_forgotten() -> None:
    """Notes, which may name the person, go from refunds, calls and the story; who asked stays."""
    made = with_everything()
    made.tell(erase())
    assert "Jane Doe" not in str(made.record)
    assert {entry.message.get("requested_by") for entry in made.record.timeline if "refund" in entry.kind} >= {
        "admin-1"
    }


def test_what_the_order_service_wrote_is_forgotten() -> None:
    """The parameters of settled calls go: a description and metadata may name the person."""
    made = Story()
    made.tell(create(description="A ring for Jane Doe", metadata={"who": "Jane Doe"}, receipt_email="jane@doe.example"))
    made.answer(Result.DONE, Status.REQUIRES_PAYMENT_METHOD)
    made.tell(erase())
    assert "Jane" not in str(made.record)
    assert "jane" not in str(made.record)


@pytest.mark.parametrize("result", [Result.DONE, Result.REFUSED])
def test_a_call_in_flight_is_forgotten_when_it_is_settled(result: Result) -> None:
    """A call that Stripe may still have to get keeps its exact parameters until it is settled, and not longer."""
    made = Story()
    made.tell(create(description="A ring for Jane Doe", receipt_email="jane@doe.example"))
    params = made.head.params
    made.tell(erase())
    assert made.head.params == params
    made.answer(result, Status.REQUIRES_PAYMENT_METHOD if result is Result.DONE else None, problem=problem("x"))
    assert "Jane" not in str(made.record)
    assert "jane" not in str(made.record)


def test_a_refund_in_flight_goes_on() -> None:
    """An erasure stops no money: a refund that is on its way is sent again as it was, and its note is gone at once."""
    made = paid()
    made.tell(refund("r-1", amount=500, note="for Jane Doe"))
    params = made.head.params
    made.tell(erase())
    assert "Jane Doe" not in str(made.record)
    decision = made.tick()
    assert isinstance(decision.effect, Send)
    assert decision.effect.call.params == params
    made.answer(Result.DONE, refund=refund_fact(500, name="r-1"))
    assert "Jane Doe" not in str(made.record)
    assert last_body(made.record, "refunded")["user_id"] == "erased"


def test_an_erasure_is_announced_once() -> None:
    """A second erasure, by whatever command, is accepted and changes nothing."""
    made = paid()
    made.tell(erase())
    events = made.record.events
    again = made.tell(erase("erase-2"))
    assert (again.outcome, verdicts(again)) == (Outcome.STALE, {"erase-2": Verdict.ACCEPTED})
    assert made.record.events == events
    assert not made.tell(erase()).write


def test_an_erased_payment_still_moves() -> None:
    """After an erasure captures, refunds and news work as before, without the user."""
    made = held()
    made.tell(erase())
    made.tell(capture())
    made.answer(Result.DONE, Status.SUCCEEDED)
    made.tell(refund_seen(refund_fact(300)))
    assert totals(made.record) == {"captured": 2000, "refunded": 300, "refundable": 1700}
    assert {event.body["user_id"] for event in made.record.events} == {"erased"}


def test_an_erased_payment_is_shown_to_no_create() -> None:
    """A create of the order by the same user finds a payment that is nobody's any more, and is refused without details."""
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    made.tell(erase())
    (told,) = made.tell(create("create-2")).told
    assert told.refused is not None
    assert (told.refused.code, told.show_payment) == (RefusalCode.ORDER_HAS_PAYMENT, False)


def test_an_erasure_of_no_payment_is_refused() -> None:
    """An erasure by an unknown payment id is refused by name."""
    assert codes(Story().tell(erase())) == {"erase-1": RefusalCode.UNKNOWN_PAYMENT}


def test_a_tombstone_can_be_erased() -> None:
    """A canceled payment that never had a user is erased like any other."""
    made = Story()
    made.tell(cancel_order())
    made.tell(erase())
    assert made.record.user_id == "erased"
