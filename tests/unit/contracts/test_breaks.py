"""The test of published shapes can fail: each change that breaks somebody is named, each addition passes."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from contracts.generate.__main__ import generated
from contracts.generate.breaks import DOCUMENT, breaks

Json = dict[str, Any]
Change = Callable[[Json], object]

CREATE, REPLY, FAILED = "payment.create.v1.json", "payment.reply.v1.json", "payment.failed.v1.json"
ENVELOPE, CANCEL = "envelope.v1.json", "payment.cancel.v1.json"
FILES = generated()

METADATA_KEYS = r"^[^\[\]\x00$][^\[\]\x00]*$"


def after(change: Change) -> list[str]:
    current = copy.deepcopy(FILES)
    change(current)
    return breaks(FILES, current)


def fields(files: Json, name: str, definition: str | None = None) -> Json:
    found: Json = files[name]["$defs"][definition] if definition else files[name]
    properties: Json = found["properties"]
    return properties


def rename(files: Json, old: str, new: str) -> None:
    files[new] = files.pop(old)


BREAKING: dict[str, tuple[Change, str]] = {
    "a field of a request removed": (
        lambda f: fields(f, CREATE).pop("metadata"),
        f"{CREATE}: metadata is removed",
    ),
    "a new required field of a request": (
        lambda f: (fields(f, CREATE).update(shop={"type": "string"}), f[CREATE]["required"].append("shop")),
        f"{CREATE}: requires shop now",
    ),
    "an optional field of a request required": (
        lambda f: f[CREATE]["required"].append("description"),
        f"{CREATE}: requires description now",
    ),
    "a type of a request changed": (
        lambda f: fields(f, CREATE)["order_id"].update(type="integer"),
        f"{CREATE}: order_id is integer, was string",
    ),
    "a value of a request removed": (
        lambda f: f[CREATE]["$defs"]["CaptureMethod"]["enum"].remove("manual"),
        f'{CREATE}: capture_method no longer has the value "manual"',
    ),
    "a request limited to values": (
        lambda f: fields(f, CREATE)["currency"].update(enum=["eur"]),
        f'{CREATE}: currency takes only "eur" now',
    ),
    "a ceiling of a request lowered": (
        lambda f: fields(f, CREATE)["amount"].update(maximum=10**8),
        f"{CREATE}: amount has maximum 100000000, was 1000000000000",
    ),
    "a floor of a request raised": (
        lambda f: fields(f, CREATE)["order_id"].update(minLength=3),
        f"{CREATE}: order_id has minLength 3, was 1",
    ),
    "a limit of a request introduced": (
        lambda f: fields(f, CREATE)["currency"].update(maxLength=2),
        f"{CREATE}: currency has maxLength 2, was none",
    ),
    "a pattern of a request changed": (
        lambda f: fields(f, CREATE)["currency"].update(pattern="^[a-z]{3}$"),
        f'{CREATE}: currency has pattern "^[a-z]{{3}}$", was "^[A-Za-z]{{3}}$"',
    ),
    "a pattern of a request introduced": (
        lambda f: fields(f, CREATE)["description"].update(pattern="^x"),
        f'{CREATE}: description has pattern "^x", was none',
    ),
    "a default of a request changed": (
        lambda f: fields(f, CREATE)["capture_method"].update(default="manual"),
        f'{CREATE}: capture_method is "manual" when left out, was "automatic"',
    ),
    "the keys of a map in a request changed": (
        lambda f: rename(fields(f, CREATE)["metadata"]["patternProperties"], METADATA_KEYS, "^[a-z]+$"),
        f"{CREATE}: metadata has keys like ^[a-z]+$, was {METADATA_KEYS}",
    ),
    "the values of a map in a request narrowed": (
        lambda f: fields(f, CREATE)["metadata"]["patternProperties"][METADATA_KEYS].update(maxLength=5),
        f"{CREATE}: metadata[{METADATA_KEYS}] has maxLength 5, was 500",
    ),
    "the alternatives of a request changed": (
        lambda f: f[CANCEL].update(oneOf=[{"required": ["payment_id"]}]),
        (
            f'{CANCEL}: has oneOf [{{"required": ["payment_id"]}}], '
            'was [{"required": ["payment_id"]}, {"required": ["order_id"]}]'
        ),
    ),
    "a field of an event removed": (
        lambda f: fields(f, FAILED).pop("captured"),
        f"{FAILED}: captured is removed",
    ),
    "a field inside a field of an event removed": (
        lambda f: fields(f, FAILED, "Attempt").pop("decline_code"),
        f"{FAILED}: attempt.decline_code is removed",
    ),
    "a field of an event no longer certain": (
        lambda f: f[FAILED]["required"].remove("status"),
        f"{FAILED}: may come without status now",
    ),
    "a field of an event also null": (
        lambda f: fields(f, FAILED)["currency"].update(type=["string", "null"]),
        f"{FAILED}: currency is null and string, was string",
    ),
    "a value of an event removed": (
        lambda f: f[FAILED]["$defs"]["PaymentStatus"]["enum"].remove("canceled"),
        f'{FAILED}: status no longer has the value "canceled"',
    ),
    "an event no longer limited to values": (
        lambda f: f[FAILED]["$defs"]["PaymentStatus"].pop("enum"),
        f"{FAILED}: status may be anything now",
    ),
    "a limit of an event widened": (
        lambda f: fields(f, FAILED)["amount"].pop("minimum"),
        f"{FAILED}: amount has minimum none, was 0",
    ),
    "a format of an event dropped": (
        lambda f: fields(f, FAILED)["occurred_at"].pop("format"),
        f'{FAILED}: occurred_at has format none, was "date-time"',
    ),
    "a refusal code removed": (
        lambda f: f[REPLY]["$defs"]["RefusalCode"]["enum"].remove("expired"),
        f'{REPLY}: refusal.code no longer has the value "expired"',
    ),
    "an attribute of the envelope required": (
        lambda f: f[ENVELOPE]["required"].append("subject"),
        f"{ENVELOPE}: requires subject now",
    ),
    "an attribute of the envelope no longer certain": (
        lambda f: f[ENVELOPE]["required"].remove("time"),
        f"{ENVELOPE}: may come without time now",
    ),
    "a command removed": (lambda f: f.pop(CREATE), f"{CREATE}: removed"),
    "an event removed": (lambda f: f.pop(FAILED), f"{FAILED}: removed"),
    "a version lowered": (
        lambda f: rename(f, FAILED, "payment.failed.v0.json"),
        f"{FAILED}: removed",
    ),
    "the document removed": (lambda f: f.pop(DOCUMENT), f"{DOCUMENT}: removed"),
    "a message sent by somebody else": (
        lambda f: f[CREATE].update({"x-sent-by": "payments"}),
        f"{CREATE}: sent by payments, was clients",
    ),
    "a routing key changed": (
        lambda f: f[DOCUMENT]["channels"]["payment.create"].update(address="payments.create"),
        f'{DOCUMENT}: channels.payment.create.address: "payments.create", was "payment.create"',
    ),
    "an exchange renamed": (
        lambda f: f[DOCUMENT]["channels"]["payment.created"]["bindings"]["amqp"]["exchange"].update(name="events"),
        f'{DOCUMENT}: channels.payment.created.bindings.amqp.exchange.name: "events", was "payments.events"',
    ),
    "an exchange of another type": (
        lambda f: f[DOCUMENT]["channels"]["payment.created"]["bindings"]["amqp"]["exchange"].update(type="direct"),
        f'{DOCUMENT}: channels.payment.created.bindings.amqp.exchange.type: "direct", was "topic"',
    ),
    "a queue removed": (
        lambda f: f[DOCUMENT]["channels"].pop("queue.payments.commands"),
        f"{DOCUMENT}: channels.queue.payments.commands: removed",
    ),
    "a binding removed": (
        lambda f: f[DOCUMENT]["channels"]["queue.payments.commands"]["x-bindings"].pop(0),
        (
            f"{DOCUMENT}: channels.queue.payments.commands.x-bindings: "
            'no longer has {"exchange": "payments.commands", "routingKey": "#"}'
        ),
    ),
    "a reply sent elsewhere": (
        lambda f: f[DOCUMENT]["operations"]["payment.create"]["reply"]["address"].update(location="$message.header#/x"),
        (
            f"{DOCUMENT}: operations.payment.create.reply.address.location: "
            '"$message.header#/x", was "$message.header#/replyTo"'
        ),
    ),
    "a reply no longer sent": (
        lambda f: f[DOCUMENT]["operations"]["payment.create"].pop("reply"),
        f"{DOCUMENT}: operations.payment.create.reply: removed",
    ),
    "an operation turned around": (
        lambda f: f[DOCUMENT]["operations"]["payment.created"].update(action="receive"),
        f'{DOCUMENT}: operations.payment.created.action: "receive", was "send"',
    ),
    "a property required of a command": (
        lambda f: f[DOCUMENT]["components"]["messages"]["payment.create"]["headers"]["required"].append("replyTo"),
        f"{DOCUMENT}: properties of payment.create: requires replyTo now",
    ),
    "a property of an event removed": (
        lambda f: f[DOCUMENT]["components"]["messages"]["payment.created"]["headers"]["properties"].pop("type"),
        f"{DOCUMENT}: properties of payment.created: type is removed",
    ),
    "another correlation": (
        lambda f: f[DOCUMENT]["components"]["messages"]["payment.reply"].pop("correlationId"),
        f"{DOCUMENT}: payment.reply is correlated in another way",
    ),
}

PASSING: dict[str, Change] = {
    "nothing": lambda f: f,
    "an optional field of a request": lambda f: fields(f, CREATE).update(shop={"type": "string"}),
    "a value of a request": lambda f: f[CREATE]["$defs"]["CaptureMethod"]["enum"].append("later"),
    "a wider limit of a request": lambda f: fields(f, CREATE)["order_id"].update(maxLength=500),
    "no limit of a request": lambda f: fields(f, CREATE)["order_id"].pop("maxLength"),
    "no pattern of a request": lambda f: fields(f, CREATE)["currency"].pop("pattern"),
    "a wider type of a request": lambda f: fields(f, CREATE)["order_id"].update(type=["string", "integer"]),
    "a number for an integer": lambda f: fields(f, CREATE)["amount"].update(type="number"),
    "a field of a request no longer required": lambda f: f[CREATE]["required"].remove("user_id"),
    "a field of an event": lambda f: (
        fields(f, FAILED).update(risk={"type": "string"}),
        f[FAILED]["required"].append("risk"),
    ),
    "a value of an event": lambda f: f[FAILED]["$defs"]["PaymentStatus"]["enum"].append("frozen"),
    "a field of an event now certain": lambda f: f[FAILED]["required"].append("needs_review"),
    "a refusal code": lambda f: f[REPLY]["$defs"]["RefusalCode"]["enum"].append("too_late"),
    "another description": lambda f: fields(f, CREATE)["amount"].update(description="Money."),
    "a message": lambda f: f.update({"payment.settled.v1.json": f[FAILED]}),
    "a raised version": lambda f: rename(f, CREATE, "payment.create.v2.json"),
    "a channel": lambda f: f[DOCUMENT]["channels"].update(more={"address": "more"}),
    "a binding": lambda f: f[DOCUMENT]["channels"]["queue.payments.commands"]["x-bindings"].append({"exchange": "x"}),
    "another title of the document": lambda f: f[DOCUMENT]["info"].update(title="Money"),
}


@pytest.mark.parametrize("name", BREAKING)
def test_a_breaking_change_is_named(name: str) -> None:
    """A change that breaks a service is reported in a sentence with the file, the place and both values."""
    change, sentence = BREAKING[name]
    assert sentence in after(change)


@pytest.mark.parametrize("name", PASSING)
def test_an_addition_passes(name: str) -> None:
    """A change that every service survives is not reported."""
    assert after(PASSING[name]) == []


@pytest.mark.parametrize("argument", ["x-delivery-limit", "x-overflow", "x-queue-type", "x-new"])
def test_a_queues_arguments_may_not_change_at_all(argument: str) -> None:
    """A changed, a removed and an added argument of a queue are all reported: a redeclaration would be refused."""
    for channel in ("subscriber", "queue.payments.commands"):

        def change(files: Json, channel: str = channel) -> None:
            arguments = files[DOCUMENT]["channels"][channel]["x-arguments"]
            arguments[argument] = "another"

        (sentence,) = after(change)
        assert sentence.startswith(f"{DOCUMENT}: channels.{channel}.x-arguments: ")


def test_a_request_gone_for_good_is_not_replaced_by_another() -> None:
    """A removed message is reported although other messages have higher versions."""

    def change(files: Json) -> None:
        rename(files, CREATE, "payment.made.v9.json")

    assert after(change) == [f"{CREATE}: removed"]
