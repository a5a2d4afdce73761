"""The payment state machine. Everything that moves a payment from one status to another is in this file.

A payment mirrors one Stripe PaymentIntent. Its inputs are commands, Stripe's news (webhooks, in any order, any number of
times), Stripe's answers to our own calls, and the clock. They all go through one total table, status by kind of message:

- *Facts that Stripe never takes back* (`succeeded`, `canceled`, `requires_capture` and what follows it) are applied
  from whatever brings them: MOVE.
- *Facts that come and go* (an intent returns to `requires_payment_method` after a decline and can be tried again) may be
  old when they arrive. They are applied when they can only be news: FORWARD; or else read and then applied: REREAD.
- What is read, or answered, counts as the truth only if the record has not changed since the read began. Then every
  rule that would have doubted it applies it.
- *Refunds and disputes* hang on the payment, each with a way of its own that goes up only (refunds.py, disputes.py);
  news of them that comes before the news of the money is read: REREAD.
- *A charge was declined* is a fact of its own, whatever the status: ATTEMPT. Announced once per charge id.
- A command that needs Stripe becomes a call in `calls[]`; only the head is ever sent: QUEUE.

An illegal command is refused by name and changes nothing. Source: Stripe docs, "How PaymentIntents work" (life cycle).
"""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from worker.domain import (
    answers,
    calls,
    commands,
    concerns,
    disputes,
    heads,
    invariants,
    limits,
    news,
    policy,
    refunds,
    watch,
)
from worker.domain.effects import Decision
from worker.domain.facts import Intent, Ledger
from worker.domain.messages import (
    ChargeSeen,
    DisputeSeen,
    IntentChanged,
    IntentSeen,
    Kind,
    Message,
    RefundSeen,
    RefundTotal,
    kind_of,
)
from worker.domain.policy import Policy
from worker.domain.record import Payment, Status
from worker.domain.step import Step


class Rule(StrEnum):
    """A cell of the table: what a kind of message does in a status."""

    OPEN = "open a payment"
    TERMS = "the same terms get the same payment, others are refused"
    BLOCKED = "refused: the order was canceled"
    TOMBSTONE = "leave a canceled payment for the create that has not come yet"
    QUEUE = "queue a call"
    CANCELED_ALREADY = "accepted: nothing left to cancel"
    WRONG_STATE = "refused: not in this state"
    UNKNOWN = "no such payment"
    ANSWER = "settle the call that was answered"
    TICK = "do what is due"
    MOVE = "apply"
    SAME = "nothing new but what it carries"
    FORWARD = "apply on the first try, read on a later one"
    REREAD = "may be old: read, then apply"
    STALE = "overtaken for good"
    ATTEMPT = "record a declined attempt"
    SOON = "look soon, unless the intent's own news comes first"
    ORPHAN = "an intent that nobody waits for: cancel it"
    LATE_MONEY = "money that nobody waits for"
    CAPTURE = "queue a capture of what is held"
    REFUND = "set the money aside and queue a refund"
    DISPUTE = "queue an answer to a dispute"
    RESOLVE = "somebody decides about what waits for a person"
    ERASE = "forget who paid"
    CUSTOMER = "queue the create that waited for its user's customer"
    REFUNDED = "record a refund"
    TOTAL = "see whether the refunds that are known explain it"
    DISPUTED = "record a dispute"
    WARNED = "meet a fraud warning as the policy says"
    REVIEWED = "record a review at Stripe"


