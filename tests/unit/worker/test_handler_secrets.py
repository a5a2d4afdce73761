"""The client secret, which is in no record: who is owed it again is told what Stripe says now."""

from dataclasses import replace

from contracts.replies import Verdict
from tests.unit.worker.bench import Bench
from tests.unit.worker.making import create
from worker.domain.record import Address

HERE = Address("replies", "1")


async def test_the_first_reply_needs_no_look() -> None:
    """Stripe's answer to the create brings the secret along: nothing more is asked for it."""
    bench = Bench()
    await bench.handler.command(create("create-1", reply=HERE, issued_at=bench.now))
    [(_, reply)] = bench.outbox.replies
    assert reply.client_secret
    assert bench.gateway.for_secrets == 0


async def test_a_repeat_asks_as_a_create() -> None:
    """A create that is repeated is answered from one read, which says that somebody waits for the secret."""
    bench = Bench()
    first = create("create-1", issued_at=bench.now)
    await bench.handler.command(first)
    await bench.handler.command(replace(first, reply=HERE))
    [reply] = [reply for address, reply in bench.outbox.replies if address == HERE]
    assert (reply.verdict, bool(reply.client_secret)) == (Verdict.ACCEPTED, True)
    assert bench.gateway.for_secrets == 1
