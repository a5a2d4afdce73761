"""News of money in Stripe's exact shape: refunds, disputes, captures, warnings, reviews; and what is not quite that shape."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import InvalidMessage
from contracts.views import DisputeFunds, DisputeStatus, RefundStatus
from tests.unit.worker.making import SECOND, story
from tests.unit.worker.stripe_events import Json, about, events
from worker.adapters import translate
from worker.adapters.translate import StripeEvent
from worker.domain.facts import DisputeFact, RefundFact
from worker.domain.messages import (
    ChargeSeen,
    DisputeSeen,
    IntentChanged,
    IntentSeen,
    RefundSeen,
    RefundTotal,
    ReviewSeen,
    WarningSeen,
)
from worker.domain.payment import decide
from worker.domain.record import Status
from worker.ports import Owner

IGNORED_TYPES = frozenset({"charge.updated"})
"""What the life of a payment brings besides, and says nothing new."""

NEWS = sorted(events().keys() - IGNORED_TYPES)
AMOUNTS = {
    "refund.created": "amount",
    "refund.updated": "amount",
    "refund.failed": "amount",
    "charge.refund.updated": "amount",
    "charge.refunded": "amount_refunded",
    "charge.dispute.created": "amount",
    "charge.dispute.updated": "amount",
    "charge.dispute.closed": "amount",
    "charge.dispute.funds_withdrawn": "amount",
    "charge.dispute.funds_reinstated": "amount",
    "payment_intent.succeeded": "amount_received",
    "payment_intent.amount_capturable_updated": "amount",
}


def told(event: Json, **changes: Any) -> StripeEvent:
    """What the bytes of an event, or of one with other attributes, are read as."""
    return translate.stripe_event(json.dumps(event | changes).encode(), livemode=False)


def one(kind: str, which: int = 0, **changes: Any) -> StripeEvent:
    """One event of a type, with changes to its object."""
    event = events()[kind][which]
    return told(event | {"data": {"object": event["data"]["object"] | changes}})


@pytest.mark.parametrize("kind", NEWS)
def test_every_event_is_news(kind: str) -> None:
    """Each event of money, of every type, is taken as it is, and tells whose intent it is about."""
    for event in events()[kind]:
        found = told(event)
        assert found.news is not None, found.ignored
        assert not isinstance(found.news, IntentChanged)
        assert found.intent_id
        assert found.intent_id.startswith("pi_")
        assert (found.news.message_id, found.news.event_type) == (event["id"], kind)


@pytest.mark.parametrize("kind", sorted(IGNORED_TYPES))
def test_what_says_nothing_new_is_ignored(kind: str) -> None:
    """A type without a rule is ignored, and the reason says so."""
    assert told(events()[kind][0]).ignored == "no rule for this type"


def refunds(kind: str) -> list[RefundFact]:
    found = [told(event).news for event in events()[kind]]
    assert all(isinstance(news, RefundSeen) for news in found)
    return [news.refund for news in found if isinstance(news, RefundSeen)]


def test_a_refund_of_ours_is_recognised() -> None:
    """A refund that we made bears its name and its payment's, with its reason."""
    first = refunds("refund.created")[0]
    assert (first.refund_id, first.payment_id, first.amount) == ("refund-1", "pay_0a_1", 500)
    assert (first.status, first.reason, first.failure) == (RefundStatus.SUCCEEDED, "duplicate", None)
    assert told(events()["refund.created"][0]).owner == Owner("pay_0a_1", "order-1", "test")


def test_a_refund_in_the_dashboard_is_nobodys() -> None:
    """A refund that was made in the dashboard has neither name nor owner, and is found by its intent."""
    _, dashboard, _ = events()["refund.created"]
    found = told(dashboard)
    assert isinstance(found.news, RefundSeen)
    assert (found.news.refund.refund_id, found.news.refund.payment_id, found.news.refund.amount) == (None, None, 700)
    assert found.owner == Owner()
    assert found.intent_id == dashboard["data"]["object"]["payment_intent"]


