"""What machines call, for the OpenAPI document: Stripe's webhook by its signature, the probes by anybody."""

from collections.abc import Iterable
from typing import Any

from webhook_ingress.problems import MEDIA_TYPE, TITLES
from webhook_ingress.webhook import WEBHOOK_PATH

Json = dict[str, Any]

TAG = "machines"
PROBLEM: Json = {"$ref": "#/components/schemas/Problem"}

EVENT: Json = {
    "type": "object",
    "description": "What the ingress reads of an event; all of it is passed on.",
    "required": ["id", "object", "type"],
    "properties": {
        "id": {"type": "string", "pattern": "^evt_[A-Za-z0-9_]{1,123}$"},
        "object": {"const": "event"},
        "type": {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,255}$"},
    },
}
"""Stripe API reference, "The Event object"; the limits are event.parse's."""

SIGNATURE: Json = {
    "name": "Stripe-Signature",
    "in": "header",
    "required": True,
    "description": "The time of signing and its HMAC-SHA256 over time and body: `t=1700000000,v1=…`.",
    "schema": {"type": "string"},
}


def probes() -> Json:
    """Health, readiness and metrics, by path."""
    alive = {"name": {"type": "string"}, "version": {"type": "string"}, "uptime_s": {"type": "number"}}
    return {
        "/health": {"get": _probe("health", "Whether the process lives", _object(alive))},
        "/ready": {
            "get": _probe("ready", "Whether requests can be stored", _object({"ready": {"type": "boolean"}}), (503,)),
        },
        "/metrics": {"get": _probe("metrics", "Counts and durations, for Prometheus", {"text/plain": {}})},
    }


def webhook() -> Json:
    """Stripe's events, by path."""
    told = _probe("webhook", "Stripe's events", _object({"received": {"type": "boolean"}}), (400, 413, 429, 503))
    told["description"] = (
        "200 says that the event is stored. One that is signed correctly is never refused for a limit. "
        "The signature is over the very bytes of the body."
    )
    told["parameters"] = [SIGNATURE]
    told["requestBody"] = {"required": True, "content": {"application/json": {"schema": EVENT}}}
    return {WEBHOOK_PATH: {"post": told}}


def _probe(name: str, summary: str, content: Json, refusals: Iterable[int] = ()) -> Json:
    """One operation that needs no token."""
    responses: Json = {"200": {"description": "Yes.", "content": content}}
    for status in refusals:
        responses[str(status)] = {"description": TITLES[status], "content": {MEDIA_TYPE: {"schema": PROBLEM}}}
    return {"operationId": name, "summary": summary, "tags": [TAG], "security": [], "responses": responses}


def _object(properties: Json) -> Json:
    return {
        "application/json": {"schema": {"type": "object", "required": list(properties), "properties": properties}},
    }
