"""What a record becomes in the database: everything comes back, and a change writes what a whole rewrite would."""

from copy import deepcopy
from dataclasses import replace
from itertools import pairwise
from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.store.arbitrary import any_of, any_payment
from tests.conformance.store.long_story import longest, random_story
from tests.unit.worker.making import AMOUNT, refund_fact, refund_seen, story
from worker.adapters.documents import Document, Unsound, changes, from_document, to_document
from worker.domain.archive import KEPT, SLACK
from worker.domain.record import Announced, Entry, Payment, Status

OPTIONS: CodecOptions[Document] = CodecOptions(tz_aware=True)
BSON_LIMIT = 16 * 1024 * 1024


def through_bson(document: Document) -> Document:
    """What the database hands back of a document."""
    return bson.decode(bson.encode(document), codec_options=OPTIONS)


@given(any_payment())
@settings(max_examples=60, deadline=None)
def test_every_field_comes_back(payment: Payment) -> None:
    """Whatever its fields hold, a record read back equals the written one, and nothing absent is stored."""
    document = to_document(payment)
    assert from_document(through_bson(document)) == payment
    assert None not in document.values()


@given(any_payment(id=st.just("pay_0_1")), any_payment(id=st.just("pay_0_1")), st.data())
@settings(max_examples=60, deadline=None)
def test_any_change_is_a_whole_rewrite(before: Payment, after: Payment, data: st.DataObject) -> None:
    """From any record to any other: the update leaves the document that an insert of the new one would have made."""
    if data.draw(st.booleans()):  # what nearly all changes do: they add to these two
        more = data.draw(st.lists(any_of(Announced), max_size=2)), data.draw(st.lists(any_of(Entry), max_size=2))
        after = replace(after, events=(*before.events, *more[0]), timeline=(*before.timeline, *more[1]))
    expected = to_document(replace(after, version=before.version + 1))
    assert applied(to_document(before), changes(before, after)) == expected


@pytest.mark.parametrize("seed", range(20))
def test_the_changes_of_a_long_story_are_whole_rewrites(seed: int) -> None:
    """Through whatever comes, refunds, disputes and erasures among it, each step's update leaves what a rewrite would."""
    records = random_story(seed)
    document = to_document(records[0])
    for before, after in pairwise(records):
        document = applied(document, changes(before, after))
        assert document == to_document(after)


def test_a_rewrite_of_sent_events_leaves_nothing_to_send() -> None:
    """Where all events of a rewritten list are sent, the payment is in nobody's outbox."""
    before = story(Status.SUCCEEDED).record
    sent = tuple(replace(event, sent=True) for event in before.events)
    assert changes(before, replace(before, events=sent))["$unset"] == {"unsent_at": ""}


def test_the_longest_payment_is_far_from_the_limit() -> None:
    """With 200 refunds, hundreds of entries, calls and events, the longest notes and all the evidence that may wait."""
    payment = longest()
    assert len(payment.refunds) == 200
    assert min(map(len, (payment.timeline, payment.calls, payment.events))) > KEPT + SLACK
    assert len(bson.encode(to_document(payment))) < BSON_LIMIT // 2


@pytest.mark.parametrize("field", ["amount", "captured", "refunded", "disputed", "heard_refunded"])
@pytest.mark.parametrize("stored", [20.0, "2000", True, None, bson.Decimal128("20")])
def test_an_amount_that_is_no_whole_number_is_refused(field: str, stored: Any) -> None:
    """A payment whose amount somebody has stored as a double, as text or otherwise is not read at all."""
    document = through_bson(to_document(story(Status.SUCCEEDED).record) | {field: stored})
    with pytest.raises(Unsound, match=field):
        from_document(document)


@pytest.mark.parametrize("place", ["refunds", "disputes", "calls", "events"])
def test_a_double_in_the_depths_is_refused(place: str) -> None:
    """A double is refused wherever it is: in a refund, in a call's parameters, in the body of an event."""
    record = story(Status.SUCCEEDED)
    record.tell(refund_seen(refund_fact(AMOUNT)))
    document = to_document(record.record)
    deep = {"refunds": {"amount": 20.0}, "calls": {"params": {"amount": 20.0}}, "events": {"body": {"amount": 20.0}}}
    document[place] = [*document[place], deep.get(place, {"amount": 20.0})]
    with pytest.raises(Unsound, match="amount"):
        from_document(through_bson(document))


def test_a_long_integer_comes_back_plain() -> None:
    """An amount beyond 32 bits is an integer like any other, not the driver's own type."""
    payment = replace(story(Status.SUCCEEDED).record, amount=3_000_000_000)
    assert type(from_document(through_bson(to_document(payment))).amount) is int


def applied(document: Document, update: Document) -> Document:
    """What MongoDB makes of an update with these four operators."""
    assert update.keys() <= {"$set", "$unset", "$push", "$min"}
    made = deepcopy(document)
    made |= update.get("$set", {})
    for name in update.get("$unset", {}):
        made.pop(name, None)
    for name, pushed in update.get("$push", {}).items():
        made[name] = [*made.get(name, []), *pushed["$each"]]
    for name, value in update.get("$min", {}).items():
        made[name] = min(made.get(name, value), value)
    return made