_WORK = {
    Kind.ANSWER: Rule.ANSWER,
    Kind.TICK: Rule.TICK,
    Kind.RESOLVE: Rule.RESOLVE,
    Kind.ERASE: Rule.ERASE,
    Kind.CUSTOMER: Rule.STALE,
    Kind.FRAUD_WARNING: Rule.WARNED,
    Kind.REVIEW_OPENED: Rule.REVIEWED,
    Kind.REVIEW_CLOSED: Rule.REVIEWED,
    Kind.CAPTURE: Rule.WRONG_STATE,
}
_MONEY = {
    Kind.REFUND: Rule.REFUND,
    Kind.EVIDENCE: Rule.DISPUTE,
    Kind.ACCEPT: Rule.DISPUTE,
    Kind.REFUND_SEEN: Rule.REFUNDED,
    Kind.REFUND_TOTAL: Rule.TOTAL,
    Kind.DISPUTE_SEEN: Rule.DISPUTED,
}
_NO_MONEY = {
    Kind.REFUND: Rule.WRONG_STATE,
    Kind.EVIDENCE: Rule.WRONG_STATE,
    Kind.ACCEPT: Rule.WRONG_STATE,
    Kind.REFUND_SEEN: Rule.REREAD,
    Kind.REFUND_TOTAL: Rule.REREAD,
    Kind.DISPUTE_SEEN: Rule.REREAD,
}
_PAYABLE = (
    _WORK
    | _NO_MONEY
    | {
        Kind.CREATE: Rule.TERMS,
        Kind.CONFIRM: Rule.QUEUE,
        Kind.CANCEL: Rule.QUEUE,
        Kind.INTENT_REQUIRES_PAYMENT_METHOD: Rule.REREAD,
        Kind.INTENT_REQUIRES_CONFIRMATION: Rule.REREAD,
        Kind.INTENT_REQUIRES_ACTION: Rule.FORWARD,
        Kind.INTENT_PROCESSING: Rule.FORWARD,
        Kind.INTENT_REQUIRES_CAPTURE: Rule.MOVE,
        Kind.INTENT_SUCCEEDED: Rule.MOVE,
        Kind.INTENT_CANCELED: Rule.MOVE,
        Kind.INTENT_CHANGED: Rule.REREAD,
        Kind.CHARGE_FAILED: Rule.ATTEMPT,
        Kind.CHARGE_SUCCEEDED: Rule.SOON,
    }
)
_SETTLED = (
    _WORK
    | _MONEY
    | {
        Kind.CONFIRM: Rule.WRONG_STATE,
        Kind.INTENT_REQUIRES_PAYMENT_METHOD: Rule.STALE,
        Kind.INTENT_REQUIRES_CONFIRMATION: Rule.STALE,
        Kind.INTENT_REQUIRES_ACTION: Rule.STALE,
        Kind.INTENT_PROCESSING: Rule.STALE,
        Kind.INTENT_REQUIRES_CAPTURE: Rule.STALE,
        Kind.INTENT_CHANGED: Rule.REREAD,
        Kind.CHARGE_FAILED: Rule.ATTEMPT,
        Kind.CHARGE_SUCCEEDED: Rule.STALE,
    }
)

TRANSITIONS: dict[Status, dict[Kind, Rule]] = {
    Status.NEW: dict.fromkeys(Kind, Rule.UNKNOWN) | {Kind.CREATE: Rule.OPEN, Kind.CANCEL: Rule.TOMBSTONE},
    # The webhook may overtake the create's own answer: any news of the intent says that it exists.
    Status.CREATING: _PAYABLE
    | {
        Kind.INTENT_REQUIRES_PAYMENT_METHOD: Rule.MOVE,
        Kind.INTENT_REQUIRES_CONFIRMATION: Rule.MOVE,
        Kind.INTENT_REQUIRES_ACTION: Rule.MOVE,
        Kind.INTENT_PROCESSING: Rule.MOVE,
        Kind.CUSTOMER: Rule.CUSTOMER,
    },
    Status.REQUIRES_PAYMENT_METHOD: _PAYABLE
    | {Kind.INTENT_REQUIRES_PAYMENT_METHOD: Rule.SAME, Kind.INTENT_REQUIRES_CONFIRMATION: Rule.FORWARD},
    Status.REQUIRES_CONFIRMATION: _PAYABLE | {Kind.INTENT_REQUIRES_CONFIRMATION: Rule.SAME},
    # A debit may be `processing` before a decline that we have not heard of, or after the action.
    Status.REQUIRES_ACTION: _PAYABLE | {Kind.INTENT_REQUIRES_ACTION: Rule.SAME, Kind.INTENT_PROCESSING: Rule.REREAD},
    Status.PROCESSING: _PAYABLE
    | {
        Kind.CONFIRM: Rule.WRONG_STATE,
        Kind.INTENT_REQUIRES_ACTION: Rule.REREAD,
        Kind.INTENT_PROCESSING: Rule.SAME,
    },
    # From here Stripe goes only forward: captured, or canceled.
    Status.REQUIRES_CAPTURE: _SETTLED
    | {
        Kind.CREATE: Rule.TERMS,
        Kind.CANCEL: Rule.QUEUE,
        Kind.CAPTURE: Rule.CAPTURE,
        Kind.INTENT_REQUIRES_CAPTURE: Rule.SAME,
        Kind.INTENT_SUCCEEDED: Rule.MOVE,
        Kind.INTENT_CANCELED: Rule.MOVE,
        Kind.CHARGE_SUCCEEDED: Rule.SOON,
    },
    Status.SUCCEEDED: _SETTLED
    | {
        Kind.CREATE: Rule.TERMS,
        Kind.CANCEL: Rule.WRONG_STATE,
        Kind.INTENT_SUCCEEDED: Rule.SAME,
        Kind.INTENT_CANCELED: Rule.STALE,
    },
    Status.CANCELED: _SETTLED
    | {
        Kind.CREATE: Rule.BLOCKED,
        Kind.CANCEL: Rule.CANCELED_ALREADY,
        Kind.INTENT_SUCCEEDED: Rule.LATE_MONEY,
        Kind.INTENT_CANCELED: Rule.SAME,
    },
    # The create failed, so an intent that shows up is an orphan; unconfirmed it moves no money, and it is canceled.
    Status.FAILED: _SETTLED
    | {
        Kind.CREATE: Rule.BLOCKED,
        Kind.CANCEL: Rule.WRONG_STATE,
        Kind.INTENT_REQUIRES_PAYMENT_METHOD: Rule.ORPHAN,
        Kind.INTENT_REQUIRES_CONFIRMATION: Rule.ORPHAN,
        Kind.INTENT_REQUIRES_ACTION: Rule.ORPHAN,
        Kind.INTENT_PROCESSING: Rule.ORPHAN,
        Kind.INTENT_REQUIRES_CAPTURE: Rule.ORPHAN,
        Kind.INTENT_SUCCEEDED: Rule.LATE_MONEY,
        Kind.INTENT_CANCELED: Rule.MOVE,
    },
}


