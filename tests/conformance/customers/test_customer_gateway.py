"""Each way a request about a customer can end is told by the same result, whichever Stripe it is."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.conformance.customers.conftest import Subject
from tests.fake_stripe import Fault
from tests.unit.customers.customer_making import (
    CustomerStory,
    committed,
    detach,
    ensure,
    erase,
    set_default,
    set_up,
)
from worker.domain.customers.effects import SendCall
from worker.domain.customers.machine import decide
from worker.domain.customers.messages import (
    CustomerAnswer,
    CustomerMessage,
    CustomerRead,
    CustomerReadFailed,
    Detach,
    SetDefault,
)
from worker.domain.customers.record import Customer, CustomerCall
from worker.domain.messages import Result
from worker.ports import SetupSecret

UNKNOWNS = (Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.UNAVAILABLE)


class Live(CustomerStory):
    """One user's record, whose time is the real one."""

    def __init__(self) -> None:
        super().__init__(datetime.now(UTC))

    def asked(self, message: CustomerMessage) -> CustomerCall:
        """The call that follows from a message, sent now."""
        decision = decide(self.customer, message, datetime.now(UTC))
        self.customer = committed(self.customer, decision)
        assert isinstance(decision.effect, SendCall)
        return decision.effect.call

    def settle(self, answer: CustomerAnswer | CustomerRead) -> None:
        self.customer = committed(self.customer, decide(self.customer, answer, datetime.now(UTC)))


async def sent(subject: Subject, live: Live, message: CustomerMessage) -> CustomerAnswer:
    """Ask for something that Stripe carries out."""
    answer = await subject.gateway.send(live.asked(message), live.record, 0)
    if answer.result is Result.DONE:
        live.settle(answer)
    return answer


async def created(subject: Subject) -> tuple[Live, str]:
    """A user whose customer Stripe holds."""
    live = Live()
    answer = await sent(subject, live, ensure())
    assert answer.made is not None
    return live, answer.made


async def saved(subject: Subject) -> tuple[Live, str, str]:
    """A user with a saved card, as read from Stripe."""
    live, stripe_id = await created(subject)
    method = subject.attach(stripe_id)
    await look(subject, live)
    return live, stripe_id, method


async def look(subject: Subject, live: Live) -> CustomerRead:
    seen = await subject.gateway.read(live.record.stripe_id or "", live.record.version)
    assert isinstance(seen, CustomerRead)
    live.settle(seen)
    return seen


def creating() -> tuple[Customer, CustomerCall]:
    """A create that is being sent now."""
    live = Live()
    call = live.asked(ensure())
    return live.record, call


async def test_a_create_makes_a_customer(subject: Subject) -> None:
    """A create is done with the customer's id, and the version it was sent at."""
    customer, call = creating()
    answer = await subject.gateway.send(call, replace(customer, version=7), 3)
    assert (answer.result, answer.version, answer.chained, answer.call_id) == (Result.DONE, 7, 3, call.id)
    assert answer.made is not None
    assert answer.made.startswith("cus_")
    assert answer.client_secret is None


async def test_a_repeat_under_the_key_makes_no_second_customer(subject: Subject) -> None:
    """The same call again answers with the same customer, and says that it is a repeat."""
    customer, call = creating()
    first = await subject.gateway.send(call, customer, 0)
    again = await subject.gateway.send(call, customer, 0)
    assert first.made == again.made
    assert (first.replayed, again.replayed) == (False, True)
    assert subject.customers() == 1


async def test_other_parameters_under_the_key_are_our_bug(subject: Subject) -> None:
    """A key that comes again with other parameters is told as misused, and does nothing."""
    customer, call = creating()
    await subject.gateway.send(call, customer, 0)
    other = replace(call, params={"metadata": {"customer_id": "other", "deployment": "test"}})
    assert (await subject.gateway.send(other, customer, 0)).result is Result.KEY_MISUSED
    assert subject.customers() == 1


async def test_a_set_up_is_answered_with_a_secret(subject: Subject) -> None:
    """A set-up is done with a SetupIntent and its secret, which can be read again."""
    live, _ = await created(subject)
    answer = await sent(subject, live, set_up())
    assert answer.made is not None
    assert answer.made.startswith("seti_")
    assert answer.client_secret
    assert await subject.gateway.secret(answer.made) == SetupSecret(answer.client_secret)


async def test_a_secret_of_nothing_cannot_be_read(subject: Subject) -> None:
    """A SetupIntent that does not exist, or that Stripe does not answer for, has no secret."""
    assert isinstance(await subject.gateway.secret("seti_nobody"), CustomerReadFailed)
    subject.broken(Fault.UNAVAILABLE)
    assert isinstance(await subject.gateway.secret("seti_nobody"), CustomerReadFailed)


async def test_a_set_up_for_a_deleted_customer_is_refused(subject: Subject) -> None:
    """A customer that is gone is missing, by name."""
    live, stripe_id = await created(subject)
    call = live.asked(set_up())
    gone = Live()
    gone.customer = live.customer
    await sent(subject, gone, erase())
    answer = await subject.gateway.send(replace(call, target=stripe_id), live.record, 0)
    assert (answer.result, answer.problem and answer.problem.code) == (Result.REFUSED, "resource_missing")


async def test_saved_methods_are_read(subject: Subject) -> None:
    """A read shows each saved method with what a customer recognises, the newest first."""
    live, stripe_id, first = await saved(subject)
    second = subject.attach(stripe_id)
    seen = await look(subject, live)
    assert [method.id for method in seen.methods] == [second, first]
    assert not seen.deleted
    card = seen.methods[0]
    assert (card.type, card.brand, card.last4, card.exp_month) == ("card", "visa", "4242", 12)
    assert not any(method.default for method in seen.methods)


