"""A refusal that has no payment to be recorded on is final all the same, whatever has come since."""

from datetime import timedelta

import pytest

from contracts.replies import RefusalCode, Verdict
from tests.unit.worker.bench import Bench
from tests.unit.worker.making import AMOUNT, NOW, PAYMENT, capture, confirm, erase, refund
from worker.domain.messages import Command
from worker.handler import CLOCK_SKEW


@pytest.mark.parametrize("command", [confirm("early"), capture("early"), refund("early"), erase("early")])
async def test_a_refusal_is_final_after_a_lost_ack(command: Command) -> None:
    """A command that was refused for want of its payment is refused again when its redelivery finds the payment."""
    bench = Bench()
    await bench.handler.command(command)
    await bench.paid()
    report = await bench.handler.command(command)
    assert [(reply.verdict, reply.refusal and reply.refusal.code) for reply in bench.replies("early")] == [
        (Verdict.REFUSED, RefusalCode.UNKNOWN_PAYMENT),
        (Verdict.REFUSED, RefusalCode.UNKNOWN_PAYMENT),
    ]
    assert report.told == ["early:refused"]
    assert not bench.payment().knows("early")
    assert (bench.payment().refunds, bench.payment().user_id) == ((), "user-1")


async def test_a_command_that_was_not_refused_is_carried_out() -> None:
    """A command that comes first after its payment is carried out, whatever was refused before it."""
    bench = Bench()
    await bench.handler.command(refund("early"))
    await bench.paid()
    await bench.handler.command(refund("in-time"))
    assert bench.payment().refunded == AMOUNT


async def test_the_first_refusal_stays() -> None:
    """A refusal is recorded once, with what it was for, and its repeat does not change it."""
    bench = Bench()
    await bench.handler.command(refund("early"))
    recorded = bench.store.refusals["early"]
    bench.wait(timedelta(hours=1))
    await bench.handler.command(refund("early"))
    assert bench.store.refusals == {"early": recorded}
    assert (recorded.kind, recorded.code, recorded.payment_id) == ("refund", "unknown_payment", PAYMENT)


async def test_refusals_are_looked_up_only_where_there_can_be_one() -> None:
    """A payment that is much older than the command cannot have been missing when it was issued: nothing is looked up."""
    bench = Bench()
    await bench.paid()
    issued = NOW + CLOCK_SKEW + timedelta(hours=1)
    bench.wait(CLOCK_SKEW + timedelta(hours=1))
    bench.store.looks_for_refusals = 0
    await bench.handler.command(refund("r-1", issued_at=issued))
    assert bench.payment().refunded == AMOUNT
    assert bench.store.looks_for_refusals == 0
