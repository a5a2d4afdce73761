"""The committed schemas and the AsyncAPI document: complete, right, and what the models say."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

from contracts import topology
from contracts.commands import COMMANDS, PRIVILEGED_COMMANDS, CreatePayment
from contracts.envelope import decode, schema_uri, unwrap
from contracts.events import EVENTS
from contracts.generate import refusals
from contracts.generate.__main__ import SCHEMAS, differing, generated, main, published, text, write
from contracts.generate.breaks import DOCUMENT, breaks
from contracts.generate.catalogue import FAMILIES, Message, Sender, messages
from contracts.generate.examples import bodies, envelopes
from contracts.generate.schemas import ENVELOPE, schema_of
from contracts.money import CHARGEABLE, check
from contracts.queries import ANSWERS, QUERIES
from contracts.replies import RefusalCode, Reply

Json = dict[str, Any]

KINDS = {message.kind: message.model for message in messages()}
FILES = generated()
ALL = [pytest.param(message, id=message.kind) for message in messages()]
REQUESTS = [message for message in messages() if message.sender is Sender.CLIENTS]

formats = FormatChecker(formats=())


@formats.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@formats.checks("uri")
def _is_address(value: object) -> bool:
    return not isinstance(value, str) or value.startswith(("http://", "https://"))


def validator(schema: Json) -> Draft202012Validator:
    return Draft202012Validator(schema, format_checker=formats)


def properties(schema: Any) -> Iterator[tuple[str, Json]]:
    """Every property of every object in a schema, with its name."""
    if isinstance(schema, dict):
        for name, inner in schema.get("properties", {}).items():
            yield f"{schema.get('title')}.{name}", inner
        for inner in schema.values():
            yield from properties(inner)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_what_is_committed_is_what_the_models_say() -> None:
    """The committed files are byte for byte what `make contracts` writes."""
    assert differing(SCHEMAS, FILES) == []


def test_no_published_shape_breaks() -> None:
    """No change of the models breaks a service that was written against the committed files."""
    assert breaks(published(), FILES) == []


def test_the_same_files_on_every_machine() -> None:
    """Another process with another order of hashes finds nothing to write."""
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "contracts.generate", "--check"],
        cwd=SCHEMAS.parents[1],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_message_has_its_schema() -> None:
    """Every command, query, event and reply has a schema under its type and version, and the envelope has one."""
    registered: dict[str, Any] = {
        **COMMANDS,
        **PRIVILEGED_COMMANDS,
        **QUERIES,
        **ANSWERS,
        **EVENTS,
        Reply.TYPE: Reply,
    }
    expected = {f"{kind}.v{model.VERSION}.json" for kind, model in registered.items()}
    assert {*expected, "envelope.v1.json", "currencies.json", DOCUMENT} == FILES.keys()


@pytest.mark.parametrize("name", sorted(FILES.keys() - {DOCUMENT, "currencies.json"}))
def test_a_schema_is_valid_and_named_as_the_envelope_names_it(name: str) -> None:
    """Each schema obeys draft 2020-12 and its `$id` is what `dataschema` carries."""
    kind, version = name.removesuffix(".json").rsplit(".v", 1)
    Draft202012Validator.check_schema(FILES[name])
    assert FILES[name]["$id"] == schema_uri(kind, int(version))
    assert FILES[name]["description"]


@pytest.mark.parametrize("name", sorted(FILES.keys() - {DOCUMENT, "currencies.json"}))
def test_every_field_is_described(name: str) -> None:
    """Each field of each schema says what it means."""
    assert [field for field, schema in properties(FILES[name]) if not schema.get("description")] == []


def test_amounts_name_their_unit() -> None:
    """Every amount of money says that it is in minor units."""
    amounts = {"amount", "captured", "refunded", "disputed", "reserved", "refundable", "capturable"}
    found = [
        schema["description"]
        for content in FILES.values()
        for field, schema in properties(content)
        if field.rsplit(".", 1)[1] in amounts
    ]
    assert len(found) > len(EVENTS)
    assert all("minor units" in description for description in found)


def test_the_client_secret_is_in_the_reply_alone() -> None:
    """`client_secret` is marked as secret and occurs in no command and no event."""
    holders = {
        (name, schema["description"].split(".")[0])
        for name, content in FILES.items()
        if name != DOCUMENT
        for field, schema in properties(content)
        if field.endswith(".client_secret")
    }
    assert holders == {("payment.reply.v1.json", "SECRET")}


@pytest.mark.parametrize("message", ALL)
def test_every_example_is_valid(message: Message) -> None:
    """Each example obeys its schema and the envelope's, and is read back as the body it was made from."""
    made = envelopes(message)
    assert made
    for (summary, raw), body in zip(made.items(), bodies(message).values(), strict=True):
        envelope = decode(raw)
        validator(schema_of(ENVELOPE)).validate(json.loads(raw))
        validator(schema_of(message)).validate(envelope.data)
        assert unwrap(envelope, KINDS) == body, summary


def test_example_amounts_can_be_charged() -> None:
    """The amounts in the examples are ones that Stripe takes."""
    (create,) = (message for message in REQUESTS if message.model is CreatePayment)
    for body in bodies(create).values():
        assert isinstance(body, CreatePayment)
        assert check(body.amount, body.currency) is None


# Two things that JSON Schema cannot say are left out: 1.0 is an integer to it, and Python's `$` allows a last line break.
nasty = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.sampled_from([10**12, 10**12 + 1, 1.5]),
    st.sampled_from(["", "eur", "EUR", "EURO", "eu ", "a" * 128, "a" * 129, "-a", "a b", "pay_a_1", "pay_A_1", "é"]),
    st.sampled_from(["manual", "fraudulent", "https://x.example/", "ftp://x", "2026-01-01T00:00:00Z", "2026-01-01"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["", "k", "a[b]", "k" * 41]), st.sampled_from(["v", "v" * 501]), max_size=2),
)


