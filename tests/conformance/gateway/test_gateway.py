"""Each way a request can end is told by the same result, whichever Stripe it is."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.conformance.gateway.asking import asked, confirmed, created
from tests.conformance.gateway.conftest import Subject
from tests.fake_account import CHALLENGING, DECLINING, VISA
from tests.fake_stripe import Fault
from tests.unit.worker.making import AMOUNT, DEPLOYMENT, ORDER, cancel, confirm, create
from worker.domain.messages import IntentSeen, ReadFailed, Result
from worker.domain.record import Payment, Status
from worker.ports import Owner

UNKNOWNS = (Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.UNAVAILABLE)


async def test_a_create_makes_an_intent(subject: Subject) -> None:
    """A create is done with an intent that waits for a payment method, its secret, and the version it was sent at."""
    payment, call = asked(None, create())
    answer = await subject.gateway.send(call, replace(payment, version=7), 3)
    assert (answer.result, answer.version, answer.chained, answer.call_id) == (Result.DONE, 7, 3, call.id)
    assert answer.intent is not None
    assert (answer.intent.status, answer.intent.amount) == (Status.REQUIRES_PAYMENT_METHOD, AMOUNT)
    assert answer.intent.client_secret


async def test_a_repeat_under_the_key_makes_no_second_intent(subject: Subject) -> None:
    """The same call again answers with the same intent, and says that it is a repeat."""
    payment, call = asked(None, create())
    first = await subject.gateway.send(call, payment, 0)
    again = await subject.gateway.send(call, payment, 0)
    assert first.intent is not None
    assert again.intent is not None
    assert again.intent.id == first.intent.id
    assert (first.replayed, again.replayed) == (False, True)
    assert subject.stripe.intents() == 1


async def test_other_parameters_under_the_key_are_our_bug(subject: Subject) -> None:
    """A key that comes again with other parameters is told as misused, and does nothing."""
    payment, call = asked(None, create())
    await subject.gateway.send(call, payment, 0)
    other = replace(call, params=call.params | {"amount": AMOUNT + 1})
    assert (await subject.gateway.send(other, payment, 0)).result is Result.KEY_MISUSED
    assert subject.stripe.intents() == 1


async def test_a_good_card_pays(subject: Subject) -> None:
    """A confirm with a good card is done, with the money received."""
    _, _, answer = await confirmed(subject, VISA)
    assert answer.intent is not None
    assert (answer.result, answer.intent.status) == (Result.DONE, Status.SUCCEEDED)
    assert answer.intent.amount_received == AMOUNT
    assert answer.intent.latest_charge_id


async def test_a_declined_card_is_declined(subject: Subject) -> None:
    """A decline names its code and its charge, and the intent can be tried again."""
    _, _, answer = await confirmed(subject, DECLINING)
    assert answer.result is Result.DECLINED
    assert answer.problem is not None
    assert answer.problem.decline is not None
    assert answer.problem.decline.code == "card_declined"
    assert answer.problem.decline.charge_id
    assert answer.intent is not None
    assert answer.intent.status is Status.REQUIRES_PAYMENT_METHOD


async def test_a_challenge_asks_for_an_action(subject: Subject) -> None:
    """A card that wants 3-D Secure is done with the action that the customer must take."""
    _, _, answer = await confirmed(subject, CHALLENGING)
    assert answer.intent is not None
    assert (answer.result, answer.intent.status) == (Result.DONE, Status.REQUIRES_ACTION)
    assert answer.intent.action


async def test_an_unknown_method_is_refused(subject: Subject) -> None:
    """A payment method that does not exist is a definite refusal that names the field."""
    _, _, answer = await confirmed(subject, "pm_nobody")
    assert answer.result is Result.REFUSED
    assert answer.problem is not None
    assert (answer.problem.code, answer.problem.field) == ("resource_missing", "payment_method")


async def test_a_confirm_needs_its_return_url(subject: Subject) -> None:
    """A server-side confirm without a return URL is a definite refusal."""
    payment, call = asked(await created(subject), confirm())
    bare = replace(call, params={"payment_method": VISA})
    assert (await subject.gateway.send(bare, payment, 0)).result is Result.REFUSED


async def test_a_cancel_cancels(subject: Subject) -> None:
    """A cancel is done with the reason that was given."""
    payment, call = asked(await created(subject), cancel())
    answer = await subject.gateway.send(call, payment, 0)
    assert answer.intent is not None
    assert (answer.result, answer.intent.status) == (Result.DONE, Status.CANCELED)
    assert answer.intent.cancellation_reason == "requested_by_customer"


async def test_a_cancel_of_a_paid_intent_is_a_conflict(subject: Subject) -> None:
    """What the intent's state forbids is told as a conflict, to be read."""
    payment, call = asked(await created(subject), cancel())
    assert payment.intent_id is not None
    pay = replace(call, id="pay", key="pay", operation=asked(await created_again(payment), confirm())[1].operation)
    paid = replace(pay, params={"payment_method": VISA, "return_url": "https://shop.example/"})
    assert (await subject.gateway.send(paid, payment, 0)).result is Result.DONE
    assert (await subject.gateway.send(call, payment, 0)).result is Result.CONFLICT


