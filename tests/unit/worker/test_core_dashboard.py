"""What somebody does in Stripe's dashboard while a call of ours is in flight. Stripe keeps its first answer to a key, so
that answer says whose act it was; only where there is none for good, what was read is compared with what was asked for.
"""

import pytest

from contracts.commands import CaptureMethod
from contracts.replies import RefusalCode
from contracts.views import DisputeStatus, RefundStatus
from tests.unit.worker.making import (
    AMOUNT,
    Story,
    accept,
    cancel,
    capture,
    charge_failed,
    codes,
    confirm,
    dispute_fact,
    dispute_seen,
    event_types,
    evidence,
    held,
    last_body,
    paid,
    problem,
    refund,
    refund_fact,
    refund_seen,
    seen,
    story,
    totals,
)
from worker.domain import limits
from worker.domain.effects import Read, Send
from worker.domain.facts import Ledger
from worker.domain.messages import Result
from worker.domain.record import UNPAID, Operation, Status

HELD, SUCCEEDED, CANCELED = Status.REQUIRES_CAPTURE, Status.SUCCEEDED, Status.CANCELED
OTHER_STATE = problem("payment_intent_unexpected_state")


def capturing(amount: int | None = None, *, final: bool = True) -> Story:
    """Held money, and a capture of ours in flight."""
    made = held()
    made.tell(capture(amount=amount, final=final))
    assert made.head.operation is Operation.CAPTURE
    return made


def never_answered(made: Story) -> None:
    """The answer to the call in flight is lost, and its key gets too old to be sent again."""
    made.answer(Result.UNKNOWN, problem=problem())
    assert isinstance(made.tick(limits.KEY_LIFETIME).effect, Read)


@pytest.mark.parametrize("taken", [500, AMOUNT])
def test_news_of_a_capture_settles_none_of_ours(taken: int) -> None:
    """A capture at Stripe while ours is in flight is announced as it is; ours waits for its answer, which refuses it."""
    made = capturing()
    assert codes(made.tell(seen(SUCCEEDED, amount_received=taken))) == {}
    assert last_body(made.record, "succeeded")["captured"] == taken
    assert isinstance(made.answer(Result.CONFLICT, problem=OTHER_STATE).effect, Read)
    settled = made.read(SUCCEEDED, amount_received=taken)
    assert codes(settled) == {"capture-1": RefusalCode.WRONG_STATE}
    assert totals(made.record) == {"captured": taken, "refundable": taken}
    assert event_types(made.record).count("succeeded") == 1


@pytest.mark.parametrize("taken", [500, AMOUNT])
def test_a_capture_that_came_second_is_refused(taken: int) -> None:
    """A capture that conflicts with one made at Stripe is refused, also where that took just what ours asked for."""
    made = capturing(taken)
    assert made.answer(Result.CONFLICT, problem=OTHER_STATE).told == ()
    settled = made.read(SUCCEEDED, amount_received=taken)
    assert codes(settled) == {"capture-1": RefusalCode.WRONG_STATE}
    assert last_body(made.record, "succeeded")["captured"] == taken


@pytest.mark.parametrize(
    ("result", "code"), [(Result.DONE, None), (Result.CONFLICT, RefusalCode.WRONG_STATE)], ids=["ours", "not ours"]
)
def test_a_lost_answer_is_asked_for_under_its_key(result: Result, code: RefusalCode | None) -> None:
    """When only news tells of a capture, the same key is sent again, and Stripe's answer to it says whose it was."""
    made = capturing()
    made.answer(Result.UNKNOWN, problem=problem())
    key = made.head.key
    assert codes(made.tell(seen(SUCCEEDED))) == {}
    again = made.tick().effect
    assert isinstance(again, Send)
    assert again.call.key == key
    if result is Result.DONE:
        settled = made.answer(result, SUCCEEDED)
    else:
        made.answer(result, problem=OTHER_STATE)
        settled = made.read(SUCCEEDED)
    assert codes(settled) == {"capture-1": code}
    assert event_types(made.record).count("succeeded") == 1


