"""What Stripe's news does: facts that stay, facts that come and go, declines, and what nobody waits for."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from contracts.commands import CaptureMethod
from tests.unit.worker.making import (
    AMOUNT,
    Story,
    changed,
    charge_failed,
    charge_succeeded,
    confirm,
    create,
    declined,
    event_types,
    intent,
    problem,
    read,
    seen,
    story,
    unauthenticated,
)
from worker.domain import limits
from worker.domain.effects import Read, Send
from worker.domain.facts import StripeProblem
from worker.domain.messages import ChargeSeen, IntentSeen, Message, Result
from worker.domain.record import Operation, Outcome, Status

PAYABLE = [Status.REQUIRES_PAYMENT_METHOD, Status.REQUIRES_CONFIRMATION, Status.REQUIRES_ACTION, Status.PROCESSING]
WANTS = Status.REQUIRES_PAYMENT_METHOD


def failures(made: Story) -> list[str]:
    """The attempts that were announced, in order."""
    return [event.body["attempt"]["attempt_id"] for event in made.record.events if event.type == "payment.failed"]


@pytest.mark.parametrize("status", PAYABLE)
@pytest.mark.parametrize("end", [Status.SUCCEEDED, Status.CANCELED, Status.REQUIRES_CAPTURE])
def test_what_stripe_never_takes_back_is_applied(status: Status, end: Status) -> None:
    """Success, cancellation and authorization are applied from any news, without a read."""
    made = story(status)
    decision = made.tell(seen(end))
    assert made.record.status is end
    assert decision.effect is None
    assert made.record.captured == (AMOUNT if end is Status.SUCCEEDED else 0)


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.CANCELED, Status.REQUIRES_CAPTURE])
@pytest.mark.parametrize("old", PAYABLE)
def test_old_news_of_a_settled_payment_is_stale(status: Status, old: Status) -> None:
    """News that a settled payment has behind it changes nothing and asks nothing."""
    made = story(status)
    decision = made.tell(seen(old))
    assert decision.outcome is Outcome.STALE
    assert decision.effect is None
    assert made.record.status is status
    assert not decision.events


def test_news_that_goes_back_is_read() -> None:
    """A webhook that would move a payment back makes the worker read the intent and apply what it finds."""
    made = story(Status.PROCESSING)
    decision = made.tell(seen(WANTS))
    assert isinstance(decision.effect, Read)
    assert made.record.status is Status.PROCESSING
    made.read(Status.PROCESSING)
    assert made.record.status is Status.PROCESSING
    assert made.record.read_at is None


def test_a_first_try_goes_forward_without_a_read() -> None:
    """Before any decline 'requires action' can only be news; after one it may be old and is read."""
    first = story(WANTS)
    assert first.tell(seen(Status.REQUIRES_ACTION)).effect is None
    assert first.record.status is Status.REQUIRES_ACTION
    later = story(WANTS)
    later.tell(charge_failed())
    assert isinstance(later.tell(seen(Status.REQUIRES_ACTION)).effect, Read)
    assert later.record.status is WANTS


def test_processing_may_be_older_than_the_challenge() -> None:
    """A debit that bounced before the customer was challenged, heard of last, takes nothing back and repeats nothing."""
    made = story(Status.REQUIRES_ACTION)
    assert isinstance(made.tell(seen(Status.PROCESSING)).effect, Read)
    made.tell(seen(WANTS, decline=declined()))
    made.read(Status.REQUIRES_ACTION)
    assert event_types(made.record) == ["created", "requires_action", "failed"]


def test_a_read_counts_only_for_the_version_before_it() -> None:
    """A read that began before the record changed is not believed, and is done again within seconds."""
    made = story(Status.PROCESSING)
    made.tell(seen(WANTS))
    old = read(made.record, WANTS)
    made.tell(charge_failed())
    made.tell(old)
    assert made.record.status is Status.PROCESSING
    assert made.record.check_at is not None
    assert made.record.check_at - made.now <= limits.BACKOFF_FIRST
    assert isinstance(made.tick().effect, Read)
    made.read(WANTS, decline=declined())
    assert made.record.status is WANTS


def test_two_reads_at_once_do_not_keep_each_other_going() -> None:
    """Two workers whose reads overlap make each other's stale once, and then one of them reads alone."""
    made = story(Status.PROCESSING)
    made.tell(seen(WANTS, "evt_1"))
    first = read(made.record, Status.PROCESSING)
    made.tell(seen(WANTS, "evt_2"))
    second = read(made.record, Status.PROCESSING)
    assert made.tell(first).effect is None
    assert made.tell(second).effect is None
    assert isinstance(made.tick().effect, Read)
    made.read(Status.PROCESSING)
    assert made.record.read_at is None


