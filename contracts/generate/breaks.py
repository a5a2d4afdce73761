"""What a change of the published files would break for other services, in words.

For what clients send, everything that was accepted must stay accepted. For what payments sends, everything that a reader
may rely on must stay so. Additions pass: an optional field or a value in a request, any field or value in an event or a
reply (readers are told to ignore what they do not know). A message under a raised version is a new message and passes.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from contracts.generate.catalogue import Sender

Json = dict[str, Any]

DOCUMENT = "asyncapi.json"

# Limits that may not rise and limits that may not fall, with what stands in for an absent one.
FLOORS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
CEILINGS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")

WORDS = {"description", "summary", "title", "examples", "tags", "info", "x-internal"}
"""Parts of the AsyncAPI document that are for people."""

VERSIONED = re.compile(r"(?P<kind>.+)\.v(?P<version>[0-9]+)\.json")


def breaks(published: Mapping[str, Json], current: Mapping[str, Json]) -> list[str]:
    """Name every change from the published files to the current ones that would break somebody."""
    found = list(_removed(published, current))
    for name in sorted(published.keys() & current.keys()):
        if VERSIONED.fullmatch(name):
            found += _Comparison(name, published[name], current[name]).run()
        elif name == DOCUMENT:
            found += _broker(published[name], current[name])
    return found


def _removed(published: Mapping[str, Json], current: Mapping[str, Json]) -> Iterator[str]:
    newest: dict[str, int] = {}
    for name in current:
        if match := VERSIONED.fullmatch(name):
            newest[match["kind"]] = max(int(match["version"]), newest.get(match["kind"], 0))
    for name in sorted(published.keys() - current.keys()):
        match = VERSIONED.fullmatch(name)
        if match is None or newest.get(match["kind"], 0) <= int(match["version"]):
            yield f"{name}: removed"


class _Comparison:
    """One schema against its published self; each method yields sentences."""

    def __init__(self, name: str, old: Json, new: Json, sender: str | None = None) -> None:
        self._name, self._old, self._new = name, old, new
        sender = sender or old.get("x-sent-by")
        self._keeps_accepting = sender in {Sender.CLIENTS, Sender.BOTH}
        self._keeps_promising = sender in {Sender.PAYMENTS, Sender.BOTH}

    def run(self) -> Iterator[str]:
        if self._old.get("x-sent-by") != self._new.get("x-sent-by"):
            yield f"{self._name}: sent by {self._new.get('x-sent-by')}, was {self._old.get('x-sent-by')}"
        for path, sentence in self._schema("", self._old, self._new):
            yield f"{self._name}: {path + ' ' if path else ''}{sentence}"

    def _schema(self, path: str, old: Json, new: Json) -> Iterator[tuple[str, str]]:
        old, new = _resolve(old, self._old), _resolve(new, self._new)
        for sentence in (
            *self._type(old, new),
            *self._values(old, new),
            *self._limits(old, new),
            *self._rules(old, new),
            *self._required(old, new),
        ):
            yield path, sentence
        yield from self._inside(path, old, new)

    def _type(self, old: Json, new: Json) -> Iterator[str]:
        before, after = _types(old), _types(new)
        if (self._keeps_accepting and not before <= after) or (self._keeps_promising and not after <= before):
            yield f"is {_and(after)}, was {_and(before)}"

    def _values(self, old: Json, new: Json) -> Iterator[str]:
        before, after = _enumerated(old), _enumerated(new)
        if before is not None and after is not None:
            for value in sorted(before - after):
                yield f"no longer has the value {value}"
        elif before is None and after is not None and self._keeps_accepting:
            yield f"takes only {_and(after)} now"
        elif before is not None and after is None and self._keeps_promising:
            yield "may be anything now"

    def _limits(self, old: Json, new: Json) -> Iterator[str]:
        for word, absent, sign in (*((w, -1e300, 1) for w in FLOORS), *((w, 1e300, -1) for w in CEILINGS)):
            before, after = sign * old.get(word, absent), sign * new.get(word, absent)
            if (self._keeps_accepting and after > before) or (self._keeps_promising and after < before):
                yield f"has {word} {new.get(word, 'none')}, was {old.get(word, 'none')}"

    def _rules(self, old: Json, new: Json) -> Iterator[str]:
        for word in ("pattern", "format", "oneOf", "anyOf", "allOf", "not"):
            before, after = old.get(word), new.get(word)
            loosened, tightened = after is None, before is None
            if before != after and not (
                (loosened and not self._keeps_promising) or (tightened and not self._keeps_accepting)
            ):
                yield f"has {word} {_text(after)}, was {_text(before)}"
        if self._keeps_accepting and "default" in old and new.get("default") != old["default"]:
            yield f"is {_text(new.get('default'))} when left out, was {_text(old['default'])}"

    def _required(self, old: Json, new: Json) -> Iterator[str]:
        before, after = set(old.get("required", ())), set(new.get("required", ()))
        for field in sorted(after - before) if self._keeps_accepting else ():
            yield f"requires {field} now"
        for field in sorted(before - after) if self._keeps_promising else ():
            yield f"may come without {field} now"

    def _inside(self, path: str, old: Json, new: Json) -> Iterator[tuple[str, str]]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for field, schema in before.items():
            below = f"{path}.{field}" if path else field
            if field in after:
                yield from self._schema(below, schema, after[field])
            else:
                yield below, "is removed"
        for word in ("items", "additionalProperties", "propertyNames"):
            yield from self._part(f"{path}[{word}]", old.get(word, True), new.get(word, True))
        keys = old.get("patternProperties", {}), new.get("patternProperties", {})
        if keys[0].keys() != keys[1].keys():
            yield path, f"has keys like {_and(keys[1])}, was {_and(keys[0])}"
        for pattern in keys[0].keys() & keys[1].keys():
            yield from self._schema(f"{path}[{pattern}]", keys[0][pattern], keys[1][pattern])

    def _part(self, path: str, old: Any, new: Any) -> Iterator[tuple[str, str]]:
        if isinstance(old, dict) and isinstance(new, dict):
            yield from self._schema(path, old, new)
        elif old != new and (
            (self._keeps_accepting and new is not True) or (self._keeps_promising and old is not True)
        ):
            yield path, f"is {_text(new)}, was {_text(old)}"


def _broker(old: Json, new: Json) -> Iterator[str]:
    """Names, keys, arguments and properties on the broker."""
    for part in ("channels", "operations"):
        yield from _kept(f"{DOCUMENT}: {part}", old[part], new[part])
    before, after = old["components"]["messages"], new["components"]["messages"]
    for kind in sorted(before.keys() & after.keys()):
        received = old["operations"].get(kind, {}).get("action") == "receive"
        sender = Sender.CLIENTS if received else Sender.PAYMENTS
        yield from _Comparison(
            f"{DOCUMENT}: properties of {kind}", before[kind]["headers"], after[kind]["headers"], sender
        ).run()
        if before[kind].get("correlationId") != after[kind].get("correlationId"):
            yield f"{DOCUMENT}: {kind} is correlated in another way"


def _kept(path: str, old: Any, new: Any) -> Iterator[str]:
    """What was there is there, unchanged; what is new passes, but for a queue's arguments, which must be equal."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() - WORDS):
            below = f"{path}.{key}"
            if key not in new:
                yield f"{below}: removed"
            elif key == "x-arguments" and old[key] != new[key]:
                yield f"{below}: {_text(new[key])}, was {_text(old[key])}"
            else:
                yield from _kept(below, old[key], new[key])
    elif isinstance(old, list) and isinstance(new, list):
        for item in old:
            if item not in new:
                yield f"{path}: no longer has {_text(item)}"
    elif old != new:
        yield f"{path}: {_text(new)}, was {_text(old)}"


def _resolve(schema: Json, root: Json) -> Json:
    reference = schema.get("$ref", "")
    if not reference:
        return schema
    target: Any = root
    for step in reference.removeprefix("#/").split("/"):
        target = target[step]
    return {**target, **{key: value for key, value in schema.items() if key != "$ref"}}


def _types(schema: Json) -> set[str]:
    found = schema.get("type", ["any"])
    types = {found} if isinstance(found, str) else set(found)
    return types | {"integer"} if "number" in types else types


def _enumerated(schema: Json) -> set[str] | None:
    if "const" in schema:
        return {_text(schema["const"])}
    return {_text(value) for value in schema["enum"]} if "enum" in schema else None


def _and(values: Any) -> str:
    return " and ".join(sorted(values)) or "nothing"


def _text(value: Any) -> str:
    return "none" if value is None else json.dumps(value, sort_keys=True)
