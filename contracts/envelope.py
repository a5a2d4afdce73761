"""CloudEvents 1.0 in structured JSON mode: the one shape of every body of ours on the broker.

Source: CloudEvents spec 1.0.2, its JSON format, and its extensions `sequence`, `correlation` (correlationid,
causationid) and distributed tracing (traceparent). Stripe's webhooks are the exception: they travel as the bytes that
Stripe signed.
"""

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from contracts.errors import InvalidMessage
from contracts.messages import Identifier, Moment

CONTENT_TYPE = "application/cloudevents+json"

MAX_BODY_BYTES = 256 * 1024
"""Ours are below 64 KiB; Stripe's largest events are near 200 KiB. Larger is not for us (docs/reliability.md, rule 13)."""

MAX_FUTURE_S = 900
"""How far ahead of ours a sender's clock may be. An issue time decides whether a cancel forbids a create."""

MAX_FIELD_CHARACTERS = 128
"""A path may end in a key that the sender chose, as long as the whole body."""

_IDENTIFIER: TypeAdapter[str] = TypeAdapter(Identifier)

Body = TypeVar("Body", bound=BaseModel)


class Envelope(BaseModel):
    """Attributes around `data`. `id` is the logical id: a repeat of the same message carries the same one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: Identifier
    source: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    type: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    subject: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    time: Moment
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str | None = None
    sequence: str | None = None
    correlationid: Identifier | None = None
    causationid: Identifier | None = None
    traceparent: (
        Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")] | None
    ) = None
    data: dict[str, Any] = Field(default_factory=dict)


def schema_uri(kind: str, version: int) -> str:
    """Name a body's schema; `contracts/schemas/{kind}.v{version}.json` holds it."""
    return f"urn:payments:{kind}:v{version}"


def sequence_text(number: int) -> str:
    """Pad to ten digits: the CloudEvents `sequence` extension wants text that sorts as the numbers do."""
    return f"{number:010d}"


def encode(envelope: Envelope) -> bytes:
    """Serialize without the attributes that are absent."""
    return envelope.model_dump_json(exclude_none=True).encode()


def wrap(
    body: BaseModel,
    *,
    kind: str,
    version: int,
    message_id: str,
    source: str,
    time: datetime | None = None,
    subject: str | None = None,
    sequence: int | None = None,
    correlation_id: str | None = None,
    causation_id: str | None = None,
    traceparent: str | None = None,
) -> Envelope:
    """Put a body of `kind` and `version` into its envelope; `time` defaults to now."""
    return Envelope(
        id=message_id,
        source=source,
        type=kind,
        subject=subject,
        time=time or datetime.now(UTC),
        dataschema=schema_uri(kind, version),
        sequence=None if sequence is None else sequence_text(sequence),
        correlationid=correlation_id,
        causationid=causation_id,
        traceparent=traceparent,
        data=body.model_dump(mode="json", exclude_none=True),
    )


def decode(raw: bytes) -> Envelope:
    """Read an envelope, or raise InvalidMessage naming the attribute at fault."""
    if len(raw) > MAX_BODY_BYTES:
        raise InvalidMessage(f"body has {len(raw)} bytes, at most {MAX_BODY_BYTES} are read")
    try:
        return Envelope.model_validate_json(raw)
    except ValidationError as error:
        raise invalid(error, message_id=_id_of(raw)) from None


def unwrap(envelope: Envelope, kinds: dict[str, type[Body]]) -> Body:
    """Read `data` as the body that `type` and `dataschema` name, or raise InvalidMessage."""
    kind = kinds.get(envelope.type)
    if kind is None:
        known = ", ".join(sorted(kinds))
        raise InvalidMessage(f"unknown type; known here: {known}", "type", envelope.id)
    wanted = schema_uri(envelope.type, getattr(kind, "VERSION", 1))
    if envelope.dataschema not in {None, wanted}:
        raise InvalidMessage(f"unknown version; this reader knows {wanted}", "dataschema", envelope.id)
    try:
        return kind.model_validate(envelope.data)
    except ValidationError as error:
        raise invalid(error, prefix="data", message_id=envelope.id) from None


def invalid(error: ValidationError, *, prefix: str = "", message_id: str = "") -> InvalidMessage:
    """Name the first field and its rule. The value itself is left out: it may be a secret in the wrong place."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    path = ".".join(str(part) for part in ((prefix,) if prefix else ()) + first["loc"])
    return InvalidMessage(first["msg"].removeprefix("Value error, "), path[:MAX_FIELD_CHARACTERS], message_id)


def _id_of(raw: bytes) -> str:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return ""
    try:
        return _IDENTIFIER.validate_python(found.get("id") if isinstance(found, dict) else None)
    except ValidationError:
        return ""
