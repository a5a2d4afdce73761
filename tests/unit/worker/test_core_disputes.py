"""Disputes: every status in and out of order, the money that they hold, what we answer, and the deadlines in between."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from contracts.replies import RefusalCode, Verdict
from contracts.views import DisputeFunds, DisputeStatus
from tests.unit.worker.making import (
    AMOUNT,
    NOW,
    PAYMENT,
    Story,
    accept,
    codes,
    dispute_fact,
    dispute_seen,
    event_types,
    evidence,
    last_body,
    paid,
    problem,
    refund,
    seen,
    story,
    totals,
    verdicts,
)
from worker.domain import limits
from worker.domain.effects import Decision, Read, Send
from worker.domain.facts import DisputeFact, Ledger
from worker.domain.messages import Message, Result
from worker.domain.parts import ANSWERABLE, CLOSED, DISPUTE_RANK, HOLDS_MONEY
from worker.domain.record import Outcome, Status

ASKING, ASKED = DisputeStatus.WARNING_NEEDS_RESPONSE, DisputeStatus.WARNING_UNDER_REVIEW
OPEN, REVIEWED = DisputeStatus.NEEDS_RESPONSE, DisputeStatus.UNDER_REVIEW
WON, LOST, OVER = DisputeStatus.WON, DisputeStatus.LOST, DisputeStatus.WARNING_CLOSED
UPWARDS = [(old, new) for old in DisputeStatus for new in DisputeStatus if DISPUTE_RANK[new] > DISPUTE_RANK[old]]
DOWNWARDS = [(old, new) for old in DisputeStatus for new in DisputeStatus if DISPUTE_RANK[new] < DISPUTE_RANK[old]]
ENDS = sorted(CLOSED)
BESIDE = [(old, new) for old in ENDS for new in ENDS if old is not new and DISPUTE_RANK[old] == DISPUTE_RANK[new]]
DAY = timedelta(days=1)
DUE = NOW + 10 * DAY
"""When evidence for the disputes of these tests is due."""


def disputed(status: DisputeStatus = OPEN, **changes: Any) -> Story:
    made = paid()
    made.tell(dispute_seen(dispute_fact(status, **changes)))
    return made


def hear(made: Story, status: DisputeStatus, **changes: Any) -> Decision:
    return made.tell(dispute_seen(dispute_fact(status, **changes), f"evt_{len(made.record.timeline)}"))


def read(made: Story, *facts: DisputeFact) -> Decision:
    return made.read(Status.SUCCEEDED, ledger=Ledger((), facts))


def known(made: Story) -> DisputeStatus:
    (dispute,) = made.record.disputes
    return dispute.status


def told(made: Story) -> list[str]:
    """What was announced of disputes."""
    return [kind.removeprefix("dispute_") for kind in event_types(made.record) if kind.startswith("dispute_")]


@pytest.mark.parametrize("status", list(DisputeStatus))
def test_every_status_can_be_the_first_that_is_heard(status: DisputeStatus) -> None:
    """A dispute first heard of in any status is announced; first heard of after its end, its end is told as well."""
    made = disputed(status)
    assert told(made) == (["opened", "closed"] if status in CLOSED else ["opened"])
    body = last_body(made.record, "dispute_opened")["dispute"]
    assert (body["dispute_id"], body["amount"], body["reason"]) == ("dp_1", 2000, "fraudulent")
    assert body["evidence_due_by"] == "2026-03-12T12:00:00Z"
    assert (made.record.check_at is None) == (status in CLOSED)


@pytest.mark.parametrize("status", list(DisputeStatus))
def test_what_a_dispute_holds_cannot_be_refunded(status: DisputeStatus) -> None:
    """A dispute holds its amount from its beginning until it is won; an inquiry and a prevented one hold none."""
    held = 1200 if status in {OPEN, REVIEWED, LOST} else 0
    made = disputed(status, amount=1200)
    assert (made.record.disputed, made.record.refundable) == (held, AMOUNT - held)
    assert (status in HOLDS_MONEY) == bool(held)


@pytest.mark.parametrize(("old", "new"), UPWARDS)
def test_a_dispute_moves_up(old: DisputeStatus, new: DisputeStatus) -> None:
    """News of a later status is applied at once and announced: as the end where it is the end."""
    made = disputed(old)
    decision = hear(made, new)
    assert decision.effect is None
    assert known(made) is new
    ended = new in CLOSED and old not in CLOSED
    assert told(made)[-1] == ("closed" if ended else "updated")


@pytest.mark.parametrize(("old", "new"), DOWNWARDS)
def test_a_dispute_never_moves_down_by_hearsay(old: DisputeStatus, new: DisputeStatus) -> None:
    """News of an earlier status is read where it could be news, and stale once the dispute is over."""
    made = disputed(old)
    before = told(made)
    decision = hear(made, new)
    assert decision.outcome is Outcome.STALE
    assert isinstance(decision.effect, Read) == (old not in CLOSED)
    assert (known(made), told(made)) == (old, before)


@pytest.mark.parametrize(("old", "new"), BESIDE)
def test_two_ends_are_told_apart_by_reading(old: DisputeStatus, new: DisputeStatus) -> None:
    """News of another end makes the worker read, and what it reads counts: a lost dispute can still be won."""
    made = disputed(old)
    assert isinstance(hear(made, new).effect, Read)
    assert known(made) is old
    read(made, dispute_fact(new))
    assert known(made) is new
    assert told(made)[-1] == "updated"


@pytest.mark.parametrize(("old", "new"), [(OPEN, ASKING), (REVIEWED, OPEN), (OPEN, WON), (ASKED, OVER)])
def test_what_is_read_of_a_dispute_is_the_truth(old: DisputeStatus, new: DisputeStatus) -> None:
    """A read counts in both directions."""
    made = disputed(old)
    read(made, dispute_fact(new))
    assert known(made) is new


def test_a_story_of_a_dispute_in_every_order() -> None:
    """Opened, withdrawn, answered, won, reinstated: every order ends the same, with one beginning and one end told."""
    taken, back = DisputeFunds.WITHDRAWN, DisputeFunds.REINSTATED
    story_of = [
        dispute_fact(),
        dispute_fact(funds=taken),
        dispute_fact(REVIEWED, funds=taken, submitted=True),
        dispute_fact(WON, funds=taken, submitted=True),
        dispute_fact(WON, funds=back, submitted=True),
    ]
    news: list[Message] = [dispute_seen(fact, f"evt_{number}") for number, fact in enumerate(story_of)]
    for order in permutations(news):
        made = paid()
        for message in order:
            made.tell(message)
        read(made, story_of[-1])
        (found,) = made.record.disputes
        assert (found.status, found.funds, found.submitted) == (WON, back, True)
        assert totals(made.record) == {"captured": 2000, "refundable": 2000}
        assert (told(made).count("opened"), told(made).count("closed")) == (1, 1)
        assert made.record.check_at is None


def test_an_inquiry_becomes_a_dispute() -> None:
    """An inquiry that escalates takes its money from then on, under the same id, and has an end of its own."""
    made = disputed(ASKING)
    assert totals(made.record) == {"captured": 2000, "refundable": 2000}
    hear(made, OPEN, funds=DisputeFunds.WITHDRAWN)
    assert totals(made.record) == {"captured": 2000, "disputed": 2000}
    hear(made, LOST, funds=DisputeFunds.WITHDRAWN)
    assert told(made) == ["opened", "updated", "closed"]
    assert len(made.record.disputes) == 1


def test_an_inquiry_that_was_closed_can_become_a_dispute() -> None:
    """An inquiry that was over and becomes a dispute all the same is open again, watched, and ends once more."""
    made = disputed(OVER)
    hear(made, OPEN)
    assert made.record.check_at is not None
    hear(made, LOST)
    assert told(made) == ["opened", "closed", "updated", "closed"]


def test_funds_are_told_as_they_move() -> None:
    """Money that leaves the balance and comes back is announced, each once, whatever the status."""
    made = disputed()
    for funds in (DisputeFunds.WITHDRAWN, DisputeFunds.REINSTATED):
        hear(made, OPEN, funds=funds)
        assert last_body(made.record, "dispute_updated")["dispute"]["funds"] == funds
        assert not hear(made, OPEN, funds=funds).events
    assert told(made) == ["opened", "updated", "updated"]


def test_funds_do_not_go_back_by_hearsay() -> None:
    """A webhook from before the money came back is stale; only a read can say that it left again."""
    back, taken = DisputeFunds.REINSTATED, DisputeFunds.WITHDRAWN
    made = disputed(WON, funds=back)
    assert not hear(made, WON, funds=taken).events
    assert [dispute.funds for dispute in made.record.disputes] == [back]
    read(made, dispute_fact(WON, funds=taken))
    assert [dispute.funds for dispute in made.record.disputes] == [taken]


def test_what_is_lost_stays_disputed() -> None:
    """A lost dispute keeps its amount out of what can be refunded, a won one gives it back."""
    lost, won = disputed(), disputed()
    hear(lost, LOST)
    hear(won, WON)
    assert totals(lost.record) == {"captured": 2000, "disputed": 2000}
    assert totals(won.record) == {"captured": 2000, "refundable": 2000}
    assert lost.record.status is won.record.status is Status.SUCCEEDED


def test_several_disputes_add_up() -> None:
    """Each dispute of a payment counts for itself."""
    made = disputed(amount=700)
    made.tell(dispute_seen(dispute_fact(LOST, id="dp_2", amount=300)))
    assert totals(made.record) == {"captured": 2000, "disputed": 1000, "refundable": 1000}


def test_an_open_dispute_is_watched() -> None:
    """While a dispute is open the payment is read now and then: its end is found although its webhook is lost."""
    made = disputed(REVIEWED)
    assert isinstance(made.tick().effect, Read)
    read(made, dispute_fact(LOST))
    assert told(made)[-1] == "closed"
    assert made.record.check_at is None


@pytest.mark.parametrize("status", [Status.REQUIRES_PAYMENT_METHOD, Status.PROCESSING, Status.REQUIRES_CAPTURE])
def test_a_dispute_before_its_money_is_read(status: Status) -> None:
    """A dispute that overtakes the news of the payment makes the worker read both."""
    made = story(status)
    assert isinstance(made.tell(dispute_seen(dispute_fact())).effect, Read)
    read(made, dispute_fact())
    assert told(made) == ["opened"]
    assert made.record.status is Status.SUCCEEDED


def test_a_dispute_of_late_money_is_known() -> None:
    """Money that came after a cancel can be disputed, too."""
    made = story(Status.CANCELED)
    made.tell(seen(Status.SUCCEEDED, "evt_late"))
    hear(made, OPEN)
    assert totals(made.record) == {"captured": 2000, "disputed": 2000}


def test_a_dispute_of_another_intent_is_not_ours() -> None:
    """A dispute that claims to be this payment's and is of another intent waits for a person and counts nothing."""
    made = paid()
    made.tell(replace(dispute_seen(dispute_fact()), intent_id="pi_other"))
    assert made.record.needs_review == "second_intent"
    assert made.record.disputes == ()


