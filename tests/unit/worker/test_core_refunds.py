"""Refunds that are asked for: money set aside before Stripe is asked, one refund per name, and every refusal."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contracts.commands import RefundReason
from contracts.replies import RefusalCode, Verdict
from contracts.views import RefundStatus
from tests.unit.worker.making import (
    AMOUNT,
    DEPLOYMENT,
    INTENT,
    NOW,
    ORDER,
    PAYMENT,
    Story,
    cancel,
    codes,
    confirm,
    create,
    dispute_fact,
    dispute_seen,
    event_types,
    last_body,
    paid,
    problem,
    refund,
    refund_fact,
    refund_seen,
    story,
    totals,
    verdicts,
)
from worker.domain import limits
from worker.domain.effects import Decision, Send
from worker.domain.facts import Ledger
from worker.domain.messages import Result
from worker.domain.record import Operation, Outcome, Status

MINUTE = timedelta(minutes=1)
REFUSALS = [
    (Result.REFUSED, RefusalCode.PROVIDER_REFUSED),
    (Result.DECLINED, RefusalCode.PROVIDER_REFUSED),
    (Result.UNLISTED, RefusalCode.NEEDS_REVIEW),
    (Result.KEY_MISUSED, RefusalCode.NEEDS_REVIEW),
]


def asked(amount: int | None = 500, name: str = "r-1", **changes: Any) -> Story:
    """A paid payment with a refund in flight."""
    made = paid()
    made.tell(refund(name, amount=amount, **changes))
    assert made.head.operation is Operation.REFUND
    return made


def done(made: Story, amount: int, name: str, number: int = 1) -> Decision:
    """Stripe makes the refund that is the head."""
    return made.answer(Result.DONE, refund=refund_fact(amount, RefundStatus.SUCCEEDED, name, number))


def test_a_refund_is_set_aside_before_stripe_is_asked() -> None:
    """The commit that comes before the send reserves the amount, announces it, and keeps who asked and why."""
    made = paid()
    decision = made.tell(refund("r-1", amount=500, reason=RefundReason.DUPLICATE))
    assert totals(made.record) == {"captured": 2000, "reserved": 500, "refundable": 1500}
    assert event_types(made.record)[-1] == "refund_requested"
    assert last_body(made.record, "refund_requested")["reserved"] == 500
    made_refund = made.record.refund("r-1")
    assert made_refund is not None
    assert (made_refund.status, made_refund.asked_by, made_refund.note) == (RefundStatus.REQUESTED, "admin-1", "why")
    assert isinstance(decision.effect, Send)
    assert decision.told == ()


def test_a_refund_is_asked_for_under_its_own_name() -> None:
    """The key comes from the refund's name, and the metadata leads every webhook of it back to the payment and the name."""
    call = asked(500, refund_id="return-7", reason=RefundReason.REQUESTED_BY_CUSTOMER).head
    assert call.key == f"{PAYMENT}:refund:return-7"
    owner = {"payment_id": PAYMENT, "order_id": ORDER, "deployment": DEPLOYMENT, "refund_id": "return-7"}
    assert call.params == {
        "payment_intent": INTENT,
        "amount": 500,
        "metadata": owner,
        "reason": "requested_by_customer",
    }


@pytest.mark.parametrize(("amount", "shown"), [(500, "partially_refunded"), (None, "refunded"), (AMOUNT, "refunded")])
def test_a_refund_that_is_done(amount: int | None, shown: str) -> None:
    """A refund that Stripe has made is announced with the totals, answers its requester, and shows in the status."""
    made = asked(amount)
    given = amount or AMOUNT
    decision = done(made, given, "r-1")
    assert codes(decision) == {"r-1": None}
    assert decision.told[0].about == "r-1"
    body = last_body(made.record, "refunded")
    assert (body["refunded"], body["reserved"], body["refundable"]) == (given, 0, AMOUNT - given)
    assert body["status"] == shown
    assert body["refund"]["stripe_refund_id"] == "re_1"
    assert made.record.status is Status.SUCCEEDED
    assert made.record.head is None
    assert made.record.check_at is None


def test_a_payment_is_live_until_all_of_it_has_gone_back() -> None:
    """Only refunds that succeeded end a payment's turn as its order's live one, not those that are on their way."""
    made = asked(AMOUNT)
    assert made.record.live
    made.answer(Result.DONE, refund=refund_fact(AMOUNT, RefundStatus.PENDING, "r-1"))
    assert made.record.live
    made.tell(refund_seen(refund_fact(AMOUNT, RefundStatus.SUCCEEDED, "r-1")))
    assert not made.record.live


