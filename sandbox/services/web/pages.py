"""HTML of the sample shop, as text: small enough to need no template engine. Whatever comes from outside is escaped."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from sandbox.services import amounts
from sandbox.services.order import Order

CURRENCIES = ("eur", "usd", "gbp", "jpy", "kwd", "chf")

TEST_CARDS = (
    ("4242 4242 4242 4242", "is accepted"),
    ("4000 0000 0000 0002", "is declined"),
    ("4000 0000 0000 9995", "has insufficient funds"),
    ("4000 0000 0000 3220", "asks for 3-D Secure"),
)

LABELS = {
    "new": "not paid yet",
    "creating": "being prepared",
    "requires_payment_method": "not paid yet",
    "requires_confirmation": "not paid yet",
    "requires_action": "waiting for the bank",
    "processing": "being processed",
    "requires_capture": "authorized",
    "succeeded": "paid",
    "canceled": "canceled",
    "failed": "failed",
    "partially_refunded": "partly refunded",
    "refunded": "refunded",
}


@dataclass(frozen=True)
class Checkout:
    """How a browser pays. `mode`: "form" posts the card to `stripe_url` itself, "stripe_js" lets Stripe's own script do it,
    "none" has no publishable key and tells how to pay on the command line.
    """

    mode: str
    stripe_url: str
    publishable_key: str


def label(order: Order) -> str:
    return LABELS.get(order.status, order.status)


def listed(orders: Iterable[Order], error: str = "") -> str:
    """All orders and the form for a new one."""
    rows = "".join(
        f'<tr><td><a href="/orders/{escape(order.order_id)}">{escape(order.order_id)}</a></td>'
        f"<td>{escape(order.item)}</td><td class=amount>{escape(amounts.text(order.amount, order.currency))}</td>"
        f"<td>{_badge(order)}</td></tr>"
        for order in orders
    )
    table = (
        f"<table><caption>Orders</caption><thead><tr><th scope=col>Order<th scope=col>Item<th scope=col class=amount>Amount"
        f"<th scope=col>Status</thead><tbody>{rows}</tbody></table>"
        if rows
        else "<p>No orders yet.</p>"
    )
    options = "".join(f"<option value={code}>{code.upper()}</option>" for code in CURRENCIES)
    problem = f"<p class=error role=alert id=problem>{escape(error)}</p>" if error else ""
    form = f"""<h2>New order</h2>{problem}
<form method=post action=/orders class=card>
<label for=item>Item</label><input id=item name=item value="A good book" maxlength=100 required>
<div class=row><div><label for=amount>Amount</label><input id=amount name=amount value=19.99 inputmode=decimal required></div>
<div><label for=currency>Currency</label><select id=currency name=currency>{options}</select></div></div>
<button>Order and pay</button></form>"""
    return _page("Sample shop", f"<h1>Sample shop</h1>{form}{table}")


def checkout(order: Order, how: Checkout) -> str:
    """The page where a customer pays. Card numbers go from here to Stripe and never to the shop."""
    amount = escape(amounts.text(order.amount, order.currency))
    body = {"form": _card_form, "stripe_js": _stripe_form, "none": _no_form}[how.mode](amount)
    scripts = (
        ["/static/checkout.js"]
        if how.mode != "stripe_js"
        else ["https://js.stripe.com/v3/", "/static/stripe_checkout.js"]
    )
    return _page(
        f"Pay {amount}",
        f"""<h1>{escape(order.item)}</h1><p class=total>{amount}</p>
<p id=message role=alert class=error hidden></p>
<div id=checkout data-order="{escape(order.order_id)}" data-mode={how.mode} data-stripe="{escape(how.stripe_url)}"
 data-key="{escape(how.publishable_key)}">{body}</div>
<p id=progress role=status></p>
<form method=post action="/orders/{escape(order.order_id)}/cancel"><button class=quiet>Cancel the order</button></form>""",
        scripts,
    )


def status(order: Order, *, accepted: bool) -> str:
    """What the shop knows of an order, from events alone; `accepted` is what the browser says that Stripe said."""
    times = ((event.TYPE, f"{event.occurred_at:%H:%M:%S}") for _, event in order.events)
    heard = "".join(f"<li><code>{escape(kind)}</code> <small>{time} UTC</small></li>" for kind, time in times)
    return _page(
        f"Order {order.order_id}",
        f"""<h1>{escape(order.item)}</h1><p class=total>{escape(amounts.text(order.amount, order.currency))}</p>
<p role=status id=status data-order="{escape(order.order_id)}" data-status="{escape(order.status)}"
 data-heard={len(order.events)}>{_badge(order)}</p>{_what_now(order, accepted=accepted)}
<h2>What the shop has heard</h2><ol>{heard or "<li>nothing yet</li>"}</ol><p><a href="/">All orders</a></p>""",
        ["/static/status.js"],
    )


def _what_now(order: Order, *, accepted: bool) -> str:
    if order.payment is not None and order.payment.receipt_url:
        return f'<p><a href="{escape(order.payment.receipt_url)}" rel=noreferrer>Receipt</a></p>'
    if not order.open:
        return ""
    if accepted:
        return "<p>Stripe has accepted the payment. The shop will hear of it in a moment.</p>"
    problem = f"<p class=error role=alert>{escape(order.decline)}</p>" if order.decline else ""
    return f'{problem}<p><a class=button href="/orders/{escape(order.order_id)}/pay">Pay now</a></p>'


def missing() -> str:
    return _page("No such order", '<h1>There is no such order</h1><p><a href="/">All orders</a></p>')


def _card_form(amount: str) -> str:
    cards = "".join(
        f'<li><button type=button class=quiet data-card="{number}">{number}</button> {what}</li>'
        for number, what in TEST_CARDS
    )
    return f"""<form id=card class=card autocomplete=on>
<label for=number>Card number</label>
<input id=number inputmode=numeric autocomplete=cc-number placeholder="4242 4242 4242 4242" required>
<div class=row><div><label for=expiry>Expiry date (MM/YY)</label>
<input id=expiry inputmode=numeric autocomplete=cc-exp placeholder=12/34 value=12/34 required
 pattern="[0-9]{{2}} ?/ ?[0-9]{{2}}"></div>
<div><label for=cvc>Security code</label><input id=cvc inputmode=numeric autocomplete=cc-csc value=123 required></div></div>
<button id=pay disabled>Pay {amount}</button></form>
<details open><summary>Test cards</summary><ul class=plain>{cards}</ul></details>"""


def _stripe_form(amount: str) -> str:
    return f"<form id=card class=card><div id=element></div><button id=pay disabled>Pay {amount}</button></form>"


def _no_form(_amount: str) -> str:
    return """<p>To pay here, set <code>STRIPE_PUBLISHABLE_KEY</code>. Without it, pay with Stripe's command line:</p>
<pre id=command>waiting for the payment …</pre>"""


def _badge(order: Order) -> str:
    return f'<span class="badge {escape(order.status)}">{escape(label(order))}</span>'


def _page(title: str, body: str, scripts: Iterable[str] = ()) -> str:
    tags = "".join(f'<script src="{source}" defer></script>' for source in scripts)
    return f"""<!doctype html>
<html lang=en><head><meta charset=utf-8><meta name=viewport content="width=device-width, initial-scale=1">
<title>{escape(title)}</title><link rel=icon href="data:,"><link rel=stylesheet href=/static/shop.css>{tags}</head>
<body><main>{body}</main></body></html>
"""
