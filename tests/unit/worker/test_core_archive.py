"""What leaves a record that has grown long, what never does, and how a late duplicate finds what has left."""

from dataclasses import replace
from functools import cache

import pytest

from contracts.replies import RefusalCode, Verdict
from tests.unit.worker.making import (
    AMOUNT,
    Story,
    charge_failed,
    codes,
    committed,
    confirm,
    create,
    dispute_fact,
    dispute_seen,
    evidence,
    paid,
    problem,
    refund,
    refund_fact,
    refund_seen,
    story,
    verdicts,
)
from worker.domain import limits
from worker.domain.archive import KEPT, SLACK, Surplus, recalled, surplus, without
from worker.domain.messages import Answer, Message, Result
from worker.domain.payment import decide
from worker.domain.record import Call, Entry, Operation, Outcome, Payment, Status

LONG = KEPT + SLACK
"""The most that a list may hold before it is cut."""


def told(payment: Payment, message: Message) -> Payment:
    """One step without the checks of the stories, which would take long for long records."""
    after = committed(payment, decide(payment, message, payment.updated_at))
    assert after is not None
    return after


def saved(payment: Payment, number: int) -> Payment:
    """One more call that is done: evidence that is only saved."""
    name = f"evidence-{number}"
    payment = told(payment, evidence(name, submit=False))
    return told(
        payment, Answer(call_id=name, result=Result.DONE, version=payment.version, dispute=dispute_fact(amount=1))
    )


@cache
def busy() -> Payment:
    """A payment with more calls than stay, all done but for the last."""
    payment = told(paid().record, dispute_seen(dispute_fact(amount=1)))
    for number in range(LONG):
        payment = saved(payment, number)
    return told(payment, evidence("in-flight", submit=False))


@cache
def eventful() -> Payment:
    """A payment with more events than stay, none of them sent: its disputed amount went up again and again."""
    payment = paid().record
    for number in range(1, LONG + 1):
        payment = told(payment, dispute_seen(dispute_fact(amount=number), f"evt_{number}"))
    return payment


def sent(payment: Payment, *but: int) -> Payment:
    """All events are sent, but for some by their number."""
    return replace(payment, events=tuple(replace(event, sent=event.sequence not in but) for event in payment.events))


def cut(payment: Payment) -> tuple[Payment, Surplus]:
    moved = surplus(payment)
    assert moved is not None
    return without(payment, moved), moved


def told_of(payment: Payment, message: Message) -> Story:
    """A story that begins with this record, after it has heard the message."""
    made = Story()
    made.payment, made.now = payment, payment.updated_at
    made.tell(message)
    return made


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.NEW}, key=str))
def test_a_payment_of_ordinary_length_stays_whole(status: Status) -> None:
    """Nothing leaves a record whose lists are short."""
    assert surplus(story(status).record) is None


def test_the_slack_is_used_up_first() -> None:
    """A list is cut only when it is longer than what stays and the slack together, and then down to what stays."""
    entry = paid().record.timeline[0]
    entries = tuple(replace(entry, message_id=str(number)) for number in range(LONG + 1))
    assert surplus(replace(paid().record, timeline=entries[:-1])) is None
    left, moved = cut(replace(paid().record, timeline=entries))
    assert (len(moved.timeline), left.timeline) == (SLACK + 1, entries[-KEPT:])


def test_the_oldest_closed_calls_leave() -> None:
    """Of the calls the oldest that are closed leave, until two hundred are left; the record counts what has left."""
    payment = busy()
    left, moved = cut(payment)
    assert [call.id for call in moved.calls] == ["confirm-1", *(f"evidence-{n}" for n in range(len(moved.calls) - 1))]
    assert len(left.calls) == KEPT
    assert left.archived == payment.archived + moved.size == moved.size
    assert moved.size == len(moved.timeline) + len(moved.calls) + len(moved.events) + len(moved.inputs)


def test_what_is_looked_back_at_never_leaves() -> None:
    """The create, open calls, attempts, refunds and disputes stay, however old they are."""
    payment = told(busy(), charge_failed("ch_0"))
    payment = told(payment, refund_seen(refund_fact(300)))
    left, _ = cut(payment)
    assert left.calls[0].operation is Operation.CREATE
    assert left.calls[-1].id == "in-flight"
    assert (left.attempts, left.refunds, left.disputes) == (payment.attempts, payment.refunds, payment.disputes)


def test_open_calls_never_leave() -> None:
    """A crowd of refunds that wait stays whole, however many calls are behind them."""
    payment = busy()
    closed = [call for call in payment.calls if not call.open]
    waiting = [replace(payment.calls[-1], id=f"r-{n}", key=f"r-{n}", sends=()) for n in range(KEPT + 1)]
    left, moved = cut(replace(payment, calls=(*closed[: SLACK + 1], *waiting)))
    assert [call.id for call in left.calls if call.open] == [call.id for call in waiting]
    assert [call.id for call in moved.calls] == [call.id for call in closed[1 : SLACK + 1]]


