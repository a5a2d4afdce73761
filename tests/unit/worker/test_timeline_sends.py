"""What the timeline says of requests to Stripe that were begun and never made."""

from datetime import timedelta

from tests.unit.worker.making import Story, create, problem
from worker.adapters.stories import Story as Told
from worker.domain.messages import Result
from worker.ops.timeline import STRIPE, Row, rows

LATER = timedelta(minutes=20)


def request(made: Story) -> Row:
    (row,) = [row for row in rows(Told(made.record, made.record.calls)) if row.what == STRIPE]
    return row


def test_a_send_that_was_held_back_is_none() -> None:
    """A call that was held back once and then sent has one send and one that was held back, in all of its rows."""
    made = Story()
    made.tell(create())
    made.answer(Result.HELD_BACK, problem=problem("budget"))
    assert (request(made).details["sends"], request(made).details["held_back"]) == (0, 1)
    made.tick(LATER)
    sent_at = made.now
    made.answer(Result.DONE, made.record.status.REQUIRES_PAYMENT_METHOD)
    row = request(made)
    assert (row.details["sends"], row.details["held_back"], row.at) == (1, 1, sent_at)
    assert row.details["sent_at"] == [sent_at.isoformat()]
    (command,) = [
        one for one in rows(Told(made.record, made.record.calls)) if one.id == "create-1" and one.what != STRIPE
    ]
    assert (command.details["sends"], command.details["held_back"]) == (1, 1)


def test_a_send_that_stripe_refused_was_made() -> None:
    """That Stripe asked to slow down does not make a send undone."""
    made = Story()
    made.tell(create())
    made.answer(Result.NOT_EXECUTED, problem=problem("http_429"))
    assert request(made).details["sends"] == 1
    assert "held_back" not in request(made).details