def test_a_refunds_way_is_heard() -> None:
    """A refund waits for its customer, fails with why, or is canceled, by whichever of its events tells of it."""
    assert [fact.status for fact in refunds("refund.created")][2] is RefundStatus.REQUIRES_ACTION
    for kind in ("refund.updated", "charge.refund.updated"):
        assert [fact.status for fact in refunds(kind)] == [RefundStatus.FAILED, RefundStatus.CANCELED]
    (failed,) = refunds("refund.failed")
    assert (failed.status, failed.failure) == (RefundStatus.FAILED, "declined")


def test_a_total_names_no_refund() -> None:
    """`charge.refunded` tells how much of a charge is refunded, and no more."""
    found = [told(event).news for event in events()["charge.refunded"]]
    assert all(isinstance(news, RefundTotal) for news in found)
    assert [news.amount_refunded for news in found if isinstance(news, RefundTotal)] == [500, 700, 800]


def disputes(kind: str) -> list[DisputeFact]:
    found = [told(event).news for event in events()[kind]]
    assert all(isinstance(news, DisputeSeen) for news in found)
    return [news.dispute for news in found if isinstance(news, DisputeSeen)]


def test_a_dispute_is_heard_from_its_beginning_to_its_end() -> None:
    """A dispute brings its amount, why, until when, and whether its money has left and come back."""
    first, second, inquiry, final = disputes("charge.dispute.created")
    assert (first.amount, first.reason, first.status) == (700, "fraudulent", DisputeStatus.NEEDS_RESPONSE)
    assert (first.funds, first.submitted) == (DisputeFunds.WITHDRAWN, False)
    due_by = about("charge.dispute.created")["evidence_details"]["due_by"]
    assert first.due_by == datetime.fromtimestamp(due_by, UTC)
    assert first.charge_id == about("charge.dispute.created")["charge"]
    assert (second.reason, inquiry.status) == ("duplicate", DisputeStatus.WARNING_NEEDS_RESPONSE)
    assert (inquiry.funds, final.status) == (DisputeFunds.UNTOUCHED, DisputeStatus.LOST)
    answered, escalated = disputes("charge.dispute.updated")
    assert (answered.status, answered.submitted) == (DisputeStatus.UNDER_REVIEW, True)
    assert (escalated.id, escalated.status, escalated.funds) == (
        inquiry.id,
        DisputeStatus.NEEDS_RESPONSE,
        DisputeFunds.WITHDRAWN,
    )
    won, lost, _ = disputes("charge.dispute.closed")
    assert (won.id, won.status, won.funds) == (first.id, DisputeStatus.WON, DisputeFunds.REINSTATED)
    assert (lost.id, lost.status, lost.funds) == (second.id, DisputeStatus.LOST, DisputeFunds.WITHDRAWN)


def test_a_dispute_is_found_by_its_intent() -> None:
    """A dispute bears none of our metadata."""
    found = one("charge.dispute.created")
    assert found.owner == Owner()
    assert found.intent_id == about("charge.dispute.created")["payment_intent"]


def test_what_cannot_be_answered_has_no_deadline() -> None:
    """Stripe writes 0 where the bank takes no evidence: that is no moment."""
    assert disputes("charge.dispute.created")[3].due_by is None


def test_a_capture_in_parts_is_heard() -> None:
    """Each part is told by the intent, with what has been received so far and the charge's id."""
    found = [told(event).news for event in events()["payment_intent.amount_capturable_updated"]]
    assert all(isinstance(news, IntentSeen) for news in found)
    parts = [news.intent for news in found if isinstance(news, IntentSeen)]
    assert [intent.amount_received for intent in parts] == [0, 500, 800, 0]
    assert {intent.status for intent in parts} == {Status.REQUIRES_CAPTURE}


def test_a_hold_is_heard_with_its_end() -> None:
    """A charge that is held says until when; one that is captured says it no longer; both bring the receipt."""
    held = [told(event).news for event in events()["charge.succeeded"]]
    charges = [news.charge for news in held if isinstance(news, ChargeSeen) and news.charge]
    assert [charge.capture_before is not None for charge in charges] == [False, False, False, True, True, False]
    assert all(charge.receipt_url for charge in charges)
    captured = one("charge.captured").news
    assert isinstance(captured, ChargeSeen)
    assert captured.charge is not None
    assert captured.charge.capture_before is None