def test_a_part_taken_at_stripe_is_not_our_part() -> None:
    """Of several captures, one made at Stripe is announced by itself, and ours of the same amount is still to come."""
    made = capturing(500, final=False)
    assert codes(made.tell(seen(HELD, "evt_part", amount_received=500))) == {}
    assert codes(made.answer(Result.DONE, HELD, amount_received=1000)) == {"capture-1": None}
    assert [event.body["captured"] for event in made.record.events if event.type == "payment.captured"] == [500, 1000]


def test_a_part_that_no_longer_fits_is_refused() -> None:
    """Where a part was taken at Stripe so that ours is too much, Stripe refuses ours in its words, and that one is told."""
    made = capturing(1500, final=False)
    made.tell(seen(HELD, "evt_part", amount_received=1500))
    decision = made.answer(Result.REFUSED, problem=problem("amount_too_large"))
    assert codes(decision) == {"capture-1": RefusalCode.PROVIDER_REFUSED}
    assert totals(made.record) == {"captured": 1500, "refundable": 1500, "capturable": 500}


def test_a_capture_of_what_was_released_is_refused() -> None:
    """A cancel made at Stripe while a capture is in flight is announced, and the capture's conflict refuses it."""
    made = capturing()
    assert codes(made.tell(seen(CANCELED, cancellation_reason="fraudulent"))) == {}
    made.answer(Result.CONFLICT, problem=OTHER_STATE)
    assert codes(made.read(CANCELED, cancellation_reason="fraudulent")) == {"capture-1": RefusalCode.WRONG_STATE}
    assert last_body(made.record, "canceled")["reason"] == "fraudulent"


@pytest.mark.parametrize(
    ("amount", "final", "status", "taken", "code"),
    [
        (None, True, SUCCEEDED, AMOUNT, None),
        (500, True, SUCCEEDED, 500, None),
        (500, False, HELD, 500, None),
        (500, False, SUCCEEDED, 500, None),  # and the rest was released since
        (None, True, SUCCEEDED, 500, RefusalCode.WRONG_STATE),
        (500, True, SUCCEEDED, 300, RefusalCode.WRONG_STATE),
        (500, True, CANCELED, 0, RefusalCode.WRONG_STATE),
        (500, True, HELD, 500, RefusalCode.PROVIDER_ERROR),  # ours would have been the last
        (500, False, HELD, 300, RefusalCode.PROVIDER_ERROR),
        (500, True, HELD, 800, RefusalCode.PROVIDER_ERROR),
        (500, False, HELD, 800, RefusalCode.NEEDS_REVIEW),
        (500, True, SUCCEEDED, 800, RefusalCode.NEEDS_REVIEW),
    ],
)
def test_a_capture_without_an_answer_is_compared(
    amount: int | None, final: bool, status: Status, taken: int, code: RefusalCode | None
) -> None:
    """A read settles a capture as done if just that was taken, as not done if it cannot be in it, else a person looks."""
    made = capturing(amount, final=final)
    never_answered(made)
    assert codes(made.read(status, amount_received=taken)) == {"capture-1": code}
    assert made.record.captured == taken
    assert made.record.needs_review == ("capture_unclear" if code is RefusalCode.NEEDS_REVIEW else None)


def test_what_was_captured_before_is_not_counted() -> None:
    """A last capture without an answer asks for what was held when it was sent: two parts that make the whole are ours."""
    made = held()
    made.tell(capture("c-1", amount=500, final=False))
    made.answer(Result.DONE, HELD, amount_received=500)
    made.tell(capture("c-2"))
    never_answered(made)
    assert codes(made.read(SUCCEEDED, amount_received=AMOUNT)) == {"c-2": None}


@pytest.mark.parametrize("heard", ["news", "answer"])
@pytest.mark.parametrize("status", sorted(UNPAID | {HELD}))
def test_a_cancel_is_done_whoever_did_it(status: Status, heard: str) -> None:
    """A cancel wants the payment canceled: where somebody canceled it at Stripe first it is accepted, with their reason."""
    made = story(status)
    made.tell(cancel())
    call = made.head
    if heard == "news":
        settled = made.tell(seen(CANCELED, cancellation_reason="duplicate"))
        late = made.answer(Result.CONFLICT, call=call, problem=OTHER_STATE)
        assert (codes(late), late.write) == ({"cancel-1": None}, False)
    else:
        made.answer(Result.CONFLICT, problem=OTHER_STATE)
        settled = made.read(CANCELED, cancellation_reason="duplicate")
    assert codes(settled) == {"cancel-1": None}
    assert last_body(made.record, "canceled")["reason"] == "duplicate"


