"""What is heard of refunds: ours in any order and never twice, the dashboard's once, and no late news lowers anything."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import pytest

from contracts.replies import Verdict
from contracts.views import RefundStatus
from tests.unit.worker.making import (
    AMOUNT,
    Story,
    event_types,
    held,
    last_body,
    paid,
    problem,
    refund,
    refund_fact,
    refund_seen,
    refund_total,
    resolve,
    seen,
    story,
    totals,
    verdicts,
)
from worker.domain import limits
from worker.domain.effects import Read
from worker.domain.facts import Ledger, RefundFact
from worker.domain.messages import Answer, Message, RefundSeen, RefundTotal, Result
from worker.domain.parts import REFUND_RANK
from worker.domain.record import Outcome, Payment, Status

PENDING, ACTION = RefundStatus.PENDING, RefundStatus.REQUIRES_ACTION
SUCCEEDED, FAILED, CANCELED = RefundStatus.SUCCEEDED, RefundStatus.FAILED, RefundStatus.CANCELED
AT_STRIPE = [status for status in RefundStatus if status is not RefundStatus.REQUESTED]
LOWERING = [(old, new) for old in AT_STRIPE for new in AT_STRIPE if REFUND_RANK[new] < REFUND_RANK[old]]
BESIDE = [(PENDING, ACTION), (ACTION, PENDING), (FAILED, CANCELED), (CANCELED, FAILED)]
ANNOUNCED = {
    PENDING: "refund_updated",
    ACTION: "refund_updated",
    SUCCEEDED: "refunded",
    FAILED: "refund_failed",
    CANCELED: "refund_failed",
}


def ours(status: RefundStatus, amount: int = 500) -> RefundFact:
    return refund_fact(amount, status, "r-1")


def asked() -> Story:
    made = paid()
    made.tell(refund("r-1", amount=500))
    return made


def answered(fact: RefundFact) -> Answer:
    """The answer to the refund's call; which version it was for does not matter to refunds."""
    return Answer(call_id="r-1", result=Result.DONE, version=0, refund=fact)


def told(payment: Payment, kind: str) -> list[str]:
    """The refunds that events of a type are about."""
    return [event.body["refund"]["refund_id"] for event in payment.events if event.type == f"payment.{kind}"]


def lived(messages: Sequence[Message], truth: Ledger) -> Story:
    """A refund of ours, everything that is heard of it in one order, and a read after it."""
    made = asked()
    for message in messages:
        made.tell(message)
    made.read(Status.SUCCEEDED, ledger=truth)
    return made


def test_our_refund_is_counted_once_in_every_order() -> None:
    """Whichever of a refund's webhooks or its answer comes first, there is one refund, counted and announced once."""
    fact = ours(SUCCEEDED)
    webhooks: list[Message] = [
        refund_seen(fact, "evt_created"),
        refund_seen(fact, "evt_updated"),
        refund_total(500, "evt_total"),
        refund_seen(fact, "evt_charge"),
    ]
    for order in permutations([answered(fact), *webhooks]):
        made = lived(order, Ledger((fact,)))
        assert totals(made.record) == {"captured": 2000, "refunded": 500, "refundable": 1500}
        assert [(found.id, found.stripe_id) for found in made.record.refunds] == [("r-1", "re_1")]
        assert (told(made.record, "refunded"), told(made.record, "refund_failed")) == (["r-1"], [])
        assert (made.record.head, made.record.check_at) == (None, None)


def test_our_refund_that_fails_ends_the_same_in_every_order() -> None:
    """A refund that was on its way and fails: all five webhooks and the answer, in any order, give the money back once."""
    begun, ended = ours(PENDING), ours(FAILED)
    webhooks: list[Message] = [
        refund_seen(begun, "evt_created"),
        refund_seen(ended, "evt_updated"),
        refund_seen(ended, "evt_failed"),
        refund_total(500, "evt_total"),
        refund_seen(ended, "evt_charge"),
    ]
    for order in permutations([answered(begun), *webhooks]):
        made = lived(order, Ledger((ended,)))
        assert totals(made.record) == {"captured": 2000, "refundable": 2000}
        assert [found.status for found in made.record.refunds] == [FAILED]
        assert (told(made.record, "refunded"), told(made.record, "refund_failed")) == ([], ["r-1"])
        assert made.record.head is None
        assert made.record.heard_refunded == 0


def test_a_webhook_that_overtakes_the_answer_closes_the_call() -> None:
    """A webhook of our refund settles its call and answers the requester; the answer that follows changes nothing."""
    made = asked()
    decision = made.tell(refund_seen(ours(SUCCEEDED)))
    assert verdicts(decision) == {"r-1": Verdict.ACCEPTED}
    assert made.record.head is None
    late = made.tell(answered(ours(SUCCEEDED)))
    assert not late.write
    assert verdicts(late) == {"r-1": Verdict.ACCEPTED}


