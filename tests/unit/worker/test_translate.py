"""From bytes to messages: what is read, what is refused by name, what is ignored with its reason."""

import json
from datetime import timedelta
from typing import Any

import pytest

from contracts.commands import PRIVILEGED_COMMANDS, CaptureMethod
from contracts.errors import InvalidMessage
from tests.unit.worker.making import NOW
from worker.adapters import translate
from worker.adapters.gateway import API_VERSION
from worker.domain.messages import Cancel, ChargeSeen, CommandMessage, Confirm, Create, IntentChanged, IntentSeen
from worker.domain.record import Address, Status
from worker.ports import Owner

CREATE = {"order_id": "order-1", "user_id": "user-1", "amount": 2000, "currency": "EUR"}
CONFIRM = {"payment_id": "pay_0a_1", "payment_method": "pm_card_visa", "return_url": "https://shop.example/back"}
OURS = {"payment_id": "pay_0a_1", "order_id": "order-1", "deployment": "test"}

INTENT: dict[str, Any] = {
    "id": "pi_1",
    "status": "succeeded",
    "amount": 2000,
    "amount_received": 2000,
    "currency": "eur",
    "metadata": OURS,
    "client_secret": "pi_1_secret_1",
}
CHARGE: dict[str, Any] = {
    "id": "ch_1",
    "payment_intent": "pi_1",
    "metadata": OURS,
    "failure_code": "card_declined",
    "failure_message": "Your card was declined.",
    "outcome": {"reason": "generic_decline"},
    "payment_method": "pm_1",
    "payment_method_details": {"type": "card"},
}


def enveloped(kind: str, data: dict[str, Any], **attributes: Any) -> bytes:
    """A command as its sender puts it on the broker."""
    envelope = {
        "specversion": "1.0",
        "id": "cmd-1",
        "source": "orders",
        "type": kind,
        "time": NOW.isoformat(),
        "data": data,
    }
    return json.dumps(envelope | attributes).encode()


def read(kind: str, data: dict[str, Any], **attributes: Any) -> CommandMessage:
    privileged = kind in PRIVILEGED_COMMANDS
    raw = enveloped(kind, data, **attributes)
    found = translate.command(raw, Address("replies", "c-1"), "test", NOW, privileged=privileged)
    assert isinstance(found, CommandMessage)
    return found


def event(kind: str, about: Any, **attributes: Any) -> bytes:
    """A webhook as Stripe signs it."""
    whole = {"id": "evt_1", "type": kind, "api_version": API_VERSION, "livemode": False, "data": {"object": about}}
    return json.dumps(whole | attributes).encode()


def heard(kind: str, about: Any, **attributes: Any) -> translate.StripeEvent:
    return translate.stripe_event(event(kind, about, **attributes), livemode=False)


def test_a_create_is_read() -> None:
    """A create becomes its message, with the envelope's id, its sender's time, and our deployment."""
    command = read("payment.create", CREATE | {"metadata": {"cart": "7"}}, correlationid="order-1")
    assert isinstance(command, Create)
    assert (command.message_id, command.issued_at, command.deployment) == ("cmd-1", NOW, "test")
    assert (command.amount, command.currency, command.metadata) == (2000, "eur", {"cart": "7"})
    assert command.reply == Address("replies", "c-1")
    assert command.trace.correlation_id == "order-1"


def test_a_confirm_and_a_cancel_are_read() -> None:
    """The other commands become their messages."""
    assert isinstance(read("payment.confirm", CONFIRM), Confirm)
    by_order = read("payment.cancel", {"order_id": "order-1", "reason": "duplicate"})
    assert isinstance(by_order, Cancel)
    assert (by_order.order_id, by_order.payment_id, by_order.reason) == ("order-1", None, "duplicate")


