"""The OpenAPI document as a page for people: made here, whole, without a script and without anything from elsewhere."""

import base64
import hashlib
import json
from collections.abc import Iterator
from html import escape
from typing import Any

Json = dict[str, Any]

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem 1.5rem 4rem; }
h2 { border-top: 1px solid #8886; font-size: 1.1rem; margin-top: 2.5rem; padding-top: 1.5rem; }
code, .method { font-family: ui-monospace, monospace; }
.method { border-radius: .25rem; color: #fff; font-size: .8rem; margin-right: .5rem; padding: .15rem .5rem; }
.get { background: #1a6; } .post { background: #25c; } .delete { background: #b33; }
table { border-collapse: collapse; margin: .75rem 0; width: 100%; }
th, td { border-bottom: 1px solid #8883; padding: .3rem .75rem .3rem 0; text-align: left; vertical-align: top; }
th { font-weight: 600; }
nav li { list-style: none; } nav ul { padding: 0; }
"""

STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; frame-ancestors 'none'"

SHOWN_PATTERN = 60
"""A longer pattern tells people nothing."""


def page(document: Json) -> str:
    """Write the page."""
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    lines = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width"><title>Payments</title>',
        f"<style>{STYLE}</style></head><body>",
        f"<h1>{escape(document['info']['title'])} <small>{escape(document['info']['version'])}</small></h1>",
        f"<p>{_text(document['info']['description'])}</p>",
        "<p>Send a bearer token; what machines call goes without. For programs: <a href='/openapi.json'>/openapi.json</a>.</p>",
        "<nav><ul>",
        *(
            f"<li><a href='#{operation['operationId']}'>{_title(path, method)}</a> {escape(operation['summary'])}</li>"
            for path, method, operation in operations
        ),
        "</ul></nav>",
        *(line for operation in operations for line in _operation(document, *operation)),
        "</body></html>",
    ]
    return "\n".join(lines)


def _operation(document: Json, path: str, method: str, operation: Json) -> Iterator[str]:
    yield f"<h2 id='{operation['operationId']}'>{_title(path, method)}</h2>"
    yield f"<p>{_text(operation['summary'])}. {_text(operation.get('description', ''))}</p>"
    if "admin" in operation["tags"]:
        yield "<p>For administrators.</p>"
    if operation.get("security") == []:
        yield "<p>For machines, without a token.</p>"
    rows = [
        (parameter["name"], parameter["in"], parameter.get("required", False), parameter["schema"])
        for parameter in operation.get("parameters", ())
    ]
    body = operation.get("requestBody")
    if body is not None:
        schema = _resolved(document, body["content"]["application/json"]["schema"])
        required = schema.get("required", ())
        rows += [(name, "body", name in required, field) for name, field in schema["properties"].items()]
    if rows:
        yield "<table><tr><th>name</th><th>in</th><th>what</th></tr>"
        for name, place, required, schema in rows:
            told = f"{_kind(document, schema)}{', required' if required else ''}"
            yield f"<tr><td><code>{escape(name)}</code></td><td>{place}</td><td>{told}</td></tr>"
        yield "</table>"
    example = body and body["content"]["application/json"].get("example")
    if example:
        yield f"<pre><code>{escape(json.dumps(example, indent=2))}</code></pre>"
    yield "<table><tr><th>answer</th><th>meaning</th></tr>"
    for status, response in operation["responses"].items():
        yield f"<tr><td><code>{status}</code></td><td>{_text(response['description'])}</td></tr>"
    yield "</table>"


def _title(path: str, method: str) -> str:
    return f"<span class='method {method}'>{method.upper()}</span><code>{escape(path)}</code>"


def _kind(document: Json, schema: Json) -> str:
    """A field in a few words."""
    schema = _resolved(document, schema)
    if "anyOf" in schema:
        kinds = (_kind(document, choice) for choice in schema["anyOf"] if choice.get("type") != "null")
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in schema:
        return "one of " + ", ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"several times: {_kind(document, schema['items'])}"
    told = escape(schema.get("format") or schema.get("type") or "any")
    limits = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "maxLength": "at most"}
    told += "".join(f" {word} {schema[name]}" for name, word in limits.items() if name in schema)
    if "maxLength" in schema:
        told += " characters"
    if len(schema.get("pattern", "")) in range(1, SHOWN_PATTERN):
        told += f", <code>{escape(schema['pattern'])}</code>"
    return told


def _resolved(document: Json, schema: Json) -> Json:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _text(text: str) -> str:
    """Words between backquotes are code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))
