"""The AsyncAPI 3 document: every name on the broker, every message with its properties, schema and examples.

Sources: AsyncAPI specification 3.0.0; AMQP 0-9-1 bindings 0.3.0. The bindings have no place for a queue's arguments and
bindings, hence `x-arguments` and `x-bindings`.
"""

import json
from collections.abc import Iterable
from typing import Any

from contracts import topology
from contracts.client import REPLY_TO
from contracts.envelope import CONTENT_TYPE, schema_uri
from contracts.generate import guide
from contracts.generate.catalogue import FAMILIES, Family, Message, Sender, messages
from contracts.generate.examples import envelopes
from contracts.generate.schemas import ENVELOPE, Json, schema_of

DOCUMENT_VERSION = "1.0.0"
"""Raised by hand: the first number with a change that breaks somebody, the second with an addition worth telling."""

BINDING = {"bindingVersion": "0.3.0"}
SUBSCRIBER = topology.subscription("{queue}", "payment.#")


def document() -> Json:
    """Everything that is promised to other services, in one self-contained object."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:payments",
        "info": {
            "title": "Payments",
            "version": DOCUMENT_VERSION,
            "description": guide.OVERVIEW,
            "tags": [{"name": family.name} for family in FAMILIES],
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {"broker": _server()},
        "channels": {**_keys(), "replies": _replies(), "subscriber": _subscriber(), **_queues()},
        "operations": {message.kind: _operation(family, message) for family in FAMILIES for message in family.messages},
        "components": {
            "messages": {message.kind: _message(message) for message in messages()},
            "schemas": _schemas(),
            "messageTraits": {"cloudEvent": {"contentType": CONTENT_TYPE}},
            "correlationIds": {
                "request": {
                    "description": "The `correlation-id` property: fresh for every publish, copied into the reply.",
                    "location": "$message.header#/correlationId",
                }
            },
            "securitySchemes": {
                "login": {
                    "type": "userPassword",
                    "description": "A broker login that may write to the exchanges it uses.",
                }
            },
        },
    }


def _server() -> Json:
    return {
        "host": "{host}:{port}",
        "pathname": "/{vhost}",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "description": "RabbitMQ. Over a network that is not yours use amqps.",
        "variables": {
            "host": {"description": "Where the broker listens.", "default": "localhost"},
            "port": {"description": "5672, or 5671 for amqps.", "default": "5672"},
            "vhost": {"description": "The virtual host; empty for the default one.", "default": ""},
        },
        "security": [{"$ref": "#/components/securitySchemes/login"}],
    }


def _keys() -> Json:
    """One channel per routing key."""
    return {
        message.kind: {
            "address": message.kind,
            "description": f"Routing key `{message.kind}` on the exchange `{family.exchange}`.",
            "messages": _refs([message]),
            "bindings": {"amqp": {"is": "routingKey", "exchange": _exchange(family.exchange), **BINDING}},
        }
        for family in FAMILIES
        for message in family.messages
    }


def _exchange(name: str) -> Json:
    return {"name": name, "type": "topic", "durable": True, "autoDelete": False}


def _replies() -> Json:
    return {
        "address": None,
        "description": f"Direct reply-to: the address is the request's `reply-to`. Consume `{REPLY_TO}` without "
        "acknowledgements on the channel that publishes the request; RabbitMQ puts the real address in its place.",
        "messages": _refs(reply for family in FAMILIES for m in family.messages for reply in m.replies),
        "bindings": {
            "amqp": {
                "is": "queue",
                "queue": {"name": REPLY_TO, "durable": False, "exclusive": True, "autoDelete": True},
                **BINDING,
            }
        },
    }


def _subscriber() -> Json:
    return {
        "address": SUBSCRIBER.name,
        "description": guide.SUBSCRIBER,
        "parameters": {
            "queue": {"description": "Your queue's name.", "examples": ["orders.payment-events", "mail.payment-events"]}
        },
        "messages": _refs(m for family in FAMILIES for m in family.messages if family.exchange == topology.EVENTS),
        "bindings": {"amqp": _queue_binding(SUBSCRIBER)},
        **_arguments(SUBSCRIBER),
    }


def _queues() -> Json:
    """Payments' own queues, as information."""
    return {
        f"queue.{queue.name}": {
            "address": queue.name,
            "description": "Declared by payments; not for other services.",
            "bindings": {"amqp": _queue_binding(queue)},
            "x-internal": True,
            **_arguments(queue),
        }
        for queue in topology.QUEUES
    }


def _queue_binding(queue: topology.Queue) -> Json:
    return {
        "is": "queue",
        "queue": {"name": queue.name, "durable": True, "exclusive": False, "autoDelete": False},
        **BINDING,
    }


