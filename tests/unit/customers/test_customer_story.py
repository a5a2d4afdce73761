"""What the customer's core does, one fact at a time."""

from dataclasses import replace
from datetime import timedelta

import pytest

from contracts.replies import RefusalCode, Verdict
from tests.unit.customers.customer_making import (
    CARD,
    CUS,
    CUSTOMER,
    DEPLOYMENT,
    METHOD,
    NOW,
    SETUP,
    CustomerStory,
    changed,
    detach,
    ensure,
    marked,
    problem,
    set_default,
    set_up,
    story,
)
from tests.unit.customers.customer_outcome import sent, told
from worker.domain.customers.effects import CustomerTold, FindCustomer, ReadCustomer
from worker.domain.customers.limits import MAX_TIMELINE
from worker.domain.customers.messages import Detach, SetDefault
from worker.domain.customers.record import CustomerOperation, CustomerStatus, SavedMethod, customer_id
from worker.domain.customers.view import customer_view
from worker.domain.limits import KEY_LIFETIME, MAX_CHAINED, MAX_OPEN_CALLS, STORED_ERROR_WAIT
from worker.domain.messages import Result
from worker.domain.record import Address, Outcome

HOUR = timedelta(hours=1)
DEFAULT = replace(CARD, default=True)


def test_the_id_depends_on_deployment_and_user_alone() -> None:
    """A user has one id in a deployment, another in another, and no two pairs share one by being written together."""
    assert customer_id("a", "bc") == customer_id("a", "bc")
    assert len({customer_id("a", "bc"), customer_id("ab", "c"), customer_id("b", "bc")}) == 3


def test_a_create_names_nobody() -> None:
    """What Stripe is told of a new customer is our id and the deployment, under a key derived from both."""
    made = story(CustomerStatus.CREATING)
    assert made.head.params == {"metadata": {"customer_id": CUSTOMER, "deployment": DEPLOYMENT}}
    assert made.head.key == f"{CUSTOMER}:create:1"


def test_a_set_up_by_a_new_user_creates_the_customer_first() -> None:
    """The set-up waits behind the create, and is sent for the customer that it made."""
    made = CustomerStory()
    made.tell(set_up())
    assert [call.operation for call in made.record.calls] == [CustomerOperation.CREATE, CustomerOperation.SET_UP]
    made.answer(made=CUS)
    assert sent(made) is CustomerOperation.SET_UP
    assert made.head.target == CUS
    made.answer(made=SETUP)
    assert told(made) == CustomerTold("set-up-1", Verdict.ACCEPTED, Address("replies", "set-up-1"), None, SETUP)


def test_a_repeated_set_up_hears_of_the_same_setup_intent() -> None:
    """A duplicate of a finished set-up is told its SetupIntent, to read the secret of."""
    made = story(CustomerStatus.ACTIVE)
    made.tell(set_up())
    made.answer(made=SETUP)
    made.tell(set_up(reply=Address("elsewhere", "x")))
    assert told(made).setup_intent == SETUP
    assert told(made).address == Address("elsewhere", "x")


def test_a_known_id_with_other_terms_is_refused() -> None:
    """An id that comes again for another command is refused, and the first answer stays."""
    made = story(CustomerStatus.ACTIVE)
    made.tell(set_up())
    made.answer(made=SETUP)
    made.tell(detach("set-up-1"))
    refused = told(made).refused
    assert refused is not None
    assert refused.code is RefusalCode.ID_REUSED
    made.tell(set_up())
    assert told(made).verdict is Verdict.ACCEPTED


def test_a_method_that_is_theirs_becomes_the_default() -> None:
    """The default is set at Stripe, and shown at once."""
    made = story(CustomerStatus.ACTIVE).saved()
    made.tell(set_default())
    assert sent(made) is CustomerOperation.SET_DEFAULT
    made.answer()
    assert told(made).verdict is Verdict.ACCEPTED
    assert customer_view(made.record).methods[0].default
    assert made.record.check_at is None


