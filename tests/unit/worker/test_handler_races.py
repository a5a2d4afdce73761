"""Commits that are lost to other writers: decided anew with what is there then, and never a failed attempt."""

import pytest

from contracts.replies import Verdict
from tests.unit.worker.bench import Bench
from tests.unit.worker.making import refund, totals
from worker.errors import StepsExhausted
from worker.handler import MAX_LOST_RACES


@pytest.mark.parametrize("rivals", [1, 2, 20])
async def test_a_lost_race_is_decided_anew(rivals: int) -> None:
    """A command that loses its commit again and again is carried out once all the same, and answered once."""
    bench = Bench()
    await bench.paid()
    bench.store.rivals = rivals
    report = await bench.handler.command(refund("r-1", amount=500))
    assert report.lost_races == rivals
    assert totals(bench.payment()) == {"captured": 2000, "refunded": 500, "refundable": 1500}
    assert len(bench.held().refunds) == 1
    assert [reply.verdict for reply in bench.replies("r-1")] == [Verdict.ACCEPTED]


async def test_an_answer_that_loses_its_race_is_not_lost() -> None:
    """An answer of Stripe whose commit is lost is decided again with the same answer: Stripe is asked once."""
    bench = Bench()
    await bench.paid()

    async def others_write() -> None:
        bench.store.rivals = 3

    bench.gateway.while_sent = others_write
    report = await bench.handler.command(refund("r-1", amount=500))
    assert report.lost_races == 3
    assert report.calls == [f"{bench.payment().id}:refund:r-1"]
    assert totals(bench.payment()) == {"captured": 2000, "refunded": 500, "refundable": 1500}


async def test_nobody_loses_for_ever() -> None:
    """A message that loses against everybody stops by name, so that its delivery is tried again later."""
    bench = Bench()
    await bench.paid()
    bench.store.rivals = MAX_LOST_RACES
    with pytest.raises(StepsExhausted, match="refund took 0 steps and lost 500 races"):
        await bench.handler.command(refund("r-1", amount=500))
    assert bench.held().refunds == []


async def test_two_workers_refund_once() -> None:
    """The same refund at two workers under two command ids is one refund at Stripe, and both hear of it."""
    bench = Bench()
    await bench.paid()
    await bench.handler.command(refund("a", refund_id="r-1", amount=500))
    await bench.worker().command(refund("b", refund_id="r-1", amount=500))
    assert len(bench.held().refunds) == 1
    assert [reply.verdict for reply in (*bench.replies("a"), *bench.replies("b"))] == [Verdict.ACCEPTED] * 2
    assert {reply.refund.refund_id for reply in bench.replies("b") if reply.refund} == {"r-1"}