def test_an_owed_read_survives_a_worker_that_dies() -> None:
    """A read that nobody brings back is due again after the grace time."""
    made = story(Status.PROCESSING)
    made.tell(seen(WANTS))
    decision = made.tick(limits.SEND_GRACE)
    assert isinstance(decision.effect, Read)


def test_news_in_other_words_is_read() -> None:
    """An event of another API version is never believed: the intent is read."""
    made = story(WANTS)
    decision = made.tell(changed())
    assert isinstance(decision.effect, Read)
    made.read(Status.SUCCEEDED)
    assert made.record.status is Status.SUCCEEDED


def test_news_in_other_words_brings_a_payment_its_intent() -> None:
    """An event of another API version that overtakes the create's answer tells which intent to read."""
    made = story(Status.CREATING)
    decision = made.tell(changed())
    assert made.record.intent_id == "pi_1"
    assert isinstance(decision.effect, Read)
    assert event_types(made.record) == ["created"]


def test_a_duplicate_webhook_changes_nothing() -> None:
    """The same event again is recognised by its id."""
    made = story(WANTS)
    made.tell(charge_failed())
    decision = made.tell(charge_failed())
    assert not decision.write
    assert decision.why == "duplicate"


DECLINE = (
    ("answer", None),
    ("webhook", seen(WANTS, "evt_pi", decline=declined())),
    ("charge", charge_failed(event_id="evt_ch")),
)


@pytest.mark.parametrize("order", list(permutations(DECLINE)), ids=lambda order: "-".join(name for name, _ in order))
def test_a_decline_is_announced_once(order: tuple[tuple[str, Message | None], ...]) -> None:
    """One declined charge, told by the answer, its own event and the intent's, in any order, is announced once."""
    made = story(WANTS)
    made.tell(confirm())
    sent = made.record.version
    for _, message in order:
        if message is not None:
            made.tell(message)
        else:
            found = StripeProblem("card_declined", "Declined.", decline=declined())
            made.answer(Result.DECLINED, WANTS, version=sent, problem=found, decline=declined())
    assert failures(made) == ["ch_1"]
    assert made.record.status is WANTS
    assert made.record.head is None


@pytest.mark.parametrize("first", ["action", "failure"])
@pytest.mark.parametrize("named", [True, False], ids=["with a method", "without"])
def test_a_failed_authentication_is_announced_once(first: str, named: bool) -> None:
    """A failed 3-D Secure, which makes no charge, is announced once whether the challenge or the failure is heard first."""
    found = unauthenticated() if named else replace(unauthenticated(), payment_method_id=None)
    news = {"action": seen(Status.REQUIRES_ACTION), "failure": seen(WANTS, decline=found)}
    made = story(WANTS)
    for name in sorted(news, key=lambda name: name != first):
        if isinstance(made.tell(news[name]).effect, Read):
            made.read(WANTS, decline=found)
    if made.record.status is Status.REQUIRES_ACTION:
        made.tick(timedelta(hours=1))
        made.read(WANTS, decline=found)
    assert made.record.status is WANTS
    assert len(failures(made)) == 1


def test_two_failed_authentications_are_two() -> None:
    """A customer who fails 3-D Secure twice with one payment method is told of twice."""
    made = story(WANTS)
    for number in (1, 2):
        made.tell(confirm(f"confirm-{number}"))
        made.answer(Result.DONE, Status.REQUIRES_ACTION)
        made.tell(seen(WANTS, f"evt_{number}", decline=unauthenticated()))
        made.read(WANTS, decline=unauthenticated())
    assert len(failures(made)) == 2
    assert event_types(made.record).count("requires_action") == 2


def test_an_abandoned_authentication_is_an_attempt() -> None:
    """An intent that comes back from a challenge without any error is announced as a failed attempt."""
    made = story(Status.REQUIRES_ACTION)
    made.tell(seen(WANTS))
    made.read(WANTS)
    assert failures(made) == ["try-1"]


