"""What Stripe's answer to a call does to it, result by result."""

from datetime import timedelta
from itertools import pairwise

import pytest

from contracts.replies import RefusalCode, Verdict
from tests.unit.worker.answering import UNEXPECTED, confirming
from tests.unit.worker.making import (
    SECOND,
    cancel,
    charge_failed,
    codes,
    confirm,
    declined,
    event_types,
    problem,
    seen,
    story,
    unauthenticated,
)
from worker.domain import limits
from worker.domain.effects import Read, Send
from worker.domain.facts import Decline, StripeProblem
from worker.domain.messages import Result
from worker.domain.record import Operation, Status

MINUTE = timedelta(minutes=1)


def card_error(found: Decline) -> StripeProblem:
    return StripeProblem(found.code or "card_declined", found.message or "Declined.", decline=found)


@pytest.mark.parametrize(
    ("status", "announced"),
    [
        (Status.SUCCEEDED, "succeeded"),
        (Status.PROCESSING, "processing"),
        (Status.REQUIRES_ACTION, "requires_action"),
        (Status.REQUIRES_CAPTURE, "authorized"),
    ],
)
def test_a_confirm_that_is_done_moves_the_payment(status: Status, announced: str) -> None:
    """The confirm's answer moves the payment, announces that once and tells the requester."""
    made = confirming()
    decision = made.answer(Result.DONE, status)
    assert made.record.status is status
    assert event_types(made.record) == ["created", announced]
    assert codes(decision) == {"confirm-7": None}
    assert made.record.captured == (2000 if status is Status.SUCCEEDED else 0)


@pytest.mark.parametrize("operation", list(Operation))
@pytest.mark.parametrize("result", [Result.UNKNOWN, Result.NOT_EXECUTED])
def test_an_unknown_outcome_is_tried_again_under_the_same_key(operation: Operation, result: Result) -> None:
    """A call without a known outcome stays open, waits, and is sent again as it was, under its own key."""
    made = story(Status.CREATING) if operation is Operation.CREATE else story(Status.REQUIRES_PAYMENT_METHOD)
    if operation is not Operation.CREATE:
        made.tell(confirm("again-1") if operation is Operation.CONFIRM else cancel("again-1"))
    before = made.head
    answered = made.answer(result, problem=problem())
    assert answered.told == ()
    assert answered.effect is None
    decision = made.tick()
    assert isinstance(decision.effect, Send)
    again = decision.effect.call
    assert (again.key, again.params, again.intent_id) == (before.key, before.params, before.intent_id)
    assert len(again.sends) == len(before.sends) + 1


def test_the_waits_between_sends_grow_to_ten_minutes() -> None:
    """Unknown outcomes in a row wait ever longer, up to the cap."""
    made = story(Status.CREATING)
    waits = []
    for _ in range(15):
        made.answer(Result.UNKNOWN, problem=problem())
        assert made.record.check_at is not None
        waits.append(made.record.check_at - made.now)
        made.tick()
    assert waits[0] <= limits.BACKOFF_FIRST
    assert all(later > earlier for earlier, later in pairwise(waits[:9]))
    assert limits.BACKOFF_CAP / 2 <= waits[-1] <= limits.BACKOFF_CAP


def test_a_refused_api_key_waits_a_minute() -> None:
    """While Stripe refuses our API key nothing is executed, and the call waits a steady minute."""
    made = story(Status.CREATING)
    for _ in range(3):
        made.answer(Result.NOT_EXECUTED, problem=problem("http_401"))
        assert made.record.check_at == made.now + MINUTE
        made.tick()


@pytest.mark.parametrize(
    "truth", [Status.SUCCEEDED, Status.PROCESSING, Status.REQUIRES_PAYMENT_METHOD, Status.CANCELED]
)
def test_a_conflict_is_read_and_the_truth_applied(truth: Status) -> None:
    """A state conflict is read at once: the payment is what was read, and the confirm, which did nothing, is refused."""
    made = confirming()
    decision = made.answer(Result.CONFLICT, problem=UNEXPECTED)
    assert isinstance(decision.effect, Read)
    assert decision.told == ()
    settled = made.read(truth)
    assert codes(settled) == {"confirm-7": RefusalCode.WRONG_STATE}
    assert made.record.status is truth