def test_a_method_that_is_not_known_is_looked_for_first() -> None:
    """A method that was saved a moment ago is found by a read, and then the command is carried out."""
    made = story(CustomerStatus.ACTIVE)
    decision = made.tell(detach())
    assert decision.effect == ReadCustomer(CUS)
    made.read(CARD)
    assert sent(made) is CustomerOperation.DETACH
    made.answer()
    assert made.record.methods == ()


@pytest.mark.parametrize("command", [set_default(), detach()])
def test_a_method_that_is_not_theirs_is_refused(command: SetDefault | Detach) -> None:
    """After the read a method of somebody else's is refused by name, and nothing is sent."""
    made = story(CustomerStatus.ACTIVE)
    made.tell(command)
    made.read(replace(CARD, id="pm_other"))
    refused = told(made).refused
    assert refused is not None
    assert (refused.code, refused.field) == (RefusalCode.UNKNOWN_METHOD, "data.payment_method")
    assert made.record.check_at is None


@pytest.mark.parametrize("status", [s for s in CustomerStatus if s is not CustomerStatus.ACTIVE])
def test_without_a_customer_no_method_is_theirs(status: CustomerStatus) -> None:
    """Where Stripe holds no customer of the user's, every method is refused."""
    made = CustomerStory() if status is CustomerStatus.NEW else story(status)
    made.tell(detach(issued_at=NOW + HOUR))
    refused = told(made).refused
    assert refused is not None
    assert refused.code is RefusalCode.UNKNOWN_METHOD


def test_an_old_read_finds_nothing_out() -> None:
    """A read that began before the command was queued does not refuse it."""
    made = story(CustomerStatus.ACTIVE)
    made.tell(changed())
    version = made.record.version
    made.tell(detach())
    decision = made.read(version=version)
    assert decision.outcome is Outcome.STALE
    assert made.record.calls
    made.tick()
    made.read(CARD)
    assert sent(made) is CustomerOperation.DETACH


def test_a_command_that_waited_too_long_is_refused() -> None:
    """Expiry is checked before the first send, at the front of the queue too."""
    made = story(CustomerStatus.CREATING)
    made.tell(set_up(expires_at=NOW + timedelta(minutes=5)))
    made.answer(made=CUS, after=HOUR)
    refused = told(made).refused
    assert refused is not None
    assert refused.code is RefusalCode.EXPIRED


def test_too_many_commands_are_refused() -> None:
    """One more than may wait is refused by name."""
    made = story(CustomerStatus.CREATING)
    for number in range(MAX_OPEN_CALLS):
        made.tell(set_up(f"set-up-{number}"))
    made.tell(set_up("one-more"))
    refused = told(made).refused
    assert refused is not None
    assert refused.code is RefusalCode.TOO_MANY_COMMANDS


def test_one_delivery_sends_so_many_and_no_more() -> None:
    """The rest of a long queue is left to the sweeper, at once."""
    made = story(CustomerStatus.ACTIVE)
    made.tell(set_up("set-up-1"))
    made.tell(set_up("set-up-2"))
    made.answer(made=SETUP, chained=MAX_CHAINED)
    assert made.last is not None
    assert made.last.effect is None
    assert made.record.check_at == made.now
    made.tick()
    assert sent(made) is CustomerOperation.SET_UP


def test_an_unknown_answer_repeats_the_key() -> None:
    """A call without an answer is sent again under its key with its parameters."""
    made = story(CustomerStatus.CREATING)
    before = made.head
    made.answer(Result.UNKNOWN, problem=problem())
    made.tick()
    assert sent(made) is CustomerOperation.CREATE
    assert (made.head.key, made.head.params, len(made.head.sends)) == (before.key, before.params, 2)


