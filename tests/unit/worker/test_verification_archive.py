"""A payment that has partly moved to the archive is replayed whole, and what either place has lost is a difference."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.worker.making import dispute_fact, dispute_seen, refund, story
from worker.adapters.archive import archived_documents
from worker.adapters.documents import Document, to_document
from worker.adapters.verify_store import stored
from worker.domain.archive import Surplus, without
from worker.domain.record import OPENING, Operation, Payment, Status
from worker.verification import Result, Verified, verify

Parts = tuple[Document, list[Document]]


def lived() -> Payment:
    """Paid, disputed and with a refund under way; all of its events are sent."""
    made = story(Status.SUCCEEDED)
    made.tell(refund("refund-1", amount=500))
    made.tell(dispute_seen(dispute_fact()))
    return replace(made.record, events=tuple(replace(event, sent=True) for event in made.record.events))


def excess(payment: Payment) -> Surplus:
    return Surplus(
        timeline=payment.timeline[:1],
        calls=tuple(call for call in payment.calls if not call.open and call.operation is not Operation.CREATE),
        events=payment.events[:2],
        inputs=payment.inputs[:4],
    )


@pytest.fixture
def parts() -> Parts:
    """The document after a move, and what is in the archive."""
    payment = lived()
    moved = excess(payment)
    assert all((moved.timeline, moved.calls, moved.events, moved.inputs))
    left = replace(without(payment, moved), version=payment.version + 1)
    left = replace(left, inputs=payment.inputs[len(moved.inputs) :])
    return to_document(left), list(archived_documents(payment, moved))


def verified(document: Document, archive: list[Document]) -> Verified:
    return verify(stored(document, archive))


def fields(found: Verified) -> set[str]:
    assert found.result is Result.DIFFERENT
    return {one.field for one in found.differences}


def test_what_has_moved_is_replayed(parts: Parts) -> None:
    """Of a payment with parts in the archive every step is replayed, and it is equal."""
    found = verified(*parts)
    assert (found.result, found.differences, found.steps) == (Result.EQUAL, (), len(lived().inputs))


def test_a_move_that_was_interrupted_is_no_difference(parts: Parts) -> None:
    """Parts that are in the archive and still in the document count once."""
    assert verified(to_document(lived()), []).result is Result.EQUAL
    assert verified(to_document(lived()), parts[1]).result is Result.EQUAL


def test_an_archive_that_is_lost_is_a_difference(parts: Parts) -> None:
    """With nothing left in the archive the payment is not called unverifiable: both numbers are told."""
    document, archive = parts
    found = verified(document, [])
    assert fields(found) == {"archived", f"inputs[{OPENING}]"}
    assert (found.differences[0].stored, found.differences[0].replayed) == (len(archive), 0)


def test_each_part_of_the_archive_is_missed(parts: Parts) -> None:
    """Whichever part is gone, of any kind, the count of what has moved differs."""
    document, archive = parts
    found = [verified(document, archive[:one] + archive[one + 1 :]) for one in range(len(archive))]
    assert all("archived" in fields(one) for one in found)
    oldest = next(number for number, one in enumerate(archive) if one["value"].get("version") == OPENING)
    assert f"inputs[{OPENING}]" in fields(found[oldest])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"archived": 1}, "archived"),
        ({"archived": 1_000}, "archived"),
        ({"version": 3}, "version"),
        ({"version": 1_000}, "version"),
    ],
)
def test_another_number_in_the_document_is_a_difference(parts: Parts, changes: dict[str, Any], field: str) -> None:
    """A count of moved parts that is too low or too high differs, and a version that steps and moves do not reach."""
    document, archive = parts
    assert field in fields(verified(document | changes, archive))


def test_steps_in_the_archive_alone_say_that_steps_were_kept(parts: Parts) -> None:
    """A document whose list of steps was taken out is not taken for one of an older release while some are archived."""
    document, archive = parts
    del document["inputs"]
    assert "refunds[refund-1]" in fields(verified(document, archive))


@pytest.mark.parametrize("field", ["timeline", "events", "inputs"])
def test_what_the_archive_evens_out_is_compared_before(parts: Parts, field: str) -> None:
    """A repeat, or another order, in the document of a payment with archived parts differs."""
    document, archive = parts
    items = document[field]
    assert len(items) > 1
    assert any(field in one for one in fields(verified(document | {field: [items[0], *items]}, archive)))
    assert any(field in one for one in fields(verified(document | {field: items[::-1]}, archive)))
