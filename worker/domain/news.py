"""What Stripe's news changes in a record. Which rule applies is the table's word (payment.py); here is what it does."""

from contracts import events
from contracts.events import Case
from worker.domain import calls, concerns, limits, watch
from worker.domain.announce import OF_STATUS, attempt_view
from worker.domain.facts import Charge, Decline, Intent
from worker.domain.record import FINAL, UNPAID, Attempt, Call, Operation, Status
from worker.domain.step import Step

AUTHENTICATION_FAILED = "payment_intent_authentication_failure"


def born(step: Step, intent_id: str) -> None:
    """Stripe holds the intent. Announced once, whether the create's answer or a webhook brought it."""
    step.change(
        intent_id=intent_id,
        status=Status.REQUIRES_PAYMENT_METHOD,
        poll_at=step.now + limits.poll_after(step.known.id, 0),
    )
    step.announce(events.PaymentCreated)
    step.why = "created at Stripe"
    call = next((call for call in step.known.calls if call.open and call.operation is Operation.CREATE), None)
    if call:
        step.close(call, None, tell=False)


def move(step: Step, intent: Intent) -> None:
    """Take over an intent's status, and what it carries: a decline, a charge, the money received."""
    was, taken = step.status, step.known.captured
    fresh = decline_of(step, intent)
    step.change(latest_charge_id=intent.latest_charge_id or step.known.latest_charge_id)
    charge_facts(step, intent.charge)
    if intent.status is was:
        _more_of_the_same(step, intent, fresh=fresh)
        return
    step.change(
        status=intent.status,
        polls=0,
        poll_at=None if intent.status in FINAL else step.now + limits.poll_after(step.known.id, 0),
        captured=max(intent.amount_received, step.known.captured),
    )
    step.why = f"{was} to {intent.status}"
    if intent.status is Status.CANCELED:
        step.announce(events.PaymentCanceled, reason=cancel_reason(step, intent))
        _close_cancel(step)
    elif intent.status is Status.REQUIRES_ACTION:
        step.announce(events.PaymentRequiresAction, action=intent.action)
    elif intent.status in OF_STATUS:
        step.announce(OF_STATUS[intent.status])
    elif was in {Status.REQUIRES_ACTION, Status.PROCESSING} and not fresh:
        came_back(step, intent.decline)
    if intent.status is Status.REQUIRES_CAPTURE and step.known.capture_before is None:
        step.change(poll_at=step.now + limits.SOON)
    _compare(step, intent)
    if intent.status is Status.SUCCEEDED and any(_unwanted(step, call, taken) for call in step.known.calls):
        concerns.raise_money(step, Case.PAID_AFTER_CANCEL, "paid while a cancel was on its way")
    _enough(step)


def _more_of_the_same(step: Step, intent: Intent, *, fresh: bool) -> None:
    """The status is known; perhaps another part of the held money was taken."""
    if intent.amount_received > step.known.captured and step.status in {Status.REQUIRES_CAPTURE, Status.SUCCEEDED}:
        step.change(captured=intent.amount_received)
        step.why = f"{intent.amount_received} captured"
        step.announce(events.PaymentCaptured)
    elif not fresh and step.why != "created at Stripe":
        step.stale(f"is {step.status} already")
    _compare(step, intent)


def _unwanted(step: Step, call: Call, taken: int) -> bool:
    """Whether money came after a cancel of somebody else's than ours, that has not been settled.

    The end of a payment of which a part was captured before is no money: the cancel has released the rest.
    """
    wanted = call.open and call.operation is Operation.CANCEL and call.own_reason is None
    return wanted and step.known.captured > (call.base if call.sends else taken)


def charge_facts(step: Step, charge: Charge | None) -> None:
    """What a good charge says beside its outcome."""
    if charge is None:
        return
    if charge.receipt_url:
        step.change(receipt_url=charge.receipt_url)
    if (
        charge.capture_before
        and charge.capture_before > step.now
        and charge.capture_before != step.known.capture_before
    ):
        step.change(capture_before=charge.capture_before, expiry_told=False)


def tell_receipt(step: Step) -> None:
    """Announce the receipt once there is money and a receipt, whichever is heard of first."""
    before, after = step.before, step.payment
    if after is None or not (after.captured and after.receipt_url):
        return
    if before is None or not (before.captured and before.receipt_url):
        step.announce(events.PaymentReceipt)


def expiry(step: Step) -> None:
    """The end of an authorization comes near, or has passed without a word from Stripe."""
    payment = step.known
    if payment.status is not Status.REQUIRES_CAPTURE or payment.capture_before is None:
        return
    if not payment.expiry_told and payment.capture_before - limits.EXPIRY_WARNING <= step.now:
        step.change(expiry_told=True)
        step.why = "the authorization expires soon"
        step.announce(events.PaymentAuthorizationExpiring)
    if step.known.expiry_told and payment.capture_before + limits.EXPIRY_GRACE <= step.now:
        step.change(capture_before=None, read_at=step.now)
        step.why = "the authorization should have expired: read"