def test_the_51st_dispute_waits_for_a_person() -> None:
    """More disputes than any payment has seen are not stored without end: a person must look."""
    made = paid()
    read(made, *(dispute_fact(OVER, id=f"dp_{number}") for number in range(limits.MAX_DISPUTES + 1)))
    assert len(made.record.disputes) == limits.MAX_DISPUTES
    assert made.record.needs_review == "too_many_disputes"


@pytest.mark.parametrize("status", sorted(ANSWERABLE))
def test_a_deadline_is_announced_at_seven_three_and_one_days(status: DisputeStatus) -> None:
    """The sweeper comes by itself at seven, three and one days, and each distance is announced once."""
    made = disputed(status)
    found = []
    while made.now < DUE:
        decision = made.tick()
        found += [(event.body["days_left"], made.now) for event in decision.events]
        if isinstance(decision.effect, Read):
            read(made, dispute_fact(status))
    assert found == [(days, DUE - days * DAY) for days in (7, 3, 1)]


@pytest.mark.parametrize(("days", "left"), [(8, [7, 3, 1]), (5, [3, 1]), (2, [1]), (0.5, [])])
def test_a_deadline_that_was_past_is_not_told_late(days: float, left: list[int]) -> None:
    """Of a dispute that is heard of late only the distances that are still to come are announced."""
    made = disputed(due_by=NOW + days * DAY)
    found = []
    for _ in range(20):
        found += [event.body["days_left"] for event in made.tick(DAY // 2).events]
        if made.record.read_at is not None:
            read(made, dispute_fact(due_by=NOW + days * DAY))
    assert found == left


def test_of_several_deadlines_that_came_the_nearest_is_told() -> None:
    """After an outage of days one announcement says how near the deadline is now; the missed ones are not told late."""
    made = disputed()
    decision = made.tick(DUE - 2 * DAY - made.now)
    assert [event.body["days_left"] for event in decision.events] == [3]
    made.tick(DAY // 24)
    assert told(made).count("deadline") == 1


def test_a_deadline_that_is_over_is_not_announced() -> None:
    """After an outage over the deadline itself nothing is announced as still to come."""
    made = disputed()
    assert made.tick(DUE - made.now).events == ()
    assert made.record.next_deadline is None


def test_an_answered_dispute_has_no_deadline() -> None:
    """Once the evidence is submitted no deadline is announced."""
    made = disputed()
    hear(made, REVIEWED, submitted=True)
    for _ in range(12):
        made.tick(DAY)
        made.read(Status.SUCCEEDED, ledger=Ledger((), (dispute_fact(REVIEWED, submitted=True),)))
    assert "deadline" not in told(made)


def test_a_dispute_without_a_deadline_announces_none() -> None:
    """Where the bank allows no response there is nothing to announce."""
    made = disputed(due_by=None)
    made.tick(20 * DAY)
    assert "deadline" not in told(made)


def test_a_new_deadline_is_announced_anew() -> None:
    """An inquiry that becomes a dispute has another deadline, which is announced at its own seven, three and one days."""
    made = disputed(ASKING)
    made.tick(DUE - DAY - made.now)
    read(made, dispute_fact(ASKING))
    assert told(made).count("deadline") == 1
    later = DUE + 10 * DAY
    hear(made, OPEN, due_by=later)
    found = []
    while made.now < later:
        decision = made.tick(DAY)
        found += [event.body["days_left"] for event in decision.events]
        if made.record.read_at is not None:
            read(made, dispute_fact(due_by=later))
    assert found == [7, 3, 1]


def test_a_deadline_is_kept_when_news_does_not_say_it() -> None:
    """News without a deadline does not take away the one that is known."""
    made = disputed()
    hear(made, OPEN, due_by=None, funds=DisputeFunds.WITHDRAWN)
    assert made.record.disputes[0].due_by == DUE


def test_evidence_is_sent_and_forgotten() -> None:
    """Evidence goes to Stripe under its command's key, and its text is gone once the call is closed."""
    made = disputed()
    decision = made.tell(evidence())
    assert isinstance(decision.effect, Send)
    call = decision.effect.call
    assert (call.key, call.about) == (f"{PAYMENT}:evidence:evidence-1", "dp_1")
    assert call.params == {"evidence": {"customer_name": "Somebody"}, "submit": True}
    done = made.answer(Result.DONE, dispute=dispute_fact(REVIEWED, submitted=True))
    assert codes(done) == {"evidence-1": None}
    assert done.told[0].about == "dp_1"
    assert "Somebody" not in str(made.record)
    assert last_body(made.record, "dispute_updated")["dispute"]["evidence_submitted"] is True


@pytest.mark.parametrize("result", [Result.REFUSED, Result.UNLISTED])
def test_refused_evidence_is_forgotten_as_well(result: Result) -> None:
    """Also when Stripe refuses it, the text does not stay."""
    made = disputed()
    made.tell(evidence())
    made.answer(result, problem=problem("parameter_invalid_empty"))
    assert "Somebody" not in str(made.record)
    assert made.record.head is None


def test_evidence_that_is_only_saved_can_be_changed() -> None:
    """Evidence that is not submitted leaves the dispute open for more."""
    made = disputed()
    made.tell(evidence("e-1", submit=False))
    made.answer(Result.DONE, dispute=dispute_fact())
    assert codes(made.tell(evidence("e-2"))) == {}
    assert made.head.params["submit"] is True


def test_news_of_evidence_leaves_its_call_to_the_answer() -> None:
    """Submitted evidence may be somebody else's: the call that submits ours waits for Stripe's own answer."""
    made = disputed()
    made.tell(evidence())
    assert verdicts(hear(made, REVIEWED, submitted=True)) == {}
    decision = made.answer(Result.DONE, dispute=dispute_fact(REVIEWED, submitted=True))
    assert verdicts(decision) == {"evidence-1": Verdict.ACCEPTED}
    assert made.record.head is None


def test_news_of_a_dispute_does_not_settle_saved_evidence() -> None:
    """Evidence that is only saved moves nothing at the bank, so no news of the dispute can settle its call."""
    made = disputed()
    made.tell(evidence(submit=False))
    hear(made, OPEN, funds=DisputeFunds.WITHDRAWN)
    assert made.head.id == "evidence-1"


def test_accepting_loses_the_dispute() -> None:
    """A dispute that is given up is lost at once, and this is announced as its end."""
    made = disputed()
    decision = made.tell(accept())
    assert isinstance(decision.effect, Send)
    assert decision.effect.call.key == f"{PAYMENT}:accept:accept-1"
    assert codes(made.answer(Result.DONE, dispute=dispute_fact(LOST))) == {"accept-1": None}
    assert told(made) == ["opened", "closed"]
    assert totals(made.record) == {"captured": 2000, "disputed": 2000}


@pytest.mark.parametrize("command", [evidence(), accept()], ids=["evidence", "accept"])
def test_an_answer_to_an_unknown_dispute_is_refused(command: Message) -> None:
    """A dispute that the payment does not have is refused by name."""
    made = paid()
    (told_of,) = made.tell(command).told
    assert told_of.refused is not None
    assert told_of.refused.code is RefusalCode.UNKNOWN_DISPUTE


@pytest.mark.parametrize("status", ENDS)
@pytest.mark.parametrize("command", [evidence(), accept()], ids=["evidence", "accept"])
def test_an_answer_to_a_dispute_that_is_over_is_refused(status: DisputeStatus, command: Message) -> None:
    """A dispute that has ended takes no answer any more."""
    made = disputed(status)
    assert set(codes(made.tell(command)).values()) == {RefusalCode.DISPUTE_CLOSED}


@pytest.mark.parametrize("status", [LOST, REVIEWED])
def test_an_answer_that_is_not_wanted_does_not_wait(status: DisputeStatus) -> None:
    """Evidence for a dispute that takes none is refused at once, although another call is in flight."""
    made = disputed(status, amount=500)
    made.tell(refund("r-1", amount=100))
    assert codes(made.tell(evidence())) == {"evidence-1": RefusalCode.DISPUTE_CLOSED}
    assert made.head.id == "r-1"


@pytest.mark.parametrize("status", [REVIEWED, ASKED])
def test_evidence_goes_in_once(status: DisputeStatus) -> None:
    """A dispute under review takes no more evidence, and can still be given up."""
    made = disputed(status, submitted=True)
    assert codes(made.tell(evidence())) == {"evidence-1": RefusalCode.DISPUTE_CLOSED}
    assert made.tell(accept()).outcome is Outcome.APPLIED


def test_a_dispute_that_was_an_inquiry_wants_an_answer_of_its_own() -> None:
    """Evidence for an inquiry does not answer the dispute that it becomes: that has a deadline and takes evidence."""
    made = disputed(ASKING)
    made.tell(evidence("e-1"))
    made.answer(Result.DONE, dispute=dispute_fact(ASKED, submitted=True))
    later = DUE + 10 * DAY
    hear(made, OPEN, submitted=True, due_by=later)
    assert last_body(made.record, "dispute_updated")["dispute"]["evidence_submitted"] is False
    made.tick(later - 7 * DAY - made.now)
    assert told(made)[-1] == "deadline"
    decision = made.tell(evidence("e-2"))
    assert isinstance(decision.effect, Send)
    made.answer(Result.DONE, dispute=dispute_fact(REVIEWED, submitted=True, due_by=later))
    assert codes(made.tell(evidence("e-3"))) == {"e-3": RefusalCode.DISPUTE_CLOSED}


@pytest.mark.parametrize("command", [evidence(expires_at=NOW), accept(expires_at=NOW)], ids=["evidence", "accept"])
def test_an_answer_that_is_late_is_refused(command: Message) -> None:
    """An answer whose time is over is refused as expired."""
    assert set(codes(disputed().tell(command)).values()) == {RefusalCode.EXPIRED}


@pytest.mark.parametrize("status", [Status.REQUIRES_PAYMENT_METHOD, Status.PROCESSING])
def test_without_money_there_is_no_dispute_to_answer(status: Status) -> None:
    """Before there is money an answer to a dispute is a wrong state."""
    made = story(status)
    assert codes(made.tell(evidence())) == {"evidence-1": RefusalCode.WRONG_STATE}
    assert codes(made.tell(accept())) == {"accept-1": RefusalCode.WRONG_STATE}


def test_answers_share_the_limit_of_commands() -> None:
    """So many answers may wait behind each other, and no more."""
    made = disputed()
    for number in range(limits.MAX_OPEN_CALLS):
        made.tell(evidence(f"e-{number}", submit=False))
    assert codes(made.tell(accept())) == {"accept-1": RefusalCode.TOO_MANY_COMMANDS}


def test_who_never_heard_of_the_inquiry_is_asked_as_well() -> None:
    """A dispute first heard of after its inquiry was answered wants an answer, whatever was submitted before."""
    made = disputed(OPEN, submitted=True)
    assert last_body(made.record, "dispute_opened")["dispute"]["evidence_submitted"] is False
    assert isinstance(made.tell(evidence()).effect, Send)


def test_an_answer_that_waits_is_not_sent_too_late() -> None:
    """Evidence that waits behind a submission, or behind the end of the dispute, is closed by name and never sent."""
    made = disputed()
    for name in ("e-1", "e-2"):
        made.tell(evidence(name))
    made.tell(accept())
    decision = made.answer(Result.DONE, dispute=dispute_fact(REVIEWED, submitted=True))
    assert codes(decision) == {"e-1": None, "e-2": RefusalCode.DISPUTE_CLOSED}
    assert isinstance(decision.effect, Send)
    assert decision.effect.call.id == "accept-1"


def test_an_acceptance_behind_the_end_is_refused() -> None:
    """Giving up a dispute that is over by the time its turn comes is refused as closed."""
    made = disputed()
    made.tell(evidence())
    made.tell(accept())
    decision = made.answer(Result.DONE, dispute=dispute_fact(WON, submitted=True))
    assert codes(decision) == {"evidence-1": None, "accept-1": RefusalCode.DISPUTE_CLOSED}


@pytest.mark.parametrize(
    ("command", "truth", "code"),
    [
        (evidence(), dispute_fact(REVIEWED, submitted=True), None),
        (evidence(), dispute_fact(), RefusalCode.PROVIDER_ERROR),
        (accept(), dispute_fact(LOST), None),
        (accept(), dispute_fact(), RefusalCode.PROVIDER_ERROR),
    ],
    ids=["evidence there", "evidence not there", "given up", "not given up"],
)
def test_an_answer_of_unknown_outcome_is_settled_by_reading(
    command: Message, truth: DisputeFact, code: RefusalCode | None
) -> None:
    """An answer to a dispute whose key is too old is read: it took effect, or it is refused for another try."""
    made = disputed()
    made.tell(command)
    made.answer(Result.STORED_ERROR, problem=problem("http_500"))
    assert isinstance(made.tick().effect, Read)
    assert set(codes(read(made, truth)).values()) == {code}
    assert made.record.head is None


def test_a_dispute_does_not_block_what_is_left() -> None:
    """Of a payment that is disputed in part the rest can be refunded."""
    made = disputed(amount=500)
    made.tell(refund("r-1"))
    assert made.record.refunds[0].amount == 1500


def test_a_win_that_brings_back_less_waits_for_a_person() -> None:
    """Won, and a part stays away: no total says that, so somebody must look; what is won in full asks nobody."""
    for partly in (True, False):
        made = disputed(REVIEWED, funds=DisputeFunds.WITHDRAWN)
        hear(made, WON, funds=DisputeFunds.REINSTATED, partly=partly)
        assert (made.record.needs_review == "dispute_won_in_part") is partly
        assert made.record.disputed == 0


def test_a_win_in_part_is_heard_with_its_money() -> None:
    """The end of a dispute may be told before its money is back: what is told with the money is what counts, once."""
    made = disputed(REVIEWED, funds=DisputeFunds.WITHDRAWN)
    reviews = []
    for partly in (False, True, True):
        hear(made, WON, funds=DisputeFunds.REINSTATED if partly else DisputeFunds.WITHDRAWN, partly=partly)
        reviews.append(made.record.needs_review)
    assert reviews == [None, "dispute_won_in_part", "dispute_won_in_part"]
    assert event_types(made.record).count("needs_review") == 1


def test_a_dispute_that_is_heard_of_after_a_win_in_part() -> None:
    """Heard of for the first time when all is over, a part that stays away is told all the same."""
    made = disputed(WON, funds=DisputeFunds.REINSTATED, partly=True)
    assert made.record.needs_review == "dispute_won_in_part"
