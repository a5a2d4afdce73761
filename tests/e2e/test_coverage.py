"""Coverage with the real parts: webhooks that are lost, late and repeated, and what `payments coverage` says meanwhile."""

import asyncio
import io
import json
from contextlib import redirect_stdout
from datetime import UTC, datetime
from typing import Any

from contracts.commands import SetUpPaymentMethod
from tests.e2e.support.service import Service
from tests.e2e.support.until import until
from tests.e2e.support.worker import STRIPE_KEY
from worker.ops.cli import main

WALKING = {"COVERAGE_EVERY_S": "1"}
FOUND_S = 30.0
HOUR_S, DAY_S = 3600, 86_400


async def coverage(service: Service, *options: str) -> tuple[int, dict[str, Any]]:
    """Run `payments coverage` as an operator does: the exit code, and what it printed."""
    variables = {"MONGO_URI": service.mongo_uri, "STRIPE_SECRET_KEY": STRIPE_KEY, "STRIPE_API_BASE": service.stripe.url}
    out = io.StringIO()
    with redirect_stdout(out):
        code = await asyncio.to_thread(main, ["coverage", "--json", "--rate", "1000", *options], variables)
    return code, json.loads(out.getvalue())


async def move_clock(service: Service, seconds: int) -> None:
    """Stripe's clock; ours stays."""
    await service.stripe._sim("POST", "clock", {"advance_s": seconds})


async def test_lost_webhooks_of_every_kind_are_found(service: Service) -> None:
    """With every webhook lost the walk alone brings a payment, its refund, its dispute and a customer to the truth."""
    await move_clock(service, -2 * HOUR_S)
    await service.stripe.webhooks(drop_rate=1)
    worker = await service.worker(COVERAGE_EVERY_S="3600")
    secret = await service.created("order-1")
    assert await service.stripe.pay(secret) == "succeeded"
    intent = str(service.payment("order-1")["stripe"]["payment_intent_id"])
    await service.stripe.refund(intent, 300)
    await service.stripe.dispute(intent, amount=500)
    await service.send(SetUpPaymentMethod(user_id="user-2"), "set-up")
    code, told = await coverage(service)
    assert code == 1
    assert told["missing"] == told["missing_for_an_hour"] > 0
    assert told["oldest_gap"]["created"] <= told["gaps"][0]["created"]
    worker.child.kill()
    service.database["coverage"].delete_many({})
    await service.worker(**WALKING)
    await until(lambda: covered(service), FOUND_S, "the walk did not close the gaps")
    books = await service.assert_promises()
    stored = service.payment("order-1")
    assert (stored["status"], stored["refunded"], stored["disputed"]) == ("succeeded", 300, 500)
    assert books.delivered == set()
    await service.stripe.foreign_intent()
    await until(lambda: covered(service), FOUND_S, "somebody else's event is not accounted for")
    code, told = await coverage(service)
    assert (code, told["percent"], told["missing"], told["oldest_gap"]) == (0, "100 %", 0, None)
    assert all(told["accounted"].values()), "there is one of each"


async def test_what_a_mistyped_deployment_has_ignored_is_put_back(service: Service) -> None:
    """A worker of another name takes the events of the payments that are here, and the walk finds what one had ignored."""
    await move_clock(service, -2 * HOUR_S)
    first = await service.worker(COVERAGE_EVERY_S="3600")
    assert await service.stripe.pay(await service.created("order-1")) == "succeeded"
    await service.quiesce()
    intent = str(service.payment("order-1")["stripe"]["payment_intent_id"])
    first.child.kill()
    await service.stripe.webhooks(drop_rate=1)
    known = {event["id"] for event in await service.stripe.events()}
    await service.stripe.refund(intent, 300)
    lost = [event for event in await service.stripe.events() if event["id"] not in known]
    assert {"refund.created", "charge.refunded"} <= {event["type"] for event in lost}
    at = datetime.now(UTC)
    service.database["stripe_events"].insert_many(
        [{"_id": event["id"], "type": event["type"], "reason": "another deployment's", "at": at} for event in lost]
    )
    service.database["coverage"].delete_many({})
    _, told = await coverage(service)
    assert told["missing"] > 0
    await service.worker(DEPLOYMENT="Default", **WALKING)
    await service.stripe.webhooks(drop_rate=0)
    await service.stripe.refund(intent, 200)

    async def refunded() -> bool:
        return bool(service.payment("order-1")["refunded"] == 500)

    await until(refunded, FOUND_S, "an event of our payment is lost")
    await until(lambda: covered(service), FOUND_S, "what was ignored is not accounted for")
    await service.assert_promises()


async def covered(service: Service) -> bool:
    """Whether every event that has a rule is recorded."""
    code, told = await coverage(service)
    return code == 0 and not told["missing"]


async def test_a_webhook_three_days_late_and_five_times(service: Service) -> None:
    """Fault row 31: found by the walk, then delivered three days late and five times, it is applied once."""
    await move_clock(service, -3 * DAY_S)
    await service.stripe.webhooks(hold=True)
    worker = await service.worker(**WALKING)
    assert await service.stripe.pay(await service.created("order-1")) == "succeeded"

    async def paid() -> bool:
        return bool(service.payment("order-1")["captured"])

    await until(paid, FOUND_S, "the walk did not find the payment")
    await move_clock(service, 3 * DAY_S)
    events = [event["id"] for event in await service.stripe.events()]
    await service.stripe.release("newest")
    for _ in range(4):
        await asyncio.gather(*(service.stripe.redeliver(event) for event in events))
    await service.assert_promises()
    types = service.listener.types(str(service.payment("order-1")["_id"]))
    assert types.count("succeeded") == 1
    assert not service.listener.contradictions()
    entries = [entry["message_id"] for entry in service.payment("order-1")["timeline"]]
    assert len(entries) == len(set(entries))
    assert worker.lines("coverage_crashed") == []
