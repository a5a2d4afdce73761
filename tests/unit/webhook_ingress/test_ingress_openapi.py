"""The OpenAPI document is one, and says what the code does."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from contracts.queries import QUERIES
from tests.unit.webhook_ingress.asgi import Ingress
from webhook_ingress import openapi
from webhook_ingress.api.routes import ENDPOINTS
from webhook_ingress.problems import TITLES
from webhook_ingress.webhook import WEBHOOK_PATH

DOCUMENT = openapi.document(ENDPOINTS, "1.2.3", webhook=True)
SCHEMAS = DOCUMENT["components"]["schemas"]


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


def test_every_reference_leads_somewhere() -> None:
    """Each schema that is referred to is there, and each that is there is referred to."""
    found = {reference.removeprefix("#/components/schemas/") for reference in references(DOCUMENT)}
    assert found == set(SCHEMAS)


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_schema_is_one(name: str) -> None:
    """Each is JSON Schema 2020-12, as OpenAPI 3.1 has it."""
    meta = jsonschema.Draft202012Validator(jsonschema.Draft202012Validator.META_SCHEMA)
    assert list(meta.iter_errors(SCHEMAS[name])) == []


def test_every_operation_is_whole() -> None:
    """Names are unique, path parameters are described, and every refusal is a problem with a title."""
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(names)) == len(names) == len(ENDPOINTS) + 4
    for path, _, operation in operations():
        told = [parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "path"]
        assert told == re.findall(r"\{(\w+)\}", path)
        for status, response in operation["responses"].items():
            plain = "text/plain" if path == "/metrics" else "application/json"
            kind = plain if int(status) < 400 else "application/problem+json"
            assert list(response["content"]) == [kind]
            assert int(status) < 400 or response["description"] == TITLES[int(status)]


def test_what_the_ingress_fills_in_cannot_be_given() -> None:
    """No body names who asked, whose method it is or which payment, which the path and the token say."""
    for name, hidden in {
        "ConfirmPayment": {"payment_id"},
        "CancelPayment": {"payment_id", "order_id"},
        "CapturePayment": {"payment_id", "requested_by"},
        "RefundPayment": {"payment_id", "requested_by"},
        "SetUpPaymentMethod": {"user_id"},
    }.items():
        assert not hidden & set(SCHEMAS[name]["properties"])
        assert SCHEMAS[name]["additionalProperties"] is False
    assert "user_id" not in SCHEMAS["CreatePayment"]["required"]


def test_no_query_shows_its_viewer() -> None:
    """Whose view it is comes from the token; `user_id` is the name for those who may choose it."""
    names = {parameter["name"] for _, _, operation in operations() for parameter in operation.get("parameters", ())}
    assert "viewer" not in names
    assert any("viewer" in query.model_fields for query in QUERIES.values())


def test_what_machines_call_is_described() -> None:
    """The webhook and the probes need no token, and the webhook needs Stripe's signature."""
    open_to_all = {path for path, _, operation in operations() if operation.get("security") == []}
    assert open_to_all == {WEBHOOK_PATH, "/health", "/ready", "/metrics"}
    (signature,) = DOCUMENT["paths"][WEBHOOK_PATH]["post"]["parameters"]
    assert (signature["name"], signature["required"]) == ("Stripe-Signature", True)


def test_a_null_is_no_place_to_send_the_customer_back_to() -> None:
    """A confirm whose `return_url` is null fits the document no more than one without it, unless it is off session."""
    confirm = jsonschema.Draft202012Validator(SCHEMAS["ConfirmPayment"])
    method = {"payment_method": "pm_1"}
    assert confirm.is_valid(method | {"return_url": "https://shop.example/"})
    assert confirm.is_valid(method | {"return_url": None, "off_session": True})
    assert not confirm.is_valid(method | {"return_url": None})
    assert not confirm.is_valid(method)


async def test_the_document_is_served() -> None:
    """What is served is this document, as JSON."""
    answer = await Ingress().get("/openapi.json")
    assert answer.headers[b"content-type"] == b"application/json"
    assert answer.json() == DOCUMENT
    assert answer.json()["openapi"] == "3.1.0"