def test_a_webhook_finds_a_refund_by_our_name_only_on_its_own_payment() -> None:
    """A refund that carries another payment's id is somebody else's: it is imported beside ours, under Stripe's id."""
    made = asked()
    made.tell(refund_seen(replace(ours(SUCCEEDED), payment_id="pay_other_1")))
    assert {found.id for found in made.record.refunds} == {"r-1", "re_1"}
    assert totals(made.record) == {"captured": 2000, "refunded": 500, "reserved": 500, "refundable": 1000}


def test_two_refunds_at_stripe_are_two() -> None:
    """A second refund at Stripe under the same name of ours is counted for itself: names never merge money."""
    made = asked()
    made.answer(Result.DONE, refund=ours(SUCCEEDED))
    made.tell(refund_seen(replace(ours(SUCCEEDED), id="re_2"), "evt_second"))
    assert [(found.id, found.stripe_id) for found in made.record.refunds] == [("r-1", "re_1"), ("re_2", "re_2")]
    assert made.record.refunded == 1000


def test_a_refund_of_the_dashboard_is_imported_once() -> None:
    """A refund made at Stripe is found by its payment, counted and announced once, and marked as not ours."""
    made = paid()
    for event_id in ("evt_created", "evt_updated", "evt_charge"):
        made.tell(refund_seen(refund_fact(300), event_id))
    made.tell(refund_total(300))
    body = last_body(made.record, "refunded")["refund"]
    assert (body["refund_id"], body["amount"], body["made_at_stripe"]) == ("re_1", 300, True)
    assert told(made.record, "refunded") == ["re_1"]
    assert totals(made.record) == {"captured": 2000, "refunded": 300, "refundable": 1700}


def test_a_refund_of_the_dashboard_keeps_its_name_in_the_metadata() -> None:
    """A refund that somebody made at Stripe under a free name of ours is known by that name, and still not ours."""
    made = paid()
    made.tell(refund_seen(refund_fact(300, name="return-7")))
    (found,) = made.record.refunds
    assert (found.id, found.stripe_id, found.made_at_stripe) == ("return-7", "re_1", True)


@pytest.mark.parametrize("status", AT_STRIPE)
def test_every_status_is_counted_and_announced(status: RefundStatus) -> None:
    """On its way a refund is reserved, done it is refunded, undone it is neither; each is announced by its kind."""
    made = paid()
    made.tell(refund_seen(refund_fact(300, status)))
    assert made.record.reserved == (300 if status in {PENDING, ACTION} else 0)
    assert made.record.refunded == (300 if status is SUCCEEDED else 0)
    assert told(made.record, ANNOUNCED[status]) == ["re_1"]


@pytest.mark.parametrize("status", [PENDING, ACTION])
def test_a_refund_on_its_way_is_watched(status: RefundStatus) -> None:
    """While Stripe has a refund under way the payment is looked at now and then, and read."""
    made = paid()
    made.tell(refund_seen(refund_fact(300, status)))
    assert made.record.check_at is not None
    assert isinstance(made.tick().effect, Read)
    made.read(Status.SUCCEEDED, ledger=Ledger((refund_fact(300),)))
    assert made.record.refunded == 300
    assert made.record.check_at is None


def test_a_refund_that_fails_late_is_reversed() -> None:
    """A refund that succeeded and fails after that is announced again, and its money is here again."""
    made = asked()
    for status in (PENDING, SUCCEEDED):
        made.tell(refund_seen(ours(status)))
    assert totals(made.record) == {"captured": 2000, "refunded": 500, "refundable": 1500}
    made.tell(refund_seen(ours(FAILED)))
    assert totals(made.record) == {"captured": 2000, "refundable": 2000}
    assert event_types(made.record)[-4:] == ["refund_requested", "refund_updated", "refunded", "refund_failed"]
    body = last_body(made.record, "refund_failed")
    assert (body["refund"]["failure_reason"], body["refunded"], body["status"]) == (
        "lost_or_stolen_card",
        0,
        "succeeded",
    )


@pytest.mark.parametrize(("known", "late"), LOWERING)
def test_late_news_never_lowers_a_refund(known: RefundStatus, late: RefundStatus) -> None:
    """News that a refund has behind it is stale, from a webhook and from a read, and asks nothing."""
    made = paid()
    made.tell(refund_seen(refund_fact(300, known)))
    made.read(Status.SUCCEEDED, ledger=Ledger((refund_fact(300, known),)))
    before = totals(made.record)
    decision = made.tell(refund_seen(refund_fact(300, late)))
    assert (decision.outcome, decision.effect, decision.events) == (Outcome.STALE, None, ())
    made.read(Status.SUCCEEDED, ledger=Ledger((refund_fact(300, late),)))
    assert made.record.refunds[0].status is known
    assert totals(made.record) == before


