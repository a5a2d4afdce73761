"""Taking money that is held: all, a part, several parts, and what Stripe does not allow."""

from dataclasses import replace

import pytest

from tests.conformance.gateway.asking import asked, created, held, intent_of, paid, read, refusal, sent
from tests.conformance.gateway.conftest import Subject
from tests.fake_stripe import Fault
from tests.unit.worker.making import AMOUNT, cancel, capture
from worker.domain.messages import Result
from worker.domain.record import Payment, Status

WRONG_STATE = (Result.CONFLICT, "payment_intent_unexpected_state")


async def test_a_hold_says_until_when_it_holds(subject: Subject) -> None:
    """The answer to a confirm of a manual payment brings its charge: the receipt, and when the hold ends."""
    payment = await held(subject)
    assert payment.capture_before is not None
    assert payment.receipt_url
    assert payment.latest_charge_id


async def test_all_that_is_held_is_captured(subject: Subject) -> None:
    """A capture without an amount takes everything, and the charge no longer says until when it holds."""
    payment, answer = await sent(subject, await held(subject), capture())
    assert answer.intent is not None
    assert (answer.result, answer.intent.status) == (Result.DONE, Status.SUCCEEDED)
    assert answer.intent.amount_received == AMOUNT
    assert answer.intent.charge is not None
    assert (answer.intent.charge.id, answer.intent.charge.capture_before) == (payment.latest_charge_id, None)
    assert answer.intent.charge.receipt_url


async def test_a_part_is_captured_and_the_rest_released(subject: Subject) -> None:
    """A final capture of a part takes the part, and the payment has succeeded with it."""
    _, answer = await sent(subject, await held(subject), capture(amount=500))
    assert answer.intent is not None
    assert (answer.intent.status, answer.intent.amount_received) == (Status.SUCCEEDED, 500)


async def test_several_parts_are_captured(subject: Subject) -> None:
    """Of a payment that may be captured several times the rest stays held until the last part is taken."""
    payment, first = await sent(subject, await held(subject, several=True), capture(amount=500, final=False))
    assert first.intent is not None
    assert (first.intent.status, first.intent.amount_received) == (Status.REQUIRES_CAPTURE, 500)
    assert first.intent.charge is not None
    assert first.intent.charge.capture_before == payment.capture_before
    payment, second = await sent(subject, payment, capture("capture-2", amount=300))
    assert second.intent is not None
    assert (second.intent.status, second.intent.amount_received) == (Status.SUCCEEDED, 800)


async def test_nothing_left_is_not_yet_the_end(subject: Subject) -> None:
    """A capture of everything that is not the last leaves the payment to be captured; the last one ends it."""
    payment, first = await sent(subject, await held(subject, several=True), capture(amount=AMOUNT, final=False))
    assert first.intent is not None
    assert (first.intent.status, first.intent.amount_received) == (Status.REQUIRES_CAPTURE, AMOUNT)
    _, last = await sent(subject, payment, capture("capture-2"))
    assert last.intent is not None
    assert (last.intent.status, last.intent.amount_received) == (Status.SUCCEEDED, AMOUNT)


async def test_more_than_is_held_is_refused(subject: Subject) -> None:
    """A capture above what is held is a definite refusal that takes nothing."""
    payment = await held(subject)
    _, answer = await sent(subject, payment, capture(), amount_to_capture=AMOUNT + 1)
    assert refusal(answer) == (Result.REFUSED, "amount_too_large")
    assert (await read(subject, payment)).intent.amount_received == 0


async def test_more_than_is_left_is_refused(subject: Subject) -> None:
    """After a first part, only the rest can be captured."""
    payment, _ = await sent(subject, await held(subject, several=True), capture(amount=1500, final=False))
    _, answer = await sent(subject, payment, capture("capture-2"), amount_to_capture=501)
    assert refusal(answer) == (Result.REFUSED, "amount_too_large")


async def test_a_second_part_needs_its_agreement(subject: Subject) -> None:
    """A payment that was not opened for several captures refuses one that is not the last, and stays held."""
    payment = await held(subject)
    _, answer = await sent(subject, payment, capture(amount=500, final=False))
    assert refusal(answer) == (Result.REFUSED, "payment_intent_invalid_parameter")
    assert (await read(subject, payment)).intent.status is Status.REQUIRES_CAPTURE


async def test_what_was_captured_behind_our_back_is_a_conflict(subject: Subject) -> None:
    """A capture of what somebody has captured in the dashboard is to be read."""
    payment = await held(subject)
    subject.stripe.capture(intent_of(payment), 700)
    _, answer = await sent(subject, payment, capture())
    assert refusal(answer) == WRONG_STATE


