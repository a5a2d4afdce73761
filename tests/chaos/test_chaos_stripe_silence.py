"""Fault row 29: Stripe has done it and its answer does not come, or comes while the same key is sent again."""

import asyncio
import contextlib
from typing import Any

import pytest

from contracts.errors import NoReply
from tests.chaos.tcp_proxy import Fault, Kind, TcpProxy
from tests.chaos.wires import Wire, needs_time, port_of, through
from tests.e2e.support.books import Books
from tests.e2e.support.service import Service
from tests.e2e.support.until import until
from worker.adapters.gateway import TRY_S

WITHIN_S = 200.0
AMOUNT = 500
TOO_LATE_MS = int(TRY_S * 1000) + 5000
"""Longer than the worker waits for one request."""

TRIES = 2
"""The SDK's own retry is one of them."""

IN_FLIGHT_MS = 20_000
"""Longer than a worker needs to die and another one to send the call again."""

A_MOMENT_MS = 3000
CONFIRM = "/v1/payment_intents/*/confirm"
REFUNDS = "/v1/refunds"


async def prepared(service: Service, **variables: str) -> str:
    """A worker that hears of nothing but what it asks for, and a payment that can be paid; its id."""
    await service.worker(COVERAGE_EVERY_S="3600", **variables)
    await service.created("order-1", within_s=WITHIN_S)
    await service.quiesce(WITHIN_S)
    await service.stripe.webhooks(hold=True)
    return str(service.payment("order-1")["_id"])


async def confirmed(service: Service, payment: str) -> None:
    """Confirm, and accept that nobody answers in time."""
    with contextlib.suppress(NoReply):
        await service.confirm(payment)


async def refund_wanted(service: Service, payment: str) -> None:
    with contextlib.suppress(NoReply):
        await service.refund(payment, "r-1", AMOUNT)


async def until_stored(service: Service, what: str, wanted: object) -> None:
    async def known() -> bool:
        return bool(service.payment("order-1")[what] == wanted)

    await until(known, WITHIN_S, f"{what} did not become {wanted}")


async def until_charged(service: Service) -> None:
    async def charged() -> bool:
        return bool((await service.stripe.ledger())["succeeded_charges"] == 1)

    await until(charged, WITHIN_S, "Stripe did not charge")


def sent(books: Books, path: str) -> list[dict[str, Any]]:
    """The requests of this path."""
    return [row for row in books.posts if row["path"].endswith(path)]


async def settled(service: Service) -> Books:
    """Let the webhooks go, and judge: one charge, under one key."""
    await service.stripe.release()
    books = await service.assert_promises(WITHIN_S)
    assert books.ledger["succeeded_charges"] == 1
    assert len({row["idempotency_key"] for row in sent(books, "/confirm")}) == 1
    return books


@needs_time
@pytest.mark.timeout(600)
async def test_row_29_done_and_the_answer_is_too_late(service: Service) -> None:
    """A confirm and a refund that Stripe carried out, and answered after we had left, are settled under their key, once."""
    payment = await prepared(service)
    for path in (CONFIRM, REFUNDS):
        await service.stripe.fault("latency_after", path=path, times=TRIES, ms=TOO_LATE_MS)
    await confirmed(service, payment)
    await until_stored(service, "status", "succeeded")
    await refund_wanted(service, payment)
    await until_stored(service, "refunded", AMOUNT)
    books = await settled(service)
    assert [entry["refunded"] for entry in books.ledger["payment_intents"]] == [AMOUNT]
    for path in ("/confirm", "/refunds"):
        struck = [row["fault"] for row in sent(books, path)]
        assert struck == [*["latency_after"] * TRIES, None]
    assert len({row["idempotency_key"] for row in sent(books, "/refunds")}) == 1


@needs_time
@pytest.mark.timeout(600)
async def test_row_29_done_and_the_answer_is_swallowed(service: Service) -> None:
    """A confirm whose answer a network swallowed, telling nobody, is sent again under its key, and charges once."""
    async with TcpProxy(port_of(service.stripe.url)) as proxy:
        payment = await prepared(service, **{Wire.STRIPE: through(service.stripe.url, proxy.port)})
        await service.stripe.fault("latency_after", path=CONFIRM, ms=A_MOMENT_MS)
        async with asyncio.TaskGroup() as group:
            group.create_task(confirmed(service, payment))
            await until_charged(service)
            proxy.inject(Fault(Kind.BLACKHOLE))
            await proxy.bitten()
            proxy.heal()
        await until_stored(service, "status", "succeeded")
        books = await settled(service)
        assert len(sent(books, "/confirm")) > 1
        service.workers[0].child.kill()


@needs_time
@pytest.mark.timeout(600)
async def test_row_29_the_key_is_in_flight(service: Service) -> None:
    """A confirm that dies with its worker while Stripe works on it is answered 409 to the next worker, and charges once."""
    payment = await prepared(service)
    await service.stripe.fault("latency", path=CONFIRM, ms=IN_FLIGHT_MS)
    async with asyncio.TaskGroup() as group:
        group.create_task(confirmed(service, payment))

        async def in_flight() -> bool:
            return "latency" in await service.stripe.fired()

        await until(in_flight, WITHIN_S, "the confirm did not reach Stripe")
        await service.worker(COVERAGE_EVERY_S="3600")
        service.workers[0].child.kill()
    await until_stored(service, "status", "succeeded")
    books = await settled(service)
    assert 409 in {row["status"] for row in sent(books, "/confirm")}
