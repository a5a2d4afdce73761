"""Fault rows 26 to 29: what Stripe may answer instead of an answer, to every call that there is."""

import asyncio
from datetime import timedelta
from statistics import median

import pytest

from contracts.client import REPLY_TIMEOUT_S
from contracts.replies import Verdict
from tests.chaos.wires import needs_time
from tests.e2e.support.service import Service
from tests.e2e.support.until import until

WITHIN_S = 150.0
CONFIRM = "/v1/payment_intents/*/confirm"
REFUNDS = "/v1/refunds"
HOURS = timedelta(hours=10)
NOTICED_S = 30.0
BURST = 30
CROWD = 120
REFUSED_S = 60
RATE = 10
SLACK = 5
"""A request is recorded when it is answered: some of a second's are the next one's."""


async def bought(service: Service, order: str) -> str:
    """Create and confirm by command, patiently; the payment's id."""
    await service.created(order, within_s=WITHIN_S)
    payment = str(service.payment(order)["_id"])
    await service.confirm(payment)
    await paid(service, order)
    return payment


async def paid(service: Service, order: str) -> None:
    async def known() -> bool:
        return bool(service.payment(order)["status"] == "succeeded")

    await until(known, WITHIN_S, f"{order} was not paid")


async def refunded(service: Service, order: str, amount: int) -> None:
    async def known() -> bool:
        return bool(service.payment(order)["refunded"] == amount)

    await until(known, WITHIN_S, f"{order} was not refunded")


async def assert_books(service: Service, kind: str) -> None:
    """One charge and one refund, under one key each, and the fault has struck both."""
    books = await service.assert_promises(WITHIN_S)
    assert books.ledger["succeeded_charges"] == 1
    assert service.payment("order-1")["refunded"] == 500
    for path in ("confirm", "refunds"):
        sent = [row for row in books.posts if row["path"].endswith(path)]
        assert kind in {row["fault"] for row in sent}, f"{path} was not struck"
        assert len({row["idempotency_key"] for row in sent}) == 1, f"{path}: {sent}"


async def assert_done_once(service: Service, kind: str) -> None:
    """A confirm and a refund, each of which meets the fault so often."""
    await service.worker()
    await service.created("order-1")
    for path in (CONFIRM, REFUNDS):
        await service.stripe.fault(kind, path=path, times=2)
    payment = await bought(service, "order-1")
    await service.refund(payment, "r-1", 500)
    await refunded(service, "order-1", 500)
    await assert_books(service, kind)


async def ordered(service: Service, orders: int) -> None:
    """Create so many at once, with the patience that our client has by default: a reply costs a place in the budget, too."""
    async with asyncio.TaskGroup() as group:
        for number in range(orders):
            group.create_task(service.created(f"order-{number}", within_s=WITHIN_S, reply_s=REPLY_TIMEOUT_S))


async def assert_paced(service: Service, orders: int) -> None:
    """All are made, once, and no second has seen more requests than the worker's share."""
    books = await service.assert_promises(WITHIN_S)
    assert books.ledger["count"] == orders
    seconds = [row["created"] for row in books.posts]
    assert max(seconds.count(second) for second in set(seconds)) <= RATE + SLACK


@needs_time
async def test_row_26_a_burst_of_refused_requests(service: Service) -> None:
    """A crowd whose requests are mostly refused for a lock is made in the end, at no more than the worker's own rate."""
    await service.worker(STRIPE_RATE=str(RATE))
    await service.stripe.rates({"429_lock": 0.5}, seed=1)
    await ordered(service, BURST)
    assert (await service.stripe.fired())["429_lock"] > 1
    await service.stripe.clear_faults()
    await assert_paced(service, BURST)


@needs_time
@pytest.mark.timeout(400)
async def test_row_26_half_of_all_requests_are_refused_by_the_rate(service: Service) -> None:
    """A crowd that meets 429 at every second request for a minute slows down, keeps going, and is made once."""
    worker = await service.worker(STRIPE_RATE=str(RATE))
    await service.stripe.rates({"429": 0.5}, seed=1)
    async with asyncio.TaskGroup() as group:
        crowd = group.create_task(ordered(service, CROWD))
        await asyncio.sleep(REFUSED_S)
        made = (await service.stripe.ledger())["count"]
        assert (await service.stripe.fired())["429"] > REFUSED_S
        await service.stripe.clear_faults()
        await crowd
    assert made > CROWD / 4
    assert RATE / 5 <= median(line["rate"] for line in worker.lines("stripe_says_too_many")) < RATE
    assert not worker.lines("stripe_away")
    await assert_paced(service, CROWD)


@needs_time
@pytest.mark.parametrize("kind", ["500_after", "503"])
async def test_row_27_an_error_under_the_key(service: Service, kind: str) -> None:
    """A confirm and a refund that were answered 5xx, done or not, are settled under their key, and done once."""
    await assert_done_once(service, kind)


@needs_time
async def test_row_28_away_for_ten_hours(service: Service) -> None:
    """Answered 503 for ten hours by the clocks, a confirm is sent again under the same key, and pays once."""
    worker = await service.worker()
    await service.created("order-1")
    payment = str(service.payment("order-1")["_id"])
    await service.stripe.rates({"503": 1.0}, seed=1)
    assert (await service.confirm(payment)).verdict is Verdict.PENDING
    await worker.logged("stripe_away", NOTICED_S)
    worker.child.kill()
    assert (await service.stripe.fired())["503"] > 0
    await service.stripe.clear_faults()
    (stored,) = service.payments_stored()
    calls = [call | {"sends": [sent - HOURS for sent in call["sends"]]} for call in stored["calls"]]
    service.database["payments"].update_one({"_id": payment}, {"$set": {"calls": calls}, "$inc": {"version": 1}})
    await service.stripe._sim("POST", "clock", {"advance_s": HOURS.total_seconds()})
    await service.worker()
    await paid(service, "order-1")
    books = await service.assert_promises(WITHIN_S)
    assert books.ledger["succeeded_charges"] == 1
    assert len({row["idempotency_key"] for row in books.posts if row["path"].endswith("confirm")}) == 1


@needs_time
@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "truncate", "html_502", "html_502_after"])
async def test_row_29_no_answer_that_can_be_read(service: Service, kind: str) -> None:
    """A confirm and a refund whose answers never came, broke off, or were a proxy's page are done once, under their key."""
    await assert_done_once(service, kind)


@needs_time
async def test_row_29_other_parameters_under_the_key(service: Service) -> None:
    """A key that Stripe knows with other parameters waits for a person, moves no money, and is not replaced by a new key."""
    await service.worker()
    await service.created("order-1")
    payment = service.payment("order-1")
    intent = payment["stripe"]["payment_intent_id"]
    key = f"{payment['_id']}:confirm:confirm-{payment['_id']}"
    headers = {"Authorization": "Bearer sk_test_123", "Idempotency-Key": key}
    form = {"payment_method": "pm_card_visa_chargeDeclined", "return_url": "https://shop.example/other"}
    await service.stripe._ask("POST", f"/v1/payment_intents/{intent}/confirm", headers, form)
    await service.confirm(payment["_id"])

    async def in_review() -> bool:
        return service.payment("order-1").get("needs_review") is not None

    await until(in_review, WITHIN_S, "nobody was asked to look")
    keys = {row["idempotency_key"] for row in await service.stripe.posts() if row["path"].endswith("confirm")}
    assert keys == {key}
    assert (await service.stripe.ledger())["succeeded_charges"] == 0
