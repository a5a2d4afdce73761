"""What a sender wrote stays out of the record of a message that came to nothing."""

from tests.unit.worker.making import create, evidence, story
from worker.domain.record import Outcome, Status


def test_refused_evidence_is_not_kept() -> None:
    """Evidence for a dispute that is not there leaves the names of its fields in the timeline, and none of its words."""
    made = story(Status.SUCCEEDED)
    made.tell(evidence(dispute_id="dp_9", evidence={"customer_name": "Jane Doe"}))
    entry = made.record.timeline[-1]
    assert (entry.outcome, entry.message["evidence"]) == (Outcome.REFUSED, ["customer_name"])
    assert "Jane Doe" not in str(made.record)


def test_a_create_that_changes_nothing_leaves_no_address() -> None:
    """A second create of an order leaves its amount and currency in the timeline, and neither address nor description."""
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    made.tell(create("create-2", receipt_email="jane@doe.example", description="A ring for Jane Doe"))
    entry = made.record.timeline[-1]
    assert set(entry.message) == {"issued_at", "amount", "currency"}
    assert "Jane Doe" not in str(made.record.timeline)