@pytest.mark.parametrize(("known", "other"), BESIDE)
def test_of_two_statuses_side_by_side_the_truth_is_read(known: RefundStatus, other: RefundStatus) -> None:
    """Where a webhook could be older or newer than what is known, the refund is read, and what was read counts."""
    made = paid()
    made.tell(refund_seen(refund_fact(300, known)))
    made.read(Status.SUCCEEDED, ledger=Ledger((refund_fact(300, known),)))
    decision = made.tell(refund_seen(refund_fact(300, other)))
    assert isinstance(decision.effect, Read)
    assert made.record.refunds[0].status is known
    made.read(Status.SUCCEEDED, ledger=Ledger((refund_fact(300, other),)))
    assert made.record.refunds[0].status is other


def test_a_total_that_is_explained_asks_nothing() -> None:
    """A charge's total that the known refunds add up to, ours on their way included, is stale."""
    made = paid()
    made.tell(refund_seen(refund_fact(300)))
    made.tell(refund("r-1", amount=200))
    decision = made.tell(refund_total(500))
    assert (decision.outcome, decision.effect) == (Outcome.STALE, None)
    assert made.record.heard_refunded == 0


def test_a_total_that_nothing_explains_is_looked_up_soon() -> None:
    """A charge's total beyond the known refunds waits ten seconds for the refund's own news, and then reads."""
    made = paid()
    decision = made.tell(refund_total(300))
    assert decision.effect is None
    assert made.record.check_at == made.now + limits.SOON
    assert isinstance(made.tick().effect, Read)
    made.read(Status.SUCCEEDED, ledger=Ledger((refund_fact(300),)))
    assert totals(made.record) == {"captured": 2000, "refunded": 300, "refundable": 1700}
    assert made.record.check_at is None


def test_a_total_is_explained_by_what_comes_after_it() -> None:
    """Once the refund's own news has come, nothing is looked up any more."""
    made = paid()
    made.tell(refund_total(300))
    made.tell(refund_seen(refund_fact(300)))
    assert made.record.heard_refunded == 0
    assert made.record.check_at is None


def test_a_total_is_explained_in_part() -> None:
    """A refund that explains only a part of the total leaves the rest to be looked up."""
    made = paid()
    made.tell(refund_total(300))
    made.tell(refund_seen(refund_fact(200)))
    assert made.record.check_at is not None
    made.tick()
    made.read(Status.SUCCEEDED, ledger=Ledger((refund_fact(200), refund_fact(100, number=2))))
    assert made.record.refunded == 300


def test_an_older_total_does_not_lower_the_newest() -> None:
    """Of several totals that nothing explains the highest is remembered."""
    made = paid()
    made.tell(refund_total(300))
    made.tell(refund_total(100))
    assert made.record.heard_refunded == 300


def test_a_read_ends_the_search_whatever_it_finds() -> None:
    """A total that was of a refund which failed since is forgotten by a read that finds nothing more."""
    made = paid()
    made.tell(refund_total(300))
    made.tick()
    made.read(Status.SUCCEEDED, ledger=Ledger())
    assert made.record.heard_refunded == 0
    assert made.record.check_at is None


@pytest.mark.parametrize("message", [refund_seen(refund_fact(300)), refund_total(300)], ids=["refund", "total"])
@pytest.mark.parametrize("status", [Status.REQUIRES_PAYMENT_METHOD, Status.PROCESSING, Status.REQUIRES_CAPTURE])
def test_a_refund_before_its_money_is_read(message: Message, status: Status) -> None:
    """News of a refund that overtakes the news of the payment makes the worker read both."""
    made = held() if status is Status.REQUIRES_CAPTURE else story(status)
    decision = made.tell(message)
    assert isinstance(decision.effect, Read)
    made.read(Status.SUCCEEDED, ledger=Ledger((refund_fact(300),)))
    assert totals(made.record) == {"captured": 2000, "refunded": 300, "refundable": 1700}
    assert [kind for kind in event_types(made.record) if kind != "receipt"][-2:] == ["succeeded", "refunded"]


def test_a_refund_is_the_first_that_is_heard_of_a_payment() -> None:
    """News of a refund that overtakes even the create's answer tells that the intent exists, and it is read."""
    made = story(Status.CREATING)
    decision = made.tell(refund_seen(refund_fact(300)))
    assert isinstance(decision.effect, Read)
    assert event_types(made.record) == ["created"]