@pytest.mark.parametrize(("recorded", "told"), [("abandoned", "too_many_attempts"), ("fraudulent", "fraudulent")])
def test_our_own_reason_is_for_our_own_cancel(recorded: str, told: str) -> None:
    """The reason of a cancel of our own is told only if Stripe has recorded what that one says: else somebody came first."""
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    for number in range(limits.MAX_ATTEMPTS):
        made.tell(charge_failed(f"ch_{number}"))
    assert made.head.own_reason == "too_many_attempts"
    made.tell(seen(CANCELED, cancellation_reason=recorded))
    assert last_body(made.record, "canceled")["reason"] == told


@pytest.mark.parametrize("heard", ["news", "answer"])
def test_money_taken_at_stripe_refuses_a_cancel(heard: str) -> None:
    """A capture made at Stripe while a cancel is in flight is late money, once, and the cancel is refused."""
    made = held()
    made.tell(cancel())
    if heard == "news":
        assert codes(made.tell(seen(SUCCEEDED, amount_received=500))) == {}
    made.answer(Result.CONFLICT, problem=OTHER_STATE)
    assert codes(made.read(SUCCEEDED, amount_received=500)) == {"cancel-1": RefusalCode.WRONG_STATE}
    assert [concern.case for concern in made.record.concerns] == ["paid_after_cancel"]
    assert totals(made.record) == {"captured": 500, "refundable": 500}


def part_captured() -> Story:
    """A part was captured, more is held, and a cancel is in flight."""
    made = capturing(500, final=False)
    made.answer(Result.DONE, HELD, amount_received=500)
    made.tell(cancel())
    return made


def test_a_cancel_after_a_part_is_no_late_money() -> None:
    """A cancel releases what a capture has left: the payment succeeds with the part that was taken in time."""
    made = part_captured()
    assert codes(made.answer(Result.DONE, SUCCEEDED, amount_received=500)) == {"cancel-1": None}
    assert event_types(made.record)[-1] == "succeeded"
    assert not made.record.concerns


def test_a_part_taken_while_canceling_is_late_money() -> None:
    """What somebody captures at Stripe after a cancel was sent is late money, though the cancel released the rest."""
    made = part_captured()
    made.tell(seen(HELD, "evt_part", amount_received=700))
    made.answer(Result.DONE, SUCCEEDED, amount_received=700)
    assert [concern.case for concern in made.record.concerns] == ["paid_after_cancel"]


@pytest.mark.parametrize(("taken", "code"), [(500, None), (AMOUNT, RefusalCode.WRONG_STATE)])
def test_a_cancel_after_a_part_without_an_answer(taken: int, code: RefusalCode | None) -> None:
    """A cancel without an answer has released the rest if no more was taken since; if more was, it came too late."""
    made = part_captured()
    never_answered(made)
    assert codes(made.read(SUCCEEDED, amount_received=taken)) == {"cancel-1": code}


@pytest.mark.parametrize("status", [SUCCEEDED, HELD, Status.PROCESSING])
def test_a_confirm_that_came_second_is_refused(status: Status) -> None:
    """A payment that was paid in another way while a confirm is in flight refuses it, as it would refuse a later one."""
    method = CaptureMethod.MANUAL if status is HELD else CaptureMethod.AUTOMATIC
    made = Story().reach(Status.REQUIRES_PAYMENT_METHOD, method)
    made.tell(confirm())
    assert codes(made.tell(seen(status))) == {}
    made.answer(Result.CONFLICT, problem=OTHER_STATE)
    assert codes(made.read(status)) == {"confirm-1": RefusalCode.WRONG_STATE}
    assert made.record.status is status


def test_a_lost_confirm_is_asked_for_under_its_key() -> None:
    """News that a payment was paid settles no confirm of unknown outcome: its key is sent again, and Stripe knows."""
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    made.tell(confirm())
    made.answer(Result.UNKNOWN, problem=problem())
    assert codes(made.tell(seen(SUCCEEDED))) == {}
    assert isinstance(made.tick().effect, Send)
    assert codes(made.answer(Result.DONE, SUCCEEDED)) == {"confirm-1": None}


