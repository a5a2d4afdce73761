"""What bytes and Stripe's objects become."""

import json
from typing import Any

import pytest

from contracts import commands
from contracts.commands import FutureUsage
from contracts.envelope import MAX_BODY_BYTES
from contracts.errors import InvalidMessage
from tests.unit.customers.customer_making import CUS, CUSTOMER, DEPLOYMENT, METHOD, NOW, USER
from worker.adapters import customer_translate
from worker.adapters.customer_translate import EVENTS, CustomerEvent, methods_of
from worker.adapters.snapshots import Unreadable
from worker.domain.customers.messages import CustomerChanged, Detach, SetDefault, SetUp
from worker.domain.customers.record import SavedMethod

MARK = {"customer_id": CUSTOMER, "deployment": DEPLOYMENT}
CARD: dict[str, Any] = {
    "id": METHOD,
    "object": "payment_method",
    "type": "card",
    "customer": CUS,
    "card": {"brand": "visa", "last4": "4242", "exp_month": 3, "exp_year": 2031, "fingerprint": "x"},
}


def event(kind: str, about: Any, **wrapped: Any) -> bytes:
    """An event as Stripe sends it."""
    found = {"id": "evt_1", "type": kind, "livemode": False, "api_version": "old", "data": {"object": about, **wrapped}}
    return json.dumps(found).encode()


def read(raw: bytes) -> CustomerEvent:
    return customer_translate.customer_event(raw, deployment=DEPLOYMENT, livemode=False)


def news(kind: str, customer_id: str | None = None) -> CustomerChanged:
    return CustomerChanged(message_id="evt_1", event_type=kind, stripe_id=CUS, customer_id=customer_id)


@pytest.mark.parametrize("kind", ["customer.created", "customer.updated", "customer.deleted"])
def test_a_customer_is_known_by_its_mark(kind: str) -> None:
    """A customer's own events carry our id of it, and Stripe's."""
    assert read(event(kind, {"id": CUS, "metadata": MARK})).news == news(kind, CUSTOMER)


@pytest.mark.parametrize("metadata", [{}, None, {"customer_id": "42"}, {"customer_id": 7}])
def test_a_customer_without_our_mark_is_looked_for_by_its_stripe_id(metadata: Any) -> None:
    """Somebody else's metadata, or none, is no mark."""
    assert read(event("customer.updated", {"id": CUS, "metadata": metadata})).news == news("customer.updated")


def test_another_deployments_customer_is_ignored_unless_it_is_here() -> None:
    """A customer that bears another deployment's mark is looked for by its id, and is nothing for us if it is not here."""
    found = read(event("customer.updated", {"id": CUS, "metadata": MARK | {"deployment": "other"}}))
    assert (found.news, found.ignored) == (news("customer.updated", CUSTOMER), "another deployment's")


@pytest.mark.parametrize("kind", ["setup_intent.succeeded", "setup_intent.setup_failed"])
def test_a_setup_intent_names_its_customer(kind: str) -> None:
    """A SetupIntent carries the customer's id, expanded or not, and our mark."""
    assert read(event(kind, {"id": "seti_1", "customer": CUS, "metadata": MARK})).news == news(kind, CUSTOMER)
    assert read(event(kind, {"id": "seti_1", "customer": {"id": CUS}, "metadata": {}})).news == news(kind)


@pytest.mark.parametrize("kind", sorted(kind for kind in EVENTS if kind.startswith("payment_method.")))
def test_a_payment_method_names_its_customer(kind: str) -> None:
    """A payment method carries the customer's id; metadata on it is somebody else's."""
    assert read(event(kind, CARD | {"metadata": {"customer_id": "42", "deployment": "x"}})).news == news(kind)


def test_a_detached_method_says_whose_it_was() -> None:
    """Of a detached method the customer stands only among what it was before."""
    raw = event("payment_method.detached", CARD | {"customer": None}, previous_attributes={"customer": CUS})
    assert read(raw).news == news("payment_method.detached")


@pytest.mark.parametrize("before", [None, {}, {"customer": None}, [], "x"])
def test_what_hangs_on_nobody_is_ignored(before: Any) -> None:
    """A payment method without a customer, now and before, is nobody's."""
    raw = event("payment_method.detached", CARD | {"customer": None}, previous_attributes=before)
    assert (read(raw).news, read(raw).ignored) == (None, "belongs to no customer")


def test_the_other_mode_is_ignored() -> None:
    """An event of live mode means nothing to a test key."""
    found = customer_translate.customer_event(event("customer.updated", {"id": CUS}), deployment="test", livemode=True)
    assert found.ignored == "of the other mode: livemode differs from our key's"


def test_another_type_is_ignored() -> None:
    """Types that nobody has a rule for are ignored with that reason."""
    assert read(event("customer.subscription.created", {"id": "sub_1"})).ignored == "no rule for this type"


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}", b"[]", b'"x"', b'{"id":"evt_1","type":"x","data":{"object":7}}', b"\xff", b"x" * (MAX_BODY_BYTES + 1)],
)
def test_what_is_no_event_is_invalid(raw: bytes) -> None:
    """Bytes that are no Stripe event raise, whatever they are."""
    with pytest.raises(InvalidMessage):
        read(raw)


def test_methods_are_read_without_what_could_charge() -> None:
    """A list of payment methods becomes what a customer recognises, with the default marked."""
    debit = {"id": "pm_2", "type": "sepa_debit", "sepa_debit": {"last4": "3000"}}
    link = {"id": "pm_3", "type": "link"}
    assert methods_of([CARD, debit, link], METHOD) == (
        SavedMethod(METHOD, "card", "visa", "4242", 3, 2031, default=True),
        SavedMethod("pm_2", "sepa_debit", None, "3000"),
        SavedMethod("pm_3", "link"),
    )


@pytest.mark.parametrize("found", [{}, {"id": METHOD}, {"id": METHOD, "type": "card", "card": 7}, None])
def test_a_method_that_cannot_be_read_is_said_to_be(found: Any) -> None:
    """A payment method without its fields is never guessed at."""
    with pytest.raises(Unreadable, match="payment method"):
        methods_of([found], None)


def test_commands_are_read_by_type() -> None:
    """Each command's body becomes its message, with what every command brings."""
    common: dict[str, Any] = {"message_id": "m-1", "body_hash": "h", "issued_at": NOW}
    whole = common | {"user_id": USER, "deployment": DEPLOYMENT}
    set_up = commands.SetUpPaymentMethod(user_id=USER, usage=FutureUsage.ON_SESSION)
    default = commands.SetDefaultMethod(user_id=USER, payment_method=METHOD)
    detach = commands.DetachMethod(user_id=USER, payment_method=METHOD)
    assert customer_translate.command(set_up, common, DEPLOYMENT) == SetUp(**whole, usage=FutureUsage.ON_SESSION)
    assert customer_translate.command(default, common, DEPLOYMENT) == SetDefault(**whole, payment_method=METHOD)
    assert customer_translate.command(detach, common, DEPLOYMENT) == Detach(**whole, payment_method=METHOD)
