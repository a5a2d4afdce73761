"""The API's endpoints as a table: method and path, the handler, its parameters and what it returns."""

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.stripe import (
    account,
    balance,
    charges,
    customers,
    disputes,
    early_fraud_warnings,
    events,
    parameters,
    payment_intents,
    payment_methods,
    refunds,
    reviews,
    setup_intents,
    webhook_endpoints,
)
from sandbox.stripe.errors import Json
from sandbox.stripe.validation import EXPAND, PAGE, Spec

Handler = Callable[..., Json]


@dataclass(frozen=True, slots=True)
class Route:
    """`item` handlers take the id in the path. `returns` names the kind that `expand` applies to."""

    handler: Handler
    spec: Spec
    returns: str
    item: bool = False
    listed: bool = False
    publishable: bool = False


def _item(handler: Handler, spec: Spec, returns: str, *, publishable: bool = False) -> Route:
    return Route(handler, spec, returns, item=True, publishable=publishable)


def _list(handler: Handler, spec: Spec, returns: str, *, item: bool = False) -> Route:
    return Route(handler, spec, returns, item=item, listed=True)


_PI, _CUS, _PM, _CH, _RE, _EVT, _WE, _TXN, _DU, _SI, _EFW, _PRV = (
    "payment_intent", "customer", "payment_method", "charge", "refund", "event", "webhook_endpoint", "balance_transaction",
    "dispute", "setup_intent", "early_fraud_warning", "review",
)  # fmt: skip

