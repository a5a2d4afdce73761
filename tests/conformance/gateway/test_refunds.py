"""Giving money back: all, a part, several parts, once under its name, and what Stripe does not allow."""

from dataclasses import replace

import pytest

from contracts.commands import RefundReason
from contracts.views import DisputeStatus, RefundStatus
from tests.conformance.gateway.asking import (
    asked,
    created,
    held,
    intent_of,
    ledger,
    paid,
    refusal,
    sent,
)
from tests.conformance.gateway.conftest import Subject
from tests.fake_account import SLOW_REFUND
from tests.fake_stripe import UNCODED, Fault
from tests.unit.worker.making import AMOUNT, cancel, refund
from worker.domain.facts import RefundFact
from worker.domain.messages import Answer, Result
from worker.domain.record import Payment, Status

MORE_THAN_IS_LEFT = (Result.CONFLICT, UNCODED)


def made(answer: Answer) -> RefundFact:
    """The refund that an answer tells of."""
    assert answer.result is Result.DONE
    assert answer.refund is not None
    assert answer.intent is None
    return answer.refund


async def test_all_is_given_back(subject: Subject) -> None:
    """A refund is done with its amount, its status, and our names for it and for its payment."""
    payment, answer = await sent(subject, await paid(subject), refund("refund-1"))
    found = made(answer)
    assert found.id.startswith("re_")
    ours = RefundFact(found.id, AMOUNT, RefundStatus.SUCCEEDED, "refund-1", payment.id)
    assert found == ours
    assert (payment.refunded, payment.refundable) == (AMOUNT, 0)


@pytest.mark.parametrize("reason", list(RefundReason))
async def test_a_part_is_given_back_for_a_reason(subject: Subject, reason: RefundReason) -> None:
    """Stripe keeps the reason that the caller gave."""
    _, answer = await sent(subject, await paid(subject), refund(amount=500, reason=reason))
    assert (made(answer).amount, made(answer).reason) == (500, str(reason))


async def test_several_parts_are_given_back(subject: Subject) -> None:
    """Parts are given back until nothing is left; the next one is a conflict."""
    payment = await paid(subject)
    for number, part in enumerate((500, 700, 800)):
        payment, answer = await sent(subject, payment, refund(f"refund-{number}", amount=part))
        assert made(answer).amount == part
    assert payment.refundable == 0
    _, answer = await sent(subject, replace(payment, refunds=(), refunded=0), refund("refund-9", amount=1))
    assert refusal(answer) == (Result.CONFLICT, "charge_already_refunded")
    assert subject.stripe.refunds() == 3


async def test_a_refund_may_take_its_time(subject: Subject) -> None:
    """Where the bank needs time a refund is pending, and what it will take is taken off what can be given back."""
    payment, answer = await sent(subject, await paid(subject, SLOW_REFUND), refund(amount=500))
    assert made(answer).status is RefundStatus.PENDING
    assert (payment.refunded, payment.refundable) == (0, AMOUNT - 500)


async def test_more_than_was_taken_is_a_conflict(subject: Subject) -> None:
    """A refund of more than was captured is to be read, like one of more than is left."""
    _, answer = await sent(subject, await paid(subject), refund(), amount=AMOUNT + 1)
    assert refusal(answer) == MORE_THAN_IS_LEFT
    assert subject.stripe.refunds() == 0


async def test_what_was_given_back_behind_our_back_is_a_conflict(subject: Subject) -> None:
    """After a refund in the dashboard that we have not heard of, more than is left is to be read, and all of it, too."""
    payment = await paid(subject)
    subject.stripe.refund(intent_of(payment), 1500)
    _, answer = await sent(subject, payment, refund("refund-1", amount=501))
    assert refusal(answer) == MORE_THAN_IS_LEFT
    subject.stripe.refund(intent_of(payment), 500)
    _, answer = await sent(subject, payment, refund("refund-2", amount=1))
    assert refusal(answer) == (Result.CONFLICT, "charge_already_refunded")
    assert subject.stripe.refunds() == 2


async def test_a_failed_refund_can_be_made_again(subject: Subject) -> None:
    """What the customer's bank has sent back can be given back once more."""
    payment, answer = await sent(subject, await paid(subject), refund("refund-1"))
    subject.stripe.move_refund(made(answer).id, RefundStatus.FAILED)
    _, again = await sent(subject, replace(payment, refunds=(), refunded=0), refund("refund-2"))
    assert made(again).amount == AMOUNT


async def test_disputed_money_cannot_be_given_back(subject: Subject) -> None:
    """While a dispute holds the money, and after it is lost, a refund is a conflict; after it is won it is done."""
    payment = await paid(subject)
    dispute = subject.stripe.dispute(intent_of(payment), 700)
    _, answer = await sent(subject, payment, refund("refund-1", amount=100))
    assert refusal(answer) == (Result.CONFLICT, "charge_disputed")
    subject.stripe.decide(dispute, DisputeStatus.UNDER_REVIEW)
    subject.stripe.decide(dispute, DisputeStatus.WON)
    _, answer = await sent(subject, payment, refund("refund-2", amount=100))
    assert made(answer).amount == 100


