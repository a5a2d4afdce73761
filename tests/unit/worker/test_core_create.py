"""What a create does: open the order's payment, answer with the live one, or be refused by name."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contracts.commands import CaptureMethod
from contracts.replies import RefusalCode, Verdict
from tests.unit.worker.making import (
    AMOUNT,
    NOW,
    SECOND,
    Story,
    cancel,
    cancel_order,
    confirm,
    create,
    decided,
    event_types,
    problem,
    seen,
    story,
)
from worker.domain.effects import Decision, Send
from worker.domain.limits import MAX_PAYMENTS_PER_ORDER
from worker.domain.messages import Result
from worker.domain.record import Operation, Outcome, Refused, Status, payment_id


def refusal(decision: Decision) -> Refused:
    (told,) = decision.told
    assert told.verdict is Verdict.REFUSED
    assert told.refused is not None
    return told.refused


def test_a_create_is_recorded_before_it_is_sent() -> None:
    """A create opens the payment with its call recorded as sent, and nothing is announced before Stripe holds it."""
    decision = Story().tell(create())
    assert isinstance(decision.effect, Send)
    assert decision.payment is not None
    assert decision.payment.status is Status.CREATING
    assert decision.payment.timeline == ()
    assert decision.events == ()
    assert decision.told == ()


def test_a_create_never_confirms() -> None:
    """The create's parameters ask for no confirmation, so that it moves no money."""
    made = story(Status.CREATING)
    assert "confirm" not in made.head.params
    assert "payment_method" not in made.head.params
    assert made.head.params["automatic_payment_methods"] == {"enabled": True}


def test_a_create_carries_the_metadata_that_finds_its_payment() -> None:
    """Our own metadata wins over the caller's of the same name."""
    made = Story()
    made.tell(create(metadata={"payment_id": "mine", "cart": "7"}, description="Two tickets"))
    assert made.head.params["metadata"] == {
        "cart": "7",
        "payment_id": made.record.id,
        "order_id": "order-1",
        "deployment": "test",
    }
    assert made.head.params["description"] == "Two tickets"


def test_the_key_is_derived() -> None:
    """The idempotency key is made of the payment, the operation and the command."""
    made = story(Status.CREATING)
    assert made.head.key == f"{made.record.id}:create:create-1"


def test_the_answer_makes_the_payment_payable() -> None:
    """Stripe's answer gives the payment its intent, announces it and tells the requester, who wants the secret."""
    made = story(Status.CREATING)
    decision = made.answer(Result.DONE, Status.REQUIRES_PAYMENT_METHOD)
    assert made.record.intent_id == "pi_1"
    assert event_types(made.record) == ["created"]
    (told,) = decision.told
    assert (told.verdict, told.wants_secret) == (Verdict.ACCEPTED, True)
    assert [entry.message_id for entry in made.record.timeline] == ["create-1"]


@pytest.mark.parametrize("status", [Status.REQUIRES_PAYMENT_METHOD, Status.PROCESSING, Status.SUCCEEDED])
def test_the_same_terms_get_the_same_payment(status: Status) -> None:
    """Another create of the same terms is answered with the live payment; the secret comes while it can be paid."""
    made = story(status)
    decision = made.tell(create("create-2"))
    (told,) = decision.told
    assert told.verdict is Verdict.ACCEPTED
    assert told.wants_secret == (status is Status.REQUIRES_PAYMENT_METHOD)
    assert decision.effect is None
    assert not decision.events


def test_the_same_terms_while_it_is_being_created_are_pending() -> None:
    """A second create that comes before Stripe's answer is told that it is pending, and again when it is repeated."""
    made = story(Status.CREATING)
    for _ in range(2):
        (told,) = made.tell(create("create-2")).told
        assert told.verdict is Verdict.PENDING


def test_a_repeated_second_create_follows_the_payment() -> None:
    """A create that was told 'pending' is told what became of the payment when it is repeated."""
    made = story(Status.CREATING)
    made.tell(create("create-2"))
    made.answer(Result.REFUSED, problem=problem("amount_too_small"))
    assert refusal(made.tell(create("create-2"))).code is RefusalCode.PAYMENT_FAILED
    made.tell(seen(Status.REQUIRES_PAYMENT_METHOD))
    made.answer(Result.DONE, Status.CANCELED)
    assert refusal(made.tell(create("create-2"))).code is RefusalCode.PAYMENT_FAILED


