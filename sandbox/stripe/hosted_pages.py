"""Where the pages of the simulator are, for links in objects."""

from sandbox.stripe.errors import Json
from sandbox.stripe.world import World


def next_action(world: World, kind: str, intent: Json) -> Json:
    """What a customer has to do: go to the 3-D Secure page, by himself or through Stripe.js. `kind` is the intent's table."""
    behind = world.backstage[intent["id"]]
    path = f"/_sim/3ds/{intent['id']}" if kind == "payment_intents" else f"/_sim/3ds/setup/{intent['id']}"
    page = f"{world.asking.address}{path}?attempt={behind.attempt}"
    if behind.return_url and not behind.use_stripe_sdk:
        return {"redirect_to_url": {"return_url": behind.return_url, "url": page}, "type": "redirect_to_url"}
    source = {"type": "three_d_secure_redirect", "stripe_js": page, "source": world.ids.new("src")}
    return {"type": "use_stripe_sdk", "use_stripe_sdk": source}


def receipt(world: World, charge_id: str) -> str:
    return f"{world.asking.address}/_sim/receipts/{charge_id}"