async def test_lost_money_cannot_be_given_back(subject: Subject) -> None:
    """After a dispute is lost the money is gone: a refund is a conflict."""
    payment = await paid(subject)
    subject.stripe.decide(subject.stripe.dispute(intent_of(payment), AMOUNT), DisputeStatus.LOST)
    _, answer = await sent(subject, payment, refund(amount=100))
    assert refusal(answer) == (Result.CONFLICT, "charge_disputed")


async def test_an_inquiry_blocks_nothing(subject: Subject) -> None:
    """While the bank only asks, money can be given back."""
    payment = await paid(subject)
    subject.stripe.dispute(intent_of(payment), AMOUNT, inquiry=True)
    _, answer = await sent(subject, payment, refund())
    assert made(answer).status is RefundStatus.SUCCEEDED


async def test_a_dispute_stops_a_refund_that_is_on_its_way(subject: Subject) -> None:
    """The customer has the money by the dispute: a pending refund fails, and is not counted twice."""
    payment, _ = await sent(subject, await paid(subject, SLOW_REFUND), refund(amount=500))
    subject.stripe.dispute(intent_of(payment), AMOUNT)
    (failed,) = (await ledger(subject, payment)).refunds
    assert (failed.status, failed.refund_id) == (RefundStatus.FAILED, "refund-1")
    assert failed.failure


def as_if_paid(payment: Payment) -> Payment:
    """The record as if its money were there."""
    return replace(payment, status=Status.SUCCEEDED, captured=AMOUNT)


async def test_held_money_cannot_be_given_back(subject: Subject) -> None:
    """A charge that was not captured, be it held or released, is not refunded but canceled: a definite refusal."""
    payment = await held(subject)
    _, answer = await sent(subject, as_if_paid(payment), refund("refund-1", amount=100))
    assert refusal(answer) == (Result.REFUSED, UNCODED)
    payment, _ = await sent(subject, payment, cancel())
    _, answer = await sent(subject, as_if_paid(payment), refund("refund-2", amount=100))
    assert refusal(answer) == (Result.REFUSED, UNCODED)


@pytest.mark.parametrize("canceled", [False, True])
async def test_no_money_cannot_be_given_back(subject: Subject, *, canceled: bool) -> None:
    """A payment without a charge, canceled or not, has nothing to refund: a conflict, to be read."""
    payment = await created(subject)
    if canceled:
        payment, _ = await sent(subject, payment, cancel())
    _, answer = await sent(subject, as_if_paid(payment), refund(amount=100))
    assert refusal(answer) == (Result.CONFLICT, "payment_intent_unexpected_state")


async def test_a_refund_of_nothing_that_exists_is_refused(subject: Subject) -> None:
    """A refund of an intent that Stripe does not know is a definite refusal."""
    payment, call = asked(await paid(subject), refund())
    nobody = replace(call, intent_id="pi_nobody", params=call.params | {"payment_intent": "pi_nobody"})
    assert refusal(await subject.gateway.send(nobody, payment, 0)) == (Result.REFUSED, "resource_missing")


async def test_a_refund_is_made_once_under_its_name(subject: Subject) -> None:
    """A repeat answers with the same refund, and says so; another amount under the same name is our bug."""
    payment, call = asked(await paid(subject), refund(amount=500))
    first = await subject.gateway.send(call, payment, 0)
    again = await subject.gateway.send(call, payment, 0)
    assert (made(first), first.replayed, again.replayed) == (made(again), False, True)
    other = replace(call, params=call.params | {"amount": 501})
    assert (await subject.gateway.send(other, payment, 0)).result is Result.KEY_MISUSED
    assert subject.stripe.refunds() == 1


@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.UNAVAILABLE])
async def test_a_lost_refund_is_made_once(subject: Subject, fault: Fault) -> None:
    """A refund without an answer is unknown, and repeating it under its name makes one."""
    payment, call = asked(await paid(subject), refund(amount=500))
    subject.broken(fault)
    assert (await subject.gateway.send(call, payment, 0)).result is Result.UNKNOWN
    subject.mended()
    assert made(await subject.gateway.send(call, payment, 0)).amount == 500
    assert subject.stripe.refunds() == 1


async def test_a_stored_error_of_a_refund_is_settled_by_reading(subject: Subject) -> None:
    """A 500 that Stripe keeps under the refund's key comes again; the read shows whether there is a refund."""
    payment, call = asked(await paid(subject), refund(amount=500))
    subject.broken(Fault.STORED_AFTER)
    first = await subject.gateway.send(call, payment, 0)
    assert first.result in {Result.UNKNOWN, Result.STORED_ERROR}
    subject.mended()
    assert (await subject.gateway.send(call, payment, 0)).result is Result.STORED_ERROR
    (found,) = (await ledger(subject, payment)).refunds
    assert (found.refund_id, found.amount) == ("refund-1", 500)
