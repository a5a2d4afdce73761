"""Every invariant bites: a record that was broken by hand is refused by the name of what it breaks."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from contracts.events import Case, Remedy
from contracts.views import RefundStatus
from tests.unit.worker.making import (
    AMOUNT,
    NOW,
    Story,
    charge_failed,
    confirm,
    create,
    dispute_fact,
    dispute_seen,
    evidence,
    paid,
    refund,
    refund_fact,
    refund_seen,
    story,
)
from tests.unit.worker.representatives import records
from worker.domain.invariants import INVARIANTS, BrokenInvariant, hold
from worker.domain.parts import Concern, Refund
from worker.domain.payment import decide
from worker.domain.record import Payment, Status

CAPTURED, KEPT, COUNTED, WITHIN, CALLED, UPWARDS, VANISHED, IN_FLIGHT, GAPS, WATCHED = (
    invariant.text for invariant in INVARIANTS
)

Break = Callable[[Payment], Payment]


def busy() -> Payment:
    """A payment with a decline, a refund done, one in flight, one waiting, and a dispute."""
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    made.tell(charge_failed())
    made.tell(confirm())
    made.answer(status=Status.SUCCEEDED)
    made.tell(refund_seen(refund_fact(100)))
    made.tell(refund("in-flight", amount=300))
    made.tell(refund("waiting", amount=200))
    made.tell(dispute_seen(dispute_fact(amount=400)))
    return made.record


def drafted() -> Payment:
    made = Story()
    made.tell(create(with_customer=True))
    return made.record


def first(payment: Payment, name: str, **changes: Any) -> Payment:
    """The record with the first of a list changed."""
    head, *rest = getattr(payment, name)
    changed: dict[str, Any] = {name: (replace(head, **changes), *rest)}
    return replace(payment, **changed)


def without(payment: Payment, name: str) -> Payment:
    """The record with the first of a list gone."""
    return replace(payment, **{name: getattr(payment, name)[1:]})


def reserved(payment: Payment, amount: int) -> Payment:
    """One more refund set aside, with a call of its own."""
    call = replace(payment.calls[-1], id="more", key="more", about="more", sends=())
    more = Refund("more", amount, RefundStatus.REQUESTED, NOW)
    return replace(payment, refunds=(*payment.refunds, more), calls=(*payment.calls, call))


def second_send(payment: Payment) -> Payment:
    """The call that waits is at Stripe, too."""
    *calls, waiting = payment.calls
    return replace(payment, calls=(*calls, replace(waiting, sends=(NOW,))))


def same_key(payment: Payment) -> Payment:
    *calls, waiting = payment.calls
    return replace(payment, calls=(*calls, replace(waiting, key=calls[-1].key)))


BROKEN: list[tuple[str, str, Break]] = [
    ("more captured", CAPTURED, lambda p: replace(p, captured=AMOUNT + 1)),
    ("less than nothing captured", CAPTURED, lambda p: replace(p, captured=-1)),
    ("captured goes down", KEPT, lambda p: replace(p, captured=AMOUNT - 1)),
    ("refunded by itself", COUNTED, lambda p: replace(p, refunded=p.refunded + 1)),
    ("disputed by itself", COUNTED, lambda p: replace(p, disputed=p.disputed - 1)),
    ("a refund changed alone", COUNTED, lambda p: first(p, "refunds", amount=1)),
    ("promised twice", WITHIN, lambda p: reserved(p, p.refundable + 1)),
    ("reserved by nobody", CALLED, lambda p: replace(p, calls=p.calls[:-1])),
    ("a refund goes back", UPWARDS, lambda p: replace(first(p, "refunds", status=RefundStatus.PENDING), refunded=0)),
    ("a refund vanishes", UPWARDS, lambda p: replace(without(p, "refunds"), refunded=0)),
    ("a dispute vanishes", VANISHED, lambda p: replace(p, disputes=(), disputed=0)),
    ("a call vanishes", VANISHED, lambda p: without(p, "calls")),
    ("an attempt vanishes", VANISHED, lambda p: without(p, "attempts")),
    ("an event vanishes", VANISHED, lambda p: without(p, "events")),
    ("an entry vanishes", VANISHED, lambda p: without(p, "timeline")),
    ("two calls in flight", IN_FLIGHT, second_send),
    ("one key twice", IN_FLIGHT, same_key),
    ("a number twice", GAPS, lambda p: first(p, "events", sequence=2)),
    ("a number left out", GAPS, lambda p: first(p, "events", sequence=0)),
    (
        "nobody looks",
        WATCHED,
        lambda p: replace(
            p,
            poll_at=None,
            read_at=None,
            calls=tuple(replace(call, due_at=None) for call in p.calls),
            disputes=tuple(replace(dispute, due_by=None) for dispute in p.disputes),
        ),
    ),
]


@pytest.mark.parametrize(("what", "rule", "breaks"), BROKEN, ids=[what for what, _, _ in BROKEN])
def test_a_broken_record_is_refused_by_name(what: str, rule: str, breaks: Break) -> None:
    """Each way of breaking a record raises, and the text names the payment and the rule."""
    before = busy()
    with pytest.raises(BrokenInvariant) as caught:
        hold(before, breaks(before))
    assert str(caught.value) == f"{before.id}: {rule}", what


def test_every_invariant_is_broken_above() -> None:
    """No invariant is listed that nothing above breaks."""
    assert {rule for _, rule, _ in BROKEN} == {invariant.text for invariant in INVARIANTS}


def test_a_draft_does_not_vanish() -> None:
    """A create that waits for its customer is a call like others: it is queued or closed, and never lost."""
    before = drafted()
    with pytest.raises(BrokenInvariant, match="vanishes in a decision"):
        hold(before, replace(before, draft=None, customer_at=None, status=Status.CANCELED))


@pytest.mark.parametrize("case", [Case.TERMS_DIFFER, Case.PAID_AFTER_CANCEL, Case.PAID_TWICE])
def test_strange_money_may_be_more(case: Case) -> None:
    """More than was asked for may be captured where a concern says so."""
    before = paid().record
    concern = Concern(case, "", NOW, Remedy.TELL, open=False)
    after = replace(before, captured=AMOUNT + 1, concerns=(concern,))
    hold(before, after)
    assert after.captured > after.amount


def test_a_warning_does_not_excuse_more_money() -> None:
    """A concern of another kind is no reason for more to be captured than was asked for."""
    before = paid().record
    concern = Concern(Case.FRAUD_WARNING, "issfr_1", NOW, Remedy.TELL, open=False)
    with pytest.raises(BrokenInvariant, match="No more is captured"):
        hold(before, replace(before, captured=AMOUNT + 1, concerns=(concern,)))


def test_what_stripe_took_may_exceed_what_is_left() -> None:
    """Only what we reserve ourselves must fit: a dispute at Stripe may take money that was refunded before."""
    made = paid()
    made.tell(refund_seen(refund_fact(AMOUNT)))
    made.tell(dispute_seen(dispute_fact(amount=AMOUNT)))
    assert (made.record.refunded, made.record.disputed, made.record.refundable) == (AMOUNT, AMOUNT, 0)


def test_a_refund_that_stripe_never_confirmed_may_be_undone() -> None:
    """A reservation may go any way: only what Stripe has confirmed never goes back."""
    made = paid()
    made.tell(refund("r-1", amount=300))
    (asked,) = made.record.refunds
    failed = replace(asked, status=RefundStatus.FAILED)
    hold(replace(made.record, refunds=(failed,)), replace(made.record, refunds=(asked,)))
    assert failed.stripe_id is None


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.NEW}, key=str))
def test_every_record_that_is_reached_holds(status: Status) -> None:
    """Records that decisions make keep every invariant, also as the first of their payment."""
    for what, made in records(status):
        assert [rule.text for rule in INVARIANTS if not rule.holds(None, made.record)] == [], what


def test_nothing_changed_is_not_examined() -> None:
    """A decision that changes nothing is not held against anything, so that an old broken record can still be read."""
    broken = replace(busy(), captured=-1)
    hold(broken, broken)
    hold(None, None)
    assert broken.captured < 0


def test_decide_holds_its_decisions() -> None:
    """A decision holds what it made: with a record that is broken already it raises, and nothing is written or sent."""
    made = paid()
    made.tell(dispute_seen(dispute_fact(amount=100)))
    broken = replace(made.record, refunded=5)
    with pytest.raises(BrokenInvariant, match="sums of their lists"):
        decide(broken, evidence(), made.now)
