"""What the timeline says of requests to Stripe that were recorded and never made."""

from datetime import timedelta

import pytest

from tests.unit.worker.making import SECOND, Story, create
from worker.adapters.line import Kept
from worker.adapters.stories import Story as Told
from worker.domain.facts import StripeProblem
from worker.domain.messages import Answer, Result, Tick
from worker.ops.timeline import STRIPE, Row, rows

LATER = timedelta(minutes=20)


def not_executed(made: Story, code: str) -> Answer:
    """The answer to the send that has just been recorded."""
    problem = StripeProblem(code, "not now")
    return Answer(call_id="create-1", result=Result.NOT_EXECUTED, version=made.record.version, problem=problem)


def request(made: Story) -> Row:
    (row,) = [row for row in rows(Told(made.record, made.record.calls)) if row.what == STRIPE]
    return row


@pytest.mark.parametrize("kept", list(Kept))
def test_a_send_that_was_held_back_is_none(kept: Kept) -> None:
    """A call that was held back once and then sent has one send and one that was held back; the record keeps both."""
    made = Story()
    made.tell(create())
    first = made.record.calls[0].sends
    made.tell(not_executed(made, str(kept)), SECOND)
    assert (request(made).details["sends"], request(made).details["held_back"]) == (0, 1)
    made.tell(Tick(), LATER)
    assert len(made.record.calls[0].sends) == 2
    row = request(made)
    assert (row.details["sends"], row.details["held_back"], row.at) == (1, 1, first[0])
    assert row.details["sent_at"] == [made.record.calls[0].sends[1].isoformat()]


def test_a_send_that_stripe_refused_was_made() -> None:
    """That Stripe asked to slow down does not make a send undone."""
    made = Story()
    made.tell(create())
    made.tell(not_executed(made, "http_429"), SECOND)
    assert request(made).details["sends"] == 1
    assert "held_back" not in request(made).details