@pytest.mark.parametrize(("result", "code"), REFUSALS)
def test_a_definite_refusal_frees_the_money(result: Result, code: RefusalCode) -> None:
    """Whatever definite answer closes a refund, what it had set aside can be refunded again, and this is announced."""
    made = asked(500)
    decision = made.answer(result, problem=problem("balance_insufficient"))
    assert codes(decision) == {"r-1": code}
    assert totals(made.record) == {"captured": 2000, "refundable": 2000}
    failed = made.record.refund("r-1")
    assert failed is not None
    assert (failed.status, failed.stripe_id, failed.failure) == (RefundStatus.FAILED, None, str(code))
    assert event_types(made.record).count("refund_failed") == 1
    assert ("needs_review" in event_types(made.record)) == (code is RefusalCode.NEEDS_REVIEW)


@pytest.mark.parametrize("result", [Result.UNKNOWN, Result.NOT_EXECUTED])
def test_an_unknown_outcome_keeps_the_money_aside(result: Result) -> None:
    """A refund of which nothing is known stays reserved and is sent again under its own key."""
    made = asked(500)
    before = made.head
    made.answer(result, problem=problem())
    assert totals(made.record) == {"captured": 2000, "reserved": 500, "refundable": 1500}
    decision = made.tick()
    assert isinstance(decision.effect, Send)
    assert (decision.effect.call.key, decision.effect.call.params) == (before.key, before.params)


def test_refunds_go_one_after_the_other() -> None:
    """Several refunds at once are all set aside and wait in line; only the head is ever at Stripe."""
    made = asked(500, "r-1")
    for name, amount in (("r-2", 600), ("r-3", 900)):
        assert made.tell(refund(name, amount=amount)).effect is None
    assert totals(made.record) == {"captured": 2000, "reserved": 2000}
    sent = []
    for number, (name, amount) in enumerate((("r-1", 500), ("r-2", 600), ("r-3", 900)), start=1):
        assert [call.id for call in made.record.calls if call.open and call.sends] == [name]
        decision = done(made, amount, name, number)
        assert codes(decision) == {name: None}
        sent.append(decision.effect.call.id if isinstance(decision.effect, Send) else None)
    assert sent == ["r-2", "r-3", None]
    assert totals(made.record) == {"captured": 2000, "refunded": 2000}
    assert event_types(made.record).count("refunded") == 3


def test_more_than_is_left_is_refused() -> None:
    """What is reserved is not there for the next one: the refund that no longer fits is refused and changes nothing."""
    made = asked(1500)
    decision = made.tell(refund("r-2", amount=501))
    assert codes(decision) == {"r-2": RefusalCode.NOT_REFUNDABLE}
    assert decision.outcome is Outcome.REFUSED
    assert made.record.refund("r-2") is None
    assert made.tell(refund("r-3", amount=500)).outcome is Outcome.APPLIED
    assert codes(made.tell(refund("r-4"))) == {"r-4": RefusalCode.NOT_REFUNDABLE}


def test_without_an_amount_all_that_is_left_goes_back() -> None:
    """A refund without an amount takes what can still be refunded at that moment."""
    made = asked(1500)
    made.tell(refund("rest"))
    rest = made.record.refund("rest")
    assert rest is not None
    assert rest.amount == 500


def test_what_is_disputed_cannot_be_refunded() -> None:
    """A dispute takes its amount out of what can be refunded."""
    made = paid()
    made.tell(dispute_seen(dispute_fact(amount=1200)))
    assert codes(made.tell(refund("r-1", amount=801))) == {"r-1": RefusalCode.NOT_REFUNDABLE}
    assert made.tell(refund("r-2", amount=800)).outcome is Outcome.APPLIED


@pytest.mark.parametrize(
    "status", sorted(set(Status) - {Status.NEW, Status.SUCCEEDED, Status.REQUIRES_CAPTURE}, key=str)
)
def test_without_money_there_is_nothing_to_refund(status: Status) -> None:
    """A payment that holds no money of ours refuses a refund as a wrong state."""
    made = story(status)
    assert codes(made.tell(refund("r-1"))) == {"r-1": RefusalCode.WRONG_STATE}
    assert made.record.refunds == ()


def test_held_money_is_canceled_not_refunded() -> None:
    """An authorization that was not captured refuses a refund as a wrong state."""
    made = story(Status.REQUIRES_CAPTURE)
    assert codes(made.tell(refund("r-1"))) == {"r-1": RefusalCode.WRONG_STATE}


def test_a_refund_of_no_payment_is_refused() -> None:
    """A refund by an unknown payment id is refused by name."""
    assert codes(Story().tell(refund("r-1"))) == {"r-1": RefusalCode.UNKNOWN_PAYMENT}


