"""The money proof with the real parts: every way of money agrees to the cent, and a planted cent does not."""

import asyncio
import io
import json
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.support.service import Service
from tests.e2e.support.worker import STRIPE_KEY
from worker.ops.cli import main

DOLLARS = {"settlement_currency": "usd", "exchange_rates": {"eur": "1.0837"}}
PAID = 1999


async def proof(service: Service, *options: str, **variables: str) -> tuple[int, dict[str, Any]]:
    """Run `payments proof` as an operator does: the exit code, and what it printed, if anything."""
    variables |= {"STRIPE_SECRET_KEY": STRIPE_KEY, "STRIPE_API_BASE": service.stripe.url}
    variables.setdefault("MONGO_URI", service.mongo_uri)
    out = io.StringIO()
    with redirect_stdout(out):
        command = ["proof", "--since", "1h", "--json", "--rate", "1000", *options]
        code = await asyncio.to_thread(main, command, variables)
    return code, json.loads(out.getvalue() or "{}")


async def move_dispute(service: Service, order: str, to: str) -> None:
    """A dispute of a payment, and what the bank decides."""
    dispute = await service.stripe.dispute(intent_of(service, order), amount=600)
    await service.stripe._sim("POST", f"disputes/{dispute['id']}/move", {"to": to})


def intent_of(service: Service, order: str) -> str:
    return str(service.payment(order)["stripe"]["payment_intent_id"])


async def money_moves(service: Service) -> None:
    """Payments that are paid, refunded by command and in the dashboard, with a refund that fails, disputed, canceled, left."""
    paid = await asyncio.gather(*(service.paid(f"order-{number}") for number in range(1, 7)))
    await service.refund(paid[1], "r-1", 500)
    await service.stripe.refund(intent_of(service, "order-3"), 300)
    await service.stripe._sim("POST", "account", {"exchange_rates": {"eur": "0.99"}})
    failing = await service.refund(paid[3], "r-2", 700)
    assert failing.refund is not None
    await service.stripe.move_refund(str(failing.refund.stripe_refund_id), "failed")
    await move_dispute(service, "order-5", "lost")
    await move_dispute(service, "order-6", "won")
    await service.create("order-7")
    await service.create("order-8")
    await service.cancel("order-8")


async def test_every_way_of_money_agrees_to_the_cent(service: Service) -> None:
    """Settled in dollars at two days' rates, what customers paid in euros agrees with Stripe's balance, fees beside it."""
    await service.worker()
    await service.stripe._sim("POST", "account", DOLLARS)
    await money_moves(service)
    await service.stripe.foreign_intent()
    await service.quiesce()
    code, told = await proof(service)
    assert (code, told["drift_count"], told["drifts"]) == (0, 0, [])
    assert told["payments"] == 8
    assert told["totals"]["eur"] == {
        "payments": 8,
        "captured": 6 * PAID,
        "refunded": 800,
        "disputed": 600,
        "under_way": 0,
        "here": 6 * PAID - 1400,
        "stripe": 6 * PAID - 1400,
    }
    ledger = (await service.stripe.ledger())["totals"]["eur"]
    assert (ledger["captured"], ledger["refunded"]) == (6 * PAID, 800)
    assert set(told["settled"]) == {"usd"}
    assert told["settled"]["usd"]["fee"] > 2 * 1500, "of two disputes, and of six charges"


async def test_a_planted_drift_is_found(service: Service) -> None:
    """A cent too much in a document, a refund that it does not have, and a payment that is gone are each told by name."""
    await service.worker()
    paid = [await service.paid(f"order-{number}") for number in range(1, 5)]
    await service.refund(paid[1], "r-1", 500)
    await service.quiesce()
    payments = service.database["payments"]
    payments.update_one({"_id": paid[0]}, {"$inc": {"captured": 1}})
    payments.update_one({"_id": paid[1]}, {"$set": {"refunds": [], "refunded": 0}})
    payments.delete_one({"_id": paid[2]})
    code, told = await proof(service)
    assert (code, told["drift_count"], told["looked_at_again"]) == (1, 3, 2)
    found = {drift["payment_id"]: (drift["part"], drift["difference"]) for drift in told["drifts"]}
    assert found == {paid[0]: ("capture", -1), paid[1]: ("refund", -500), paid[2]: ("payment", PAID)}
    assert told["drift"] == {"eur": 1 + 500 + PAID}


async def test_a_refund_of_an_older_payment_is_judged(service: Service) -> None:
    """A refund within the span that a payment from before it has never heard of is told, and a known one agrees."""
    await service.worker()
    paid = [await service.paid(f"order-{number}") for number in (1, 2)]
    for name in paid:
        await service.refund(name, "r-1", 500)
    await service.quiesce()
    payments = service.database["payments"]
    long_ago = datetime.now(UTC) - timedelta(days=9)
    payments.update_many({}, {"$set": {"created_at": long_ago, "updated_at": long_ago}})
    code, told = await proof(service)
    assert (code, told["older"], told["looked_at_again"]) == (0, 2, 0)
    payments.update_one({"_id": paid[1]}, {"$set": {"refunds": [], "refunded": 0}})
    code, told = await proof(service)
    assert (code, told["older"], told["payments"], told["looked_at_again"]) == (1, 2, 0, 1)
    assert [(drift["payment_id"], drift["difference"]) for drift in told["drifts"]] == [(paid[1], -500)]


async def test_a_span_holds_its_own_payments(service: Service) -> None:
    """A proof until a moment judges what was created before it, with all that moved since, and no more."""
    await service.worker()
    await service.paid("order-1")
    until = service.payment("order-1")["updated_at"].isoformat()
    late = await service.paid("order-2")
    await service.refund(str(service.payment("order-1")["_id"]), "r-1", 500)
    await service.quiesce()
    service.database["payments"].update_one({"_id": late}, {"$inc": {"captured": 1}})
    code, told = await proof(service, "--until", until)
    assert (code, told["payments"], told["totals"]["eur"]["refunded"]) == (0, 1, 500)
    code, told = await proof(service)
    assert (code, told["payments"], told["drift_count"]) == (1, 2, 1)


async def test_the_wrong_place_is_no_proof(service: Service, capfd: pytest.CaptureFixture[str]) -> None:
    """Under another deployment's name, or in a database without payments, money that agrees is not proven."""
    await service.worker()
    await service.paid("order-1")
    await service.quiesce()
    deployment = service.payment("order-1")["deployment"]
    assert await proof(service, DEPLOYMENT=deployment.upper()) == (2, {})
    assert repr(deployment) in capfd.readouterr().err
    empty = service.mongo_uri.replace(service.database.name, f"{service.database.name}_empty")
    code, told = await proof(service, MONGO_URI=empty, DEPLOYMENT=deployment.upper())
    assert (code, told["sound"], told["payments"], told["drift_count"]) == (1, False, 0, 0)
    assert (await proof(service))[0] == 0