@pytest.mark.parametrize("again", ["capture", "cancel"])
async def test_the_conflict_stays_under_its_key(subject: Subject, again: str) -> None:
    """What came after a capture in the dashboard gets the same conflict on every repeat: nothing is done under that key."""
    payment = await held(subject)
    subject.stripe.capture(intent_of(payment), 700)
    payment, call = asked(payment, capture() if again == "capture" else cancel())
    answers = [await subject.gateway.send(call, payment, 0) for _ in range(2)]
    assert [refusal(answer) for answer in answers] == [WRONG_STATE, WRONG_STATE]
    assert [answer.replayed for answer in answers] == [False, True]
    assert (await read(subject, payment)).intent.amount_received == 700


async def test_a_cancel_after_a_part_ends_in_success(subject: Subject) -> None:
    """A cancel of what is left of several captures releases it: the payment has succeeded with what was taken."""
    payment, _ = await sent(subject, await held(subject, several=True), capture(amount=500, final=False))
    _, answer = await sent(subject, payment, cancel())
    assert answer.intent is not None
    assert (answer.result, answer.intent.status) == (Result.DONE, Status.SUCCEEDED)
    assert answer.intent.amount_received == 500


async def as_if_held(subject: Subject, status: Status) -> Payment:
    """A payment in this status at Stripe, of which we believe that its money is held."""
    match status:
        case Status.REQUIRES_PAYMENT_METHOD:
            payment = await created(subject)
        case Status.CANCELED:
            payment, _ = await sent(subject, await held(subject), cancel())
        case _:
            payment = await paid(subject)
    return replace(payment, status=Status.REQUIRES_CAPTURE, captured=0)


@pytest.mark.parametrize("status", [Status.REQUIRES_PAYMENT_METHOD, Status.CANCELED, Status.SUCCEEDED])
async def test_what_is_not_held_cannot_be_captured(subject: Subject, status: Status) -> None:
    """A capture in any other state is a conflict, to be read."""
    _, answer = await sent(subject, await as_if_held(subject, status), capture())
    assert refusal(answer) == WRONG_STATE


async def test_a_capture_is_done_once_under_its_key(subject: Subject) -> None:
    """A repeat answers what the first one did, and says so; other terms under the same key are our bug."""
    payment, call = asked(await held(subject, several=True), capture(amount=500, final=False))
    first = await subject.gateway.send(call, payment, 0)
    again = await subject.gateway.send(call, payment, 0)
    assert (first.intent, first.replayed, again.replayed) == (again.intent, False, True)
    other = replace(call, params=call.params | {"amount_to_capture": 501})
    assert (await subject.gateway.send(other, payment, 0)).result is Result.KEY_MISUSED
    assert (await read(subject, payment)).intent.amount_received == 500


async def test_a_lost_capture_is_done_once(subject: Subject) -> None:
    """A capture whose answer is lost is unknown, and repeating it takes the money no second time."""
    payment, call = asked(await held(subject, several=True), capture(amount=500, final=False))
    subject.broken(Fault.LOST_AFTER)
    assert (await subject.gateway.send(call, payment, 0)).result is Result.UNKNOWN
    subject.mended()
    assert (await subject.gateway.send(call, payment, 0)).result is Result.DONE
    assert (await read(subject, payment)).intent.amount_received == 500


async def test_a_refused_capture_is_refused_again(subject: Subject) -> None:
    """What was refused once under a key is refused again, also when it would be possible by now."""
    payment, call = asked(await held(subject, several=True), capture())
    much = replace(call, params=call.params | {"amount_to_capture": AMOUNT + 1})
    first, again = [await subject.gateway.send(much, payment, 0) for _ in range(2)]
    assert refusal(first) == refusal(again) == (Result.REFUSED, "amount_too_large")


async def test_a_hold_is_released_by_a_cancel(subject: Subject) -> None:
    """Canceling a held payment takes nothing."""
    _, answer = await sent(subject, await held(subject), cancel())
    assert answer.intent is not None
    assert (answer.intent.status, answer.intent.amount_received) == (Status.CANCELED, 0)


async def test_a_capture_of_nothing_that_exists_is_refused(subject: Subject) -> None:
    """A capture of an intent that Stripe does not know is a definite refusal."""
    payment, call = asked(await held(subject), capture())
    answer = await subject.gateway.send(replace(call, intent_id="pi_nobody"), payment, 0)
    assert refusal(answer) == (Result.REFUSED, "resource_missing")
