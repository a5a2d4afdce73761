"""Fault row 28: what an outage of Stripe's held back in the worker may still expire, and be canceled."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.commands import CancelPayment, ConfirmPayment
from contracts.replies import RefusalCode, Verdict
from tests.chaos.wires import needs_time
from tests.e2e.support.service import RETURN_URL, Service
from tests.e2e.support.until import until
from tests.e2e.support.worker import WorkerProcess

CANARIES = 12
"""So many requests that fail show a worker that Stripe is away."""

QUIET_S = 12.0
"""So long no probe goes out while the confirms are tried."""

WANTED = timedelta(seconds=3)
WITHIN_S = 120.0


@needs_time
async def test_row_28_what_was_held_back_charges_nobody_later(service: Service) -> None:
    """Of two confirms that never left the worker one expires and one is canceled: neither charges when Stripe is back."""
    worker = await service.worker(LOG_LEVEL="DEBUG")
    for order in ("expires", "canceled"):
        await service.created(order)
    await service.quiesce()
    await service.stripe.rates({"503": 1.0}, seed=1)
    await asyncio.gather(*(service.create(f"order-{number}") for number in range(CANARIES)))
    await until(lambda: quiet(worker), WITHIN_S, "the probes did not become rare")
    late = ConfirmPayment(
        payment_id=service.payment("expires")["_id"],
        payment_method="pm_card_visa",
        return_url=RETURN_URL,
        expires_at=datetime.now(UTC) + WANTED,
    )
    early = late.model_copy(update={"payment_id": service.payment("canceled")["_id"], "expires_at": None})
    assert (await service.send(late, "late")).verdict is Verdict.PENDING
    assert (await service.send(early, "early")).verdict is Verdict.PENDING
    assert (await service.send(CancelPayment(payment_id=early.payment_id), "cancel")).verdict is Verdict.PENDING
    await until(lambda: closed(service, "late"), WITHIN_S, "the confirm did not expire")
    await service.stripe.clear_faults()
    books = await service.assert_promises(WITHIN_S)
    refused = {call["id"]: call["refused"]["code"] for call in calls(service) if call.get("refused")}
    assert refused == {"late": RefusalCode.EXPIRED, "early": RefusalCode.BEING_CANCELED}
    assert not [row for row in books.posts if row["path"].endswith("confirm")], "a confirm left the worker"
    assert service.payment("canceled")["status"] == "canceled"
    assert service.payment("expires")["status"] == "requires_payment_method"


async def quiet(worker: WorkerProcess) -> bool:
    """Whether the newest probe failed, and the next one is long from now."""
    pauses = [line["probe_in_s"] for line in worker.lines("stripe_still_away")]
    return bool(pauses) and pauses[-1] >= QUIET_S


def calls(service: Service) -> list[dict[str, Any]]:
    return [call for payment in service.payments_stored() for call in payment["calls"]]


async def closed(service: Service, call_id: str) -> bool:
    return any(call["id"] == call_id and call["state"] != "open" for call in calls(service))
