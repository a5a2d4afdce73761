"""`payments timeline` and `payments needs-review` on what a whole service has stored."""

from datetime import UTC, datetime
from typing import Any

import pytest

from contracts import topology
from tests.e2e.support.publish import publish
from tests.e2e.support.service import Service
from tests.integration.dead_letter_desk import Operator, create, open_letters


@pytest.fixture
def operator(service: Service, capfd: pytest.CaptureFixture[str]) -> Operator:
    return Operator(service, capfd)


def like(rows: list[dict[str, Any]], **wanted: object) -> list[dict[str, Any]]:
    return [row for row in rows if wanted.items() <= row.items()]


async def test_a_timeline_tells_why(service: Service, operator: Operator) -> None:
    """Commands, requests by key and id, webhooks, transitions, events and what was ignored, under any of its names."""
    await service.worker()
    payment = await service.paid("order-1")
    await service.refund(payment, "refund-1", 500)
    (paid,) = [one for one in await service.stripe.events() if one["type"] == "payment_intent.succeeded"]
    await service.stripe.redeliver(paid["id"])
    await service.quiesce()
    intent = service.payment("order-1")["stripe"]["payment_intent_id"]
    foreign = {"_id": "evt_ignored", "type": "charge.updated", "reason": "no rule for this type", "intent_id": intent}
    service.database["stripe_events"].insert_one({**foreign, "at": datetime.now(UTC)})
    await publish(service.rabbitmq_url, topology.DEAD, create("order-1"), headers={topology.HEADER_REASON: "Crash: x"})
    await open_letters(service, 1)
    (story,) = await operator.reads("timeline", payment)
    assert [await operator.reads("timeline", name) for name in ("order-1", intent)] == [[story]] * 2
    rows = story["rows"]
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    (refund,) = like(rows, what="stripe", name="refund")
    assert refund["details"]["key"] == f"{payment}:refund:refund-1"
    assert refund["details"]["request_id"].startswith("req_")
    assert (refund["details"]["sends"], refund["outcome"]) == (1, "done")
    assert refund["details"]["took_ms"] >= 0
    assert like(rows, what="command", name="refund", outcome="applied")
    (succeeded,) = like(rows, what="webhook", id=paid["id"])
    assert (succeeded["to_status"], bool(succeeded["why"])) == ("succeeded", True)
    assert [row["id"] for row in like(rows, what="event")][:2] == [f"{payment}.1", f"{payment}.2"]
    assert like(rows, what="ignored", id="evt_ignored", why="no rule for this type")
    assert like(rows, what="dead letter", why="Crash: x")
    stale = like(rows, outcome="stale")
    assert all(row["why"] for row in stale)
    told = await operator.types("timeline", payment)
    assert told.startswith(f"{payment}: succeeded; order order-1, €19.99")
    assert "payment_intent.succeeded" in told
    assert await operator.types("timeline", "order-9", code=1) == ""


async def test_what_died_before_it_was_a_payment_has_a_timeline(service: Service, operator: Operator) -> None:
    """An order whose create is a dead letter has no payment, and its timeline says where the create is."""
    await service.worker()
    await publish(service.rabbitmq_url, topology.DEAD, create("order-1"), headers={topology.HEADER_REASON: "Crash: x"})
    await open_letters(service, 1)
    (story,) = await operator.reads("timeline", "order-1")
    assert [row["what"] for row in story["rows"]] == ["dead letter"]
    assert "no payment, only dead letters" in await operator.types("timeline", "order-1")


async def test_every_payment_that_needs_review_is_listed(service: Service, operator: Operator) -> None:
    """Payments that wait for a person are listed with the reason, here and beside the dead letters; the others are not."""
    await service.worker()
    for number in range(3):
        await service.created(f"order-{number}")
    service.database["payments"].update_one({"order_id": "order-1"}, {"$set": {"needs_review": "key misused"}})
    (one,) = await operator.reads("needs-review")
    assert (one["order_id"], one["needs_review"], one["amount"]) == ("order-1", "key misused", 1999)
    assert "key misused" in await operator.types("needs-review")
    assert (await operator.reads("dead-letters", "list"))["needs_review"] == [one["payment_id"]]
    assert "1 payments need review" in await operator.types("dead-letters", "list")
