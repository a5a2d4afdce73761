"""Balance transactions: what every movement of money leaves, in the currency in which it settles."""

from typing import Any

import pytest

from tests.unit.sandbox_stripe.intents import PLAIN, created
from tests.unit.sandbox_stripe.raw import Raw

CARD = "payment_method=pm_card_visa&confirm=true&capture_method=automatic&payment_method_types[]=card"
PAID = f"amount=2000&currency=usd&{CARD}"


async def transaction(raw: Raw, object_id: str) -> dict[str, Any]:
    body: dict[str, Any] = (await raw.get(f"/v1/balance_transactions/{object_id}")).body
    return body


async def of_charge(raw: Raw, intent: dict[str, Any]) -> dict[str, Any]:
    charge = (await raw.get(f"/v1/charges/{intent['latest_charge']}")).body
    return await transaction(raw, charge["balance_transaction"])


async def test_a_charge_is_less_its_fee(raw: Raw) -> None:
    """2.9% and 30 cents of 20 dollars are 88 cents, named in fee_details."""
    row = await of_charge(raw, await created(raw, f"{PAID}&description=a+widget"))
    assert (row["type"], row["reporting_category"], row["status"], row["description"]) == (
        "charge",
        "charge",
        "pending",
        "a widget",
    )
    assert (row["amount"], row["fee"], row["net"], row["exchange_rate"]) == (2000, 88, 1912, None)
    (fee,) = row["fee_details"]
    assert (fee["amount"], fee["currency"], fee["type"]) == (88, "usd", "stripe_fee")


async def test_a_debit_is_a_payment(raw: Raw) -> None:
    """What is no card has other types, in the same reporting categories."""
    intent = await created(raw, f"{PLAIN}&payment_method=pm_usBankAccount_success&confirm=true")
    await raw.control(f"payment_intents/{intent['id']}/settle")
    assert (await of_charge(raw, intent))["type"] == "payment"
    refund = (await raw.post("/v1/refunds", f"payment_intent={intent['id']}")).body
    row = await transaction(raw, refund["balance_transaction"])
    assert (row["type"], row["reporting_category"], row["amount"]) == ("payment_refund", "refund", -2000)
    failed = await raw.control(f"refunds/{refund['id']}/move", {"to": "failed"})
    row = await transaction(raw, failed["failure_balance_transaction"])
    assert (row["type"], row["reporting_category"], row["amount"]) == ("payment_failure_refund", "refund_failure", 2000)


async def test_a_refund_takes_its_amount_and_no_fee_back(raw: Raw) -> None:
    """The fee of the charge stays with Stripe."""
    intent = await created(raw, f"{PAID}&description=a+widget")
    refund = (await raw.post("/v1/refunds", f"payment_intent={intent['id']}&amount=500")).body
    row = await transaction(raw, refund["balance_transaction"])
    assert (row["type"], row["amount"], row["fee"], row["net"]) == ("refund", -500, 0, -500)
    assert (row["source"], row["description"]) == (refund["id"], "REFUND FOR CHARGE (a widget)")


async def test_money_becomes_available(raw: Raw) -> None:
    """Two days later it is; with a card that bypasses pending it is at once."""
    row = await of_charge(raw, await created(raw, PAID))
    await raw.control("clock", {"advance_s": 2 * 24 * 3600 + 1})
    assert (await transaction(raw, row["id"]))["status"] == "available"
    at_once = await of_charge(raw, await created(raw, PAID.replace("pm_card_visa", "pm_card_bypassPending")))
    assert at_once["status"] == "available"
    amounts = {entry["amount"] for entry in (await raw.get("/v1/balance")).body["available"]}
    assert amounts == {2 * 1912}


