"""Stripe's OpenAPI document, as stripe-mock's module carries it, turned into JSON Schemas of the objects."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema

from tests.conformance.stripe_mock.process import VERSION, NotHereError

INSIDE = f"github.com/stripe/stripe-mock@{VERSION}/embedded/openapi/spec3.json"


def load() -> dict[str, Any]:
    """The schemas by object name. Raises NotHereError where Go's module cache does not have the document."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise NotHereError("Go is not installed, so stripe-mock's OpenAPI document is not here")
    cache = subprocess.run([go, "env", "GOMODCACHE"], capture_output=True, text=True, check=True).stdout.strip()
    path = Path(cache) / INSIDE
    if not path.exists():
        raise NotHereError(f"the module cache has no {INSIDE}; `go install` of stripe-mock puts it there")
    schemas: dict[str, Any] = _nullable(json.loads(path.read_text(encoding="utf-8"))["components"]["schemas"])
    return schemas


def violations(subject: dict[str, Any], schemas: dict[str, Any]) -> list[str]:
    """Where the object breaks its schema: missing fields, wrong types, values of no enum, nulls that may not be."""
    schema = {"$ref": f"#/components/schemas/{subject['object']}", "components": {"schemas": schemas}}
    found = jsonschema.Draft4Validator(schema).iter_errors(subject)
    return [f"{subject['object']}.{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in found]


def _nullable(node: Any) -> Any:
    """OpenAPI 3.0 says `nullable: true` where JSON Schema says "or null"."""
    if isinstance(node, list):
        return [_nullable(item) for item in node]
    if not isinstance(node, dict):
        return node
    inner = {name: _nullable(value) for name, value in node.items() if name != "nullable"}
    return {"anyOf": [{"type": "null"}, inner]} if node.get("nullable") is True else inner
