"""What a request may say: the fields of a contract's model, less those that the ingress fills in itself.

The model that the worker reads is the one that checks: limits, patterns and rules across fields are written once.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from contracts.envelope import invalid
from webhook_ingress import problems
from webhook_ingress.problems import Problem

REF = "#/components/schemas/{model}"

Json = dict[str, Any]
Model = TypeVar("Model", bound=BaseModel)


class Form(Generic[Model]):
    """One model as a form. `filled` are the fields that no request may name, `optional` those that one may leave out,
    `renamed` the names over HTTP of fields that are called otherwise inside.
    """

    def __init__(
        self,
        model: type[Model],
        *,
        filled: Iterable[str] = (),
        optional: Iterable[str] = (),
        renamed: Mapping[str, str] | None = None,
    ) -> None:
        self.model = model
        self._filled = frozenset(filled)
        self._optional = frozenset(optional)
        self._names = {name: name for name in model.model_fields if name not in self._filled}
        for shown, name in (renamed or {}).items():
            del self._names[name]
            self._names[shown] = name
        self._shown = {name: shown for shown, name in self._names.items()}

    def read(self, given: Mapping[str, Any], filled: Mapping[str, Any]) -> Model | Problem:
        """Check what was given, together with what we fill in. JSON's types are taken as they are: "1" is no number."""
        unknown = next((name for name in given if name not in self._names), None)
        if unknown is not None:
            return problems.invalid("Extra inputs are not permitted", _field(unknown))
        merged = dict(filled) | {self._names[name]: value for name, value in given.items()}
        try:
            return self.model.model_validate_json(to_json(merged), strict=True)
        except ValidationError as error:
            found = invalid(error)
            head, dot, rest = found.field.partition(".")
            return problems.invalid(found.rule, self._shown.get(head, head) + dot + rest or None)

    @cached_property
    def definitions(self) -> Json:
        """The schemas that `schema` refers to."""
        found: Json = self.model.model_json_schema(ref_template=REF).get("$defs", {})
        return found

    @cached_property
    def schema(self) -> Json:
        """The JSON Schema of what may be given."""
        made = self.model.model_json_schema(ref_template=REF)
        made.pop("$defs", None)
        fields = made["properties"]
        made["properties"] = {shown: fields[name] for shown, name in self._names.items()}
        free = self._filled | self._optional
        required = [self._shown[name] for name in made.pop("required", []) if name not in free]
        if required:
            made["required"] = required
        for keyword in ("oneOf", "anyOf"):
            if any(free & set(choice.get("required", ())) for choice in made.get(keyword, ())):
                del made[keyword], made["description"]  # the choice is made: it is among what we fill in
        made |= {word: [_told(choice) for choice in made[word]] for word in ("oneOf", "anyOf") if word in made}
        return made

    def kind(self, name: str) -> str:
        """The JSON type of a field by its name over HTTP: what a text in a query string has to become."""
        schema = self.schema["properties"].get(name, {})
        return str(not_null(schema).get("type", "string"))


def not_null(schema: Json) -> Json:
    """A schema less its null: a query string cannot say it."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) != 1:
        return schema
    more = {name: value for name, value in schema.items() if name not in {"anyOf", "default"}}
    chosen: Json = choices[0] | more
    return chosen


def _told(choice: Json) -> Json:
    """A choice by fields that must be there, and not as null: the model takes null for a field that is left out."""
    present: Json = {name: {"not": {"type": "null"}} for name in choice.get("required", ())}
    return choice | {"properties": present | choice.get("properties", {})} if present else choice


def _field(name: str) -> str:
    """The sender's to choose; an answer stays readable."""
    return name[:128]
