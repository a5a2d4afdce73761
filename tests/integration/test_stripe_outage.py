"""Stripe away for a while under load, and back (fault rows 26-29): who waits where, and how it drains."""

import asyncio
import json
from collections import Counter
from urllib.request import urlopen

from contracts.replies import Verdict
from tests.e2e.support.service import Service

PAYMENTS = 60
RATE = 20
SLACK = 5
"""A request is recorded when it is answered: some of a second's are the next one's."""

NOTICED_S = 20.0
DRAINED_S = 90.0


async def ready(url: str) -> tuple[int, dict[str, object]]:
    """What a worker says of itself."""

    def ask() -> tuple[int, dict[str, object]]:
        with urlopen(f"{url}/ready", timeout=5) as answer:
            return int(answer.status), json.loads(answer.read())

    return await asyncio.to_thread(ask)


async def test_while_stripe_is_away_all_else_goes_on(service: Service) -> None:
    """A crowd is answered 'pending' while Stripe is down, at hardly any request; then all drains at the pace of the budget."""
    worker = await service.worker(STRIPE_RATE=str(RATE))
    paid = await service.paid("order-0")
    await service.quiesce()
    await service.stripe.rates({"503": 1.0}, seed=1)
    replies = await asyncio.gather(*(service.create(f"order-{number}") for number in range(1, PAYMENTS + 1)))
    assert {reply.verdict for reply in replies} == {Verdict.PENDING}
    await worker.logged("stripe_away", NOTICED_S)
    assert await ready(worker.url) == (200, {"stripe": "open"} | (await ready(worker.url))[1])
    assert (await service.refund(paid, "r-1", 500)).verdict is Verdict.PENDING
    asked = await service.stripe.requests("POST", "/v1/payment_intents")
    assert asked < PAYMENTS, "most calls never left"
    await service.stripe.clear_faults()
    await worker.logged("stripe_back", DRAINED_S)
    books = await service.assert_promises(DRAINED_S)
    assert books.ledger["count"] == PAYMENTS + 1
    assert service.payment("order-0")["refunded"] == 500
    per_second = Counter(row["created"] for row in books.posts)
    assert max(per_second.values()) <= RATE + SLACK
