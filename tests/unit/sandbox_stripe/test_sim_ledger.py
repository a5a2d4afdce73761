"""The ledger: what was really charged."""

from typing import Any

from sandbox.stripe import charges
from sandbox.stripe.server import Running
from tests.unit.sandbox_stripe.intents import PLAIN, created, make
from tests.unit.sandbox_stripe.raw import Raw

PAID = f"{PLAIN}&payment_method=pm_card_visa&confirm=true"


async def entry(raw: Raw, intent: dict[str, Any]) -> dict[str, Any]:
    report = await raw.control(f"ledger?payment_intent={intent['id']}", method="GET")
    (row,) = report["payment_intents"]
    money: dict[str, Any] = {name: row[name] for name in ("authorized", "captured", "refunded", "released")}
    return money


async def test_money_is_authorized_captured_and_refunded(raw: Raw) -> None:
    """A partial capture and a refund of it show as such; what was released is no refund."""
    intent = await make(raw, "requires_capture")
    assert await entry(raw, intent) == {"authorized": 2000, "captured": 0, "refunded": 0, "released": 0}
    await raw.post(f"/v1/payment_intents/{intent['id']}/capture", "amount_to_capture=1500")
    await raw.post("/v1/refunds", f"payment_intent={intent['id']}&amount=400")
    assert await entry(raw, intent) == {"authorized": 2000, "captured": 1500, "refunded": 400, "released": 500}


async def test_a_released_authorization_moved_nothing(raw: Raw) -> None:
    """A canceled authorization is authorized and released, neither captured nor refunded."""
    intent = await make(raw, "requires_capture")
    await raw.post(f"/v1/payment_intents/{intent['id']}/cancel")
    assert await entry(raw, intent) == {"authorized": 2000, "captured": 0, "refunded": 0, "released": 2000}


async def test_totals_are_per_currency(raw: Raw) -> None:
    """Two payments in two currencies are two totals, and a decline adds a charge but no money."""
    await created(raw, PAID)
    await created(raw, "amount=700&currency=eur&payment_method_types[]=card&confirm=true&payment_method=pm_card_visa")
    await raw.post("/v1/payment_intents", f"{PLAIN}&payment_method=pm_card_chargeDeclined&confirm=true")
    report = await raw.control("ledger", method="GET")
    assert {money: total["captured"] for money, total in report["totals"].items()} == {"usd": 2000, "eur": 700}
    assert (report["count"], report["charges"], report["succeeded_charges"]) == (3, 3, 2)
    assert report["double_charged"] == []


async def test_two_paid_intents_of_an_order_are_a_double_charge(raw: Raw) -> None:
    """The same order_id captured twice is reported until one of them is refunded in full."""
    first = await created(raw, f"{PAID}&metadata[order_id]=o-1")
    second = await created(raw, f"{PAID}&metadata[order_id]=o-1")
    await created(raw, f"{PAID}&metadata[order_id]=o-2")
    report = await raw.control("ledger?order_id=o-1&entries=false", method="GET")
    assert report["double_charged"] == [{"order_id": "o-1", "payment_intents": [first["id"], second["id"]]}]
    await raw.post("/v1/refunds", f"payment_intent={first['id']}")
    assert (await raw.control("ledger", method="GET"))["double_charged"] == []


async def test_two_charges_of_an_intent_are_a_double_charge(raw: Raw, run: Running) -> None:
    """A second successful charge, which the rules exclude, would be reported."""
    intent = await created(raw, PAID)
    world = run.simulator.world
    method = world.payment_methods.need(intent["payment_method"])
    charges.record(world, intent, method, status="succeeded", captured=True)
    report = await raw.control("ledger", method="GET")
    assert report["double_charged"] == [{"payment_intent": intent["id"], "succeeded_charges": 2}]


async def test_requests_are_recorded(raw: Raw) -> None:
    """Method, path, nested parameters, key and status of each API request are kept, until deleted."""
    await raw.post("/v1/customers", "metadata[a]=1", key="k")
    await raw.get("/v1/customers?limit=1")
    await raw.post("/v1/payment_intents", "amount=1")
    rows = (await raw.control("requests?path=/v1/customers*", method="GET"))["requests"]
    assert [(row["method"], row["path"], row["status"], row["query"]) for row in rows] == [
        ("POST", "/v1/customers", 200, "metadata[a]=1"),
        ("GET", "/v1/customers", 200, "limit=1"),
    ]
    assert (rows[0]["params"], rows[0]["idempotency_key"]) == ({"metadata": {"a": "1"}}, "k")
    assert rows[0]["id"].startswith("req_")
    assert (await raw.control("requests?method=POST", method="GET"))["count"] == 2
    assert (await raw.control("requests", method="DELETE"))["count"] == 0