def decide(
    payment: Payment | None,
    message: Message,
    now: datetime,
    *,
    number: int = 1,
    policy: Policy = policy.DEFAULT,
    paid_elsewhere: bool = False,
    live_elsewhere: bool = False,
) -> Decision:
    """Decide what one message does to a payment. Pure and total: the same inputs always give the same decision.

    `payment` is the record as loaded, or None when there is none; `number` is then the place that a new payment takes
    among its order's. `paid_elsewhere` says that another payment of the order holds money, `live_elsewhere` that another is
    live. Commit the record that comes
    back (if `write`) before doing anything else that it says. Raises BrokenInvariant for a record that must not be.
    """
    step = Step(payment, message, now, policy, paid_elsewhere=paid_elsewhere, live_elsewhere=live_elsewhere)
    if payment is None or not calls.seen_before(step):
        rule = TRANSITIONS[step.status][kind_of(message)]
        if rule is Rule.OPEN:
            commands.open_payment(step, number)
        elif rule is Rule.TOMBSTONE:
            commands.tombstone(step, number)
        else:
            RULES[rule](step)
    if step.payment is not None:
        news.tell_receipt(step)
        refunds.rivals(step)
        concerns.meet(step)
        heads.go_on(step)
    decision = step.finish()
    invariants.hold(payment, decision.payment)
    return decision


def apply_intent(step: Step, intent: Intent, truth: bool) -> None:
    """Apply what is known of an intent by the table; with `truth` the rules that doubt old news apply it."""
    payment = step.known
    if watch.foreign(step, intent.id):
        return
    rule = TRANSITIONS[payment.status][Kind(f"intent.{intent.status}")]
    if rule is Rule.ORPHAN:
        news.orphan(step, intent)
        return
    if rule is Rule.LATE_MONEY:
        news.late_money(step, intent)
        return
    if payment.status is Status.CREATING:
        news.born(step, intent.id)
    doubtful = rule is Rule.REREAD or (rule is Rule.FORWARD and bool(payment.attempts))
    if rule is Rule.STALE:
        news.decline_of(step, intent)
        step.stale(f"{intent.status} is behind {payment.status}")
        if truth:
            watch.review(step, "backwards", f"Stripe says {intent.status} of a payment that was {payment.status}")
    elif doubtful and not truth:
        news.decline_of(step, intent)
        step.change(read_at=step.now)
        step.stale(f"{intent.status} after {payment.status} may be old: read")
    else:
        news.move(step, intent)


def _intent(step: Step) -> None:
    """News of an intent: a webhook's snapshot, or a read, which counts only for the version that was loaded before it."""
    message = step.message
    if isinstance(message, IntentChanged | RefundSeen | RefundTotal | DisputeSeen):
        _unheard_of(step, message)
        return
    assert isinstance(message, IntentSeen)
    if message.version is None:
        apply_intent(step, message.intent, truth=False)
    elif message.version != step.known.version:
        # Not at once: two workers whose reads overlap would make each other's stale for ever.
        step.change(read_at=step.now + limits.backoff(step.known.id, 0))
        step.stale("the payment has changed since the read began: read again")
    else:
        polls = step.known.polls + 1
        step.change(read_at=None, polls=polls, poll_at=step.now + limits.poll_after(step.known.id, polls))
        apply_intent(step, message.intent, truth=True)
        _ledger(step, message.ledger)
        heads.settle_by_truth(step)
        news.orphan_left(step)


