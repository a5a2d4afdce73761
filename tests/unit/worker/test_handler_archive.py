"""A record that has grown long is cut after a message, and a late duplicate of what has left it finds its record."""

from dataclasses import replace

import pytest

from contracts.replies import RefusalCode, Verdict
from tests.unit.worker.bench import Bench
from tests.unit.worker.making import AMOUNT, dispute_fact, dispute_seen, refund, refund_total
from worker.domain.archive import KEPT, SLACK
from worker.domain.record import Outcome


async def long(bench: Bench) -> None:
    """A payment that refused a refund and made one, and has heard so much since that both have left the record."""
    await bench.paid()
    await bench.handler.command(refund("too-much", amount=AMOUNT + 1))
    await bench.handler.command(refund("r-1", amount=500))
    bench.stripe.news.clear()
    intent = bench.payment().intent_id or ""
    for number in range(KEPT + SLACK):
        heard = replace(refund_total(500, f"evt_{number}"), intent_id=intent)
        await bench.handler.news(bench.payment().id, heard)


async def test_a_long_record_is_cut() -> None:
    """After the message that makes a record too long its oldest parts are in the archive, and only there."""
    bench = Bench()
    await long(bench)
    assert len(bench.payment().timeline) <= KEPT + SLACK
    assert bench.payment().archived == len(bench.store.archived) > 0
    assert not bench.payment().timeline[0].message_id.startswith("confirm")


@pytest.mark.parametrize(
    ("command", "verdict", "code"),
    [
        (refund("too-much", amount=AMOUNT + 1), Verdict.REFUSED, RefusalCode.NOT_REFUNDABLE),
        (refund("r-1", amount=500), Verdict.ACCEPTED, None),
        (replace(refund("too-much", amount=1), body_hash="another"), Verdict.REFUSED, RefusalCode.ID_REUSED),
    ],
    ids=["refused", "done", "another command"],
)
async def test_a_late_duplicate_repeats_the_recorded_answer(
    command: object, verdict: Verdict, code: RefusalCode | None
) -> None:
    """A command whose record has left is answered from the archive, asks Stripe nothing, and brings nothing back."""
    bench = Bench()
    await long(bench)
    before, asked = bench.payment(), len(bench.stripe.history)
    bench.outbox.replies.clear()
    report = await bench.handler.command(command)  # type: ignore[arg-type] # a refund
    (reply,) = (reply for _, reply in bench.outbox.replies)
    assert (reply.verdict, reply.refusal and reply.refusal.code) == (verdict, code)
    assert report.calls == []
    assert (bench.payment(), len(bench.stripe.history)) == (before, asked)


async def test_a_late_webhook_is_a_duplicate() -> None:
    """A webhook whose entry has left is recognised and not applied again."""
    bench = Bench()
    await bench.paid()
    intent = bench.payment().intent_id or ""
    first = replace(dispute_seen(dispute_fact(amount=1), "evt_first"), intent_id=intent)
    await bench.handler.news(bench.payment().id, first)
    for number in range(KEPT + SLACK):
        heard = replace(dispute_seen(dispute_fact(amount=number + 2), f"evt_{number}"), intent_id=intent)
        await bench.handler.news(bench.payment().id, heard)
    assert bench.payment().entry("evt_first") is None
    report = await bench.handler.news(bench.payment().id, first)
    assert (report.outcome, report.why) == (Outcome.STALE, "duplicate")
    assert bench.payment().disputed == KEPT + SLACK + 1


async def test_events_of_a_long_record_stay_without_gaps() -> None:
    """However often a record is cut, and whatever is not sent yet, its events go on counting without a gap."""
    bench = Bench()
    await bench.paid()
    intent, name = bench.payment().intent_id or "", bench.payment().id
    for number in range(2 * (KEPT + SLACK)):
        bench.outbox.away = number == 10
        heard = replace(dispute_seen(dispute_fact(amount=number + 1), f"evt_{number}"), intent_id=intent)
        await bench.handler.news(name, heard)
    here = [event.sequence for event in bench.payment().events]
    assert here == list(range(here[0], here[0] + len(here)))
    unsent = [event.sequence for event in bench.payment().events if not event.sent]
    assert len(unsent) == 1
    assert unsent[0] == here[0]
