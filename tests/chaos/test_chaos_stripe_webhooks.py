"""Fault rows 31 and 32: webhooks signed or dated wrongly, and clocks that are apart or leap."""

import asyncio
from typing import Any

import pytest

from tests.chaos.wires import needs_time
from tests.e2e.support.service import Service
from tests.e2e.support.until import until
from tests.ingress_process import IngressProcess
from tests.ingress_requests import SECRET

AHEAD_S = 600
WITHIN_S = 60.0
NEXT_SECRET = "whsec_next"


async def statuses(service: Service) -> set[int]:
    """What the ingress has answered to the deliveries so far."""
    rows = (await service.stripe._sim("GET", "deliveries?limit=10000"))["deliveries"]
    return {row["status"] for row in rows if row["status"] is not None}


async def paid_for(service: Service, order: str) -> None:
    assert await service.stripe.pay(await service.created(order)) == "succeeded"


@needs_time
@pytest.mark.parametrize(
    "wrong",
    [
        {"signing": "wrong"},
        {"signing": "none"},
        {"timestamp_offset_s": AHEAD_S},
        {"timestamp_offset_s": -AHEAD_S},
    ],
    ids=["wrong_secret", "unsigned", "future", "old"],
)
async def test_row_31_a_webhook_that_stripe_did_not_sign_now(service: Service, wrong: dict[str, Any]) -> None:
    """It is answered 400 and changes nothing; signed rightly, the same events are stored, and the payment learns of them."""
    await service.worker(COVERAGE_EVERY_S="3600")
    await service.stripe.webhooks(**wrong)
    await paid_for(service, "order-1")

    async def refused() -> bool:
        return await statuses(service) == {400}

    await until(refused, WITHIN_S, "the deliveries were not refused")
    assert service.payment("order-1")["captured"] == 0
    await service.stripe.release()
    books = await service.assert_promises(WITHIN_S)
    assert service.payment("order-1")["status"] == "succeeded"
    assert books.delivered


@needs_time
async def test_row_31_a_secret_is_rotated(service: Service) -> None:
    """An ingress that knows both secrets takes what either signed; with the old one alone it answers 400 to the new one."""
    await service.worker(COVERAGE_EVERY_S="3600")
    (endpoint,) = {one["id"] for one in await service.stripe._all("/v1/webhook_endpoints")}
    await service.stripe._sim("POST", f"webhooks/secrets/{endpoint}", {"secrets": [NEXT_SECRET]})
    await paid_for(service, "order-1")

    async def refused() -> bool:
        return await statuses(service) == {400}

    await until(refused, WITHIN_S, "the deliveries were not refused")
    port = service.ingress.port
    await service.ingress.child.stop()
    service.ingress = IngressProcess(
        service.directory, service.rabbitmq_url, PORT=str(port), STRIPE_WEBHOOK_SECRET=f"{SECRET},{NEXT_SECRET}"
    )
    await service.ingress.start()
    try:
        await service.assert_promises(WITHIN_S)
        await service.stripe._sim("POST", f"webhooks/secrets/{endpoint}", {"secrets": [SECRET]})
        await paid_for(service, "order-2")
        await service.assert_promises(WITHIN_S)
    finally:
        service.ingress.child.kill()
    assert {payment["status"] for payment in service.payments_stored()} == {"succeeded"}


@needs_time
@pytest.mark.parametrize("apart_s", [AHEAD_S, -AHEAD_S])
async def test_row_32_stripes_clock_is_apart_and_leaps(service: Service, apart_s: int) -> None:
    """With Stripe's clock ten minutes off, leaping to the other side and back under load, every order is paid once."""
    await service.worker()
    await service.worker()
    await service.stripe._sim("POST", "clock", {"advance_s": apart_s})
    offsets = []
    async with asyncio.TaskGroup() as group:
        for number in range(10):
            group.create_task(paid_for(service, f"order-{number}"))
        for leap in (-2 * apart_s, 2 * apart_s):
            told = await service.stripe._sim("POST", "clock", {"advance_s": leap})
            offsets.append(told["offset_s"])
    assert offsets == [-apart_s, apart_s]
    books = await service.assert_promises(WITHIN_S)
    assert books.ledger["succeeded_charges"] == 10
    assert {payment["status"] for payment in books.payments} == {"succeeded"}