def test_a_part_must_keep_the_currencys_step() -> None:
    """A refund of a part that Stripe could not make in this currency is refused before anything is set aside."""
    kwd: dict[str, Any] = {"amount": 5000, "currency": "kwd"}
    made = Story()
    made.tell(create(**kwd))
    made.answer(Result.DONE, Status.REQUIRES_PAYMENT_METHOD, **kwd)
    made.tell(confirm())
    made.answer(Result.DONE, Status.SUCCEEDED, amount_received=5000, **kwd)
    decision = made.tell(refund("r-1", amount=1005))
    assert codes(decision) == {"r-1": RefusalCode.AMOUNT_NOT_CHARGEABLE}
    assert decision.told[0].refused is not None
    assert decision.told[0].refused.field == "data.amount"
    assert made.record.refunds == ()
    assert made.tell(refund("r-2", amount=1010)).outcome is Outcome.APPLIED


def test_a_refund_that_is_late_is_refused() -> None:
    """A refund whose time is over when it comes is refused and sets nothing aside."""
    made = paid()
    assert codes(made.tell(refund("r-1", expires_at=NOW))) == {"r-1": RefusalCode.EXPIRED}
    assert made.record.refunds == ()


def test_a_refund_that_waited_too_long_is_never_sent() -> None:
    """A refund that expires behind another is closed by name when its turn comes, and its money is free again."""
    made = asked(500)
    made.tell(refund("r-2", amount=700, expires_at=made.now + MINUTE))
    made.now += 2 * MINUTE
    decision = done(made, 500, "r-1")
    assert codes(decision) == {"r-1": None, "r-2": RefusalCode.EXPIRED}
    assert decision.effect is None
    assert totals(made.record) == {"captured": 2000, "refunded": 500, "refundable": 1500}
    assert event_types(made.record)[-1] == "refund_failed"


def test_a_refund_whose_money_went_another_way_is_never_sent() -> None:
    """A refund that waits while a dispute takes the money is refused when its turn comes, and Stripe is not asked."""
    made = asked(500)
    made.tell(refund("r-2", amount=700))
    made.tell(dispute_seen(dispute_fact(amount=1400)))
    decision = done(made, 500, "r-1")
    assert codes(decision) == {"r-1": None, "r-2": RefusalCode.NOT_REFUNDABLE}
    assert decision.effect is None
    assert totals(made.record) == {"captured": 2000, "refunded": 500, "disputed": 1400, "refundable": 100}


def test_a_refund_that_waits_may_still_fit_after_a_dispute() -> None:
    """What a refund itself has set aside does not count against it when it is decided again."""
    made = asked(500)
    made.tell(refund("r-2", amount=700))
    made.tell(dispute_seen(dispute_fact(amount=800)))
    decision = done(made, 500, "r-1")
    assert isinstance(decision.effect, Send)
    assert decision.effect.call.id == "r-2"


def test_the_201st_refund_is_refused() -> None:
    """A payment takes two hundred refunds, those made at Stripe included, and refuses the next by name."""
    made = paid()
    many = tuple(refund_fact(1, number=number) for number in range(limits.MAX_REFUNDS - 1))
    made.read(Status.SUCCEEDED, ledger=Ledger(many))
    assert made.tell(refund("r-200", amount=1)).outcome is Outcome.APPLIED
    assert codes(made.tell(refund("r-201", amount=1))) == {"r-201": RefusalCode.TOO_MANY_REFUNDS}
    assert len(made.record.refunds) == limits.MAX_REFUNDS


def test_a_crowd_of_refunds_is_not_too_many_commands() -> None:
    """Refunds have a limit of their own: more of them may wait than of other commands."""
    made = asked(1)
    for number in range(limits.MAX_OPEN_CALLS + 5):
        assert made.tell(refund(f"more-{number}", amount=1)).outcome is Outcome.APPLIED
    assert made.record.reserved == limits.MAX_OPEN_CALLS + 6


def test_the_same_command_again_helps_its_refund() -> None:
    """A duplicate of a refund's own command asks for nothing new while it is open and hears the outcome after that."""
    made = asked(500)
    again = made.tell(refund("r-1", amount=500), after=limits.SEND_GRACE)
    assert isinstance(again.effect, Send)
    assert len(made.record.refunds) == 1
    done(made, 500, "r-1")
    decision = made.tell(refund("r-1", amount=500))
    assert verdicts(decision) == {"r-1": Verdict.ACCEPTED}
    assert decision.told[0].about == "r-1"