def test_a_refund_of_late_money_is_not_forgotten() -> None:
    """A refund heard of before the late money that it gives back is still read after the money's own webhook has come."""
    made = story(Status.CANCELED)
    made.tell(refund_seen(refund_fact(300)))
    made.read_fails()
    made.tell(seen(Status.SUCCEEDED, "evt_late"))
    assert made.record.read_at is not None
    assert isinstance(made.tick().effect, Read)
    made.read(Status.SUCCEEDED, ledger=Ledger((refund_fact(300),)))
    assert totals(made.record) == {"captured": 2000, "refunded": 300, "refundable": 1700}


@pytest.mark.parametrize("message", [refund_seen(refund_fact(300)), refund_total(300)], ids=["refund", "total"])
def test_a_refund_of_another_intent_is_not_ours(message: RefundSeen | RefundTotal) -> None:
    """News of a refund that claims to be this payment's and is of another intent waits for a person and counts nothing."""
    made = paid()
    made.tell(replace(message, intent_id="pi_other"))
    assert made.record.needs_review == "second_intent"
    assert totals(made.record) == {"captured": 2000, "refundable": 2000}


def test_a_refund_that_was_refused_and_exists_is_counted() -> None:
    """A refund given up as refused that shows up at Stripe all the same is announced, counted, and answered as done."""
    made = asked()
    made.answer(Result.REFUSED, problem=problem("balance_insufficient"))
    made.tell(refund_seen(ours(SUCCEEDED)))
    assert totals(made.record) == {"captured": 2000, "refunded": 500, "refundable": 1500}
    assert event_types(made.record)[-2:] == ["refund_failed", "refunded"]
    assert verdicts(made.tell(refund("other", refund_id="r-1", amount=500))) == {"other": Verdict.ACCEPTED}


def test_a_refund_that_was_refused_and_failed_is_told_once() -> None:
    """A refund given up as refused that turns out to have failed at Stripe is not announced a second time."""
    made = asked()
    made.answer(Result.REFUSED, problem=problem("balance_insufficient"))
    made.tell(refund_seen(ours(FAILED)))
    assert told(made.record, "refund_failed") == ["r-1"]
    assert [found.stripe_id for found in made.record.refunds] == ["re_1"]


def test_a_total_beside_a_refund_of_ours_that_fails() -> None:
    """After a refund of ours is undone, a total that only it explained has nothing left to say."""
    made = asked()
    made.tell(refund_total(500))
    made.answer(Result.DONE, refund=ours(PENDING))
    made.tell(refund_seen(ours(FAILED)))
    made.read(Status.SUCCEEDED, ledger=Ledger((ours(FAILED),)))
    assert made.record.check_at is None


def test_a_refund_that_fails_while_the_order_pays_anew() -> None:
    """A refund that fails after its order began another payment is late money, once: two live payments must not be."""
    made = asked()
    made.tell(refund("r-2", amount=1500))
    made.answer(Result.DONE, refund=ours(SUCCEEDED))
    made.answer(Result.DONE, refund=refund_fact(1500, SUCCEEDED, "r-2", 2))
    assert not made.record.live
    made.around = {"live_elsewhere": True}
    made.tell(refund_seen(ours(FAILED)))
    assert made.record.needs_review == "refund_failed"
    body = last_body(made.record, "late_money")
    assert (body["case"], body["remedy"], body["refundable"]) == ("refund_failed", "hold", 500)
    made.tell(refund_seen(ours(FAILED), "evt_again"))
    assert event_types(made.record).count("late_money") == 1


def test_a_refund_that_fails_is_looked_at_twice() -> None:
    """After a failure the payment is read at once: the order may have begun another payment at this very moment."""
    made = asked()
    made.tell(refund_seen(ours(SUCCEEDED)))
    assert isinstance(made.tell(refund_seen(ours(FAILED))).effect, Read)


def test_a_refund_that_fails_alone_is_no_late_money() -> None:
    """A refund that fails while its payment is the order's only one is announced as failed, and that is all."""
    made = asked()
    made.answer(Result.DONE, refund=ours(SUCCEEDED))
    made.tell(refund_seen(ours(FAILED)))
    assert made.record.needs_review is None
    assert made.record.concerns == ()


def test_what_an_old_concern_says_is_not_said_of_every_message() -> None:
    """The story of a later message tells of that message, not of a concern that was raised long before it."""
    made = asked()
    made.answer(Result.DONE, refund=refund_fact(500, SUCCEEDED, "r-1"))
    made.around = {"live_elsewhere": True}
    made.tell(refund_seen(ours(FAILED)))
    made.tell(resolve())
    decision = made.tell(refund("r-2", amount=AMOUNT + 1))
    assert decision.why.startswith("amount_exceeds_refundable")
