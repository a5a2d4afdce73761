"""What was really charged: the judge over everybody else's books. Computed from charges and refunds, never counted along."""

from sandbox.stripe.errors import Json
from sandbox.stripe.intents import Status
from sandbox.stripe.world import World


def entry(world: World, intent: Json) -> Json:
    """One PaymentIntent's money; `released` is what was authorized and then not captured."""
    charges = world.charges.where("payment_intent", intent["id"])
    good = [charge for charge in charges if charge["status"] == "succeeded"]
    captured = sum(charge["amount_captured"] for charge in good)
    closed = intent["status"] == Status.CANCELED
    released = sum(charge["amount"] - charge["amount_captured"] for charge in good if charge["captured"] or closed)
    return {
        "payment_intent": intent["id"],
        "status": intent["status"],
        "customer": intent["customer"],
        "currency": intent["currency"],
        "amount": intent["amount"],
        "authorized": sum(charge["amount"] for charge in good),
        "captured": captured,
        "refunded": sum(charge["amount_refunded"] for charge in good),
        "released": released,
        "charges": len(charges),
        "succeeded_charges": len(good),
        "refunds": _refunds(world, intent["id"]),
        "disputes": _disputes(world, intent["id"]),
        "metadata": intent["metadata"],
    }


def report(world: World, *, intent: str | None = None, order_id: str | None = None, entries: bool = True) -> Json:
    """All entries (or the asked ones), totals per currency and who was charged twice."""
    rows = [
        entry(world, row)
        for row in world.payment_intents
        if (intent is None or row["id"] == intent) and (order_id is None or row["metadata"].get("order_id") == order_id)
    ]
    totals: dict[str, Json] = {}
    for row in rows:
        total = totals.setdefault(row["currency"], {"authorized": 0, "captured": 0, "refunded": 0, "released": 0})
        for name in total:
            total[name] += row[name]
    return {
        "payment_intents": rows if entries else [],
        "count": len(rows),
        "totals": totals,
        "charges": sum(row["charges"] for row in rows),
        "succeeded_charges": sum(row["succeeded_charges"] for row in rows),
        "double_charged": double_charged(rows),
    }


def double_charged(rows: list[Json]) -> list[Json]:
    """More than one successful charge of an intent, or more than one captured intent of an order that was not refunded."""
    found = [
        {"payment_intent": row["payment_intent"], "succeeded_charges": row["succeeded_charges"]}
        for row in rows
        if row["succeeded_charges"] > 1
    ]
    orders: dict[str, list[Json]] = {}
    for row in rows:
        order = row["metadata"].get("order_id")
        if order is not None and row["captured"] > row["refunded"]:
            orders.setdefault(order, []).append(row)
    for order, paid in orders.items():
        if len(paid) > 1:
            found.append({"order_id": order, "payment_intents": [row["payment_intent"] for row in paid]})
    return found


def _refunds(world: World, intent_id: str) -> list[Json]:
    names = ("id", "amount", "status", "metadata")
    return [{name: refund[name] for name in names} for refund in world.refunds.where("payment_intent", intent_id)]


def _disputes(world: World, intent_id: str) -> list[Json]:
    names = ("id", "amount", "status", "reason")
    return [{name: dispute[name] for name in names} for dispute in world.disputes.where("payment_intent", intent_id)]