def _ledger(step: Step, ledger: Ledger | None) -> None:
    """All refunds and disputes, as a read found them."""
    if ledger is None or not step.known.captured:
        return
    for refund in ledger.refunds:
        with step.aside():
            refunds.heard(step, refund, truth=True)
    for dispute in ledger.disputes:
        with step.aside():
            disputes.heard(step, dispute, truth=True)
    step.change(heard_refunded=0)


def _unheard_of(step: Step, message: IntentChanged | RefundSeen | RefundTotal | DisputeSeen) -> None:
    """News that cannot be taken as it is: in other words than ours, or of money that we have not heard of."""
    if watch.foreign(step, message.intent_id):
        return
    if step.status is Status.CREATING:
        news.born(step, message.intent_id)
    elif step.known.intent_id is None and step.status is Status.FAILED:
        step.change(intent_id=message.intent_id)
    if step.known.intent_id is not None:
        step.change(read_at=step.now)
    step.stale("cannot be taken as it is: read")


def _attempt(step: Step) -> None:
    """A charge failed: a fact of its own. It may be the first that we hear of the intent."""
    message = step.message
    assert isinstance(message, ChargeSeen)
    assert message.decline is not None
    if watch.foreign(step, message.intent_id):
        return
    if step.status is Status.CREATING:
        news.born(step, message.intent_id)
        step.change(read_at=step.now)
    elif step.status is Status.FAILED and step.known.intent_id is None:
        step.change(intent_id=message.intent_id, read_at=step.now)
    if not news.decline(step, message.decline, message.charge_id):
        step.stale("this attempt is known")


def _soon(step: Step) -> None:
    """A charge succeeded: the intent's own event is on its way and decides; look if it has not come soon."""
    message = step.message
    assert isinstance(message, ChargeSeen)
    if watch.foreign(step, message.intent_id):
        return
    if step.status is Status.CREATING:
        news.born(step, message.intent_id)
    news.charge_facts(step, message.charge)
    watch.look_soon(step, "a charge succeeded: the intent's own news decides")


def _tick(step: Step) -> None:
    """The clock: what is due of the queue and the polls, and what the clock itself has to say."""
    calls.tick(step)
    news.expiry(step)
    disputes.tell_deadlines(step)
    concerns.ask_no_longer(step)


def _overtaken(step: Step) -> None:
    """News that a settled payment has behind it; of an intent it may still carry a decline that we have not heard of."""
    message = step.message
    if isinstance(message, IntentSeen):
        _intent(step)
        return
    step.stale("the payment has this behind it")
    if isinstance(message, ChargeSeen) and not watch.foreign(step, message.intent_id):
        news.charge_facts(step, message.charge)


RULES: dict[Rule, Callable[[Step], None]] = {
    Rule.TERMS: commands.terms,
    Rule.BLOCKED: commands.blocked,
    Rule.QUEUE: commands.queue,
    Rule.CANCELED_ALREADY: commands.canceled_already,
    Rule.WRONG_STATE: commands.wrong_state,
    Rule.UNKNOWN: commands.unknown,
    Rule.ANSWER: lambda step: answers.answered(step, apply_intent),
    Rule.TICK: _tick,
    Rule.ATTEMPT: _attempt,
    Rule.SOON: _soon,
    Rule.CAPTURE: commands.capture,
    Rule.REFUND: refunds.wanted,
    Rule.DISPUTE: disputes.act,
    Rule.RESOLVE: concerns.resolve,
    Rule.ERASE: commands.erase,
    Rule.CUSTOMER: commands.customer_seen,
    Rule.REFUNDED: refunds.seen,
    Rule.TOTAL: refunds.total,
    Rule.DISPUTED: disputes.seen,
    Rule.WARNED: concerns.warned,
    Rule.REVIEWED: concerns.reviewed,
    Rule.STALE: _overtaken,
    **dict.fromkeys((Rule.MOVE, Rule.SAME, Rule.FORWARD, Rule.REREAD, Rule.ORPHAN, Rule.LATE_MONEY), _intent),
}