@pytest.mark.parametrize(
    "other",
    [{"amount": AMOUNT + 1}, {"currency": "usd"}, {"capture_method": CaptureMethod.MANUAL}],
    ids=lambda other: next(iter(other)),
)
def test_other_terms_are_refused(other: dict[str, Any]) -> None:
    """A create that differs from the live payment in amount, currency or capture method is refused by name."""
    decision = story(Status.REQUIRES_PAYMENT_METHOD).tell(create("create-2", **other))
    assert refusal(decision).code is RefusalCode.ORDER_HAS_PAYMENT
    assert decision.told[0].show_payment


def test_another_user_learns_nothing() -> None:
    """A create by another user is refused without showing the payment, whatever its terms."""
    decision = story(Status.REQUIRES_PAYMENT_METHOD).tell(create("create-2", user_id="user-2", amount=1))
    assert refusal(decision).code is RefusalCode.ORDER_HAS_PAYMENT
    assert not decision.told[0].show_payment


@pytest.mark.parametrize("status", [Status.REQUIRES_PAYMENT_METHOD, Status.CANCELED])
def test_another_user_learns_nothing_from_a_repeat(status: Status) -> None:
    """A create by another user is shown nothing on its second delivery either, dead payment or live one."""
    made = story(status)
    for _ in range(2):
        decision = made.tell(create("create-2", user_id="user-2"))
        assert decision.told[0].verdict is Verdict.REFUSED
        assert not decision.told[0].show_payment


def test_another_user_is_refused_the_same_way_after_a_cancel() -> None:
    """The refusal of another user does not tell whether the order was canceled."""
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    made.tell(cancel_order(issued_at=NOW + SECOND))
    decision = made.tell(create("create-2", user_id="user-2"))
    assert refusal(decision).code is RefusalCode.ORDER_HAS_PAYMENT


def test_a_duplicate_helps_an_open_call() -> None:
    """The create delivered again while its call is open sends it again, under the same key."""
    made = story(Status.CREATING)
    decision = made.tell(create())
    assert isinstance(decision.effect, Send)
    assert decision.effect.call.key == f"{made.record.id}:create:create-1"
    assert len(decision.effect.call.sends) == 2


def test_a_duplicate_of_a_settled_create_repeats_its_answer() -> None:
    """The create delivered again after it was settled gets the recorded answer and asks Stripe nothing."""
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    decision = made.tell(create(reply=None))
    (told,) = decision.told
    assert (told.verdict, told.wants_secret, decision.effect) == (Verdict.ACCEPTED, True, None)
    assert not decision.write


def test_a_duplicate_of_a_refused_create_repeats_the_refusal() -> None:
    """The create delivered again after it was refused is refused with the same words."""
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    first = refusal(made.tell(create("create-2", amount=AMOUNT + 1)))
    assert refusal(made.tell(create("create-2", amount=AMOUNT + 1))) == first


def test_a_failed_create_repeats_its_refusal() -> None:
    """The create delivered again after Stripe had refused it is told so again."""
    made = story(Status.FAILED)
    assert refusal(made.tell(create())).code is RefusalCode.PROVIDER_REFUSED


@pytest.mark.parametrize("status", [Status.CREATING, Status.REQUIRES_PAYMENT_METHOD, Status.CANCELED])
def test_an_id_used_for_another_command_is_refused(status: Status) -> None:
    """A command id with another body is refused, shows nothing, and leaves the record as it is."""
    made = story(status)
    decision = made.tell(create(body_hash="other"))
    assert refusal(decision).code is RefusalCode.ID_REUSED
    assert not decision.told[0].show_payment
    assert not decision.write


@pytest.mark.parametrize("status", [Status.NEW, Status.REQUIRES_PAYMENT_METHOD])
def test_an_expired_create_is_refused(status: Status) -> None:
    """A create whose time is over is refused, with or without a payment."""
    made = Story() if status is Status.NEW else story(status)
    decision = made.tell(create("create-2", expires_at=NOW))
    assert refusal(decision).code is RefusalCode.EXPIRED
    assert decision.effect is None


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"amount": 49}, RefusalCode.AMOUNT_TOO_SMALL, "data.amount"),
        ({"amount": 10**9}, RefusalCode.AMOUNT_TOO_LARGE, "data.amount"),
        ({"amount": 1001, "currency": "kwd"}, RefusalCode.AMOUNT_NOT_CHARGEABLE, "data.amount"),
        ({"currency": "xau"}, RefusalCode.UNKNOWN_CURRENCY, "data.currency"),
    ],
)
def test_what_stripe_would_not_charge_is_refused(changes: dict[str, Any], code: RefusalCode, field: str) -> None:
    """An amount that Stripe would not charge opens no payment; the refusal names the field."""
    decision = Story().tell(create(**changes))
    assert (refusal(decision).code, refusal(decision).field) == (code, field)
    assert decision.payment is None