def test_a_create_is_read_with_all_it_may_say() -> None:
    """Several captures, a customer, a method to be saved and an address for the receipt reach the message."""
    more = {"capture_method": "manual", "multicapture": True, "receipt_email": "somebody@shop.example"}
    command = read("payment.create", CREATE | more | {"setup_future_usage": "off_session", "description": "Tickets"})
    assert isinstance(command, Create)
    assert (command.capture_method, command.multicapture) == (CaptureMethod.MANUAL, True)
    assert (command.with_customer, command.setup_future_usage) == (True, "off_session")
    assert (command.receipt_email, command.description) == ("somebody@shop.example", "Tickets")
    assert "somebody@shop.example" not in repr(command)


@pytest.mark.parametrize(
    ("said", "needed"),
    [({}, False), ({"use_customer": True}, True), ({"setup_future_usage": "on_session"}, True)],
)
def test_a_create_needs_a_customer_when_it_says_so(said: dict[str, Any], *, needed: bool) -> None:
    """A payment is tied to its user's customer if that is asked for, or if its method is to be saved."""
    command = read("payment.create", CREATE | said)
    assert isinstance(command, Create)
    assert command.with_customer is needed


def test_a_confirm_without_the_customer_is_read() -> None:
    """Off session there is no page to come back to."""
    command = read("payment.confirm", {"payment_id": "pay_0a_1", "payment_method": "pm_1", "off_session": True})
    assert isinstance(command, Confirm)
    assert (command.off_session, command.return_url) == (True, None)


def test_a_command_without_an_expiry_is_wanted_for_an_hour() -> None:
    """A command that does not say until when it is wanted goes stale an hour after it was issued."""
    assert read("payment.create", CREATE).expires_at == NOW + timedelta(hours=1)
    said = read("payment.create", CREATE | {"expires_at": (NOW + timedelta(minutes=1)).isoformat()})
    assert said.expires_at == NOW + timedelta(minutes=1)


def test_times_are_kept_to_the_millisecond() -> None:
    """What MongoDB would round is rounded before anything is decided."""
    command = read("payment.create", CREATE, time="2026-03-02T13:00:00.123999+01:00")
    assert command.issued_at.isoformat() == "2026-03-02T12:00:00.123000+00:00"


def test_the_hash_tells_commands_apart_by_their_terms() -> None:
    """The same terms have the same hash whatever their order and expiry; other terms, or another kind, have another."""
    first = read("payment.create", CREATE).body_hash
    turned = dict(reversed(list(CREATE.items()))) | {"expires_at": NOW.isoformat()}
    assert read("payment.create", turned).body_hash == first
    assert read("payment.create", CREATE | {"amount": 2001}).body_hash != first


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (CREATE | {"amount": "2000"}, "data.amount"),
        (CREATE | {"amount": 0}, "data.amount"),
        (CREATE | {"amount": 19.99}, "data.amount"),
        (CREATE | {"currency": "euro"}, "data.currency"),
        (CREATE | {"order_id": ""}, "data.order_id"),
        (CREATE | {"surprise": 1}, "data.surprise"),
        ({name: value for name, value in CREATE.items() if name != "user_id"}, "data.user_id"),
    ],
)
def test_a_bad_field_is_named(data: dict[str, Any], field: str) -> None:
    """A command with a wrong, missing or unknown field is refused naming it, and naming the command."""
    with pytest.raises(InvalidMessage) as refused:
        read("payment.create", data)
    assert (refused.value.field, refused.value.message_id) == (field, "cmd-1")


@pytest.mark.parametrize(
    ("attributes", "field"),
    [
        ({"type": "payment.steal"}, "type"),
        ({"dataschema": "urn:payments:payment.create:v2"}, "dataschema"),
        ({"time": (NOW + timedelta(minutes=16)).isoformat()}, "time"),
        ({"time": "yesterday"}, "time"),
        ({"id": ""}, "id"),
        ({"id": "~auto-1"}, "id"),
        ({"specversion": "0.3"}, "specversion"),
        ({"data": []}, "data"),
    ],
)
def test_a_bad_attribute_is_named(attributes: dict[str, Any], field: str) -> None:
    """An envelope of another version, from the future, or without its attributes is refused naming the attribute."""
    with pytest.raises(InvalidMessage) as refused:
        translate.command(_with(attributes), None, "test", NOW, privileged=False)
    assert refused.value.field == field