@pytest.mark.parametrize("result", [Result.UNLISTED, Result.KEY_MISUSED])
@pytest.mark.parametrize("operation", list(Operation))
def test_an_answer_that_no_rule_covers_waits_for_a_person(result: Result, operation: Operation) -> None:
    """An unlisted refusal and a misused key close the call and put the payment before a person."""
    made = story(Status.CREATING) if operation is Operation.CREATE else story(Status.REQUIRES_PAYMENT_METHOD)
    if operation is not Operation.CREATE:
        made.tell(confirm("odd-1") if operation is Operation.CONFIRM else cancel("odd-1"))
    decision = made.answer(result, problem=problem("quantum_flux"))
    assert set(codes(decision).values()) == {RefusalCode.NEEDS_REVIEW}
    assert made.record.needs_review == str(result)
    assert "needs_review" in event_types(made.record)


def test_a_reviewed_payment_takes_no_confirm() -> None:
    """While a payment waits for a person no confirm is sent, neither a new one nor one that waits; a cancel is."""
    made = confirming()
    made.tell(confirm("confirm-8"))
    decision = made.answer(Result.UNLISTED, problem=problem("quantum_flux"))
    assert codes(decision)["confirm-8"] is RefusalCode.NEEDS_REVIEW
    assert codes(made.tell(confirm("confirm-9"))) == {"confirm-9": RefusalCode.NEEDS_REVIEW}
    assert isinstance(made.tell(cancel()).effect, Send)


def test_a_refused_confirm_names_the_field() -> None:
    """A definite refusal closes the confirm with Stripe's words and the field at fault; the payment lives on."""
    made = confirming()
    decision = made.answer(Result.REFUSED, problem=problem("resource_missing", field="payment_method"))
    (told,) = decision.told
    assert told.refused is not None
    assert (told.refused.code, told.refused.field) == (RefusalCode.PROVIDER_REFUSED, "data.payment_method")
    assert made.record.status is Status.REQUIRES_PAYMENT_METHOD
    assert event_types(made.record) == ["created"]


def test_a_decline_is_announced_and_the_payment_lives_on() -> None:
    """A declined card refuses the confirm with the decline code, announces the attempt, and the customer may try again."""
    made = confirming()
    decision = made.answer(
        Result.DECLINED, Status.REQUIRES_PAYMENT_METHOD, problem=card_error(declined()), decline=declined()
    )
    (told,) = decision.told
    assert told.refused is not None
    assert (told.refused.code, told.refused.decline_code) == (RefusalCode.CARD_DECLINED, "generic_decline")
    assert event_types(made.record) == ["created", "failed"]
    attempt = made.record.events[-1].body["attempt"]
    assert (attempt["attempt_id"], attempt["can_retry"]) == ("ch_1", True)


def test_a_decline_without_a_charge_is_announced() -> None:
    """A card error that made no charge is an attempt all the same, and is announced once."""
    made = confirming()
    found = declined(None, code="incorrect_number", payment_method_id=None)
    made.answer(Result.DECLINED, Status.REQUIRES_PAYMENT_METHOD, problem=card_error(found), decline=found)
    assert event_types(made.record) == ["created", "failed"]


def test_a_decline_without_an_intent_is_announced() -> None:
    """A card error that comes without the intent still records its charge."""
    made = confirming()
    made.answer(Result.DECLINED, problem=card_error(declined("ch_5")))
    assert [attempt.id for attempt in made.record.attempts] == ["ch_5"]


def test_a_replayed_success_is_not_the_truth() -> None:
    """What Stripe replays under a key is as old as its first send: it never takes a payment back."""
    made = confirming()
    made.answer(Result.UNKNOWN, problem=problem())
    made.tell(seen(Status.REQUIRES_ACTION))
    made.tell(seen(Status.REQUIRES_PAYMENT_METHOD, decline=unauthenticated()))
    made.read(Status.REQUIRES_PAYMENT_METHOD, decline=unauthenticated())
    assert isinstance(made.tick().effect, Send)
    decision = made.answer(Result.DONE, Status.REQUIRES_ACTION)
    assert codes(decision) == {"confirm-7": None}
    assert made.record.status is Status.REQUIRES_PAYMENT_METHOD
    assert isinstance(decision.effect, Read)