def test_a_decline_after_the_money_is_told() -> None:
    """A late charge.failed of a payment that succeeded is recorded and announced; the customer need not try again."""
    made = story(Status.SUCCEEDED)
    made.tell(charge_failed())
    assert failures(made) == ["ch_1"]
    assert made.record.events[-1].body["attempt"]["can_retry"] is False
    assert made.record.status is Status.SUCCEEDED


def test_a_charge_that_succeeded_makes_us_look_soon() -> None:
    """charge.succeeded moves nothing itself; if the intent's own news does not come within seconds, it is read."""
    made = story(WANTS)
    decision = made.tell(charge_succeeded())
    assert decision.effect is None
    assert made.record.check_at == made.now + limits.SOON
    assert isinstance(made.tick().effect, Read)
    made.read(Status.SUCCEEDED)
    assert event_types(made.record) == ["created", "succeeded"]


def test_a_bounced_debit_comes_back() -> None:
    """A debit that bounces returns to 'requires payment method', with its charge announced as declined."""
    made = story(Status.PROCESSING)
    assert isinstance(made.tell(seen(WANTS, decline=declined("ch_8"))).effect, Read)
    made.read(WANTS, decline=declined("ch_8"))
    assert made.record.status is WANTS
    assert failures(made) == ["ch_8"]


def test_a_second_intent_waits_for_a_person() -> None:
    """Another intent that claims to be this payment's changes nothing but that a person must look."""
    made = story(WANTS)
    made.tell(seen(Status.SUCCEEDED, id="pi_2"))
    assert made.record.needs_review == "second_intent"
    assert made.record.intent_id == "pi_1"
    assert made.record.status is WANTS
    assert made.record.captured == 0


@pytest.mark.parametrize("message", [charge_failed(), charge_succeeded()], ids=["failed", "succeeded"])
def test_a_charge_of_a_second_intent_is_not_ours(message: ChargeSeen) -> None:
    """A charge of another intent that claims to be this payment's is no attempt of ours; a person must look."""
    made = story(WANTS)
    made.tell(replace(message, intent_id="pi_2"))
    assert made.record.needs_review == "second_intent"
    assert made.record.attempts == ()


@pytest.mark.parametrize("other", [{"amount": AMOUNT - 1}, {"currency": "usd"}], ids=["amount", "currency"])
def test_other_money_than_asked_for_waits_for_a_person(other: dict[str, object]) -> None:
    """Money on its way in another amount or currency than was asked for puts the payment before a person."""
    made = story(WANTS)
    news = seen(Status.SUCCEEDED)
    made.tell(replace(news, intent=replace(news.intent, **other)))  # type: ignore[arg-type] # the fields' own types
    assert made.record.needs_review == "terms_differ"
    assert event_types(made.record) == ["created", "succeeded", "late_money", "needs_review"]


def test_the_truth_that_contradicts_the_record_waits_for_a_person() -> None:
    """A read that takes a settled payment back is applied by nobody: a person must look."""
    made = story(Status.SUCCEEDED)
    made.tell(changed())
    made.read(WANTS)
    assert made.record.status is Status.SUCCEEDED
    assert made.record.needs_review == "backwards"


def test_late_money_is_announced_once() -> None:
    """Money for a payment that had failed is recorded and announced once, with the question what shall become of it."""
    made = story(Status.FAILED)
    made.tell(seen(Status.SUCCEEDED, "evt_1"))
    made.tell(seen(Status.SUCCEEDED, "evt_2"))
    assert event_types(made.record) == ["failed", "late_money"]
    assert made.record.captured == AMOUNT
    assert [(concern.case, concern.remedy) for concern in made.record.concerns] == [("paid_after_cancel", "ask")]


def test_an_orphan_is_canceled() -> None:
    """An intent that shows up after its create had failed is canceled under a key of our own."""
    made = story(Status.FAILED)
    decision = made.tell(seen(WANTS))
    assert isinstance(decision.effect, Send)
    assert decision.effect.call.key == f"{made.record.id}:cancel:~auto-1"
    assert decision.effect.call.intent_id == "pi_1"
    made.answer(Result.DONE, Status.CANCELED)
    assert made.record.status is Status.CANCELED
    assert made.record.events[-1].body["reason"] == "orphan"
    assert made.record.check_at is None


