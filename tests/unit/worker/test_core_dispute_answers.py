"""What we answer to a dispute: evidence, or giving it up."""

import pytest

from contracts.replies import RefusalCode, Verdict
from contracts.views import DisputeFunds, DisputeStatus
from tests.unit.worker.disputing import (
    ASKED,
    ASKING,
    DAY,
    DUE,
    ENDS,
    LOST,
    OPEN,
    REVIEWED,
    WON,
    disputed,
    hear,
    read,
    told,
)
from tests.unit.worker.making import (
    NOW,
    PAYMENT,
    accept,
    codes,
    dispute_fact,
    evidence,
    last_body,
    paid,
    problem,
    refund,
    story,
    totals,
    verdicts,
)
from worker.domain import limits
from worker.domain.effects import Read, Send
from worker.domain.facts import DisputeFact
from worker.domain.messages import Message, Result
from worker.domain.record import Outcome, Status


def test_evidence_is_sent_and_forgotten() -> None:
    """Evidence goes to Stripe under its command's key, and its text is gone once the call is closed."""
    made = disputed()
    decision = made.tell(evidence())
    assert isinstance(decision.effect, Send)
    call = decision.effect.call
    assert (call.key, call.about) == (f"{PAYMENT}:evidence:evidence-1", "dp_1")
    assert call.params == {"evidence": {"customer_name": "Somebody"}, "submit": True}
    done = made.answer(Result.DONE, dispute=dispute_fact(REVIEWED, submitted=True))
    assert codes(done) == {"evidence-1": None}
    assert done.told[0].about == "dp_1"
    assert "Somebody" not in str(made.record)
    assert last_body(made.record, "dispute_updated")["dispute"]["evidence_submitted"] is True


@pytest.mark.parametrize("result", [Result.REFUSED, Result.UNLISTED])
def test_refused_evidence_is_forgotten_as_well(result: Result) -> None:
    """Also when Stripe refuses it, the text does not stay."""
    made = disputed()
    made.tell(evidence())
    made.answer(result, problem=problem("parameter_invalid_empty"))
    assert "Somebody" not in str(made.record)
    assert made.record.head is None


def test_evidence_that_is_only_saved_can_be_changed() -> None:
    """Evidence that is not submitted leaves the dispute open for more."""
    made = disputed()
    made.tell(evidence("e-1", submit=False))
    made.answer(Result.DONE, dispute=dispute_fact())
    assert codes(made.tell(evidence("e-2"))) == {}
    assert made.head.params["submit"] is True


def test_news_of_evidence_leaves_its_call_to_the_answer() -> None:
    """Submitted evidence may be somebody else's: the call that submits ours waits for Stripe's own answer."""
    made = disputed()
    made.tell(evidence())
    assert verdicts(hear(made, REVIEWED, submitted=True)) == {}
    decision = made.answer(Result.DONE, dispute=dispute_fact(REVIEWED, submitted=True))
    assert verdicts(decision) == {"evidence-1": Verdict.ACCEPTED}
    assert made.record.head is None


def test_news_of_a_dispute_does_not_settle_saved_evidence() -> None:
    """Evidence that is only saved moves nothing at the bank, so no news of the dispute can settle its call."""
    made = disputed()
    made.tell(evidence(submit=False))
    hear(made, OPEN, funds=DisputeFunds.WITHDRAWN)
    assert made.head.id == "evidence-1"


def test_accepting_loses_the_dispute() -> None:
    """A dispute that is given up is lost at once, and this is announced as its end."""
    made = disputed()
    decision = made.tell(accept())
    assert isinstance(decision.effect, Send)
    assert decision.effect.call.key == f"{PAYMENT}:accept:accept-1"
    assert codes(made.answer(Result.DONE, dispute=dispute_fact(LOST))) == {"accept-1": None}
    assert told(made) == ["opened", "closed"]
    assert totals(made.record) == {"captured": 2000, "disputed": 2000}


@pytest.mark.parametrize("command", [evidence(), accept()], ids=["evidence", "accept"])
def test_an_answer_to_an_unknown_dispute_is_refused(command: Message) -> None:
    """A dispute that the payment does not have is refused by name."""
    made = paid()
    (told_of,) = made.tell(command).told
    assert told_of.refused is not None
    assert told_of.refused.code is RefusalCode.UNKNOWN_DISPUTE


@pytest.mark.parametrize("status", ENDS)
@pytest.mark.parametrize("command", [evidence(), accept()], ids=["evidence", "accept"])
def test_an_answer_to_a_dispute_that_is_over_is_refused(status: DisputeStatus, command: Message) -> None:
    """A dispute that has ended takes no answer any more."""
    made = disputed(status)
    assert set(codes(made.tell(command)).values()) == {RefusalCode.DISPUTE_CLOSED}


@pytest.mark.parametrize("status", [LOST, REVIEWED])
def test_an_answer_that_is_not_wanted_does_not_wait(status: DisputeStatus) -> None:
    """Evidence for a dispute that takes none is refused at once, although another call is in flight."""
    made = disputed(status, amount=500)
    made.tell(refund("r-1", amount=100))
    assert codes(made.tell(evidence())) == {"evidence-1": RefusalCode.DISPUTE_CLOSED}
    assert made.head.id == "r-1"


