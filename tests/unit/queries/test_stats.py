"""What one payment adds to which quarter of an hour."""

from datetime import UTC, datetime

from contracts.views import PaymentStatus
from tests.unit.queries.making import MINUTE, NOW, announced, declined, paid
from tests.unit.worker.making import story
from worker.domain.record import Attempt, Payment, Status
from worker.stats import Tally, count, decline_reason, moves, quarter_of, quarters


def in_quarter(payment: Payment, quarter: datetime) -> Tally:
    found: dict[str, Tally] = {}
    count(found, payment, quarter)
    return found.get(payment.currency, Tally())


def test_a_quarter_begins_at_a_whole_quarter_of_an_hour() -> None:
    """A moment belongs to the quarter of an hour that it lies in, its first moment included."""
    assert quarter_of(datetime(2026, 3, 2, 12, 14, 59, 999_000, UTC)) == datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
    assert quarter_of(datetime(2026, 3, 2, 12, 15, tzinfo=UTC)) == datetime(2026, 3, 2, 12, 15, tzinfo=UTC)


def test_money_counts_when_it_moved_and_the_payment_when_it_was_opened() -> None:
    """A payment that is paid and refunded later counts in three quarters, each time for what happened there."""
    payment = paid()
    payment = announced(payment, "payment.succeeded", NOW + 20 * MINUTE, status=Status.SUCCEEDED, captured=2000)
    payment = announced(payment, "payment.refunded", NOW + 90 * MINUTE, refunded=500)
    assert quarters(payment) == {NOW, NOW + 15 * MINUTE, NOW + 90 * MINUTE}
    opened = in_quarter(payment, NOW)
    assert (opened.created, opened.succeeded, opened.asked, opened.captured) == (1, 1, 2000, 0)
    assert dict(opened.statuses) == {PaymentStatus.PARTIALLY_REFUNDED: 1}
    assert opened.durations.total() == 1
    taken, back = in_quarter(payment, NOW + 15 * MINUTE), in_quarter(payment, NOW + 90 * MINUTE)
    assert (taken.created, taken.captured, taken.captures) == (0, 2000, 1)
    assert (back.captured, back.refunded, back.refunds) == (0, 500, 1)


def test_a_refund_that_fails_counts_against_the_quarter_in_which_it_fails() -> None:
    """Money that comes back is negative there, and is no refund by number."""
    payment = announced(paid(), "payment.succeeded", NOW, status=Status.SUCCEEDED, captured=2000)
    payment = announced(payment, "payment.refunded", NOW, refunded=700)
    payment = announced(payment, "payment.refund_failed", NOW + 60 * MINUTE, refunded=0)
    later = in_quarter(payment, NOW + 60 * MINUTE)
    assert (later.refunded, later.refunds) == (-700, 0)
    assert sum(move.refunded for move in moves(payment)) == payment.refunded == 0


def test_declines_are_counted_by_the_banks_reason() -> None:
    """Each declined attempt counts where its payment was opened, by the bank's reason, else Stripe's code."""
    payment = declined(declined(paid(), "insufficient_funds", NOW + MINUTE), "insufficient_funds", NOW + 99 * MINUTE)
    assert dict(in_quarter(payment, NOW).declines) == {"insufficient_funds": 2}
    bare = Attempt(id="a", outcome="declined", at=NOW, code="processing_error")
    assert decline_reason(bare) == "processing_error"


def test_what_decide_announces_tells_where_the_money_moved() -> None:
    """For a payment that went its ordinary way, the moves add up to the record's own totals."""
    payment = story(Status.SUCCEEDED).record
    assert sum(move.captured for move in moves(payment)) == payment.captured == 2000
    assert in_quarter(payment, quarter_of(payment.created_at)).durations.total() == 1


def test_tallies_add_up() -> None:
    """The sum of two tallies has the sums of all their parts."""
    one, two = Tally(asked=1, captured=2, captures=1, refunded=-3), Tally(asked=10, disputed=5, disputes=1)
    one.statuses["succeeded"] = 2
    two.statuses.update({"succeeded": 1, "failed": 1})
    two.durations[7] = 1
    one.add(two)
    assert one == Tally(
        asked=11,
        captured=2,
        captures=1,
        refunded=-3,
        disputed=5,
        disputes=1,
        statuses=one.statuses,
        durations=two.durations,
    )
    assert (one.created, one.succeeded, one.ended) == (4, 3, 4)
