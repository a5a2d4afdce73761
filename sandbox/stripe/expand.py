"""`expand[]`: ids in an answer replaced by their objects, up to four levels deep.

What may be expanded is a graph, object by object; a path that leaves it is Stripe's "This property cannot be expanded".
"""

from typing import Any

from sandbox.stripe.errors import Json, parameter_error
from sandbox.stripe.world import World

MAX_DEPTH = 4  # "Expansions have a maximum depth of four levels"

Graph = dict[str, Any]

# A text names the object behind the id, several are for an id that may be of either kind, None is an object that the simulator
# has none of, a dict a hash on the way.
EXPANDABLE: dict[str, Graph] = {
    "payment_intent": {
        "customer": "customer",
        "latest_charge": "charge",
        "payment_method": "payment_method",
        "application": None,
        "on_behalf_of": None,
        "review": "review",
        "source": None,
        "transfer_data": {"destination": None},
    },
    "setup_intent": {
        "customer": "customer",
        "payment_method": "payment_method",
        "application": None,
        "latest_attempt": None,
        "mandate": None,
        "on_behalf_of": None,
        "single_use_mandate": None,
    },
    "charge": {
        "customer": "customer",
        "payment_intent": "payment_intent",
        "balance_transaction": "balance_transaction",
        "failure_balance_transaction": "balance_transaction",
        "application": None,
        "application_fee": None,
        "on_behalf_of": None,
        "refunds": "refunds",
        "review": "review",
        "source_transfer": None,
        "transfer": None,
        "transfer_data": {"destination": None},
    },
    "refund": {
        "charge": "charge",
        "payment_intent": "payment_intent",
        "payment_method": "payment_method",
        "balance_transaction": "balance_transaction",
        "failure_balance_transaction": "balance_transaction",
        "source_transfer_reversal": None,
        "transfer_reversal": None,
    },
    "customer": {
        "default_source": None,
        "invoice_settings": {"default_payment_method": "payment_method"},
        "cash_balance": None,
        "sources": None,
        "subscriptions": None,
        "tax": None,
        "tax_ids": None,
        "test_clock": None,
    },
    "payment_method": {"customer": "customer"},
    "early_fraud_warning": {"charge": "charge", "payment_intent": "payment_intent"},
    "review": {"charge": "charge", "payment_intent": "payment_intent"},
    "dispute": {"charge": "charge", "payment_intent": "payment_intent"},
    "refunds": {"data": "refund"},
    "balance_transaction": {"source": ("charge", "refund", "dispute")},
}

Tree = dict[str, "Tree"]


def plan(kind: str, paths: list[str], *, listed: bool) -> Tree:
    """The paths as a tree, checked against the graph. In a list every path begins with `data`."""
    tree: Tree = {}
    for path in paths:
        names = path.split(".")
        if len(names) - listed > MAX_DEPTH:
            raise parameter_error(
                f"You cannot expand more than {MAX_DEPTH} levels of a property ({path}).", param="expand"
            )
        if listed:
            if names[0] != "data":
                raise _cannot(path)
            names = names[1:]
        _check(kind, names, path)
        node = tree
        for name in names:
            node = node.setdefault(name, {})
    return tree


def apply(world: World, value: Any, tree: Tree) -> Any:
    """The value with its ids replaced, as new dicts."""
    if isinstance(value, list):
        return [apply(world, item, tree) for item in value]
    if not isinstance(value, dict):
        return value
    expanded = dict(value)
    for name, below in tree.items():
        if name not in value and name != "refunds":
            continue
        inner = _object(world, value, name)
        expanded[name] = apply(world, inner, below) if below else inner
    return expanded


def _check(kind: str, names: list[str], path: str) -> None:
    graph: Any = EXPANDABLE.get(kind, {})
    for position, name in enumerate(names):
        if not isinstance(graph, dict) or name not in graph:
            raise _cannot(path)
        following = graph[name]
        last = position == len(names) - 1
        if last and isinstance(following, dict):
            raise _cannot(path)
        graph = _graph(following) if isinstance(following, str | tuple) else following


def _graph(kinds: str | tuple[str, ...]) -> Graph:
    """What can be expanded in an object of that kind, or of any of those kinds."""
    named = (kinds,) if isinstance(kinds, str) else kinds
    return {name: below for kind in named for name, below in EXPANDABLE.get(kind, {}).items()}


def _object(world: World, parent: Json, name: str) -> Any:
    if name == "refunds" and parent.get("object") == "charge":
        rows = world.refunds.where("charge", parent["id"])[::-1]
        return {"object": "list", "data": rows, "has_more": False, "url": f"/v1/charges/{parent['id']}/refunds"}
    value = parent.get(name)
    if not isinstance(value, str):
        return value
    table = world.table(value)
    found = table.get(value) if table is not None else None
    return world.current(found) if found is not None else value


def _cannot(path: str) -> Exception:
    return parameter_error(f"This property cannot be expanded ({path}).", param="expand")
