"""What a read finds: the intent, its charge, all refunds and all disputes; and a charge when nobody is there to act."""

from collections.abc import Awaitable, Callable

import pytest

from contracts.views import DisputeFunds, DisputeStatus, RefundStatus
from tests.conformance.gateway.asking import (
    asked,
    confirmed,
    created,
    held,
    intent_of,
    ledger,
    paid,
    read,
    refusal,
    sent,
)
from tests.conformance.gateway.conftest import Subject
from tests.fake_account import AUTHENTICATION_REQUIRED, CHALLENGING, DECLINING, SLOW_REFUND, VISA
from tests.unit.worker.making import AMOUNT, capture, confirm, refund
from worker.domain.facts import Ledger
from worker.domain.messages import Result
from worker.domain.record import Payment, Status


@pytest.mark.parametrize("make", [created, held])
async def test_before_there_is_money_a_read_brings_no_ledger(
    subject: Subject, make: Callable[[Subject], Awaitable[Payment]]
) -> None:
    """What has received nothing has no refunds and no disputes to ask for: neither when it is new, nor when it is held."""
    assert (await read(subject, await make(subject))).ledger is None


async def test_a_paid_payment_has_an_empty_ledger(subject: Subject) -> None:
    """Money that nobody has asked back has neither refunds nor disputes, and its charge has a receipt."""
    payment = await paid(subject)
    seen = await read(subject, payment)
    assert seen.ledger == Ledger()
    assert seen.intent.charge is not None
    assert (seen.intent.charge.id, seen.intent.charge.capture_before) == (payment.latest_charge_id, None)
    assert seen.intent.charge.receipt_url == payment.receipt_url


async def test_a_held_payments_charge_says_until_when(subject: Subject) -> None:
    """A read of a held payment brings its charge with the end of the hold, until it is captured."""
    payment = await held(subject)
    charge = (await read(subject, payment)).intent.charge
    assert charge is not None
    assert charge.capture_before == payment.capture_before
    payment, _ = await sent(subject, payment, capture())
    charge = (await read(subject, payment)).intent.charge
    assert charge is not None
    assert charge.capture_before is None


async def test_a_declined_charge_says_nothing(subject: Subject) -> None:
    """The charge of a declined attempt is named, with its decline, and brings neither receipt nor hold."""
    payment, _, _ = await confirmed(subject, DECLINING)
    intent = (await read(subject, payment)).intent
    assert intent.charge is None
    assert intent.decline is not None
    assert intent.decline.charge_id == intent.latest_charge_id


async def test_our_refunds_and_others_are_told_apart(subject: Subject) -> None:
    """A refund of ours bears our names; one that was made in the dashboard bears none."""
    payment, _ = await sent(subject, await paid(subject), refund("refund-1", amount=500))
    other = subject.stripe.refund(intent_of(payment), 700)
    found = {fact.refund_id: fact for fact in (await ledger(subject, payment)).refunds}
    assert found.keys() == {"refund-1", None}
    assert (found["refund-1"].amount, found["refund-1"].payment_id) == (500, payment.id)
    assert (found[None].id, found[None].amount, found[None].payment_id) == (other, 700, None)


async def test_a_refunds_way_is_told(subject: Subject) -> None:
    """A read tells a refund's newest status: pending, then done, then failed with why."""
    payment, answer = await sent(subject, await paid(subject, SLOW_REFUND), refund(amount=500))
    assert answer.refund is not None
    seen = [(await ledger(subject, payment)).refunds[0]]
    for status in (RefundStatus.SUCCEEDED, RefundStatus.FAILED):
        subject.stripe.move_refund(answer.refund.id, status)
        seen.append((await ledger(subject, payment)).refunds[0])
    assert [fact.status for fact in seen] == [RefundStatus.PENDING, RefundStatus.SUCCEEDED, RefundStatus.FAILED]
    assert [bool(fact.failure) for fact in seen] == [False, False, True]


async def test_a_disputes_money_is_told(subject: Subject) -> None:
    """A dispute has taken its money; a won one has brought it back."""
    payment = await paid(subject)
    dispute = subject.stripe.dispute(intent_of(payment), 700)
    (found,) = (await ledger(subject, payment)).disputes
    assert (found.id, found.amount, found.status) == (dispute, 700, DisputeStatus.NEEDS_RESPONSE)
    assert (found.funds, found.submitted) == (DisputeFunds.WITHDRAWN, False)
    assert found.charge_id == payment.latest_charge_id
    assert found.due_by is not None
    subject.stripe.decide(dispute, DisputeStatus.UNDER_REVIEW)
    subject.stripe.decide(dispute, DisputeStatus.WON)
    (found,) = (await ledger(subject, payment)).disputes
    assert (found.status, found.funds) == (DisputeStatus.WON, DisputeFunds.REINSTATED)


async def test_an_inquiry_has_taken_nothing(subject: Subject) -> None:
    """An inquiry leaves the money where it is, until it becomes a dispute under the same id."""
    payment = await paid(subject)
    dispute = subject.stripe.dispute(intent_of(payment), AMOUNT, inquiry=True)
    (found,) = (await ledger(subject, payment)).disputes
    assert (found.status, found.funds) == (DisputeStatus.WARNING_NEEDS_RESPONSE, DisputeFunds.UNTOUCHED)
    subject.stripe.decide(dispute, DisputeStatus.NEEDS_RESPONSE)
    (found,) = (await ledger(subject, payment)).disputes
    assert (found.id, found.funds) == (dispute, DisputeFunds.WITHDRAWN)


async def test_nobody_is_there_to_act(subject: Subject) -> None:
    """Off session a card that wants the customer is declined by that name; the payment waits for another confirm."""
    payment = await created(subject)
    payment, answer = await sent(
        subject, payment, confirm(payment_method=CHALLENGING, off_session=True, return_url=None)
    )
    assert refusal(answer) == (Result.DECLINED, AUTHENTICATION_REQUIRED)
    assert answer.problem is not None
    assert answer.problem.decline is not None
    assert answer.problem.decline.decline_code == AUTHENTICATION_REQUIRED
    assert answer.problem.decline.charge_id
    assert answer.intent is not None
    assert answer.intent.status is Status.REQUIRES_PAYMENT_METHOD
    assert payment.status is Status.REQUIRES_PAYMENT_METHOD


async def test_nobody_has_to_act(subject: Subject) -> None:
    """Off session a good card pays, and nobody needs a page to come back to."""
    payment, call = asked(await created(subject), confirm(payment_method=VISA, off_session=True, return_url=None))
    assert "return_url" not in call.params
    answer = await subject.gateway.send(call, payment, 0)
    assert answer.intent is not None
    assert (answer.result, answer.intent.status) == (Result.DONE, Status.SUCCEEDED)
    assert answer.intent.charge is not None
