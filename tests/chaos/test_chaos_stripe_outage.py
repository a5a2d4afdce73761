"""Fault row 28: Stripe answers 503 for minutes while a crowd wants to pay and to have its money back."""

import asyncio
from time import monotonic

import pytest

from contracts.replies import Verdict
from tests.chaos.wires import needs_time
from tests.e2e.support.service import Service
from tests.e2e.support.until import until
from worker.adapters.breaker import FIRST_PAUSE_S, LONGEST_PAUSE_S

OUTAGE_S = 180.0
NOTICED_S = 30.0
WITHIN_S = 400.0
"""A call that has waited for minutes is looked at again within as many."""

BUYERS = 15
RETURNS = 5
TRIES = 2
"""The SDK sends every call once more."""

DOUBLINGS = 5
"""Pauses between two probes until they are the longest."""


def most_probes() -> float:
    """During the outage; each pause may be cut to half."""
    shortest_s = LONGEST_PAUSE_S / 2
    assert FIRST_PAUSE_S * 2**DOUBLINGS >= LONGEST_PAUSE_S
    return DOUBLINGS + OUTAGE_S / shortest_s + 1


async def struck(service: Service) -> int:
    return (await service.stripe.fired()).get("503", 0)


@needs_time
@pytest.mark.timeout(1200)
async def test_row_28_away_for_minutes(service: Service) -> None:
    """The breaker opens, probes go out one at a time, all who asked are told 'pending', and afterwards all drains, once."""
    worker = await service.worker(COVERAGE_EVERY_S="3600")
    returned = [await service.paid(f"back-{number}") for number in range(RETURNS)]
    await asyncio.gather(*(service.created(f"order-{number}") for number in range(BUYERS)))
    payments = [str(service.payment(f"order-{number}")["_id"]) for number in range(BUYERS)]
    await service.quiesce()

    await service.stripe.rates({"503": 1.0}, seed=1)
    began = monotonic()
    asked = [service.confirm(payment) for payment in payments]
    asked += [service.refund(payment, f"r-{payment}", 500) for payment in returned]
    replies = await asyncio.gather(*asked)
    assert {reply.verdict for reply in replies} == {Verdict.PENDING}
    await worker.logged("stripe_away", NOTICED_S)
    await asyncio.sleep(max(0.0, OUTAGE_S - (monotonic() - began)))
    assert not worker.lines("stripe_back")
    assert 0 < await struck(service) <= TRIES * (BUYERS + RETURNS + most_probes())
    assert (await service.stripe.ledger())["succeeded_charges"] == RETURNS
    await service.stripe.clear_faults()
    await worker.logged("stripe_back", 2 * LONGEST_PAUSE_S)

    async def drained() -> bool:
        stored = service.payments_stored()
        return all(call["state"] != "open" for payment in stored for call in payment["calls"])

    await until(drained, WITHIN_S, "calls are still open")
    books = await service.assert_promises(WITHIN_S)
    assert books.ledger["succeeded_charges"] == BUYERS + RETURNS
    assert {service.payment(f"back-{number}")["refunded"] for number in range(RETURNS)} == {500}
    for path in ("confirm", "refunds"):
        keys = {row["idempotency_key"] for row in books.posts if row["path"].endswith(path)}
        assert len(keys) == (BUYERS if path == "confirm" else RETURNS)