async def test_a_foreign_currency_is_converted(raw: Raw) -> None:
    """Amounts settle at the account's rate, the charge keeps its own, and a refund uses the rate of its day."""
    rates = {"usd": "0.92", "jpy": "0.615"}
    await raw.control("account", {"settlement_currency": "eur", "exchange_rates": rates, "fee_fixed": 25})
    intent = await created(raw, PAID)
    row = await of_charge(raw, intent)
    assert (row["amount"], row["currency"], row["exchange_rate"]) == (1840, "eur", 0.92)
    assert (row["fee"], row["net"], row["fee_details"][0]["currency"]) == (78, 1762, "eur")
    await raw.control("account", {"exchange_rates": {"usd": "0.90"}})
    refund = (await raw.post("/v1/refunds", f"payment_intent={intent['id']}&amount=1000")).body
    assert (refund["amount"], refund["currency"]) == (1000, "usd")
    taken = await transaction(raw, refund["balance_transaction"])
    assert (taken["amount"], taken["exchange_rate"]) == (-900, 0.9)
    await raw.control("account", {"exchange_rates": {"usd": "0.5"}})
    failed = await raw.control(f"refunds/{refund['id']}/move", {"to": "failed"})
    back = await transaction(raw, failed["failure_balance_transaction"])
    assert (back["amount"], back["exchange_rate"]) == (900, 0.9)


async def test_a_zero_decimal_currency_is_converted_by_its_minor_unit(raw: Raw) -> None:
    """The rate is between minor units: 2001 yen at 0.615 are 1231 cents, a half rounded away from zero."""
    await raw.control("account", {"settlement_currency": "usd", "exchange_rates": {"jpy": "0.615"}})
    assert (await of_charge(raw, await created(raw, f"amount=2001&currency=jpy&{CARD}")))["amount"] == 1231


async def test_a_currency_without_a_rate_settles_in_itself(raw: Raw) -> None:
    """Neither the settlement currency nor an unknown rate converts anything."""
    await raw.control("account", {"settlement_currency": "eur", "exchange_rates": {"usd": "0.9"}})
    for money in ("eur", "chf"):
        row = await of_charge(raw, await created(raw, f"amount=2000&currency={money}&{CARD}"))
        assert (row["currency"], row["amount"], row["exchange_rate"]) == (money, 2000, None)


async def test_transactions_are_listed(raw: Raw) -> None:
    """By source, by type, by currency, page by page, with the source expanded to what it is."""
    first, second = await created(raw, PAID), await created(raw, PAID)
    refund = (await raw.post("/v1/refunds", f"payment_intent={first['id']}")).body

    async def sources(query: str) -> list[str]:
        return [row["source"] for row in (await raw.get(f"/v1/balance_transactions?{query}")).body["data"]]

    everything = [refund["id"], second["latest_charge"], first["latest_charge"]]
    assert await sources("") == everything
    assert await sources(f"source={refund['id']}") == [refund["id"]]
    assert await sources("type=charge") == everything[1:]
    assert await sources("currency=eur") == []
    page = (await raw.get("/v1/balance_transactions?limit=1&expand[]=data.source.payment_intent")).body
    assert (page["has_more"], page["data"][0]["source"]["payment_intent"]["id"]) == (True, first["id"])
    assert await sources(f"limit=1&starting_after={page['data'][0]['id']}") == [second["latest_charge"]]
    assert await sources("created[gte]=1") == everything
    answer = await raw.get("/v1/balance_transactions?payout=po_1")
    assert (answer.status, answer.body["error"]["param"]) == (400, "payout")
    assert (await raw.get("/v1/balance_transactions/txn_none")).status == 404


@pytest.mark.parametrize(
    "body",
    [
        {"exchange_rates": {"usd": "x"}},
        {"exchange_rates": {"usd": "-1"}},
        {"exchange_rates": {"usd": "0.1234567890123"}},
        {"fee_fixed": "30"},
        {"colour": "red"},
    ],
)
async def test_bad_terms_are_refused(raw: Raw, body: dict[str, Any]) -> None:
    """A rate that is no number or too long, a fee that is no integer, and an unknown name change nothing."""
    before = await raw.control("account", method="GET")
    assert "error" in await raw.control("account", body)
    assert await raw.control("account", method="GET") == before


async def test_the_terms_can_be_reset(raw: Raw) -> None:
    """DELETE brings back those of a fresh account."""
    fresh = await raw.control("account", method="GET")
    await raw.control("account", {"settlement_currency": "eur", "exchange_rates": {"usd": "0.92"}})
    assert (await raw.control("account", method="GET"))["exchange_rates"] == {"usd": "0.92"}
    assert await raw.control("account", method="DELETE") == fresh