def test_an_old_key_is_never_sent_again() -> None:
    """A create whose key is too old is looked for; when it is surely not there, the next one has a key of its own."""
    made = story(CustomerStatus.CREATING)
    decision = made.tick(KEY_LIFETIME)
    assert isinstance(decision.effect, FindCustomer)
    made.answer(Result.NOT_FOUND)
    assert sent(made) is CustomerOperation.CREATE
    assert made.head.key == f"{CUSTOMER}:create:2"
    made.answer(made="cus_2")
    assert made.record.stripe_id == "cus_2"


def test_a_stored_error_is_settled_by_looking() -> None:
    """A create that Stripe answers with a stored error is looked for, and what is found is taken and read."""
    made = story(CustomerStatus.CREATING)
    made.answer(Result.STORED_ERROR, problem=problem("http_500"))
    assert made.record.check_at == made.now + STORED_ERROR_WAIT, "Stripe's lists need a while"
    decision = made.tick()
    assert isinstance(decision.effect, FindCustomer)
    decision = made.answer(made=CUS)
    assert made.record.status is CustomerStatus.ACTIVE
    assert decision.effect == ReadCustomer(CUS)


def test_a_search_without_an_answer_is_repeated() -> None:
    """A search that Stripe does not answer settles nothing."""
    made = story(CustomerStatus.CREATING)
    made.answer(Result.STORED_ERROR, problem=problem("http_500"))
    made.tick()
    made.answer(Result.UNKNOWN, problem=problem())
    decision = made.tick()
    assert isinstance(decision.effect, FindCustomer)


def test_a_young_create_is_not_given_up() -> None:
    """Not found before its last send is old enough is not yet gone."""
    made = story(CustomerStatus.CREATING)
    made.answer(Result.UNKNOWN, problem=problem(), after=timedelta(hours=19))
    made.tick()
    made.answer(Result.UNKNOWN, problem=problem())
    made.tick(HOUR)
    made.answer(Result.NOT_FOUND)
    assert made.record.creates == 1
    made.tick()
    made.answer(Result.NOT_FOUND)
    assert made.record.creates == 2


def test_a_refused_create_refuses_those_who_wait() -> None:
    """Where Stripe makes no customer, the set-up is refused, and the next need tries again under the next key."""
    made = CustomerStory()
    made.tell(set_up())
    made.answer(Result.REFUSED, problem=problem("parameter_unknown"))
    refused = told(made).refused
    assert refused is not None
    assert refused.code is RefusalCode.PROVIDER_REFUSED
    assert made.record.status is CustomerStatus.ABSENT
    made.tell(ensure())
    assert made.head.key == f"{CUSTOMER}:create:2"


@pytest.mark.parametrize("result", [Result.STORED_ERROR, Result.UNKNOWN])
def test_a_set_up_of_unknown_outcome_is_given_up(result: Result) -> None:
    """A set-up that can only be repeated as an error, or whose key is too old, is refused: nobody has its secret."""
    made = story(CustomerStatus.ACTIVE)
    made.tell(set_up())
    made.answer(result, problem=problem("http_500"))
    if result is Result.UNKNOWN:
        made.tick(KEY_LIFETIME)
    refused = told(made).refused
    assert refused is not None
    assert refused.code is RefusalCode.PROVIDER_ERROR


@pytest.mark.parametrize(("methods", "verdict"), [((DEFAULT,), Verdict.ACCEPTED), ((CARD,), Verdict.REFUSED)])
def test_a_default_of_unknown_outcome_is_read(methods: tuple[SavedMethod, ...], verdict: Verdict) -> None:
    """A stored error about the default is settled by what Stripe says the default is."""
    made = story(CustomerStatus.ACTIVE).saved()
    made.tell(set_default())
    made.answer(Result.STORED_ERROR, problem=problem("http_500"))
    assert made.tick().effect == ReadCustomer(CUS)
    made.read(*methods)
    assert told(made).verdict is verdict