ROUTES: dict[str, Route] = {
    "POST payment_intents": Route(payment_intents.create, parameters.INTENT_CREATE, _PI),
    "GET payment_intents": _list(payment_intents.list_all, parameters.INTENT_LIST, _PI),
    "GET payment_intents/search": Route(payment_intents.search, parameters.SEARCH, _PI),
    "GET payment_intents/:id": _item(payment_intents.retrieve, parameters.INTENT_RETRIEVE, _PI, publishable=True),
    "POST payment_intents/:id": _item(payment_intents.update, parameters.INTENT_UPDATE, _PI),
    "POST payment_intents/:id/confirm": _item(
        payment_intents.confirm, parameters.INTENT_CONFIRM, _PI, publishable=True
    ),
    "POST payment_intents/:id/capture": _item(payment_intents.capture, parameters.INTENT_CAPTURE, _PI),
    "POST payment_intents/:id/cancel": _item(payment_intents.cancel, parameters.INTENT_CANCEL, _PI),
    "POST setup_intents": Route(setup_intents.create, parameters.SETUP_CREATE, _SI),
    "GET setup_intents": _list(setup_intents.list_all, parameters.SETUP_LIST, _SI),
    "GET setup_intents/:id": _item(setup_intents.retrieve, parameters.INTENT_RETRIEVE, _SI, publishable=True),
    "POST setup_intents/:id": _item(setup_intents.update, parameters.SETUP_UPDATE, _SI),
    "POST setup_intents/:id/confirm": _item(setup_intents.confirm, parameters.SETUP_CONFIRM, _SI, publishable=True),
    "POST setup_intents/:id/cancel": _item(setup_intents.cancel, parameters.SETUP_CANCEL, _SI),
    "POST customers": Route(customers.create, parameters.CUSTOMER_CREATE, _CUS),
    "GET customers": _list(customers.list_all, parameters.CUSTOMER_LIST, _CUS),
    "GET customers/:id": _item(customers.retrieve, EXPAND, _CUS),
    "POST customers/:id": _item(customers.update, parameters.CUSTOMER_UPDATE, _CUS),
    "DELETE customers/:id": _item(customers.delete, {}, _CUS),
    "GET customers/:id/payment_methods": _list(
        payment_methods.list_of_customer, parameters.METHOD_LIST, _PM, item=True
    ),
    "POST payment_methods": Route(payment_methods.create, parameters.METHOD_CREATE, _PM, publishable=True),
    "GET payment_methods": _list(payment_methods.list_all, parameters.METHOD_LIST, _PM),
    "GET payment_methods/:id": _item(payment_methods.retrieve, EXPAND, _PM),
    "POST payment_methods/:id": _item(payment_methods.update, parameters.METHOD_UPDATE, _PM),
    "POST payment_methods/:id/attach": _item(payment_methods.attach_by_id, parameters.METHOD_ATTACH, _PM),
    "POST payment_methods/:id/detach": _item(payment_methods.detach, EXPAND, _PM),
    "GET charges": _list(charges.list_all, parameters.CHARGE_LIST, _CH),
    "GET charges/:id": _item(charges.retrieve, EXPAND, _CH),
    "GET charges/:id/refunds": _list(refunds.list_of_charge, PAGE, _RE, item=True),
    "POST charges/:id": _item(charges.update, parameters.CHARGE_UPDATE, _CH),
    "POST refunds": Route(refunds.create, parameters.REFUND_CREATE, _RE),
    "GET refunds": _list(refunds.list_all, parameters.REFUND_LIST, _RE),
    "GET refunds/:id": _item(refunds.retrieve, EXPAND, _RE),
    "POST refunds/:id": _item(refunds.update, parameters.REFUND_UPDATE, _RE),
    "POST refunds/:id/cancel": _item(refunds.cancel, EXPAND, _RE),
    "GET disputes": _list(disputes.list_all, parameters.DISPUTE_LIST, _DU),
    "GET disputes/:id": _item(disputes.retrieve, EXPAND, _DU),
    "POST disputes/:id": _item(disputes.update, parameters.DISPUTE_UPDATE, _DU),
    "POST disputes/:id/close": _item(disputes.close, EXPAND, _DU),
    "GET radar/early_fraud_warnings": _list(early_fraud_warnings.list_all, parameters.WARNING_LIST, _EFW),
    "GET radar/early_fraud_warnings/:id": _item(early_fraud_warnings.retrieve, EXPAND, _EFW),
    "GET reviews": _list(reviews.list_all, parameters.REVIEW_LIST, _PRV),
    "GET reviews/:id": _item(reviews.retrieve, EXPAND, _PRV),
    "POST reviews/:id/approve": _item(reviews.approve, EXPAND, _PRV),
    "GET events": _list(events.list_all, parameters.EVENT_LIST, _EVT),
    "GET events/:id": _item(events.retrieve, EXPAND, _EVT),
    "POST webhook_endpoints": Route(webhook_endpoints.create, parameters.ENDPOINT_CREATE, _WE),
    "GET webhook_endpoints": _list(webhook_endpoints.list_all, PAGE, _WE),
    "GET webhook_endpoints/:id": _item(webhook_endpoints.retrieve, EXPAND, _WE),
    "POST webhook_endpoints/:id": _item(webhook_endpoints.update, parameters.ENDPOINT_UPDATE, _WE),
    "DELETE webhook_endpoints/:id": _item(webhook_endpoints.delete, {}, _WE),
    "GET account": Route(account.retrieve, EXPAND, "account"),
    "GET balance": Route(balance.summary, EXPAND, "balance"),
    "GET balance_transactions": _list(balance.list_all, parameters.BALANCE_LIST, _TXN),
    "GET balance_transactions/:id": _item(balance.retrieve, EXPAND, _TXN),
}

PREFIX = "/v1/"
MAX_SEGMENTS = 3
NAMESPACES = frozenset(["radar"])  # first segments that belong to the resource's name


def find(method: str, path: str) -> tuple[Route, str | None] | None:
    """The route of `/v1/…` and the id in its path."""
    if not path.startswith(PREFIX):
        return None
    segments = path[len(PREFIX) :].strip("/").split("/")
    if segments[0] in NAMESPACES and len(segments) > 1:
        segments[:2] = ["/".join(segments[:2])]
    if len(segments) > MAX_SEGMENTS:
        return None
    object_id = segments[1] if len(segments) > 1 and segments[1] != "search" else None
    if object_id is not None:
        segments[1] = ":id"
    route = ROUTES.get(f"{method} {'/'.join(segments)}")
    return (route, object_id) if route is not None else None