def test_a_known_name_never_makes_a_second_refund() -> None:
    """The same refund under another command id waits with the first one, and is never queued."""
    made = asked(500)
    decision = made.tell(refund("other", refund_id="r-1", amount=500))
    assert verdicts(decision) == {"other": Verdict.PENDING}
    assert decision.effect is None
    assert [call.id for call in made.record.calls if call.operation is Operation.REFUND] == ["r-1"]
    assert totals(made.record) == {"captured": 2000, "reserved": 500, "refundable": 1500}


@pytest.mark.parametrize("amount", [500, None])
def test_a_known_name_repeats_what_was_done(amount: int | None) -> None:
    """A refund that is done answers the same name under another command id, with its amount or without one."""
    made = asked(500)
    done(made, 500, "r-1")
    decision = made.tell(refund("other", refund_id="r-1", amount=amount))
    assert verdicts(decision) == {"other": Verdict.ACCEPTED}
    assert decision.told[0].about == "r-1"
    assert totals(made.record) == {"captured": 2000, "refunded": 500, "refundable": 1500}


@pytest.mark.parametrize("amount", [500, None])
def test_a_known_name_repeats_the_refusal(amount: int | None) -> None:
    """A refund that was refused is refused again in the same words under another command id."""
    made = asked(500)
    (first,) = made.answer(Result.REFUSED, problem=problem("balance_insufficient")).told
    (again,) = made.tell(refund("other", refund_id="r-1", amount=amount)).told
    assert (again.verdict, again.refused) == (Verdict.REFUSED, first.refused)
    assert made.record.refundable == AMOUNT


@pytest.mark.parametrize("settled", [False, True])
def test_a_known_name_of_another_amount_is_refused(settled: bool) -> None:
    """Another amount under a known name is refused, whatever has become of the first."""
    made = asked(500)
    if settled:
        done(made, 500, "r-1")
    decision = made.tell(refund("other", refund_id="r-1", amount=501))
    assert codes(decision) == {"other": RefusalCode.REFUND_ID_REUSED}


def test_a_repeat_that_was_told_pending_is_still_pending() -> None:
    """A repeat of the second command hears 'pending' for as long as the refund is open, and never that it is done."""
    made = asked(500)
    made.tell(refund("other", refund_id="r-1", amount=500))
    decision = made.tell(refund("other", refund_id="r-1", amount=500))
    assert verdicts(decision) == {"other": Verdict.PENDING}


@pytest.mark.parametrize("refused", [False, True])
def test_a_repeat_that_was_told_pending_hears_the_outcome(refused: bool) -> None:
    """Once the refund is settled, a repeat of the second command hears what became of it."""
    made = asked(500)
    made.tell(refund("other", refund_id="r-1", amount=500))
    if refused:
        made.answer(Result.REFUSED, problem=problem("balance_insufficient"))
    else:
        done(made, 500, "r-1")
    (told,) = made.tell(refund("other", refund_id="r-1", amount=500)).told
    assert told.verdict is (Verdict.REFUSED if refused else Verdict.ACCEPTED)
    assert (told.refused is not None) == refused
    assert told.about == "r-1"


def test_a_refusal_outlives_its_call() -> None:
    """A refund that was refused long ago, its call archived, is not taken for done when its name comes again."""
    made = asked(500)
    made.answer(Result.REFUSED, problem=problem("balance_insufficient"))
    made.payment = replace(made.record, calls=made.record.calls[:2])
    assert verdicts(made.tell(refund("other", refund_id="r-1", amount=500))) == {"other": Verdict.REFUSED}


def test_a_refund_made_at_stripe_answers_to_its_id() -> None:
    """A command that names a refund of the dashboard by Stripe's id hears that it is done."""
    made = paid()
    made.tell(refund_seen(refund_fact(300)))
    decision = made.tell(refund("r-1", refund_id="re_1", amount=300))
    assert verdicts(decision) == {"r-1": Verdict.ACCEPTED}
    assert made.record.refunded == 300


def test_a_new_name_tries_again() -> None:
    """After a refusal the same money can be refunded under a new name, by a new key."""
    made = asked(500)
    made.answer(Result.REFUSED, problem=problem("balance_insufficient"))
    decision = made.tell(refund("r-2", amount=500))
    assert isinstance(decision.effect, Send)
    assert decision.effect.call.key == f"{PAYMENT}:refund:r-2"


def test_a_succeeded_payment_with_a_refund_takes_no_cancel() -> None:
    """Money that was captured goes back by refunds alone: a cancel is refused."""
    assert codes(asked(500).tell(cancel("c-2"))) == {"c-2": RefusalCode.WRONG_STATE}