@pytest.mark.parametrize("heard", ["news", "answer"])
def test_a_refund_at_stripe_is_not_ours(heard: str) -> None:
    """A refund made at Stripe lacks our name: it is recorded beside ours, which is refused by its own conflict."""
    made = paid()
    made.tell(refund(amount=AMOUNT))
    theirs = refund_fact(AMOUNT)
    if heard == "news":
        assert codes(made.tell(refund_seen(theirs))) == {}
    made.answer(Result.CONFLICT, problem=problem("charge_already_refunded"))
    settled = made.read(SUCCEEDED, ledger=Ledger((theirs,)))
    assert codes(settled) == {"refund-1": RefusalCode.NOT_REFUNDABLE}
    assert totals(made.record) == {"captured": AMOUNT, "refunded": AMOUNT}
    assert {(one.id, one.made_at_stripe, one.status) for one in made.record.refunds} == {
        ("refund-1", False, RefundStatus.FAILED),
        ("re_1", True, RefundStatus.SUCCEEDED),
    }


def test_a_refund_without_an_answer_is_known_by_name() -> None:
    """A read that finds a refund of the same amount, but not of our name, does not settle ours as done."""
    made = paid()
    made.tell(refund(amount=500))
    never_answered(made)
    settled = made.read(SUCCEEDED, ledger=Ledger((refund_fact(500),)))
    assert codes(settled) == {"refund-1": RefusalCode.PROVIDER_ERROR}
    assert totals(made.record) == {"captured": AMOUNT, "refunded": 500, "refundable": 1500}


def test_a_capture_that_waits_for_its_answer_holds_up_no_money() -> None:
    """While our capture's answer is awaited, what was taken can be given back: the refund goes out right behind it."""
    made = capturing()
    made.tell(seen(SUCCEEDED, amount_received=500))
    assert made.tell(refund(amount=500)).effect is None
    made.answer(Result.CONFLICT, problem=OTHER_STATE)
    sent = made.read(SUCCEEDED, amount_received=500).effect
    assert isinstance(sent, Send)
    assert sent.call.operation is Operation.REFUND
    assert made.record.check_at == made.now + limits.SEND_GRACE


@pytest.mark.parametrize("ended", [DisputeStatus.LOST, DisputeStatus.WON])
def test_the_end_of_a_dispute_settles_no_accept(ended: DisputeStatus) -> None:
    """A dispute that the bank ended while we give it up was not given up by us: Stripe's answer to ours says so."""
    made = paid()
    made.tell(dispute_seen(dispute_fact()))
    made.tell(accept())
    assert codes(made.tell(dispute_seen(dispute_fact(ended)))) == {}
    refused = made.answer(Result.REFUSED, problem=problem("http_400"))
    assert codes(refused) == {"accept-1": RefusalCode.PROVIDER_REFUSED}


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (DisputeStatus.LOST, None),
        (DisputeStatus.WON, RefusalCode.DISPUTE_CLOSED),
        (DisputeStatus.NEEDS_RESPONSE, RefusalCode.PROVIDER_ERROR),
    ],
)
def test_an_accept_without_an_answer(ended: DisputeStatus, code: RefusalCode | None) -> None:
    """An accept whose answer is lost for good is done if the dispute is lost; one that was won nobody has given up."""
    made = paid()
    made.tell(dispute_seen(dispute_fact()))
    made.tell(accept())
    never_answered(made)
    settled = made.read(SUCCEEDED, ledger=Ledger((), (dispute_fact(ended),)))
    assert codes(settled) == {"accept-1": code}


def test_evidence_that_met_a_conflict_was_not_ours() -> None:
    """Evidence that is there, while Stripe's answer to ours is a conflict, is somebody else's: ours is refused."""
    made = paid()
    made.tell(dispute_seen(dispute_fact()))
    made.tell(evidence())
    made.answer(Result.CONFLICT, problem=OTHER_STATE)
    submitted = dispute_fact(DisputeStatus.UNDER_REVIEW, submitted=True)
    read = made.read(Status.SUCCEEDED, ledger=Ledger((), (submitted,)))
    assert codes(read) == {"evidence-1": RefusalCode.WRONG_STATE}