@pytest.mark.parametrize("status", [REVIEWED, ASKED])
def test_evidence_goes_in_once(status: DisputeStatus) -> None:
    """A dispute under review takes no more evidence, and can still be given up."""
    made = disputed(status, submitted=True)
    assert codes(made.tell(evidence())) == {"evidence-1": RefusalCode.DISPUTE_CLOSED}
    assert made.tell(accept()).outcome is Outcome.APPLIED


def test_a_dispute_that_was_an_inquiry_wants_an_answer_of_its_own() -> None:
    """Evidence for an inquiry does not answer the dispute that it becomes: that has a deadline and takes evidence."""
    made = disputed(ASKING)
    made.tell(evidence("e-1"))
    made.answer(Result.DONE, dispute=dispute_fact(ASKED, submitted=True))
    later = DUE + 10 * DAY
    hear(made, OPEN, submitted=True, due_by=later)
    assert last_body(made.record, "dispute_updated")["dispute"]["evidence_submitted"] is False
    made.tick(later - 7 * DAY - made.now)
    assert told(made)[-1] == "deadline"
    decision = made.tell(evidence("e-2"))
    assert isinstance(decision.effect, Send)
    made.answer(Result.DONE, dispute=dispute_fact(REVIEWED, submitted=True, due_by=later))
    assert codes(made.tell(evidence("e-3"))) == {"e-3": RefusalCode.DISPUTE_CLOSED}


@pytest.mark.parametrize("command", [evidence(expires_at=NOW), accept(expires_at=NOW)], ids=["evidence", "accept"])
def test_an_answer_that_is_late_is_refused(command: Message) -> None:
    """An answer whose time is over is refused as expired."""
    assert set(codes(disputed().tell(command)).values()) == {RefusalCode.EXPIRED}


@pytest.mark.parametrize("status", [Status.REQUIRES_PAYMENT_METHOD, Status.PROCESSING])
def test_without_money_there_is_no_dispute_to_answer(status: Status) -> None:
    """Before there is money an answer to a dispute is a wrong state."""
    made = story(status)
    assert codes(made.tell(evidence())) == {"evidence-1": RefusalCode.WRONG_STATE}
    assert codes(made.tell(accept())) == {"accept-1": RefusalCode.WRONG_STATE}


def test_answers_share_the_limit_of_commands() -> None:
    """So many answers may wait behind each other, and no more."""
    made = disputed()
    for number in range(limits.MAX_OPEN_CALLS):
        made.tell(evidence(f"e-{number}", submit=False))
    assert codes(made.tell(accept())) == {"accept-1": RefusalCode.TOO_MANY_COMMANDS}


def test_who_never_heard_of_the_inquiry_is_asked_as_well() -> None:
    """A dispute first heard of after its inquiry was answered wants an answer, whatever was submitted before."""
    made = disputed(OPEN, submitted=True)
    assert last_body(made.record, "dispute_opened")["dispute"]["evidence_submitted"] is False
    assert isinstance(made.tell(evidence()).effect, Send)


def test_an_answer_that_waits_is_not_sent_too_late() -> None:
    """Evidence that waits behind a submission, or behind the end of the dispute, is closed by name and never sent."""
    made = disputed()
    for name in ("e-1", "e-2"):
        made.tell(evidence(name))
    made.tell(accept())
    decision = made.answer(Result.DONE, dispute=dispute_fact(REVIEWED, submitted=True))
    assert codes(decision) == {"e-1": None, "e-2": RefusalCode.DISPUTE_CLOSED}
    assert isinstance(decision.effect, Send)
    assert decision.effect.call.id == "accept-1"


def test_an_acceptance_behind_the_end_is_refused() -> None:
    """Giving up a dispute that is over by the time its turn comes is refused as closed."""
    made = disputed()
    made.tell(evidence())
    made.tell(accept())
    decision = made.answer(Result.DONE, dispute=dispute_fact(WON, submitted=True))
    assert codes(decision) == {"evidence-1": None, "accept-1": RefusalCode.DISPUTE_CLOSED}


@pytest.mark.parametrize(
    ("command", "truth", "code"),
    [
        (evidence(), dispute_fact(REVIEWED, submitted=True), None),
        (evidence(), dispute_fact(), RefusalCode.PROVIDER_ERROR),
        (accept(), dispute_fact(LOST), None),
        (accept(), dispute_fact(), RefusalCode.PROVIDER_ERROR),
    ],
    ids=["evidence there", "evidence not there", "given up", "not given up"],
)
def test_an_answer_of_unknown_outcome_is_settled_by_reading(
    command: Message, truth: DisputeFact, code: RefusalCode | None
) -> None:
    """An answer to a dispute whose key is too old is read: it took effect, or it is refused for another try."""
    made = disputed()
    made.tell(command)
    made.answer(Result.STORED_ERROR, problem=problem("http_500"))
    assert isinstance(made.tick().effect, Read)
    assert set(codes(read(made, truth)).values()) == {code}
    assert made.record.head is None