def test_a_warning_is_heard() -> None:
    """An early fraud warning brings its id and its kind, also when it is corrected."""
    for kind in ("radar.early_fraud_warning.created", "radar.early_fraud_warning.updated"):
        news = one(kind).news
        assert isinstance(news, WarningSeen)
        assert news.warning_id == about(kind)["id"]
        assert news.fraud_type == "made_with_stolen_card"


def test_a_review_is_heard() -> None:
    """A review says why it was opened, and how it ended."""
    opened, closed = one("review.opened").news, one("review.closed").news
    assert isinstance(opened, ReviewSeen)
    assert isinstance(closed, ReviewSeen)
    assert (opened.open, opened.reason) == (True, "manual")
    assert (closed.open, closed.reason) == (False, "approved")
    assert opened.review_id == closed.review_id == about("review.opened")["id"]


@pytest.mark.parametrize("kind", NEWS)
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"livemode": True}, "of the other mode"),
        ({"account": "acct_1"}, "another account's"),
        ({"type": "transfer.created"}, "no rule for this type"),
    ],
)
def test_what_is_not_for_us_is_ignored(kind: str, changes: Json, reason: str) -> None:
    """Events of the other mode, of a connected account and of other types are ignored with the reason, whatever they hold."""
    found = told(events()[kind][0], **changes)
    assert found.news is None
    assert found.ignored.startswith(reason)


@pytest.mark.parametrize("kind", [kind for kind in NEWS if not kind.startswith("payment_intent.")])
def test_money_without_an_intent_is_ignored(kind: str) -> None:
    """A refund, charge, dispute, warning or review of a payment that has no intent is none of ours."""
    assert one(kind, payment_intent=None).ignored == "about no payment intent"


@pytest.mark.parametrize("kind", NEWS)
@pytest.mark.parametrize("version", ["2020-08-27", "2026-10-28", None])
def test_other_words_are_to_be_read(kind: str, version: str | None) -> None:
    """An event of another API version only says that something happened to its intent."""
    event = events()[kind][0]
    found = told(event, api_version=version)
    assert found.news == IntentChanged(message_id=event["id"], event_type=kind, intent_id=found.intent_id or "")


@pytest.mark.parametrize("kind", AMOUNTS)
@pytest.mark.parametrize("amount", [20.0, 0.0, "500", "", True, False, None, -1, 10**30, [500], {"value": 500}])
def test_an_amount_that_is_none_is_to_be_read(kind: str, amount: Any) -> None:
    """An amount that is a fraction, text, a truth value, negative or beyond any money is never taken from an event."""
    assert isinstance(one(kind, **{AMOUNTS[kind]: amount}).news, IntentChanged)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("refund.created", {"status": "requested"}),  # ours, and no word of Stripe's
        ("refund.created", {"status": "dreaming"}),
        ("refund.created", {"status": None}),
        ("refund.created", {"id": None}),
        ("refund.created", {"metadata": ["refund-1"]}),
        ("charge.dispute.created", {"status": "dreaming"}),
        ("charge.dispute.created", {"id": ""}),
        ("charge.dispute.created", {"balance_transactions": 1}),
        ("charge.dispute.created", {"evidence_details": [1]}),
        ("charge.captured", {"id": 7}),
        ("charge.captured", {"payment_method_details": "card"}),
        ("charge.failed", {"outcome": "declined"}),
        ("radar.early_fraud_warning.created", {"id": None}),
        ("review.closed", {"id": {}}),
        ("payment_intent.succeeded", {"latest_charge": {"status": "succeeded"}}),
        ("payment_intent.succeeded", {"currency": None}),
    ],
)
def test_what_cannot_be_read_is_to_be_read(kind: str, changes: Json) -> None:
    """An object that is not what its type says is asked for again, and never half taken."""
    assert isinstance(one(kind, **changes).news, IntentChanged)