def came_back(step: Step, found: Decline | None) -> None:
    """An intent that wants a method again was declined. A failed 3-D Secure makes no charge: the move is the attempt.

    Its name may be known: from news that came before the move, or from an earlier try with the same payment method.
    """
    if found is not None and found.charge_id:
        return
    found = found or Decline(None, None, None)
    name = attempt_id(found)
    if name is None:
        decline(step, found, f"try-{len(step.known.attempts) + 1}")
    elif not _announced_since_action(step, name):
        decline(step, found, f"{name}-{len(step.known.attempts) + 1}")


def _announced_since_action(step: Step, name: str) -> bool:
    """Whether this attempt was announced after the customer was last asked to act."""
    for event in reversed(step.known.events):
        if event.type == events.PaymentRequiresAction.TYPE:
            return False
        if event.type == events.PaymentFailed.TYPE and f"{event.body['attempt']['attempt_id']}-".startswith(f"{name}-"):
            return True
    return True


def attempt_id(found: Decline) -> str | None:
    """What names an attempt whoever tells of it: its charge, or else the payment method that failed to authenticate."""
    if found.charge_id:
        return found.charge_id
    if found.code == AUTHENTICATION_FAILED and found.payment_method_id:
        return f"auth-{found.payment_method_id}"
    return None


def decline_of(step: Step, intent: Intent) -> bool:
    """Record the attempt that an intent's last error tells of, if it has a name; tell whether it is new."""
    name = attempt_id(intent.decline) if intent.decline else None
    return name is not None and intent.decline is not None and decline(step, intent.decline, name)


def decline(step: Step, found: Decline, name: str) -> bool:
    """Record and announce a declined attempt once per id."""
    attempt = Attempt(
        id=name,
        outcome="declined",
        at=step.now,
        code=found.code,
        decline_code=found.decline_code,
        message=found.message,
        payment_method_type=found.payment_method_type,
    )
    if not step.decline(attempt):
        return False
    step.why = "attempt declined"
    step.announce(events.PaymentFailed, attempt=attempt_view(attempt, step.known))
    _enough(step)
    return True


def _enough(step: Step) -> None:
    """After too many declines the payment is given up, as soon as no money is on its way."""
    if len(step.known.attempts) >= limits.MAX_ATTEMPTS and step.status in UNPAID:
        calls.give_up(step, "too_many_attempts")


def orphan(step: Step, intent: Intent) -> None:
    """An intent shows up after its create had failed for good: nobody waits for it."""
    step.change(intent_id=intent.id)
    step.why = "an intent showed up after its create had failed: cancel it"
    calls.give_up(step, "orphan")


def orphan_left(step: Step) -> None:
    """Once the cancel of an orphan has come to nothing, Stripe and the record disagree."""
    own = [call for call in step.known.calls if call.own_reason]
    if step.status is Status.FAILED and own and own[-1].refused:
        watch.review(step, "orphan_left", own[-1].refused.message)


def late_money(step: Step, intent: Intent) -> None:
    """Money arrived for a payment that had ended without any; the order may have been paid by another one meanwhile."""
    cases = (Case.PAID_AFTER_CANCEL, Case.PAID_TWICE)
    if any(concerns.known(step, case) for case in cases):
        step.stale("late money is announced already")
        return
    why = f"paid after it was {step.status}"
    step.change(
        intent_id=intent.id,
        captured=intent.amount_received,
        latest_charge_id=intent.latest_charge_id or step.known.latest_charge_id,
    )
    if not step.known.currency:  # a tombstone: nobody had said what was to be paid
        step.change(amount=intent.amount, currency=intent.currency)
    charge_facts(step, intent.charge)
    concerns.raise_money(step, cases[step.paid_elsewhere], why)


def _compare(step: Step, intent: Intent) -> None:
    """Money on its way must be what was asked for."""
    if intent.status in UNPAID or intent.status is Status.CANCELED:
        return
    asked = step.known.amount
    if intent.amount != asked or intent.amount_received > asked or intent.currency != step.known.currency:
        there = max(intent.amount, intent.amount_received)
        concerns.raise_money(step, Case.TERMS_DIFFER, f"Stripe has {there} {intent.currency}")


def cancel_reason(step: Step, intent: Intent) -> str:
    """Why it was canceled: what Stripe recorded; our own reason, if that is what our own cancel has told Stripe."""
    sent = [call for call in step.known.calls if call.operation is Operation.CANCEL and call.sends]
    recorded = intent.cancellation_reason
    if sent and sent[-1].own_reason and recorded in {None, calls.OWN_SAYS}:
        return sent[-1].own_reason
    return recorded or "canceled_at_stripe"


def _close_cancel(step: Step) -> None:
    """A cancel wants the payment canceled, and it is, whoever did it: later it would be accepted, too."""
    head = step.known.head
    if head and head.operation is Operation.CANCEL and head.sends:
        step.close(head, None)
