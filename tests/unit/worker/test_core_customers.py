"""A create that needs its user's customer at Stripe: a draft with no call, until the customer is there."""

from datetime import timedelta

import pytest

from contracts.commands import Resolution
from contracts.replies import RefusalCode, Verdict
from tests.unit.worker.making import (
    NOW,
    PAYMENT,
    USER,
    Story,
    cancel,
    cancel_order,
    codes,
    confirm,
    create,
    erase,
    event_types,
    last_body,
    resolve,
    story,
    verdicts,
)
from worker.domain import limits
from worker.domain.effects import Ensure, Send
from worker.domain.messages import CustomerSeen, Result
from worker.domain.record import Operation, Outcome, Status

HOUR = timedelta(hours=1)
THERE, AWAY = CustomerSeen("cus_1"), CustomerSeen(None)


def waiting(**changes: str) -> Story:
    """A payment whose create waits for its user's customer; it is wanted for an hour."""
    made = Story()
    made.tell(create(with_customer=True, expires_at=NOW + HOUR, **changes))
    return made


def test_a_create_waits_for_its_customer() -> None:
    """A payment that needs a customer is `creating` with no call, and asks for the customer in the name of its create."""
    made = Story()
    decision = made.tell(create(with_customer=True))
    assert decision.effect == Ensure(USER, NOW)
    assert (made.record.status, made.record.calls) == (Status.CREATING, ())
    assert made.record.draft is not None
    assert decision.told == ()
    assert event_types(made.record) == []


def test_who_asked_is_given_time() -> None:
    """While somebody asks for the customer nobody else does: the next look comes only after the deadline of a request."""
    made = waiting()
    assert made.record.check_at == made.now + limits.SEND_GRACE
    assert made.tick(limits.SEND_GRACE / 2).effect is None
    assert made.tick().effect == Ensure(USER, NOW)


def test_a_customer_that_is_there_lets_the_create_go() -> None:
    """With the customer the create is sent, for that customer, under the key of its command."""
    made = waiting(receipt_email="someone@shop.example")
    decision = made.tell(THERE)
    assert isinstance(decision.effect, Send)
    call = decision.effect.call
    assert (call.id, call.key) == ("create-1", f"{PAYMENT}:create:create-1")
    assert (call.params["customer"], call.params["amount"]) == ("cus_1", 2000)
    assert (made.record.customer_id, made.record.draft, made.record.customer_at) == ("cus_1", None, None)
    done = made.answer(Result.DONE, Status.REQUIRES_PAYMENT_METHOD)
    assert codes(done) == {"create-1": None}
    assert event_types(made.record) == ["created"]
    assert "someone@shop.example" not in str(made.record)


def test_a_customer_that_is_not_there_yet_is_waited_for() -> None:
    """Without the customer the wait grows up to ten minutes, and the create stays as it was."""
    made = waiting()
    draft, waits = made.record.draft, []
    for _ in range(12):
        made.tell(AWAY, after=timedelta())
        assert made.record.check_at is not None
        waits.append(made.record.check_at - made.now)
        assert made.tick(timedelta()).effect is None
        made.now = NOW
    assert waits[0] < waits[4] < waits[8] <= limits.BACKOFF_CAP
    assert made.record.draft == draft


def test_a_customer_that_comes_too_late_is_not_used() -> None:
    """A create that has expired while it waited has failed, by name, and Stripe is never asked."""
    made = waiting()
    decision = made.tell(THERE, after=HOUR)
    assert codes(decision) == {"create-1": RefusalCode.EXPIRED}
    assert decision.effect is None
    assert (made.record.status, made.record.draft, made.record.check_at) == (Status.FAILED, None, None)
    assert event_types(made.record) == ["failed"]
    assert last_body(made.record, "failed")["attempt"]["code"] == "expired"


def test_a_failed_draft_makes_room() -> None:
    """After its draft expired a payment is not the order's live one: the order may try again."""
    made = waiting()
    made.tell(AWAY, after=HOUR)
    assert not made.record.live


def test_a_duplicate_waits_along() -> None:
    """The create again, under its own id, is a duplicate of the draft; it asks for the customer when that is due."""
    made = waiting()
    again = create(with_customer=True, expires_at=NOW + HOUR)
    assert made.tell(again).effect is None
    decision = made.tell(again, after=limits.SEND_GRACE)
    assert decision.effect == Ensure(USER, NOW)
    assert decision.told == ()