async def created_again(payment: Payment) -> Payment:
    """The payment without its open cancel, so that a confirm is the head."""
    return replace(payment, calls=payment.calls[:1])


@pytest.mark.parametrize("fault", UNKNOWNS)
async def test_no_answer_is_unknown_until_it_is_repeated(subject: Subject, fault: Fault) -> None:
    """A request without an answer may have been carried out; under the same key it is carried out once."""
    payment, call = asked(None, create())
    subject.broken(fault)
    assert (await subject.gateway.send(call, payment, 0)).result is Result.UNKNOWN
    subject.mended()
    assert (await subject.gateway.send(call, payment, 0)).result is Result.DONE
    assert subject.stripe.intents() == 1


async def test_a_refused_rate_is_not_executed(subject: Subject) -> None:
    """A 429 says that nothing was done; the key is still good."""
    payment, call = asked(None, create())
    subject.broken(Fault.TOO_MANY)
    answer = await subject.gateway.send(call, payment, 0)
    assert (answer.result, answer.problem and answer.problem.code) == (Result.NOT_EXECUTED, "http_429")
    assert subject.stripe.intents() == 0
    subject.mended()
    assert (await subject.gateway.send(call, payment, 0)).result is Result.DONE


@pytest.mark.parametrize(("fault", "held"), [(Fault.STORED, 0), (Fault.STORED_AFTER, 1)])
async def test_a_stored_error_is_told_as_one(subject: Subject, fault: Fault, held: int) -> None:
    """A 500 that Stripe keeps under the key comes again and again, whether the request was carried out or not."""
    payment, call = asked(None, create())
    subject.broken(fault)
    first = await subject.gateway.send(call, payment, 0)
    assert first.result in {Result.UNKNOWN, Result.STORED_ERROR}
    subject.mended()
    assert (await subject.gateway.send(call, payment, 0)).result is Result.STORED_ERROR
    assert subject.stripe.intents() == held


async def test_a_read_tells_the_intent_and_its_version(subject: Subject) -> None:
    """A read brings what the intent is, and counts for the version that was loaded before it."""
    payment = await created(subject)
    seen = await subject.gateway.read(payment.intent_id or "", 4)
    assert isinstance(seen, IntentSeen)
    assert (seen.version, seen.intent.status) == (4, Status.REQUIRES_PAYMENT_METHOD)


async def test_a_read_of_nothing_is_lost(subject: Subject) -> None:
    """An intent that does not exist is told apart from a read that was not answered."""
    missing = await subject.gateway.read("pi_nobody", 0)
    assert isinstance(missing, ReadFailed)
    assert missing.lost
    payment = await created(subject)
    subject.broken(Fault.UNAVAILABLE)
    silent = await subject.gateway.read(payment.intent_id or "", 0)
    assert isinstance(silent, ReadFailed)
    assert not silent.lost


async def test_a_lost_create_is_found_by_its_metadata(subject: Subject) -> None:
    """The search finds the intent that a create without an answer made, and only that."""
    payment, call = asked(None, create())
    assert (await subject.gateway.find(call, payment)).result is Result.NOT_FOUND
    subject.broken(Fault.STORED_AFTER)
    await subject.gateway.send(call, payment, 0)
    subject.mended()
    found = await subject.gateway.find(call, payment)
    assert found.result is Result.DONE
    assert found.intent is not None
    assert (await subject.gateway.find(call, replace(payment, deployment="another"))).result is Result.NOT_FOUND
    early = replace(call, sends=(call.sends[0] - timedelta(hours=1),))
    assert (await subject.gateway.find(early, payment)).result is Result.NOT_FOUND


async def test_a_search_without_an_answer_is_unknown(subject: Subject) -> None:
    """A search that Stripe does not answer says nothing about the intent."""
    payment, call = asked(None, create())
    subject.broken(Fault.UNAVAILABLE)
    assert (await subject.gateway.find(call, payment)).result is Result.UNKNOWN


async def test_an_intents_owner_is_told(subject: Subject) -> None:
    """Whose an intent is says its metadata; of an intent that does not exist, nobody's."""
    payment = await created(subject)
    assert await subject.gateway.owner(payment.intent_id or "") == Owner(payment.id, ORDER, DEPLOYMENT)
    missing = await subject.gateway.owner("pi_nobody")
    assert isinstance(missing, ReadFailed)
    assert missing.lost
