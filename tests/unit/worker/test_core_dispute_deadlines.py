"""The deadlines of disputes: announced in time, once, and anew when they move."""

import pytest

from contracts.views import DisputeFunds, DisputeStatus
from tests.unit.worker.disputing import ASKING, DAY, DUE, OPEN, REVIEWED, disputed, hear, read, told
from tests.unit.worker.making import NOW, dispute_fact
from worker.domain.effects import Read
from worker.domain.facts import Ledger
from worker.domain.parts import ANSWERABLE
from worker.domain.record import Status


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