@pytest.mark.parametrize(
    ("kind", "changes", "path"),
    [
        ("refund.created", {"reason": {"$ne": 1}}, "refund.reason"),
        ("refund.failed", {"failure_reason": 7}, "refund.failure"),
        ("charge.dispute.created", {"reason": ["fraudulent"]}, "dispute.reason"),
        ("charge.dispute.created", {"evidence_details": {"due_by": 1.5}}, "dispute.due_by"),
        ("charge.dispute.created", {"evidence_details": {"due_by": 10**18}}, "dispute.due_by"),
        ("charge.dispute.created", {"evidence_details": {"due_by": -(10**18)}}, "dispute.due_by"),
        ("charge.failed", {"failure_message": {}}, "decline.message"),
        ("radar.early_fraud_warning.created", {"fraud_type": {"a": 1}}, "fraud_type"),
        ("review.opened", {"reason": 5}, "reason"),
        ("payment_intent.canceled", {"cancellation_reason": ["expired"]}, "intent.cancellation_reason"),
    ],
)
def test_what_should_be_text_or_a_moment_and_is_not_is_left_out(kind: str, changes: Json, path: str) -> None:
    """A word that is no word, and a moment that is none, are as if Stripe had not said them."""
    found: Any = one(kind, **changes).news
    for name in path.split("."):
        found = getattr(found, name)
    assert found is None


TAKEN = {"amount": -1999, "exchange_rate": None}


@pytest.mark.parametrize(
    ("status", "moves", "partly"),
    [
        ("won", [TAKEN, {"amount": 1999, "exchange_rate": None}], False),
        ("won", [TAKEN, {"amount": 1998, "exchange_rate": None}], True),
        ("won", [TAKEN], False),  # not back yet
        ("lost", [TAKEN, {"amount": 5, "exchange_rate": None}], False),
        ("won", [{"amount": -2199, "exchange_rate": 1.1}, {"amount": 2399, "exchange_rate": 1.2}], False),
        ("won", [{"amount": -2199, "exchange_rate": 1.1}, {"amount": 1200, "exchange_rate": 1.2}], True),
        (
            "won",
            [{"amount": -23484764, "exchange_rate": 1.05756}, {"amount": 25012472, "exchange_rate": 1.12636}],
            False,
        ),
        ("won", [TAKEN, {"amount": 2399, "exchange_rate": 1.2}], False),
        ("won", [{"amount": -2199, "exchange_rate": 1.1}, {"amount": 1998, "exchange_rate": None}], True),
    ],
)
def test_a_win_in_part_is_known_by_its_money(status: str, moves: list[Json], partly: bool) -> None:
    """What came back is compared with what was taken, each at its own rate; while nothing is back nothing is said."""
    news = one("charge.dispute.closed", status=status, amount=1999, balance_transactions=moves).news
    assert isinstance(news, DisputeSeen)
    assert news.dispute.partly is partly


NAMES = sorted({name for kind in NEWS for name in about(kind)} | {"id", "due_by", "card", "code", "charge"})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=10,
)


def assert_taken(event: Json) -> None:
    """It is news that every record takes, to be read, ignored with a reason, or invalid; nothing else is raised."""
    try:
        found = told(event)
    except InvalidMessage:
        return
    assert found.news is not None or found.ignored
    if found.news is None:
        return
    for status in (Status.CREATING, Status.REQUIRES_CAPTURE, Status.SUCCEEDED):
        record = story(status).record
        if record.intent_id is not None:
            record = replace(record, intent_id=found.intent_id)
        assert decide(record, found.news, record.updated_at + SECOND).payment is not None


@given(kind=st.sampled_from([*NEWS, *IGNORED_TYPES, "charge.dispute.dreamed", "payment_intent."]), about=JSON)
@settings(max_examples=200, deadline=None)
def test_any_object_is_taken(kind: str, about: Any) -> None:
    """Whatever a webhook's object holds, for each type, it is taken or named."""
    assert_taken(events()["refund.created"][0] | {"type": kind, "data": {"object": about}})


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_any_field_may_hold_anything(data: st.DataObject) -> None:
    """An object of Stripe's of which some fields hold something else is taken or named."""
    event = data.draw(st.sampled_from(events()[data.draw(st.sampled_from(NEWS))]))
    found = event["data"]["object"]
    names = data.draw(st.lists(st.sampled_from(sorted(found)), max_size=3))
    assert_taken(event | {"data": {"object": found | {name: data.draw(JSON) for name in names}}})


@given(attributes=st.dictionaries(st.sampled_from(sorted(events()["refund.created"][0])), JSON, max_size=3))
@settings(max_examples=100, deadline=None)
def test_any_attribute_may_hold_anything(attributes: Json) -> None:
    """An event of which some attributes hold something else is taken or named."""
    assert_taken(events()["refund.created"][0] | attributes)