@pytest.mark.parametrize(("methods", "verdict"), [((), Verdict.ACCEPTED), ((CARD,), Verdict.REFUSED)])
def test_a_refused_detach_is_read(methods: tuple[SavedMethod, ...], verdict: Verdict) -> None:
    """A method that is gone is detached, whatever Stripe said; one that is still there is refused as Stripe said."""
    made = story(CustomerStatus.ACTIVE).saved()
    made.tell(detach())
    decision = made.answer(Result.REFUSED, problem=problem("http_400"))
    assert decision.effect == ReadCustomer(CUS)
    made.read(*methods)
    assert told(made).verdict is verdict
    refused = told(made).refused
    assert refused is None or refused.code is RefusalCode.PROVIDER_REFUSED


def test_a_repeat_that_was_answered_is_read() -> None:
    """What Stripe repeats may be long ago: after it the customer is read."""
    made = story(CustomerStatus.ACTIVE).saved()
    made.tell(set_default())
    decision = made.answer(replayed=True)
    assert decision.effect == ReadCustomer(CUS)


def test_news_is_never_applied_but_read() -> None:
    """A webhook owes a read, and what the read finds is taken."""
    made = story(CustomerStatus.ACTIVE)
    decision = made.tell(changed())
    assert decision.effect == ReadCustomer(CUS)
    made.read(CARD)
    assert made.record.methods == (CARD,)
    assert made.record.check_at is None


def test_a_failed_read_is_owed_still() -> None:
    """A read that Stripe does not answer is done again by the clock, later and later."""
    made = story(CustomerStatus.ACTIVE)
    made.tell(changed())
    made.read_fails()
    first = made.record.read_at
    assert first is not None
    assert first > made.now
    assert made.tick().effect == ReadCustomer(CUS)


def test_a_customer_deleted_at_stripe_is_made_anew() -> None:
    """Once a read says that it is gone, the next need creates another, and the set-up that waits gets that."""
    made = story(CustomerStatus.ACTIVE).saved()
    made.tell(marked("customer.deleted"))
    made.tell(set_up())
    made.tell(set_up("set-up-2"))
    made.answer(Result.REFUSED, problem=problem("resource_missing", field="customer"))
    refused = told(made).refused
    assert refused is not None
    assert refused.code is RefusalCode.PROVIDER_ERROR
    assert made.record.methods == ()
    assert sent(made) is CustomerOperation.CREATE
    made.answer(made="cus_2")
    assert made.head.target == "cus_2"


def test_a_lost_customer_refuses_what_was_asked_of_its_methods() -> None:
    """A default under way when the customer is found deleted is refused."""
    made = story(CustomerStatus.ACTIVE).saved()
    made.tell(set_default())
    made.answer(Result.REFUSED, problem=problem("resource_missing"))
    made.read(deleted=True)
    refused = told(made).refused
    assert refused is not None
    assert refused.code is RefusalCode.UNKNOWN_METHOD
    assert made.record.status is CustomerStatus.ABSENT


def test_the_timeline_is_bounded() -> None:
    """Only the newest entries are kept; an older command's repeat is a first use again, under the same key."""
    made = story(CustomerStatus.ACTIVE).saved()
    made.tell(set_default())
    made.answer()
    for number in range(MAX_TIMELINE):
        made.tell(marked("customer.created", f"evt_{number}"))
    assert len(made.record.timeline) == MAX_TIMELINE
    made.tell(set_default())
    assert made.head.key == f"{CUSTOMER}:set_default:default-1"


def test_a_view_says_what_a_customer_recognises() -> None:
    """A card is shown by brand, last digits and expiry, a debit by its last digits."""
    debit = SavedMethod("pm_2", "sepa_debit", None, "3000")
    made = story(CustomerStatus.ACTIVE).saved(DEFAULT, debit)
    card, account = customer_view(made.record).methods
    assert (card.payment_method, card.brand, card.last4, card.expires) == (METHOD, "visa", "4242", "12/2030")
    assert (account.type, account.brand, account.last4, account.expires) == ("sepa_debit", None, "3000", None)
    assert (card.default, account.default) == (True, False)
