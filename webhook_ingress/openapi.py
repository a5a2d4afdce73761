"""The OpenAPI 3.1 document, made from the endpoints and the contract's models: what it says is what is checked."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from webhook_ingress import openapi_machines
from webhook_ingress.api.answers import STATUS
from webhook_ingress.api.endpoint import Endpoint
from webhook_ingress.api.form import REF, Form, not_null
from webhook_ingress.problems import MEDIA_TYPE, TITLES

Json = dict[str, Any]

PROBLEM: Json = {
    "type": "object",
    "description": "RFC 9457. Branch on `code`, which is stable; `field` is the one at fault. A refusal by the payment's "
    "own rules may show the payment as it is.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "field": {"type": "string"},
        "command_id": {"type": "string"},
        "decline_code": {"type": "string"},
        "payment": {"$ref": "#/components/schemas/PaymentView"},
        "refund": {"$ref": "#/components/schemas/RefundView"},
        "dispute": {"$ref": "#/components/schemas/DisputeView"},
    },
}

KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Any text of your own. The same request under the same key is carried out once, and answered again; "
    "another body under it is refused. Without one you are not protected from your own retries.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}

DESCRIPTION = (
    "Amounts are integers in the currency's minor unit as Stripe counts it. Unknown fields are refused. "
    "A payment that is another's is answered as one that does not exist."
)

ALWAYS = (400, 401, 404, 422, 429, 503)


def document(endpoints: Iterable[Endpoint], version: str, *, webhook: bool) -> Json:
    """The document of these endpoints, of the probes, and of the webhook where it is served."""
    shown = tuple(endpoints)
    schemas: Json = {"Problem": PROBLEM}
    for endpoint in shown:
        for form in (endpoint.body, endpoint.query):
            schemas |= form.definitions if form else {}
        if endpoint.body is not None:
            schemas[_body_name(endpoint.body)] = endpoint.body.schema
    schemas |= _models(answer.model for endpoint in shown for answer in endpoint.answers.values())
    paths: Json = {}
    for endpoint in shown:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    paths |= openapi_machines.webhook() if webhook else {}
    paths |= openapi_machines.probes()
    opening = paths.get("/api/payments/intent")
    if opening is not None:
        opening["post"]["responses"]["201"]["links"] = _links(shown)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Payments", "version": version, "description": DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "security": [{"bearer": []}],
    }


def _operation(endpoint: Endpoint) -> Json:
    told: Json = {"operationId": endpoint.name, "summary": endpoint.summary, "tags": [endpoint.group.value]}
    if endpoint.about:
        told["description"] = endpoint.about
    parameters = [
        *(
            {"name": name, "in": "path", "required": True, "schema": adapter.json_schema()}
            for name, adapter in endpoint.ids.items()
        ),
        *(_query(endpoint.query, endpoint.example) if endpoint.query else ()),
        *((KEY,) if endpoint.keyed else ()),
    ]
    if parameters:
        told["parameters"] = parameters
    if endpoint.body is not None:
        schema = endpoint.body.schema
        body: Json = {"schema": {"$ref": REF.format(model=_body_name(endpoint.body))}}
        if endpoint.example:
            body["example"] = dict(endpoint.example)
        told["requestBody"] = {"required": bool(schema.get("required")), "content": {"application/json": body}}
    told["responses"] = _successes(endpoint) | _problems(endpoint)
    return told


def _query(form: Form[Any], example: Mapping[str, Any]) -> Iterable[Json]:
    required = form.schema.get("required", ())
    for name, schema in form.schema["properties"].items():
        told: Json = {"name": name, "in": "query", "required": name in required, "schema": not_null(schema)}
        yield told | ({"example": example[name]} if name in example else {})


def _successes(endpoint: Endpoint) -> Json:
    found: Json = {}
    for status, answer in endpoint.answers.items():
        found[str(status)] = {
            "description": answer.meaning,
            "content": {"application/json": {"schema": {"$ref": REF.format(model=answer.model.__name__)}}},
        }
        if answer.location:
            found[str(status)]["headers"] = {"Location": {"required": True, "schema": {"type": "string"}}}
    return found


def _links(endpoints: Iterable[Endpoint]) -> Json:
    """What can be done next with a payment that was opened."""
    places = {
        "payment_id": "$response.body#/payment/payment_id",
        "id": "$response.body#/payment/payment_id",
        "order_id": "$response.body#/payment/order_id",
    }
    return {
        endpoint.name: {"operationId": endpoint.name, "parameters": {name: places[name] for name in endpoint.ids}}
        for endpoint in endpoints
        if endpoint.ids and endpoint.ids.keys() <= places.keys()
    }


def _problems(endpoint: Endpoint) -> Json:
    statuses = {*ALWAYS, 502}
    if endpoint.admin or endpoint.path.endswith(("/intent", "/user", "/methods", "/{id}", "/{order_id}")):
        statuses.add(403)
    if endpoint.keyed:
        statuses |= {*STATUS.values(), 413, 415}
    content = {MEDIA_TYPE: {"schema": {"$ref": REF.format(model="Problem")}}}
    return {str(status): {"description": TITLES[status], "content": content} for status in sorted(statuses)}


def _models(models: Iterable[type[BaseModel]]) -> Json:
    unique = list(dict.fromkeys(models))
    _, found = models_json_schema([(model, "validation") for model in unique], ref_template=REF)
    definitions: Json = found.get("$defs", {})
    return definitions


def _body_name(form: Form[Any]) -> str:
    return str(form.model.__name__)