async def test_the_default_is_set_and_read(subject: Subject) -> None:
    """A default that was set is the one that a read shows."""
    live, stripe_id, method = await saved(subject)
    subject.attach(stripe_id)
    assert (await sent(subject, live, set_default(payment_method=method))).result is Result.DONE
    seen = await look(subject, live)
    assert [one.id for one in seen.methods if one.default] == [method]


async def test_a_detached_method_is_gone(subject: Subject) -> None:
    """A detach is done, the method is no longer read, and a second detach is a definite refusal."""
    live, _, method = await saved(subject)
    call = live.asked(detach(payment_method=method))
    assert (await subject.gateway.send(call, live.record, 0)).result is Result.DONE
    seen = await subject.gateway.read(live.record.stripe_id or "", 0)
    assert isinstance(seen, CustomerRead)
    assert seen.methods == ()
    again = replace(call, key=f"{call.key}-2")
    assert (await subject.gateway.send(again, live.record, 0)).result is Result.REFUSED


@pytest.mark.parametrize("command", [set_default(), detach()])
async def test_an_unknown_method_is_refused(subject: Subject, command: SetDefault | Detach) -> None:
    """A payment method that does not exist is a definite refusal."""
    live, _, method = await saved(subject)
    call = live.asked(replace(command, payment_method=method))
    answer = await subject.gateway.send(replace(call, params={"payment_method": "pm_nobody"}), live.record, 0)
    assert (answer.result, answer.problem and answer.problem.code) == (Result.REFUSED, "resource_missing")


async def test_a_delete_deletes_and_its_repeat_finds_nothing(subject: Subject) -> None:
    """A deleted customer is told as deleted by a read, and as missing by a second delete."""
    live, stripe_id, _ = await saved(subject)
    call = live.asked(erase())
    assert (await subject.gateway.send(call, live.record, 0)).result is Result.DONE
    assert subject.customers() == 0
    seen = await subject.gateway.read(stripe_id, 4)
    assert seen == CustomerRead(stripe_id=stripe_id, version=4, deleted=True)
    again = await subject.gateway.send(call, live.record, 0)
    assert (again.result, again.problem and again.problem.code) == (Result.REFUSED, "resource_missing")


async def test_a_customer_that_never_was_is_deleted(subject: Subject) -> None:
    """A read of an id that Stripe does not know says that nothing is there."""
    seen = await subject.gateway.read("cus_nobody", 0)
    assert isinstance(seen, CustomerRead)
    assert seen.deleted


async def test_a_read_without_an_answer_has_failed(subject: Subject) -> None:
    """A read that Stripe does not answer says nothing about the customer."""
    live, stripe_id = await created(subject)
    subject.broken(Fault.UNAVAILABLE)
    assert isinstance(await subject.gateway.read(stripe_id, live.record.version), CustomerReadFailed)


@pytest.mark.parametrize("fault", UNKNOWNS)
async def test_no_answer_is_unknown_until_it_is_repeated(subject: Subject, fault: Fault) -> None:
    """A create without an answer may have been carried out; under the same key it is carried out once."""
    customer, call = creating()
    subject.broken(fault)
    assert (await subject.gateway.send(call, customer, 0)).result is Result.UNKNOWN
    subject.mended()
    assert (await subject.gateway.send(call, customer, 0)).result is Result.DONE
    assert subject.customers() == 1


async def test_a_refused_rate_is_not_executed(subject: Subject) -> None:
    """A 429 says that nothing was done; the key is still good."""
    customer, call = creating()
    subject.broken(Fault.TOO_MANY)
    answer = await subject.gateway.send(call, customer, 0)
    assert (answer.result, answer.problem and answer.problem.code) == (Result.NOT_EXECUTED, "http_429")
    assert subject.customers() == 0
    subject.mended()
    assert (await subject.gateway.send(call, customer, 0)).result is Result.DONE


@pytest.mark.parametrize(("fault", "held"), [(Fault.STORED, 0), (Fault.STORED_AFTER, 1)])
async def test_a_stored_error_is_told_as_one(subject: Subject, fault: Fault, held: int) -> None:
    """A 500 that Stripe keeps under the key comes again and again, whether the request was carried out or not."""
    customer, call = creating()
    subject.broken(fault)
    first = await subject.gateway.send(call, customer, 0)
    assert first.result in {Result.UNKNOWN, Result.STORED_ERROR}
    subject.mended()
    assert (await subject.gateway.send(call, customer, 0)).result is Result.STORED_ERROR
    assert subject.customers() == held


async def test_a_lost_create_is_found_by_its_mark(subject: Subject) -> None:
    """The search finds the customer that a create without an answer made, and only that, and only while it lives."""
    customer, call = creating()
    assert (await subject.gateway.find(call, customer)).result is Result.NOT_FOUND
    subject.broken(Fault.STORED_AFTER)
    await subject.gateway.send(call, customer, 0)
    subject.mended()
    found = await subject.gateway.find(call, customer)
    assert found.result is Result.DONE
    assert found.made is not None
    assert (await subject.gateway.find(call, replace(customer, deployment="another"))).result is Result.NOT_FOUND
    early = replace(call, sends=(call.sends[0] - timedelta(hours=1),))
    assert (await subject.gateway.find(early, customer)).result is Result.NOT_FOUND
    spread = replace(call, sends=(call.sends[0] - timedelta(hours=5), call.sends[0]))
    assert (await subject.gateway.find(spread, customer)).made == found.made


async def test_a_search_without_an_answer_is_unknown(subject: Subject) -> None:
    """A search that Stripe does not answer says nothing about the customer."""
    customer, call = creating()
    subject.broken(Fault.UNAVAILABLE)
    assert (await subject.gateway.find(call, customer)).result is Result.UNKNOWN
