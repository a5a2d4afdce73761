"""JSON Schemas of what is on the wire: what a sender must write, and what a reader will find.

They say less than pydantic's own: nothing of ours is ever null on the wire, a field without a value is left out.
"""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

from contracts.envelope import Envelope, schema_uri
from contracts.generate.catalogue import Message, Sender
from contracts.generate.descriptions import describe
from contracts.money import CHARGEABLE, find

ENVELOPE = Message("envelope", 1, Envelope, Sender.BOTH)

Json = dict[str, Any]


class WireSchema(GenerateJsonSchema):
    """Absent instead of null; what payments sends always carries the fields that have a value by default."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if self.mode == "serialization" or schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Pydantic leaves keys that break their pattern unmentioned; the model refuses them."""
        made = super().dict_schema(schema)
        return made | {"additionalProperties": False} if "patternProperties" in made else made

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,
    ) -> bool:
        inner = field["schema"]
        if self.mode == "serialization" and inner["type"] == "default":
            return bool(inner["schema"]["type"] != "nullable")
        return super().field_is_required(field, total)

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never: a title made from the field's own name says nothing."""
        del schema
        return False


def schema_of(message: Message) -> Json:
    """The schema of one body, or of the envelope, as it is written to its file."""
    mode: JsonSchemaMode = "validation" if message.sender is Sender.CLIENTS else "serialization"
    body = message.model.model_json_schema(mode=mode, schema_generator=WireSchema)
    definitions = body.pop("$defs", {})
    for name, definition in {message.model.__name__: body, **definitions}.items():
        _describe(name, definition)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": schema_uri(message.kind, message.version),
        "x-sent-by": message.sender.value,
        **body,
        **({"$defs": definitions} if definitions else {}),
    }


def currencies() -> Json:
    """What a client in another language needs to count amounts: every currency that Stripe charges, by code."""
    return {
        "description": "The currencies that can be charged, and how Stripe counts them. `exponent` is the number of decimals "
        "of one unit, `step` what an amount must be a multiple of, `minimum` and `maximum` are the limits of one charge, all "
        "in minor units. The minimum holds for the currency that the account settles in: Stripe may still refuse more.",
        "source": 'ISO 4217 and Stripe docs, "Supported currencies"',
        "currencies": {
            code: {"exponent": one.exponent, "step": one.step, "minimum": one.minimum, "maximum": one.maximum}
            for code, one in ((code, find(code)) for code in sorted(CHARGEABLE))
        },
    }


def _describe(model: str, definition: Json) -> None:
    for field, schema in definition.get("properties", {}).items():
        text = describe(model, field)
        if text is not None:
            schema["description"] = text