@given(data=st.data(), message=st.sampled_from(REQUESTS))
def test_a_schema_promises_only_what_the_model_takes(data: st.DataObject, message: Message) -> None:
    """A command that obeys its schema is never refused for its shape, whatever was done to its fields."""
    body = json.loads(envelopes(message)[data.draw(st.sampled_from(sorted(envelopes(message))))])["data"]
    fields = [*message.model.model_fields, "unknown"]
    for field in data.draw(st.lists(st.sampled_from(fields), max_size=3)):
        if data.draw(st.booleans()):
            body.pop(field, None)
        else:
            body[field] = data.draw(nasty)
    if validator(schema_of(message)).is_valid(body):
        assert isinstance(message.model.model_validate(body), message.model)


def test_the_document_has_every_queue_with_its_arguments() -> None:
    """Each queue of the topology is in the document with the arguments and bindings that it is declared with."""
    channels = FILES[DOCUMENT]["channels"]
    for queue in topology.QUEUES:
        channel = channels[f"queue.{queue.name}"]
        assert channel["address"] == channel["bindings"]["amqp"]["queue"]["name"] == queue.name
        assert channel["x-arguments"] == queue.arguments
        assert [(one["exchange"], one["routingKey"]) for one in channel["x-bindings"]] == list(queue.bindings)
        assert channel["x-internal"]
    assert channels["subscriber"]["x-arguments"] == topology.subscription("mine").arguments


def test_the_document_has_every_key_with_its_exchange() -> None:
    """Each message's routing key and exchange are in the document, commands to receive and events to send."""
    channels, operations = FILES[DOCUMENT]["channels"], FILES[DOCUMENT]["operations"]
    for family in FAMILIES:
        for message in family.messages:
            binding = channels[message.kind]["bindings"]["amqp"]
            assert (channels[message.kind]["address"], binding["is"]) == (message.kind, "routingKey")
            assert binding["exchange"] == {
                "name": family.exchange,
                "type": "topic",
                "durable": True,
                "autoDelete": False,
            }
            assert operations[message.kind]["action"] == ("receive" if message.replies else "send")
            assert ("reply" in operations[message.kind]) == bool(message.replies)


def test_the_document_refers_only_to_itself() -> None:
    """Every reference in the document leads to something in it, so that it can be handed on alone."""
    resource: Resource[Any] = Resource.opaque(FILES[DOCUMENT])
    resolver = Registry[Any]().with_resource("", resource).resolver()
    found = list(references(FILES[DOCUMENT]))
    assert len(found) > 3 * len(KINDS)
    assert all(resolver.lookup(reference).contents for reference in found)


@pytest.mark.parametrize("message", ALL)
def test_the_document_describes_its_own_examples(message: Message) -> None:
    """Each example's properties and payload obey the document's own schemas, and a wrong type does not."""
    described = FILES[DOCUMENT]["components"]["messages"][message.kind]
    whole = {"components": FILES[DOCUMENT]["components"]}
    assert described["examples"]
    for example in described["examples"]:
        validator(whole | described["headers"]).validate(example["headers"])
        validator(whole | described["payload"]).validate(example["payload"])
        assert not validator(whole | described["payload"]).is_valid(example["payload"] | {"type": "other"})
        assert not validator(whole | described["headers"]).is_valid({})


def test_the_currencies_are_those_that_can_be_charged() -> None:
    """The currency file holds each chargeable currency, and its limits are the limits of the check."""
    listed = FILES["currencies.json"]["currencies"]
    assert listed.keys() == CHARGEABLE
    for code, one in listed.items():
        assert check(one["minimum"], code) is None
        assert check(one["maximum"], code) is None
        assert check(one["minimum"] - one["step"], code) is not None
        assert check(one["maximum"] + one["step"], code) is not None


def test_every_refusal_code_has_a_meaning() -> None:
    """Each refusal code is explained, in the document too."""
    assert list(refusals.MEANINGS) == list(RefusalCode)
    assert refusals.table() in FILES[DOCUMENT]["info"]["description"]


def test_check_tells_what_would_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` fails on a missing, a stale and a surplus file, names them, and writes nothing."""
    write(tmp_path, FILES)
    assert main(["--check"], tmp_path) == 0
    (tmp_path / "currencies.json").write_text("{}")
    (tmp_path / "payment.reply.v1.json").unlink()
    (tmp_path / "payment.create.v0.json").write_text("{}")
    assert main(["--check"], tmp_path) == 1
    assert "3 to write: currencies.json, payment.create.v0.json, payment.reply.v1.json" in capsys.readouterr().out
    assert (tmp_path / "currencies.json").read_text() == "{}"


def test_a_breaking_change_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A change that breaks somebody is refused by name and written only on purpose."""
    theirs = json.loads(text(FILES["payment.create.v1.json"]))
    theirs["properties"]["coupon"] = {"type": "string"}
    write(tmp_path, FILES | {"payment.create.v1.json": theirs})
    assert main([], tmp_path) == 1
    assert "breaking: payment.create.v1.json: coupon is removed" in capsys.readouterr().err
    assert differing(tmp_path, FILES) == ["payment.create.v1.json"]
    assert main(["--accept-breaking-change"], tmp_path) == 0
    assert differing(tmp_path, FILES) == []


def test_writing_makes_the_folder_equal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Writing into an empty folder makes every file, and a second time changes none."""
    assert main([], tmp_path / "new") == 0
    assert main([], tmp_path / "new") == 0
    assert "0 changed: none" in capsys.readouterr().out
    assert differing(tmp_path / "new", FILES) == []