def _with(attributes: dict[str, Any]) -> bytes:
    return json.dumps(json.loads(enveloped("payment.create", CREATE)) | attributes).encode()


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe", b"null", b"[]", b'"text"', b"{", b"[" * 100_000, b"1e999"])
def test_nonsense_is_no_message(raw: bytes) -> None:
    """Bytes that are no object are refused as invalid, by both readers, and nothing else is raised."""
    with pytest.raises(InvalidMessage):
        translate.command(raw, None, "test", NOW, privileged=False)
    with pytest.raises(InvalidMessage):
        translate.stripe_event(raw, livemode=False)


def test_an_intents_event_is_news() -> None:
    """An event of an intent carries its snapshot, its owner and its id."""
    told = heard("payment_intent.succeeded", INTENT)
    assert isinstance(told.news, IntentSeen)
    assert (told.news.intent.status, told.news.intent.amount_received) == (Status.SUCCEEDED, 2000)
    assert told.news.version is None
    assert told.owner == Owner("pay_0a_1", "order-1", "test")
    assert told.intent_id == "pi_1"


def test_a_charges_event_is_news() -> None:
    """A failed charge carries its decline, another charge none."""
    failed = heard("charge.failed", CHARGE).news
    assert isinstance(failed, ChargeSeen)
    assert failed.decline is not None
    assert (failed.decline.charge_id, failed.decline.decline_code) == ("ch_1", "generic_decline")
    succeeded = heard("charge.succeeded", CHARGE | {"payment_intent": {"id": "pi_1"}}).news
    assert isinstance(succeeded, ChargeSeen)
    assert succeeded.decline is None


@pytest.mark.parametrize(
    ("kind", "about", "attributes", "reason"),
    [
        ("payment_intent.succeeded", INTENT, {"livemode": True}, "livemode"),
        ("customer.created", {"id": "cus_1"}, {}, "no rule"),
        ("payment_intent.succeeded", INTENT, {"account": "acct_other"}, "another account's"),
        ("charge.failed", CHARGE | {"payment_intent": None}, {}, "about no payment intent"),
        ("charge.failed", CHARGE | {"payment_intent": ""}, {}, "about no payment intent"),
    ],
)
def test_what_is_not_for_us_is_ignored(kind: str, about: Any, attributes: dict[str, Any], reason: str) -> None:
    """An event of the other mode, another account, an unknown type, or about no intent is ignored with its reason."""
    told = heard(kind, about, **attributes)
    assert told.news is None
    assert reason in told.ignored


@pytest.mark.parametrize(
    ("about", "attributes"),
    [
        (INTENT, {"api_version": "2020-08-27"}),
        (INTENT, {"api_version": None}),
        (INTENT | {"status": "dreaming"}, {}),
        (INTENT | {"amount": None}, {}),
        (INTENT | {"next_action": "soon"}, {}),
    ],
)
def test_other_words_are_to_be_read(about: dict[str, Any], attributes: dict[str, Any]) -> None:
    """An intent of another API version, or one that cannot be read, is only said to have changed."""
    told = heard("payment_intent.succeeded", about, **attributes)
    assert told.news == IntentChanged(message_id="evt_1", event_type="payment_intent.succeeded", intent_id="pi_1")


def test_an_intent_without_metadata_has_no_owner() -> None:
    """An event without our metadata names nobody, so that it is looked for by the intent's id."""
    told = heard("payment_intent.succeeded", INTENT | {"metadata": {}})
    assert told.owner == Owner()
    assert told.intent_id == "pi_1"


def test_an_event_of_the_live_mode_is_ours_in_the_live_mode() -> None:
    """With a live key, live events are news and test events are ignored."""
    live = translate.stripe_event(event("payment_intent.succeeded", INTENT, livemode=True), livemode=True)
    assert live.news is not None
    test = translate.stripe_event(event("payment_intent.succeeded", INTENT), livemode=True)
    assert test.news is None
