"""The account and its balance: enough to know whom one talks to."""

from sandbox.stripe.errors import Json
from sandbox.stripe.world import World

CREATED = 1_700_000_000


def retrieve(world: World, _params: Json) -> Json:
    """GET /v1/account."""
    return {
        "id": world.account_id,
        "object": "account",
        "business_profile": {"mcc": None, "name": "Sandbox", "product_description": None, "support_address": None,
                             "support_email": None, "support_phone": None, "support_url": None, "url": None},
        "business_type": None,
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "controller": {"type": "account"},
        "country": "US",
        "created": CREATED,
        "default_currency": "usd",
        "details_submitted": True,
        "email": "sandbox@example.com",
        "metadata": {},
        "payouts_enabled": True,
        "settings": {"dashboard": {"display_name": "Sandbox", "timezone": "Etc/UTC"}},
        "type": "standard",
    }  # fmt: skip


def balance(world: World, _params: Json) -> Json:
    """GET /v1/balance: captured less refunded, per currency; fees and payouts are not simulated."""
    totals: dict[str, int] = {"usd": 0}
    for charge in world.charges:
        if charge["captured"]:
            money = charge["currency"]
            kept = charge["amount_captured"] - max(
                0, charge["amount_refunded"] - (charge["amount"] - charge["amount_captured"])
            )
            totals[money] = totals.get(money, 0) + kept
    rows = [{"amount": amount, "currency": money, "source_types": {"card": amount}} for money, amount in totals.items()]
    none = [{"amount": 0, "currency": money, "source_types": {"card": 0}} for money in totals]
    return {"object": "balance", "available": none, "livemode": False, "pending": rows}
