"""Answering a dispute, giving it up, and what Stripe does not allow."""

from dataclasses import replace

import pytest

from contracts.views import DisputeStatus
from tests.conformance.gateway.asking import asked, intent_of, ledger, paid, read, refusal, sent
from tests.conformance.gateway.conftest import Subject
from tests.fake_stripe import UNCODED, Fault
from tests.unit.worker.making import AMOUNT, accept, evidence
from worker.domain.facts import DisputeFact
from worker.domain.messages import Accept, Answer, Evidence, Result
from worker.domain.payment import decide
from worker.domain.record import Payment

CLOSED = (Result.REFUSED, UNCODED)


async def disputed(subject: Subject, *, inquiry: bool = False) -> tuple[Payment, str]:
    """A paid payment whose record knows of its dispute."""
    payment = await paid(subject)
    dispute = subject.stripe.dispute(intent_of(payment), AMOUNT, inquiry=inquiry)
    return await heard(subject, payment), dispute


async def heard(subject: Subject, payment: Payment) -> Payment:
    """The record after a read."""
    after = decide(payment, await read(subject, payment), payment.updated_at).payment
    assert after is not None
    return after


def told(answer: Answer) -> DisputeFact:
    """The dispute that an answer tells of."""
    assert answer.result is Result.DONE
    assert answer.dispute is not None
    assert (answer.intent, answer.refund) == (None, None)
    return answer.dispute


async def test_evidence_is_submitted(subject: Subject) -> None:
    """Submitted evidence brings the dispute under review, with everything else that we know of it."""
    payment, dispute = await disputed(subject)
    _, answer = await sent(subject, payment, evidence(dispute_id=dispute))
    known = payment.dispute(dispute)
    assert known is not None
    assert told(answer) == DisputeFact(
        id=dispute,
        amount=AMOUNT,
        status=DisputeStatus.UNDER_REVIEW,
        reason="fraudulent",
        funds=known.funds,
        due_by=known.due_by,
        submitted=True,
        charge_id=payment.latest_charge_id,
    )


async def test_staged_evidence_changes_nothing(subject: Subject) -> None:
    """Evidence that is only saved leaves the dispute waiting for an answer; it can be submitted later."""
    payment, dispute = await disputed(subject)
    payment, answer = await sent(subject, payment, evidence("evidence-1", dispute_id=dispute, submit=False))
    assert (told(answer).status, told(answer).submitted) == (DisputeStatus.NEEDS_RESPONSE, False)
    _, answer = await sent(subject, payment, evidence("evidence-2", dispute_id=dispute))
    assert (told(answer).status, told(answer).submitted) == (DisputeStatus.UNDER_REVIEW, True)


async def test_an_inquiry_is_answered(subject: Subject) -> None:
    """Evidence brings an inquiry under review; it stays an inquiry."""
    payment, dispute = await disputed(subject, inquiry=True)
    _, answer = await sent(subject, payment, evidence(dispute_id=dispute))
    assert told(answer).status is DisputeStatus.WARNING_UNDER_REVIEW


async def test_a_dispute_is_given_up(subject: Subject) -> None:
    """An accepted dispute is lost at once."""
    payment, dispute = await disputed(subject)
    payment, answer = await sent(subject, payment, accept(dispute_id=dispute))
    assert told(answer).status is DisputeStatus.LOST
    assert (payment.disputed, payment.refundable) == (AMOUNT, 0)


async def test_an_inquiry_that_is_given_up_is_over(subject: Subject) -> None:
    """An accepted inquiry has taken no money and is closed."""
    payment, dispute = await disputed(subject, inquiry=True)
    payment, answer = await sent(subject, payment, accept(dispute_id=dispute))
    assert told(answer).status is DisputeStatus.WARNING_CLOSED
    assert (payment.disputed, payment.refundable) == (0, AMOUNT)


async def test_what_is_under_review_can_be_given_up(subject: Subject) -> None:
    """Until the bank has decided, a dispute that was answered can still be accepted."""
    payment, dispute = await disputed(subject)
    payment, _ = await sent(subject, payment, evidence(dispute_id=dispute))
    _, answer = await sent(subject, payment, accept(dispute_id=dispute))
    assert told(answer).status is DisputeStatus.LOST


@pytest.mark.parametrize("end", [DisputeStatus.WON, DisputeStatus.LOST])
async def test_a_closed_dispute_takes_no_answer(subject: Subject, end: DisputeStatus) -> None:
    """What the bank has decided behind our back can neither be answered nor given up: definite refusals without a code."""
    payment, dispute = await disputed(subject)
    subject.stripe.decide(dispute, DisputeStatus.UNDER_REVIEW)
    subject.stripe.decide(dispute, end)
    _, answer = await sent(subject, payment, evidence(dispute_id=dispute))
    assert refusal(answer) == CLOSED
    _, answer = await sent(subject, payment, accept(dispute_id=dispute))
    assert refusal(answer) == CLOSED


@pytest.mark.parametrize("command", [evidence(), accept()])
async def test_a_dispute_that_does_not_exist_is_refused(subject: Subject, command: Evidence | Accept) -> None:
    """Neither answering nor giving up what Stripe does not know does anything."""
    payment, dispute = await disputed(subject)
    payment, call = asked(payment, replace(command, dispute_id=dispute))
    answer = await subject.gateway.send(replace(call, about="du_nobody"), payment, 0)
    assert refusal(answer) == (Result.REFUSED, "resource_missing")


@pytest.mark.parametrize("command", [evidence(), accept()])
async def test_an_answer_is_given_once_under_its_key(subject: Subject, command: Evidence | Accept) -> None:
    """A repeat tells of the dispute as it was then, and says that it is a repeat."""
    payment, dispute = await disputed(subject)
    payment, call = asked(payment, replace(command, dispute_id=dispute))
    first = await subject.gateway.send(call, payment, 0)
    again = await subject.gateway.send(call, payment, 0)
    assert (told(first), first.replayed, again.replayed) == (told(again), False, True)


async def test_other_evidence_under_the_key_is_our_bug(subject: Subject) -> None:
    """A key that comes again with other texts is told as misused."""
    payment, dispute = await disputed(subject)
    payment, call = asked(payment, evidence(dispute_id=dispute))
    await subject.gateway.send(call, payment, 0)
    other = replace(call, params=call.params | {"evidence": {"customer_name": "Somebody else"}})
    assert (await subject.gateway.send(other, payment, 0)).result is Result.KEY_MISUSED


async def test_a_lost_answer_is_given_once(subject: Subject) -> None:
    """Evidence whose answer is lost is unknown; the repeat under its key tells that it was submitted."""
    payment, dispute = await disputed(subject)
    payment, call = asked(payment, evidence(dispute_id=dispute))
    subject.broken(Fault.LOST_AFTER)
    assert (await subject.gateway.send(call, payment, 0)).result is Result.UNKNOWN
    (found,) = (await after_all(subject, payment)).values()
    assert found.submitted
    assert told(await subject.gateway.send(call, payment, 0)).submitted


async def after_all(subject: Subject, payment: Payment) -> dict[str, DisputeFact]:
    """The disputes that a read finds once the fault is over."""
    subject.mended()
    return {dispute.id: dispute for dispute in (await ledger(subject, payment)).disputes}
