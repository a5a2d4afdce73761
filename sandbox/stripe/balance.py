"""The account's balance and its transactions: every movement of money, in the currency in which it settles.

charge, payment                   a captured card payment, a settled debit; less the fee
refund, payment_refund            the same amount back; no fee is returned
refund_failure,                   a refund that failed or was canceled: exactly what it had taken
payment_failure_refund
adjustment                        a dispute takes the money and a fee; a won one brings the money back, without the fee

Source: "Balance transaction types", "Reporting categories", and the transactions that Stripe's test mode makes for disputes.
"""

from typing import Any

from sandbox.stripe.errors import Json, invalid_request
from sandbox.stripe.world import World

FEE_TEXT = "Stripe processing fees"
DISPUTE_FEE_TEXT = "Dispute fee"


def retrieve(world: World, object_id: str, _params: Json) -> Json:
    """GET /v1/balance_transactions/:id."""
    return world.current(world.balance_transactions.need(object_id, in_path=True))


def list_all(world: World, params: Json) -> Json:
    """GET /v1/balance_transactions. There are no payouts, and `source` finds no dispute's transactions, as at Stripe."""
    if "payout" in params:
        message = f"No such payout: '{params['payout']}'"
        raise invalid_request(message, code="resource_missing", param="payout", stored=False)
    filters = {name: params[name] for name in ("type", "currency") if name in params}
    of_dispute = params.get("source", "").startswith("du_")
    page = world.balance_transactions.page(
        params, lambda row: not of_dispute and all(row[name] == value for name, value in filters.items())
    )
    return {**page, "data": [world.current(row) for row in page["data"]]}


def charged(world: World, charge: Json, amount: int) -> str:
    """Money of a charge arrived, all of it or one capture of several. Returns the transaction's id."""
    settled, currency, _ = world.terms.settled(amount, charge["currency"])
    card = charge["payment_method_details"]["type"] == "card"
    fee = world.terms.fee(settled)
    row = _enter(
        world,
        charge["id"],
        amount,
        charge["currency"],
        type="charge" if card else "payment",
        reporting_category="charge",
        description=charge["description"],
        fees=_fee(fee, currency, FEE_TEXT),
        at_once=world.cards[charge["payment_method"]].bypasses_pending,
    )
    return str(row["id"])


def refunded(world: World, refund: Json, charge: Json) -> str:
    """A refund takes its money, at today's rate."""
    card = charge["payment_method_details"]["type"] == "card"
    text = f" ({charge['description']})" if charge["description"] else ""
    row = _enter(
        world,
        refund["id"],
        -refund["amount"],
        refund["currency"],
        type="refund" if card else "payment_refund",
        reporting_category="refund",
        description=f"REFUND FOR {'CHARGE' if card else 'PAYMENT'}{text}",
        at_once=True,
    )
    return str(row["id"])


def refund_failed(world: World, refund: Json) -> str:
    """What the refund took comes back, to the unit."""
    taken = world.balance_transactions.need(refund["balance_transaction"])
    kind = "refund_failure" if taken["type"] == "refund" else "payment_failure_refund"
    text = str(taken["description"]).replace("REFUND FOR", "REFUND FAILURE FOR", 1)
    return str(_reverse(world, taken, type=kind, reporting_category="refund_failure", description=text)["id"])


def withdrawn(world: World, dispute: Json) -> Json:
    """A dispute takes the disputed amount and a fee. Returns the transaction."""
    _, currency, _ = world.terms.settled(dispute["amount"], dispute["currency"])
    return _enter(
        world,
        dispute["id"],
        -dispute["amount"],
        dispute["currency"],
        type="adjustment",
        reporting_category="dispute",
        description=f"Chargeback withdrawal for {dispute['charge']}",
        fees=_fee(world.terms.dispute_fee, currency, DISPUTE_FEE_TEXT),
        at_once=True,
    )


def reinstated(world: World, dispute: Json, taken: Json, amount: int) -> Json:
    """A dispute was won: the money, or a part of it, is back. The fee is not. Returns the transaction."""
    kind: dict[str, Any] = {"type": "adjustment", "reporting_category": "dispute_reversal"}
    text = f"Chargeback reversal for {dispute['charge']}"
    if amount == dispute["amount"]:
        return _reverse(world, taken, **kind, description=text)
    return _enter(world, dispute["id"], amount, dispute["currency"], **kind, description=text, at_once=True)


def summary(world: World, _params: Json) -> Json:
    """GET /v1/balance: the net of all transactions per currency. There are no payouts, so it only grows."""
    home = world.terms.settlement_currency or "usd"
    totals = {"available": {home: 0}, "pending": {home: 0}}
    for row in world.balance_transactions:
        money = totals[world.current(row)["status"]]
        money[row["currency"]] = money.get(row["currency"], 0) + row["net"]
    shown = {name: [_row(amount, money) for money, amount in sums.items()] for name, sums in totals.items()}
    reserved = [{"amount": 0, "currency": home}]
    return {"object": "balance", "connect_reserved": reserved, "livemode": False, **shown}


def _row(amount: int, currency: str) -> Json:
    return {"amount": amount, "currency": currency, "source_types": {"card": amount}}


def _fee(amount: int, currency: str, text: str) -> list[Json]:
    if amount == 0:
        return []
    return [{"amount": amount, "application": None, "currency": currency, "description": text, "type": "stripe_fee"}]


def _enter(
    world: World,
    source: str,
    presented: int,
    presentment: str,
    *,
    fees: list[Json] | None = None,
    at_once: bool = False,
    **words: Any,
) -> Json:
    """Write a transaction. `presented` is signed and in the presentment currency; `words` are its type and texts."""
    amount, currency, rate = world.terms.settled(presented, presentment)
    now = world.clock.seconds()
    fee = sum(item["amount"] for item in fees or ())
    return world.balance_transactions.put(
        {
            "id": world.ids.new("txn"),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": now if at_once else now + world.terms.settlement_delay_s,
            "balance_type": "payments",
            "created": now,
            "currency": currency,
            "exchange_rate": rate,
            "fee": fee,
            "fee_details": fees or [],
            "net": amount - fee,
            "source": source,
            "status": "available" if at_once else "pending",
            **words,
        }
    )


def _reverse(world: World, taken: Json, **words: Any) -> Json:
    """The amount of an earlier transaction with the other sign, at the earlier rate and without its fee."""
    now = world.clock.seconds()
    amount = -taken["amount"]
    changes = {"amount": amount, "net": amount, "fee": 0, "fee_details": [], "created": now, "available_on": now}
    return world.balance_transactions.put(
        {**taken, **changes, "id": world.ids.new("txn"), "status": "available", **words}
    )