def test_an_orphan_is_canceled_one_call_at_a_time() -> None:
    """More news of an orphan starts no second cancel while the first is open; once that is settled the counter rises."""
    made = story(Status.FAILED)
    made.tell(seen(WANTS, "evt_1"))
    made.answer(Result.UNKNOWN, problem=problem())
    assert made.tell(seen(WANTS, "evt_2")).effect is None
    made.tick()
    made.answer(Result.REFUSED, problem=problem("resource_missing"))
    decision = made.tell(seen(WANTS, "evt_3"))
    assert isinstance(decision.effect, Send)
    assert decision.effect.call.id == "~auto-2"


@pytest.mark.parametrize("how", ["refused", "in conflict"])
def test_an_orphan_that_cannot_be_canceled_waits_for_a_person(how: str) -> None:
    """When the cancel of an orphan comes to nothing, Stripe and the record disagree, so a person must look."""
    made = story(Status.FAILED)
    made.tell(seen(WANTS))
    if how == "refused":
        made.answer(Result.REFUSED, problem=problem("resource_missing"))
    else:
        made.answer(Result.CONFLICT, problem=problem("payment_intent_unexpected_state"))
        made.read(Status.PROCESSING)
    assert made.record.needs_review == "orphan_left"
    assert made.record.head is None


def test_an_orphan_told_in_other_words_is_read_first() -> None:
    """An event of another API version that tells of an orphan is read, and the orphan canceled."""
    made = story(Status.FAILED)
    assert isinstance(made.tell(changed()).effect, Read)
    decision = made.read(WANTS)
    assert isinstance(decision.effect, Send)
    assert decision.effect.call.operation is Operation.CANCEL


def test_fifty_declines_end_a_payment() -> None:
    """After fifty declined attempts the payment is canceled by us, and the last one says that no retry is left."""
    made = story(WANTS)
    for number in range(limits.MAX_ATTEMPTS):
        decision = made.tell(charge_failed(f"ch_{number}"))
    assert isinstance(decision.effect, Send)
    assert decision.effect.call.own_reason == "too_many_attempts"
    assert made.record.events[-1].body["attempt"]["can_retry"] is False
    made.answer(Result.DONE, Status.CANCELED)
    assert made.record.events[-1].body["reason"] == "too_many_attempts"


def test_fifty_declines_end_a_payment_once_it_can_be_ended() -> None:
    """A fiftieth decline that is heard of while the bank still has the money cancels when the payment comes back."""
    made = story(Status.PROCESSING)
    for number in range(limits.MAX_ATTEMPTS):
        made.tell(charge_failed(f"ch_{number}"))
    assert made.record.head is None
    assert isinstance(made.tell(seen(WANTS, decline=declined("ch_49"))).effect, Read)
    decision = made.read(WANTS, decline=declined("ch_49"))
    assert isinstance(decision.effect, Send)
    assert decision.effect.call.own_reason == "too_many_attempts"


def test_a_held_authorization_that_is_released_is_canceled() -> None:
    """An authorization that expires at Stripe cancels the payment, with Stripe's reason."""
    made = Story().reach(Status.REQUIRES_CAPTURE, CaptureMethod.MANUAL)
    made.tell(seen(Status.CANCELED, cancellation_reason="expired"))
    assert made.record.events[-1].body["reason"] == "expired"


def test_news_of_no_payment_is_stale() -> None:
    """News that names a payment which is not here creates nothing."""
    made = Story()
    for message in (seen(WANTS), changed(), charge_failed(), charge_succeeded()):
        decision = made.tell(message)
        assert (decision.outcome, decision.payment) == (Outcome.STALE, None)


def test_no_secret_is_kept() -> None:
    """The client secret and the redirect address of an intent reach neither the record nor its text."""
    made = Story()
    made.tell(create())
    made.answer(Result.DONE, WANTS, redirect_url="https://hooks.example/secret")
    made.tell(confirm())
    made.answer(Result.DONE, Status.REQUIRES_ACTION, redirect_url="https://hooks.example/secret", action="redirect")
    made.tell(seen(Status.SUCCEEDED, redirect_url="https://hooks.example/secret"))
    assert "secret" not in repr(made.record)
    assert "secret" not in repr(IntentSeen(message_id="e", event_type="t", intent=intent(WANTS)))
