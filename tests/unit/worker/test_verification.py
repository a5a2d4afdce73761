"""Replaying a payment's steps: what differs is named by its field, and what cannot be replayed is not called equal."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contracts.events import Case, Remedy
from tests.unit.worker.making import (
    NOW,
    Story,
    create,
    dispute_fact,
    dispute_seen,
    erase,
    evidence,
    refund,
    story,
    warning,
)
from worker.adapters.documents import from_document, to_document
from worker.adapters.readable import Unreadable
from worker.adapters.verify_store import stored
from worker.domain.inputs import RULES, UNKEPT
from worker.domain.messages import Tick
from worker.domain.payment import decide
from worker.domain.policy import COURSES, Course, Policy
from worker.domain.record import Payment, Status
from worker.verification import NOT_KEPT, NOT_READ, OTHER_RULES, Result, Stored, Verified, verify


def read(document: dict[str, Any]) -> Stored:
    """The document as it is read for the check."""
    found = stored(document)
    assert isinstance(found, Stored)
    return found


def verified(payment: Payment) -> Verified:
    return verify(read(to_document(payment)))


def refunded() -> Payment:
    """Paid, with a refund that is under way."""
    made = story(Status.SUCCEEDED)
    made.tell(refund("refund-1", amount=500))
    return made.record


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.NEW}, key=str))
def test_a_payment_is_what_its_steps_make(status: Status) -> None:
    """In every status a payment is equal to its replay, also after it was in the database."""
    payment = story(status).record
    assert verified(payment).result is Result.EQUAL
    assert verified(from_document(to_document(payment))).result is Result.EQUAL


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"captured": 2001}, "captured"),
        ({"status": Status.CANCELED}, "status"),
        ({"refunds": ()}, "refunds[refund-1]"),
        ({"calls": ()}, "calls[create-1]"),
        ({"amount": 1}, "amount"),
        ({"poll_at": NOW}, "poll_at"),
        ({"timeline": ()}, "timeline[create-1]"),
        ({"user_id": "user-2"}, "events[1].body.user_id"),
        ({"needs_review": "by hand"}, "needs_review"),
    ],
)
def test_what_was_changed_is_named(changes: dict[str, Any], field: str) -> None:
    """A stored payment that somebody has changed differs in that field, and the replay says what it should be."""
    payment = replace(refunded(), **changes)
    found = verified(payment)
    assert found.result is Result.DIFFERENT
    assert field in {one.field for one in found.differences}


def test_both_values_are_told() -> None:
    """A difference has what is stored and what the steps make."""
    payment = refunded()
    (one,) = verified(replace(payment, captured=payment.captured + 1)).differences
    assert (one.field, one.stored, one.replayed) == ("captured", 2001, 2000)
    changed = replace(payment.refunds[0], amount=501)
    fields = {one.field for one in verified(replace(payment, refunds=(changed,))).differences}
    assert fields == {"refunds[refund-1].amount"}


def test_a_lost_deadline_is_a_difference() -> None:
    """A document whose `check_at` is gone would wait for ever: it differs."""
    payment = refunded()
    document = to_document(payment)
    del document["check_at"]
    assert [one.field for one in verify(read(document)).differences] == ["check_at"]


def full() -> dict[str, Any]:
    """The document of a payment that has two items in each of these lists: attempts, refunds, disputes, timeline, events."""
    made = story(Status.SUCCEEDED)
    made.tell(refund("refund-1", amount=500))
    made.tell(refund("refund-2", amount=100))
    made.tell(dispute_seen(dispute_fact()))
    document = to_document(made.record)
    assert verify(read(document)).result is Result.EQUAL
    return document


def fields_of(document: dict[str, Any]) -> set[str]:
    """The fields that differ in a document that does."""
    found = verify(read(document))
    assert found.result is Result.DIFFERENT
    return {one.field for one in found.differences}


LISTS = {"refunds": "refund-1", "disputes": "dp_1", "timeline": "create-1", "events": "1", "calls": "create-1"}


@pytest.mark.parametrize(("field", "name"), LISTS.items())
@pytest.mark.parametrize("front", [True, False])
def test_an_item_that_is_there_twice_is_a_difference(field: str, name: str, *, front: bool) -> None:
    """An exact repeat of an item, before or after the right one, is named with its number."""
    document = full()
    items = document[field]
    document[field] = [items[0], *items] if front else [*items, items[0]]
    assert f"{field}[{name}]#2" in fields_of(document)


@pytest.mark.parametrize(("field", "key"), [("refunds", "amount"), ("disputes", "amount"), ("events", "type")])
def test_another_item_of_the_same_name_does_not_hide(field: str, key: str) -> None:
    """A second refund, dispute or event that bears the name of the right one and was put before it is found."""
    document = full()
    first = document[field][0]
    document[field] = [first | {key: 1 if key == "amount" else "payment.invented"}, *document[field]]
    name = f"{field}[{LISTS[field]}]"
    assert {f"{name}.{key}", f"{name}#2"} <= fields_of(document)


@pytest.mark.parametrize("field", ["refunds", "timeline", "events", "calls"])
def test_another_order_is_a_difference(field: str) -> None:
    """A list whose items stand in another order than their steps made them differs as a whole."""
    document = full()
    assert len(document[field]) > 1
    document[field] = document[field][::-1]
    assert field in fields_of(document)


def test_an_event_that_the_relay_never_finds_is_a_difference() -> None:
    """The relay finds unsent events by `unsent_at`: without it, later than it, or with nothing to send, it differs."""
    document = full()
    assert "unsent_at" in document
    without_it = {name: value for name, value in document.items() if name != "unsent_at"}
    assert fields_of(without_it) == {"unsent_at"}
    assert fields_of(document | {"unsent_at": NOW + timedelta(days=1)}) == {"unsent_at"}
    sent = document | {"events": [event | {"sent": True} for event in document["events"]]}
    assert fields_of(sent) == {"unsent_at"}
    del sent["unsent_at"]
    assert verify(read(sent)).result is Result.EQUAL


def test_the_mark_of_the_roll_up_is_ours() -> None:
    """Statistics note in a payment which quarters of an hour it was counted in; no step does."""
    assert verify(read(to_document(refunded()) | {"quarters": [NOW]})).result is Result.EQUAL


def test_a_field_that_we_do_not_write_is_a_difference() -> None:
    """A field that no release has written is named, beside the record and in what is known of Stripe."""
    document = full()
    altered = document | {"approved": True, "stripe": document["stripe"] | {"account": "acct_1"}}
    assert fields_of(altered) == {"approved", "stripe.account"}


def test_a_document_of_another_shape_differs() -> None:
    """What cannot be read is told of, not passed over."""
    found = verify(Unreadable("pay_1", "captured is stored as float"))
    assert (found.result, found.differences[0].stored) == (Result.DIFFERENT, "captured is stored as float")


def without(payment: Payment, *steps: int) -> Payment:
    """The payment without the inputs at these places."""
    left = tuple(one for number, one in enumerate(payment.inputs) if number not in steps)
    return replace(payment, inputs=left)


def test_a_payment_from_before_steps_were_kept_is_no_proof() -> None:
    """Of a document without a list of steps, as an older release wrote it, nothing is claimed."""
    document = to_document(refunded())
    del document["inputs"]
    found = verify(read(document))
    assert (found.result, found.why) == (Result.UNVERIFIABLE, NOT_KEPT)


def test_lost_steps_are_a_difference() -> None:
    """Whichever step is gone, the first, the last, one between or all of them, the payment differs, and where is said."""
    payment = refunded()
    count = len(payment.inputs)
    assert count > 3
    found = [verified(without(payment, number)) for number in range(count)]
    assert [one.result for one in found] == [Result.DIFFERENT] * count
    fields = [one.differences[0].field for one in found]
    assert fields == ["inputs[-1]", *(f"inputs[{number}]" for number in range(count - 2)), "version"]
    assert verified(without(payment, *range(count))).differences[0].field == "inputs[-1]"
    altered = replace(without(payment, 2), captured=payment.captured + 1)
    assert verified(altered).result is Result.DIFFERENT


@pytest.mark.parametrize("by", [-1, 1])
def test_another_version_is_a_difference(by: int) -> None:
    """A version that the steps do not reach, or pass, differs, and the replay says which it should be."""
    payment = refunded()
    (one,) = verified(replace(payment, version=payment.version + by)).differences
    assert (one.field, one.stored, one.replayed) == ("version", payment.version + by, payment.version)


def test_a_count_of_what_was_never_archived_is_a_difference() -> None:
    """A document that says that a part of it has moved, with nothing in the archive, differs."""
    (one,) = verified(replace(refunded(), archived=1)).differences
    assert (one.field, one.stored, one.replayed) == ("archived", 1, 0)


def test_a_first_step_that_makes_no_payment_is_a_difference() -> None:
    """A create whose recorded amount was altered into one that is refused makes nothing, and the payment differs."""
    payment = story(Status.CREATING).record
    altered = replace(payment.inputs[0], message=payment.inputs[0].message | {"amount": -1})
    found = verified(replace(payment, inputs=(altered, *payment.inputs[1:])))
    assert found.result is Result.DIFFERENT
    assert {one.field for one in found.differences} == {"inputs"}


@pytest.mark.parametrize("change", [{"kind": "Divined"}, {"message": {"message_id": 7}}, {"message": {}}])
def test_steps_in_other_words_are_a_difference(change: dict[str, Any]) -> None:
    """An input that this release cannot read is named by its version: a newer release wrote it, or somebody by hand."""
    payment = refunded()
    other = replace(payment.inputs[1], **change)
    (found,) = verified(replace(payment, inputs=(payment.inputs[0], other, *payment.inputs[2:]))).differences
    assert (found.field, found.stored, found.replayed) == ("inputs[0]", other.kind, NOT_READ)


@pytest.mark.parametrize(
    ("field", "odd"), [("reviews", {}), ("attempts", ""), ("user_id", 7), ("updated_at", "x"), ("version", "x")]
)
def test_a_value_of_another_kind_is_a_difference(field: str, odd: object) -> None:
    """What only looks empty, or is a number where a text belongs, differs."""
    assert verify(stored(full() | {field: odd})).result is Result.DIFFERENT


def test_a_mark_of_another_kind_is_a_difference() -> None:
    """An event whose mark is neither yes nor no is sent to one reader and unsent to another: it differs."""
    document = full()
    document["events"][-1]["sent"] = 1
    found = verify(stored(document))
    assert [one.stored for one in found.differences] == ["events.sent is stored as int"]


def test_an_input_that_was_changed_is_found() -> None:
    """A step that cannot be decided any more, or decides otherwise, is a difference."""
    payment = refunded()
    later = replace(payment.inputs[0], at=payment.inputs[0].at + timedelta(seconds=1))
    assert verified(replace(payment, inputs=(later, *payment.inputs[1:]))).result is Result.DIFFERENT
    foreign = replace(payment.inputs[1], message=payment.inputs[1].message | {"call_id": "another"})
    (broken,) = verified(replace(payment, inputs=(payment.inputs[0], foreign, *payment.inputs[2:]))).differences
    assert broken.field == "inputs"


def by_other_rules(payment: Payment, rules: int) -> Payment:
    """The payment as if another release had decided its last step."""
    return replace(payment, inputs=(*payment.inputs[:-1], replace(payment.inputs[-1], rules=rules)))


@pytest.mark.parametrize("rules", [0, RULES + 1])
def test_a_step_by_other_rules_is_no_difference(rules: int) -> None:
    """A payment that differs is not called wrong if another release, older or newer, decided one of its steps."""
    payment = by_other_rules(refunded(), rules)
    assert verified(payment).result is Result.EQUAL
    altered = verified(replace(payment, captured=payment.captured + 1))
    assert (altered.result, altered.why) == (Result.UNVERIFIABLE, OTHER_RULES)
    broken = replace(payment.inputs[1], message=payment.inputs[1].message | {"call_id": "another"})
    odd = verified(replace(payment, inputs=(payment.inputs[0], broken, *payment.inputs[2:])))
    assert (odd.result, odd.why) == (Result.UNVERIFIABLE, OTHER_RULES)


def test_a_lost_step_is_a_difference_by_any_rules() -> None:
    """That a step is gone needs no replay to be seen: other rules excuse none."""
    assert verified(without(by_other_rules(refunded(), 0), 1)).result is Result.DIFFERENT


def test_an_input_without_rules_is_of_an_older_release() -> None:
    """A document whose inputs do not say by which rules they were decided is read, and counts as decided by others."""
    document = to_document(refunded())
    assert {one.pop("rules") for one in document["inputs"]} == {RULES}
    assert verify(read(document)).result is Result.EQUAL
    document["captured"] += 1
    assert verify(read(document)).why == OTHER_RULES


def test_an_erased_payment_is_still_proven() -> None:
    """Nothing that erasure forgets is needed: a payment is equal to its replay before and after it."""
    made = story(Status.SUCCEEDED)
    made.tell(refund("refund-1", amount=500, note="for user-1"))
    made.tell(create("create-2", user_id="user-2"))
    assert verified(made.record).result is Result.EQUAL
    made.tell(erase())
    made.tell(create("create-3"))
    assert verified(made.record).result is Result.EQUAL
    assert "user-" not in str(made.record.inputs)


def test_inputs_hold_nothing_secret_or_personal() -> None:
    """No address, note, evidence, metadata, client secret or way back is in what is kept of a message."""
    made = Story()
    made.tell(create(receipt_email="a@example.com", description="private", metadata={"k": "private"}))
    assert made.record.inputs
    told = story(Status.SUCCEEDED)
    told.tell(evidence("evidence-1", evidence={"customer_name": "private"}))
    for one in (*made.record.inputs, *told.record.inputs):
        assert not UNKEPT & one.message.keys()
        assert "private" not in str(one)
        assert "example.com" not in str(one)


def test_a_policy_is_kept_where_it_had_a_say() -> None:
    """A warning that was met by a refund under another policy than today's is replayed under that one."""
    made = story(Status.SUCCEEDED)
    payment = made.record
    policy = Policy(COURSES | {Case.FRAUD_WARNING: Course(Remedy.REFUND)}, timedelta(hours=1))
    decision = decide(payment, warning(), made.now, policy=policy)
    assert decision.payment is not None
    assert [one.policy != {} for one in decision.payment.inputs][-1]
    after = replace(decision.payment, version=payment.version + 1)
    assert after.concerns[0].remedy is Remedy.REFUND
    assert verified(after).result is Result.EQUAL
    tick = decide(after, Tick(), made.now + timedelta(minutes=2), policy=policy)
    assert tick.payment is not None
    assert not tick.payment.inputs[-1].policy
