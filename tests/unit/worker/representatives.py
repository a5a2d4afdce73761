"""For every status some records that are really reached, and for every kind some messages: what the table is walked with."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from contracts.commands import CaptureMethod, Resolution
from contracts.views import DisputeFunds, DisputeStatus, RefundStatus
from tests.unit.worker.making import (
    AMOUNT,
    NOW,
    Story,
    accept,
    cancel,
    cancel_order,
    capture,
    changed,
    charge_failed,
    charge_succeeded,
    confirm,
    create,
    declined,
    dispute_fact,
    dispute_seen,
    erase,
    evidence,
    intent,
    problem,
    read,
    refund,
    refund_fact,
    refund_seen,
    refund_total,
    resolve,
    review,
    seen,
    story,
    unauthenticated,
    warning,
)
from worker.domain.facts import Ledger, StripeProblem
from worker.domain.limits import KEY_LIFETIME
from worker.domain.messages import Answer, CustomerSeen, Message, ReadFailed, Result, Tick
from worker.domain.record import Call, Operation, Payment, Status

STRIPES = tuple(status for status in Status if status not in {Status.NEW, Status.CREATING, Status.FAILED})
"""The statuses that an intent at Stripe can have."""

SETTLED_REFUNDS = tuple(status for status in RefundStatus if status is not RefundStatus.REQUESTED)

HOURS = timedelta(hours=1)


def records(status: Status) -> Iterator[tuple[str, Story]]:
    """Ways to be in a status: at rest, with a call in flight, with one waiting, with a decline behind it, and so on."""
    yield "at rest", story(status)
    if status is Status.REQUIRES_CAPTURE:
        yield "manual", Story().reach(status, CaptureMethod.MANUAL)
    yield from _declined_before(status)
    yield from _with_calls(status)
    yield from _special(status)
    if status in {Status.SUCCEEDED, Status.FAILED}:
        yield from _with_money(status)
    if status is Status.CREATING:
        yield from _with_draft()


def _with_money(status: Status) -> Iterator[tuple[str, Story]]:
    """Refunds, disputes and concerns on money that is there."""
    told: tuple[tuple[str, list[Message]], ...] = (
        ("a refund in flight and one waiting", [refund("in-flight", amount=300), refund("waiting", amount=200)]),
        ("a refund at Stripe", [refund_seen(refund_fact(400))]),
        ("a refund pending", [refund_seen(refund_fact(400, RefundStatus.PENDING))]),
        ("given back in full", [refund_seen(refund_fact(AMOUNT))]),
        ("a total that nothing explains", [refund_total(500)]),
        ("disputed", [dispute_seen(dispute_fact(funds=DisputeFunds.WITHDRAWN))]),
        ("an answer to a dispute in flight", [dispute_seen(dispute_fact()), evidence("answer")]),
        ("an inquiry", [dispute_seen(dispute_fact(DisputeStatus.WARNING_NEEDS_RESPONSE))]),
        ("warned and reviewed", [warning(), review(opened=True)]),
        ("erased", [erase("erase-0")]),
    )
    for what, messages_of in told:
        made = story(status)
        if status is Status.FAILED:
            made.tell(seen(Status.SUCCEEDED, "evt_late"))
        for message in messages_of:
            made.tell(message)
        yield what, made


def _with_draft() -> Iterator[tuple[str, Story]]:
    made = Story()
    made.tell(create(with_customer=True, expires_at=NOW + HOURS))
    yield "waiting for its customer", made


def _declined_before(status: Status) -> Iterator[tuple[str, Story]]:
    made = story(status)
    if made.record.intent_id is not None:
        made.tell(charge_failed())
        yield "declined before", made


def _with_calls(status: Status) -> Iterator[tuple[str, Story]]:
    made = story(status)
    if status is Status.CREATING:
        made.tell(confirm())
        made.tell(cancel_order())
        yield "calls waiting", made
        unsure = story(status)
        unsure.answer(Result.UNKNOWN, problem=problem())
        yield "create unknown", unsure
        stored = story(status)
        stored.answer(Result.STORED_ERROR, problem=problem("http_500"))
        yield "create to be looked for", stored
    made = story(Status.REQUIRES_PAYMENT_METHOD)
    made.tell(confirm("confirm-2"))
    if status in {Status.REQUIRES_ACTION, Status.PROCESSING, Status.REQUIRES_CAPTURE, Status.SUCCEEDED}:
        made.tell(seen(status))
    if made.record.status is status:
        made.tell(cancel("cancel-2"))
        yield "confirm in flight", made
        unsure = Story()
        unsure.now, unsure.payment = made.now, made.payment
        unsure.answer(Result.CONFLICT, problem=problem("payment_intent_unexpected_state"))
        yield "confirm in conflict", unsure


def _special(status: Status) -> Iterator[tuple[str, Story]]:
    if status is Status.CANCELED:
        tombstone = Story()
        tombstone.tell(cancel_order())
        yield "tombstone", tombstone
    if status is Status.FAILED:
        orphaned = story(status)
        orphaned.tell(seen(Status.REQUIRES_PAYMENT_METHOD))
        yield "orphan being canceled", orphaned
    if status is Status.REQUIRES_PAYMENT_METHOD:
        reviewed = story(status)
        reviewed.tell(seen(status, "evt_other", id="pi_other"))
        yield "waits for a person", reviewed
        old = story(status)
        old.tick()
        yield "read owed", old


def messages(payment: Payment | None) -> Iterator[tuple[str, Message]]:
    """At least one message of every kind, and every result for every call of the record that was ever sent."""
    yield from _commands()
    for status in STRIPES:
        yield f"webhook {status}", seen(status)
        yield f"webhook {status} after a decline", seen(status, "evt_more", decline=declined("ch_2"))
        yield f"webhook {status} after 3-D Secure", seen(status, "evt_3ds", decline=unauthenticated())
        yield f"webhook {status} of another amount", seen(status, "evt_amount", amount=AMOUNT + 1)
        yield f"webhook {status} of another intent", seen(status, "evt_second", id="pi_second")
        if payment is not None and payment.intent_id is not None:
            yield f"read {status}", read(payment, status)
            yield f"old read {status}", replace(read(payment, status), version=payment.version - 1)
    yield from _news_of_money(payment)
    yield "customer there", CustomerSeen("cus_1")
    yield "customer not there", CustomerSeen(None)
    yield "changed", changed()
    yield "charge failed", charge_failed("ch_3")
    yield "charge succeeded", charge_succeeded("ch_3")
    yield "tick", Tick()
    yield "read failed", ReadFailed(reason="timeout")
    yield "read lost", ReadFailed(reason="no such intent", lost=True)
    for call in payment.calls if payment else ():
        for answer in answers(call, payment.version if payment else 0):
            yield f"{answer.result} for {call.id}", answer


def _news_of_money(payment: Payment | None) -> Iterator[tuple[str, Message]]:
    for number, status in enumerate(RefundStatus):
        if status is RefundStatus.REQUESTED:
            continue
        yield f"refund {status}", refund_seen(refund_fact(400, status), f"evt_refund_{number}")
        yield f"our refund {status}", refund_seen(refund_fact(300, status, "in-flight", 2), f"evt_ours_{number}")
    yield "refund total", refund_total(700, "evt_total")
    for number, dispute in enumerate(DisputeStatus):
        yield f"dispute {dispute}", dispute_seen(dispute_fact(dispute), f"evt_dispute_{number}")
    yield "funds withdrawn", dispute_seen(dispute_fact(funds=DisputeFunds.WITHDRAWN), "evt_withdrawn")
    yield "warning", warning(7)
    yield "review opened", review(opened=True)
    yield "review closed", review(opened=False, reason="approved")
    if payment is not None and payment.intent_id is not None:
        ours = refund_fact(300, RefundStatus.SUCCEEDED, "in-flight", 2)
        found = Ledger((ours, refund_fact(100, number=9)), (dispute_fact(DisputeStatus.LOST),))
        yield "read with a ledger", replace(read(payment, Status.SUCCEEDED), ledger=found)


def _commands() -> Iterator[tuple[str, Message]]:
    late = NOW + 2 * HOURS
    yield from _privileged_commands(late)
    yield "create", create("create-9", issued_at=NOW + HOURS)
    yield "create of another amount", create("create-9", amount=AMOUNT + 1)
    yield "create of another user", create("create-9", user_id="user-2")
    yield "create expired", create("create-9", expires_at=NOW)
    yield "the first create again", create()
    yield "the first create's id for another command", create(body_hash="other")
    yield "confirm", confirm("confirm-9", expires_at=late)
    yield "confirm expired", confirm("confirm-9", expires_at=NOW)
    yield "confirm again", confirm("confirm-2")
    yield "cancel", cancel("cancel-9")
    yield "cancel by order", cancel_order("cancel-9", issued_at=NOW + HOURS)
    yield "old cancel by order", cancel_order("cancel-9", issued_at=NOW - HOURS)


def _privileged_commands(late: datetime) -> Iterator[tuple[str, Message]]:
    """Their ids are fresh: in the records above none of these has been told."""
    yield "capture", capture("capture-9", issued_at=late)
    yield "capture of a part", capture("capture-9", amount=500, final=False)
    yield "capture of too much", capture("capture-9", amount=AMOUNT + 1)
    yield "capture expired", capture("capture-9", expires_at=NOW)
    yield "refund", refund("refund-9", issued_at=late)
    yield "refund of a part", refund("refund-9", amount=500)
    yield "refund of too much", refund("refund-9", amount=AMOUNT + 1)
    yield "refund under a known name", refund("refund-9", refund_id="in-flight", amount=300)
    yield "refund under a known name of another amount", refund("refund-9", refund_id="in-flight", amount=301)
    yield "refund expired", refund("refund-9", expires_at=NOW)
    yield "evidence", evidence("evidence-9")
    yield "accept", accept("accept-9")
    yield "keep", resolve(Resolution.KEEP, "resolve-9")
    yield "give back", resolve(Resolution.REFUND, "resolve-9")
    yield "erase", erase("erase-9")


def answers(call: Call, version: int) -> Iterator[Answer]:
    """Every result once, with what it comes with; those with an intent in every status, also for an older version."""
    results = [result for result in Result if result is not Result.NOT_FOUND or call.operation is Operation.CREATE]
    said = {
        Result.UNKNOWN: problem("http_500"),
        Result.NOT_EXECUTED: problem("http_401"),
        Result.CONFLICT: problem("payment_intent_unexpected_state"),
        Result.DECLINED: StripeProblem("card_declined", "Declined.", decline=declined("ch_9")),
    }
    done: list[dict[str, Any]]
    if call.operation is Operation.REFUND:
        done = [
            {"refund": refund_fact(call.params.get("amount", 300), status, call.about, 8)} for status in SETTLED_REFUNDS
        ]
    elif call.operation in {Operation.EVIDENCE, Operation.ACCEPT}:
        done = [{"dispute": dispute_fact(status)} for status in DisputeStatus]
    else:
        done = [{"intent": intent(status)} for status in STRIPES]
    for result in results if call.sends else ():
        for stand in (version, version - 1):
            if result is Result.DONE:
                for told in done:
                    yield Answer(call_id=call.id, result=result, version=stand, **told)
            if result is Result.DECLINED:
                for status in STRIPES:
                    unpaid = intent(status, decline=declined("ch_9"))
                    yield Answer(call_id=call.id, result=result, version=stand, intent=unpaid, problem=said[result])
            if result is not Result.DONE:
                sent_at = call.sends[-1] if result is Result.HELD_BACK else None
                found = said.get(result, problem())
                yield Answer(call_id=call.id, result=result, version=stand, problem=found, sent_at=sent_at)


MOMENTS = (timedelta(seconds=1), timedelta(minutes=5), KEY_LIFETIME + HOURS, timedelta(days=8))
"""How long after the record was written a message comes: at once, past every grace, past the key, past the patience."""