def _arguments(queue: topology.Queue) -> Json:
    bindings = [{"exchange": exchange, "routingKey": pattern} for exchange, pattern in queue.bindings]
    return {"x-arguments": queue.arguments, "x-bindings": bindings}


def _operation(family: Family, message: Message) -> Json:
    mine = message.sender is Sender.CLIENTS
    delivery: Json = {"deliveryMode": 2, **BINDING}
    made: Json = {
        "action": "receive" if mine else "send",
        "channel": {"$ref": f"#/channels/{message.kind}"},
        "summary": _summary(message),
        "tags": [{"name": family.name}],
        "messages": [{"$ref": f"#/channels/{message.kind}/messages/{message.kind}"}],
        "bindings": {"amqp": {**delivery, "mandatory": True, "ack": True} if mine else delivery},
    }
    if message.replies:
        made["reply"] = {
            "address": {"description": "The `reply-to` property.", "location": "$message.header#/replyTo"},
            "channel": {"$ref": "#/channels/replies"},
            "messages": [{"$ref": f"#/channels/replies/messages/{reply.kind}"} for reply in message.replies],
        }
    return made


def _message(message: Message) -> Json:
    made: Json = {
        "name": message.kind,
        "title": message.model.__name__,
        "summary": _summary(message),
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "headers": _properties(message),
        "payload": {
            "allOf": [
                {"$ref": f"#/components/schemas/{ENVELOPE.name}"},
                {
                    "type": "object",
                    "properties": {
                        "type": {"const": message.kind},
                        "dataschema": {"const": schema_uri(message.kind, message.version)},
                        "data": {"$ref": f"#/components/schemas/{message.name}"},
                    },
                },
            ]
        },
        "bindings": {"amqp": {"messageType": message.kind, **BINDING}},
        "examples": [
            {"summary": summary, "headers": _property_values(message), "payload": json.loads(body)}
            for summary, body in envelopes(message).items()
        ],
    }
    if "correlationId" in made["headers"]["properties"]:
        made["correlationId"] = {"$ref": "#/components/correlationIds/request"}
    return made


def _properties(message: Message) -> Json:
    """AMQP's basic properties of a message. A schema of headers is the only place that AsyncAPI has for them."""
    properties: Json = {
        "contentType": {"const": CONTENT_TYPE, "type": "string", "description": "`content-type`"},
        "messageId": {
            "type": "string",
            "description": "`message-id`: unique for every publish, also of a repeat. It is not the message's identity.",
        },
        "type": {
            "const": message.kind,
            "type": "string",
            "description": "`type`: the message's type, as in the envelope.",
        },
    }
    required = ["contentType", "messageId", "type"]
    if not _is_reply(message):
        properties["deliveryMode"] = {"const": 2, "type": "integer", "description": "`delivery-mode`: persistent."}
        required.append("deliveryMode")
    if message.sender is Sender.CLIENTS:
        properties["replyTo"] = {
            "type": "string",
            "maxLength": 255,
            "description": f"`reply-to`: `{REPLY_TO}`, or the name of a queue of yours. Without it nothing is answered.",
        }
    if message.sender is Sender.CLIENTS or _is_reply(message):
        properties["correlationId"] = {
            "type": "string",
            "maxLength": 255,
            "description": "`correlation-id`: the reply carries the request's.",
        }
    return {"type": "object", "required": sorted(required), "properties": properties}


def _property_values(message: Message) -> Json:
    values: Json = {
        "contentType": CONTENT_TYPE,
        "messageId": "5f0c9d3e7b8a4c21",
        "type": message.kind,
        "deliveryMode": 2,
        "replyTo": REPLY_TO,
        "correlationId": "9a1b2c3d4e5f6071",
    }
    return {name: values[name] for name in _properties(message)["properties"]}


def _is_reply(message: Message) -> bool:
    return any(message in asked.replies for family in FAMILIES for asked in family.messages)


def _summary(message: Message) -> str:
    return (message.model.__doc__ or "").strip().split("\n", maxsplit=1)[0]


def _refs(found: Iterable[Message]) -> Json:
    return {message.kind: {"$ref": f"#/components/messages/{message.kind}"} for message in found}


def _schemas() -> Json:
    """All bodies, with what they share beside them: AsyncAPI resolves references within the whole document."""
    made: Json = {}
    for message in (ENVELOPE, *messages()):
        schema = schema_of(message)
        shared = {**schema.pop("$defs", {}), message.name: schema}
        for name, definition in shared.items():
            kept = {key: value for key, value in definition.items() if key not in {"$schema", "$id"}}
            moved = _moved(kept)
            assert made.setdefault(name, moved) == moved, f"two different definitions are called {name}"
    return made


def _moved(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _moved(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_moved(inner) for inner in value]
    if isinstance(value, str) and value.startswith("#/$defs/"):
        return value.replace("#/$defs/", "#/components/schemas/", 1)
    return value
