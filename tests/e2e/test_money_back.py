"""Refunds with the real parts: a crowd of them at once, workers that die over one, and what is done at Stripe without us."""

import asyncio
import signal

import pytest

from contracts.replies import RefusalCode, Verdict
from contracts.views import RefundStatus
from tests.e2e.support.service import Service

CROWD = 200
PART = 37
CAPTURED = 1999
FIT = CAPTURED // PART
DIED_S = 20
CROWD_S = 200.0
"""All of them wait for one document: the last is answered after all others, on a busy machine much later."""


async def test_a_crowd_of_refunds_gives_back_what_there_is_and_no_more(service: Service) -> None:
    """Of 200 refunds at once on three workers as many are made as fit, each is answered, and Stripe is hardly asked more."""
    workers = [service.make_worker() for _ in range(3)]
    await asyncio.gather(*(worker.start() for worker in workers))
    payment = await service.paid("order-1")
    asked = (service.refund(payment, f"r-{number}", PART, reply_s=CROWD_S) for number in range(CROWD))
    replies = await asyncio.gather(*asked)
    refused = [reply for reply in replies if reply.verdict is Verdict.REFUSED]
    assert len(refused) == CROWD - FIT
    assert {reply.refusal.code for reply in refused if reply.refusal} == {RefusalCode.NOT_REFUNDABLE}
    books = await service.assert_promises(within_s=90)
    (entry,) = books.ledger["payment_intents"]
    assert entry["refunded"] == service.payment("order-1")["refunded"] == FIT * PART
    assert len(entry["refunds"]) == FIT
    assert books.queues["payments.dead-letters"] == 0
    posts, reads = await service.stripe.requests("*", "/v1/refunds"), await service.stripe.requests("GET", "*")
    assert FIT <= posts + reads <= 1.2 * FIT
    told = service.listener.types(payment)
    assert told.count("refund_requested") == told.count("refunded") == FIT
    assert sum(bool(worker.lines("delivery")) for worker in workers) == 3


async def test_a_refund_is_made_once_under_any_number_of_commands(service: Service) -> None:
    """One refund_id under fifty command ids is one refund, and every sender hears of that one."""
    await service.worker()
    payment = await service.paid("order-1")
    asked = (service.refund(payment, "r-1", 500, command_id=f"command-{number}") for number in range(50))
    replies = await asyncio.gather(*asked)
    assert {reply.verdict for reply in replies} <= {Verdict.ACCEPTED, Verdict.PENDING}
    assert {reply.refund.refund_id for reply in replies if reply.refund} == {"r-1"}
    other = await service.refund(payment, "r-1", 501, command_id="another-amount")
    assert other.refusal is not None
    assert other.refusal.code is RefusalCode.REFUND_ID_REUSED
    books = await service.assert_promises()
    assert books.ledger["payment_intents"][0]["refunded"] == 500


@pytest.mark.parametrize("point", ["committed", "send", "sent", "committing:2", "handled"])
async def test_a_worker_that_dies_over_a_refund(service: Service, point: str) -> None:
    """Killed before, during or after the call to Stripe, the next worker repeats it under its key: one refund."""
    first = await service.worker()
    payment = await service.paid("order-1")
    first.child.kill()
    dying = await service.worker("--kill-at", point)
    asking = asyncio.create_task(service.refund(payment, "r-1", 700))
    assert await dying.child.ended(DIED_S) == -signal.SIGKILL
    await service.worker()
    await asyncio.wait({asking})
    asking.exception()
    books = await service.assert_promises(within_s=150)
    (entry,) = books.ledger["payment_intents"]
    assert [(refund["amount"], refund["metadata"]["refund_id"]) for refund in entry["refunds"]] == [(700, "r-1")]
    (refund,) = service.payment("order-1")["refunds"]
    assert (refund["id"], refund["status"]) == ("r-1", RefundStatus.SUCCEEDED)


async def test_what_is_done_at_stripe_is_found_without_our_metadata(service: Service) -> None:
    """A refund in the dashboard and a dispute carry nothing of ours, and are found by their PaymentIntent, once."""
    await service.worker()
    payment = await service.paid("order-1")
    intent = str(service.payment("order-1")["stripe"]["payment_intent_id"])
    await service.stripe.refund(intent, 300)
    await service.quiesce()
    assert (await service.refund(payment, "r-1", 200)).verdict is Verdict.ACCEPTED
    await service.stripe.dispute(intent, amount=1000)
    await service.assert_promises()
    stored = service.payment("order-1")
    assert (stored["refunded"], stored["disputed"]) == (500, 1000)
    assert service.listener.types(payment).count("dispute_opened") == 1
    too_much = await service.refund(payment, "r-2", 500)
    assert too_much.refusal is not None
    assert too_much.refusal.code is RefusalCode.NOT_REFUNDABLE
    assert too_much.payment is not None
    assert too_much.payment.refundable == 499


async def test_a_refund_that_fails_later_is_reversed(service: Service) -> None:
    """A refund that the bank sends back is told as failed after it was told as done, and the money is here again."""
    await service.worker()
    payment = await service.paid("order-1")
    reply = await service.refund(payment, "r-1")
    assert reply.payment is not None
    assert reply.payment.status == "refunded"
    assert reply.refund is not None
    await service.stripe.move_refund(str(reply.refund.stripe_refund_id), "failed")
    await service.assert_promises()
    stored = service.payment("order-1")
    assert (stored["refunded"], stored["refunds"][0]["status"]) == (0, "failed")
    told = [kind for kind in service.listener.types(payment) if kind.startswith("refund")]
    assert told == ["refund_requested", "refunded", "refund_failed"]