def test_another_create_of_the_same_terms_is_pending() -> None:
    """A second create of the order hears that its payment is on its way, and later what came of it."""
    made = waiting()
    second = create("create-2", with_customer=True)
    assert verdicts(made.tell(second)) == {"create-2": Verdict.PENDING}
    made.tell(THERE)
    made.answer(Result.DONE, Status.REQUIRES_PAYMENT_METHOD)
    assert verdicts(made.tell(second)) == {"create-2": Verdict.ACCEPTED}


def test_another_create_hears_of_the_failure() -> None:
    """A second create that was told 'pending' is refused once the draft has expired."""
    made = waiting()
    second = create("create-2", with_customer=True)
    made.tell(second)
    made.tell(AWAY, after=HOUR)
    assert codes(made.tell(second)) == {"create-2": RefusalCode.PAYMENT_FAILED}


def test_a_confirm_comes_too_early() -> None:
    """A payment that Stripe does not know yet cannot be confirmed: the confirm is refused, to be tried again."""
    made = waiting()
    assert codes(made.tell(confirm())) == {"confirm-1": RefusalCode.WRONG_STATE}
    assert made.record.draft is not None


@pytest.mark.parametrize("command", [cancel(), cancel_order(issued_at=NOW + HOUR)], ids=["by id", "by order"])
def test_a_cancel_ends_it_at_once(command: object) -> None:
    """A cancel before Stripe was asked ends the payment without a request, and refuses the create."""
    made = waiting(receipt_email="someone@shop.example")
    decision = made.tell(command)  # type: ignore[arg-type] # both are cancels
    assert decision.effect is None
    assert set(codes(decision).items()) == {(command.message_id, None), ("create-1", RefusalCode.ORDER_CANCELED)}  # type: ignore[attr-defined] # as above
    assert (made.record.status, made.record.draft, made.record.check_at) == (Status.CANCELED, None, None)
    assert event_types(made.record) == ["canceled"]
    assert "someone@shop.example" not in str(made.record)


def test_an_old_cancel_does_not_end_it() -> None:
    """A cancel by order that was issued before the create leaves the draft alone."""
    made = waiting()
    assert codes(made.tell(cancel_order(issued_at=NOW - HOUR))) == {"cancel-order-1": RefusalCode.WRONG_STATE}
    assert made.record.draft is not None


@pytest.mark.parametrize("seen", [THERE, AWAY], ids=["there", "not there"])
def test_a_customer_for_what_was_canceled_meanwhile(seen: CustomerSeen) -> None:
    """A customer that comes after the cancel changes nothing."""
    made = waiting()
    made.tell(cancel())
    decision = made.tell(seen)
    assert (decision.outcome, decision.effect, decision.write) == (Outcome.STALE, None, False)


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.NEW}, key=str))
def test_a_customer_that_nobody_waits_for_changes_nothing(status: Status) -> None:
    """A payment that waits for no customer takes none."""
    made = story(status)
    decision = made.tell(THERE)
    assert (decision.outcome, decision.write) == (Outcome.STALE, False)
    assert made.record.customer_id is None


def test_the_second_of_two_askers_comes_too_late() -> None:
    """Two workers that asked at once queue one create: the second answer finds no draft."""
    made = waiting()
    made.tell(THERE)
    decision = made.tell(THERE)
    assert decision.outcome is Outcome.STALE
    assert [call.operation for call in made.record.calls] == [Operation.CREATE]


def test_an_erased_user_gets_no_customer() -> None:
    """A payment that waits for the customer of a user who is erased meanwhile ends, and asks for nobody's customer."""
    made = waiting(receipt_email="someone@shop.example")
    decision = made.tell(erase(), after=2 * limits.SEND_GRACE)
    assert decision.effect is None
    assert codes(decision) == {"erase-1": None, "create-1": RefusalCode.ORDER_CANCELED}
    assert made.record.status is Status.CANCELED
    assert made.record.check_at is None
    assert made.tell(THERE).effect is None
    assert last_body(made.record, "canceled")["user_id"] == "erased"
    assert USER not in str(made.record)
    assert "someone@shop.example" not in str(made.record)


def test_a_draft_has_nothing_to_decide() -> None:
    """A payment that waits for its customer waits for no person's decision."""
    made = waiting()
    assert codes(made.tell(resolve(Resolution.KEEP))) == {"resolve-1": RefusalCode.NOTHING_TO_RESOLVE}
