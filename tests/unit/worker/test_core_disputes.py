"""Disputes: every status in and out of order, and the money that they hold."""

from dataclasses import replace
from itertools import permutations

import pytest

from contracts.views import DisputeFunds, DisputeStatus
from tests.unit.worker.disputing import ASKED, ASKING, ENDS, LOST, OPEN, OVER, REVIEWED, WON, disputed, hear, read, told
from tests.unit.worker.making import (
    AMOUNT,
    Story,
    dispute_fact,
    dispute_seen,
    event_types,
    last_body,
    paid,
    refund,
    seen,
    story,
    totals,
)
from worker.domain import limits
from worker.domain.effects import Read
from worker.domain.messages import Message
from worker.domain.parts import CLOSED, DISPUTE_RANK, HOLDS_MONEY
from worker.domain.record import Outcome, Status

UPWARDS = [(old, new) for old in DisputeStatus for new in DisputeStatus if DISPUTE_RANK[new] > DISPUTE_RANK[old]]
DOWNWARDS = [(old, new) for old in DisputeStatus for new in DisputeStatus if DISPUTE_RANK[new] < DISPUTE_RANK[old]]
BESIDE = [(old, new) for old in ENDS for new in ENDS if old is not new and DISPUTE_RANK[old] == DISPUTE_RANK[new]]


def known(made: Story) -> DisputeStatus:
    (dispute,) = made.record.disputes
    return dispute.status


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