def test_our_own_cancels_never_leave() -> None:
    """Our own cancels stay: their number makes the next one's key."""
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    made.tick(limits.ABANDONED_AFTER)
    made.answer(Result.CONFLICT, problem=problem("payment_intent_unexpected_state"))
    made.read(Status.SUCCEEDED)
    closed = tuple(call for call in busy().calls if not call.open and call.operation is Operation.EVIDENCE)
    left, moved = cut(replace(made.record, calls=(*made.record.calls, *closed)))
    assert [call.own_reason for call in left.calls if call.own_reason] == ["abandoned"]
    assert all(call.own_reason is None for call in moved.calls)


def test_the_oldest_sent_events_leave() -> None:
    """Of the events the oldest that are sent leave, and the newest two hundred stay."""
    payment = sent(eventful())
    left, moved = cut(payment)
    assert moved.events == payment.events[:-KEPT]
    assert left.events == payment.events[-KEPT:]


def test_unsent_events_never_leave() -> None:
    """The outbox stays in the record: of events that nobody has sent none leaves."""
    payment = eventful()
    moved = surplus(payment)
    assert moved is None or moved.events == ()


def test_events_stay_without_gaps() -> None:
    """An old event that is not sent yet keeps those behind it, so that what stays is numbered without gaps."""
    payment = sent(eventful(), 5)
    left, moved = cut(payment)
    assert [event.sequence for event in moved.events] == [1, 2, 3, 4]
    numbers = [event.sequence for event in left.events]
    assert numbers == list(range(5, payment.events[-1].sequence + 1))
    assert told(left, dispute_seen(dispute_fact(amount=LONG + 1), "evt_next")).events[-1].sequence == numbers[-1] + 1


def test_the_next_event_goes_on_counting() -> None:
    """After a cut the next event has the next number."""
    left, _ = cut(sent(eventful()))
    after = told(left, dispute_seen(dispute_fact(amount=LONG + 1), "evt_next"))
    assert after.events[-1].sequence == left.events[-1].sequence + 1


def test_what_has_left_is_not_known_by_itself() -> None:
    """A message whose record has left is not known to what stays: the archive must be asked first."""
    left, moved = cut(busy())
    assert not left.knows(moved.calls[0].id)


def found(moved: Surplus, message_id: str) -> tuple[Call | None, Entry | None]:
    """What an archive finds of a message."""
    call = next((call for call in moved.calls if call.id == message_id), None)
    return (
        replace(call, params={}) if call else None,
        next((entry for entry in moved.timeline if entry.message_id == message_id), None),
    )


def test_a_late_duplicate_repeats_the_recorded_answer() -> None:
    """With what the archive knows of a command, its duplicate hears the recorded answer and changes nothing."""
    left, moved = cut(busy())
    made = told_of(recalled(left, *found(moved, "confirm-1")), confirm())
    assert made.last is not None
    assert verdicts(made.last) == {"confirm-1": Verdict.ACCEPTED}
    assert (made.last.outcome, made.last.write, made.last.effect) == (Outcome.STALE, False, None)


def test_a_late_duplicate_is_told_what_it_was_about() -> None:
    """The recorded answer names the refund or dispute that its command was for."""
    left, moved = cut(busy())
    made = told_of(recalled(left, *found(moved, "evidence-0")), evidence("evidence-0", submit=False))
    assert made.last is not None
    assert [said.about for said in made.last.told] == ["dp_1"]


def test_a_late_duplicate_of_a_refusal_repeats_the_refusal() -> None:
    """A refusal that has left is repeated in its own words."""
    payment = told(paid().record, refund("too-much", amount=AMOUNT + 1))
    entry = payment.entry("too-much")
    assert entry is not None
    left = replace(payment, timeline=(), archived=1)
    made = told_of(recalled(left, None, entry), refund("too-much", amount=AMOUNT + 1))
    assert made.last is not None
    (said,) = made.last.told
    assert (said.verdict, said.refused) == (Verdict.REFUSED, entry.refused)


def test_an_archived_id_is_not_used_again() -> None:
    """The id of a command that has left is refused for another command."""
    left, moved = cut(busy())
    made = told_of(recalled(left, *found(moved, "confirm-1")), confirm(body_hash="another"))
    assert made.last is not None
    assert codes(made.last) == {"confirm-1": RefusalCode.ID_REUSED}


def test_late_news_is_a_duplicate() -> None:
    """A webhook whose entry has left is recognised by what the archive knows of it."""
    left, moved = cut(sent(eventful()))
    again = dispute_seen(dispute_fact(amount=1), "evt_1")
    made = told_of(recalled(left, *found(moved, "evt_1")), again)
    assert made.last is not None
    assert (made.last.outcome, made.last.why, made.last.write) == (Outcome.STALE, "duplicate", False)


def test_nothing_found_changes_nothing() -> None:
    """A message that the archive does not know either is new."""
    left, moved = cut(busy())
    assert recalled(left, *found(moved, "never-seen")) == left


def test_a_create_is_repeated_after_every_cut() -> None:
    """The first create is answered from the record itself, however long that has been."""
    left, _ = cut(busy())
    made = told_of(left, create())
    assert made.last is not None
    assert verdicts(made.last) == {"create-1": Verdict.ACCEPTED}