def test_an_order_has_a_last_payment() -> None:
    """The payment after the last allowed one is refused."""
    decision = decided(None, create(), NOW, number=MAX_PAYMENTS_PER_ORDER + 1)
    assert refusal(decision).code is RefusalCode.TOO_MANY_PAYMENTS
    allowed = decided(None, create(), NOW, number=MAX_PAYMENTS_PER_ORDER)
    assert allowed.payment is not None
    assert allowed.payment.id == payment_id("order-1", MAX_PAYMENTS_PER_ORDER)


def test_a_create_while_a_cancel_is_open_is_refused() -> None:
    """While a cancel is open, another create is told that the payment is being canceled."""
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    made.tell(cancel())
    assert refusal(made.tell(create("create-2"))).code is RefusalCode.BEING_CANCELED


def test_a_refused_create_fails_the_payment() -> None:
    """A definite refusal by Stripe ends the payment and announces it, and what waits behind is refused too."""
    made = story(Status.CREATING)
    made.tell(confirm())
    decision = made.answer(Result.REFUSED, problem=problem("amount_too_small", field="amount"))
    assert made.record.status is Status.FAILED
    assert event_types(made.record) == ["failed"]
    codes = {told.command_id: told.refused and told.refused.code for told in decision.told}
    assert codes == {"create-1": RefusalCode.PROVIDER_REFUSED, "confirm-1": RefusalCode.PAYMENT_FAILED}
    assert made.record.check_at is None


@pytest.mark.parametrize("status", [s for s in Status if s not in {Status.NEW, Status.CREATING, Status.FAILED}])
def test_a_webhook_overtakes_the_answer(status: Status) -> None:
    """A webhook that comes before the create's answer brings the intent, closes the call and announces the creation."""
    made = story(Status.CREATING)
    made.tell(seen(status))
    assert made.record.status is status
    assert made.record.head is None
    assert event_types(made.record)[0] == "created"
    late = made.answer(Result.DONE, Status.REQUIRES_PAYMENT_METHOD, call=made.record.calls[0], version=0)
    assert [told.command_id for told in late.told] == ["create-1"]
    assert made.record.status is status
    assert event_types(made.record).count("created") == 1


def test_a_command_behind_a_create_waits_for_it() -> None:
    """A confirm that comes before Stripe's answer is sent when the answer is there, to the intent that it brought."""
    made = story(Status.CREATING)
    waits = made.tell(confirm())
    assert waits.effect is None
    decision = made.answer(Result.DONE, Status.REQUIRES_PAYMENT_METHOD)
    assert isinstance(decision.effect, Send)
    assert decision.effect.call.operation is Operation.CONFIRM
    assert decision.effect.call.intent_id == "pi_1"


def test_a_command_that_waits_too_long_expires() -> None:
    """A confirm that expires while it waits behind the create is never sent."""
    made = story(Status.CREATING)
    made.tell(confirm(expires_at=made.now + 5 * SECOND))
    decision = made.answer(Result.DONE, Status.REQUIRES_PAYMENT_METHOD, after=timedelta(minutes=1))
    assert decision.effect is None
    codes = [told.refused.code for told in decision.told if told.refused]
    assert codes == [RefusalCode.EXPIRED]
    assert made.record.head is None


def test_the_newest_create_counts_against_old_cancels() -> None:
    """A create of the same terms renews the payment's issue time, so that an older cancel no longer touches it."""
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    made.tell(create("create-2", issued_at=NOW + timedelta(minutes=2)))
    decision = made.tell(cancel_order(issued_at=NOW + timedelta(minutes=1)))
    assert refusal(decision).code is RefusalCode.WRONG_STATE
    assert decision.outcome is Outcome.REFUSED


def test_a_command_to_a_payment_that_is_not_there_is_refused() -> None:
    """A confirm or a cancel by an unknown payment id is refused and creates nothing."""
    for command in (confirm(), cancel()):
        decision = decided(None, replace(command, payment_id="pay_0_1"), NOW)
        assert refusal(decision).code is RefusalCode.UNKNOWN_PAYMENT
        assert decision.payment is None