def test_a_replayed_decline_needs_no_review() -> None:
    """A decline that Stripe replays after the customer has paid in another way does not contradict the money."""
    made = confirming()
    made.answer(Result.UNKNOWN, problem=problem())
    made.tell(seen(Status.SUCCEEDED))
    made.tick()
    made.answer(Result.DECLINED, Status.REQUIRES_PAYMENT_METHOD, problem=card_error(declined()), decline=declined())
    assert made.record.needs_review is None
    assert made.record.status is Status.SUCCEEDED
    assert event_types(made.record) == ["created", "succeeded", "failed"]


def test_an_answer_after_the_record_has_changed_is_doubted() -> None:
    """An answer that is older than the newest news of the intent is read again before it is believed."""
    made = confirming()
    sent = made.record.version
    made.tell(charge_failed())
    decision = made.answer(Result.DONE, Status.REQUIRES_ACTION, version=sent)
    assert made.record.status is Status.REQUIRES_PAYMENT_METHOD
    assert isinstance(decision.effect, Read)
    assert codes(decision) == {"confirm-7": None}


def test_an_answer_to_a_settled_call_only_tells() -> None:
    """The second of two answers to one call tells its requester and changes nothing."""
    made = confirming()
    call = made.head
    made.answer(Result.DONE, Status.SUCCEEDED)
    decision = made.answer(Result.UNKNOWN, call=call, version=0, problem=problem())
    assert codes(decision) == {"confirm-7": None}
    assert not decision.write


def test_ten_calls_are_chained_and_the_rest_is_left() -> None:
    """One delivery performs ten calls after its own; the eleventh is due at once, for the sweeper."""
    made = story(Status.CREATING)
    for number in range(12):
        made.tell(confirm(f"wait-{number}"))
    decision = made.answer(Result.DONE, Status.REQUIRES_PAYMENT_METHOD, chained=0)
    for chained in range(1, limits.MAX_CHAINED):
        assert isinstance(decision.effect, Send)
        decision = made.answer(Result.REFUSED, problem=problem("resource_missing"), chained=chained)
    assert isinstance(decision.effect, Send)
    decision = made.answer(Result.REFUSED, problem=problem("resource_missing"), chained=limits.MAX_CHAINED)
    assert decision.effect is None
    assert made.record.check_at == made.now
    assert isinstance(made.tick().effect, Send)


def test_so_many_commands_wait_and_no_more() -> None:
    """The command after the last that may wait is refused, and everything before it is carried out."""
    made = story(Status.CREATING)
    for number in range(limits.MAX_OPEN_CALLS - 1):
        assert made.tell(confirm(f"wait-{number}")).told == ()
    assert codes(made.tell(confirm("too-many"))) == {"too-many": RefusalCode.TOO_MANY_COMMANDS}
    assert made.tell(confirm("wait-0")).told == ()


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.NEW, Status.CREATING}))
def test_a_wrong_state_is_refused_by_name(status: Status) -> None:
    """A confirm is queued where the payment can be paid and refused by name elsewhere."""
    payable = {Status.REQUIRES_PAYMENT_METHOD, Status.REQUIRES_CONFIRMATION, Status.REQUIRES_ACTION}
    decision = story(status).tell(confirm("confirm-7"))
    if status in payable:
        assert isinstance(decision.effect, Send)
    else:
        assert codes(decision) == {"confirm-7": RefusalCode.WRONG_STATE}
        assert decision.told[0].verdict is Verdict.REFUSED


def test_every_second_of_a_send_is_covered() -> None:
    """Right after a send nothing is due: another worker takes it for lost only after the outer deadline."""
    made = confirming()
    assert made.head.due_at == made.now + limits.SEND_GRACE
    assert made.tick(75 * SECOND).effect is None
