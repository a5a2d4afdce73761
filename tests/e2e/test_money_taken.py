"""Captures, disputes and strange money with the real parts."""

import asyncio

from contracts.commands import (
    AcceptDispute,
    CaptureMethod,
    CapturePayment,
    CreatePayment,
    Resolution,
    ResolvePayment,
    SubmitEvidence,
)
from contracts.replies import RefusalCode, Verdict
from tests.e2e.support.service import Service
from tests.e2e.support.until import until

WAIT_S = 20


async def held(service: Service, order: str, amount: int = 3000, currency: str = "eur", *, several: bool = True) -> str:
    """A payment whose money is held; its id."""
    create = CreatePayment(
        order_id=order,
        user_id="user-1",
        amount=amount,
        currency=currency,
        capture_method=CaptureMethod.MANUAL,
        multicapture=several,
    )
    reply = await service.send(create, f"create-{order}")
    assert await service.stripe.pay(str(reply.client_secret)) == "requires_capture"
    await until(
        lambda: has(service, order, status="requires_capture"), WAIT_S, f"{order} does not know that it is held"
    )
    return str(service.payment(order)["_id"])


async def has(service: Service, order: str, **fields: object) -> bool:
    return fields.items() <= service.payment(order).items()


async def test_held_money_is_taken_in_parts(service: Service) -> None:
    """Two captures take what is held, more than that is refused by name, and the last one says that it succeeded."""
    await service.worker()
    payment = await held(service, "order-1")
    part = CapturePayment(payment_id=payment, requested_by="shop", amount=1000, final=False)
    first = await service.send(part, "capture-1")
    assert first.payment is not None
    assert (first.payment.captured, first.payment.capturable, first.payment.refundable) == (1000, 2000, 1000)
    more = await service.send(CapturePayment(payment_id=payment, requested_by="shop", amount=2001), "capture-2")
    assert more.refusal is not None
    assert more.refusal.code is RefusalCode.NOT_CAPTURABLE
    last = await service.send(CapturePayment(payment_id=payment, requested_by="shop", amount=1500), "capture-3")
    assert last.payment is not None
    assert (last.payment.status, last.payment.captured) == ("succeeded", 2500)
    books = await service.assert_promises()
    assert books.ledger["payment_intents"][0]["released"] == 500
    assert service.listener.types(payment) == ["created", "authorized", "captured", "receipt", "succeeded"]


async def test_every_exponent_is_captured_and_refunded_to_the_last_unit(service: Service) -> None:
    """Amounts in currencies of no, two and three decimals are the same here and at Stripe, and come back whole."""
    await service.worker()
    for currency, amount, part in (("jpy", 5001, 1), ("kwd", 12340, 10), ("isk", 250000, 100), ("usd", 999, 998)):
        payment = await held(service, f"order-{currency}", amount, currency, several=False)
        await service.send(CapturePayment(payment_id=payment, requested_by="shop"), f"capture-{currency}")
        for name, wanted in (("part", part), ("rest", None)):
            reply = await service.refund(payment, f"{name}-{currency}", wanted)
            assert reply.verdict is Verdict.ACCEPTED, reply
    odd = await held(service, "order-odd", 12340, "kwd")
    refused = await service.send(CapturePayment(payment_id=odd, requested_by="shop", amount=1234), "capture-odd")
    assert refused.refusal is not None
    assert refused.refusal.code is RefusalCode.AMOUNT_NOT_CHARGEABLE
    books = await service.assert_promises()
    totals = {entry["currency"]: (entry["captured"], entry["refunded"]) for entry in books.ledger["payment_intents"]}
    assert totals["jpy"] == (5001, 5001)
    assert totals["isk"] == (250000, 250000)
    assert totals["usd"] == (999, 999)


async def test_a_dispute_is_answered_and_another_accepted(service: Service) -> None:
    """Evidence that wins brings the money back, an accepted dispute is lost, and a refund waits for neither."""
    await service.worker()
    orders = ("order-won", "order-lost")
    payments = [await service.paid(order) for order in orders]
    for order in orders:
        await service.stripe.dispute(str(service.payment(order)["stripe"]["payment_intent_id"]))
        await until(lambda order=order: disputed(service, order), WAIT_S, "the dispute was not heard of")  # type: ignore[misc]
    ids = [service.payment(order)["disputes"][0]["id"] for order in orders]
    refused = await service.refund(payments[0], "r-1", 100)
    assert refused.refusal is not None
    assert refused.refusal.code is RefusalCode.NOT_REFUNDABLE
    evidence = SubmitEvidence(
        payment_id=payments[0],
        dispute_id=ids[0],
        requested_by="shop",
        evidence={"uncategorized_text": "winning_evidence"},
    )
    answered = await service.send(evidence, "evidence")
    assert answered.dispute is not None
    assert answered.dispute.evidence_submitted
    accepted = await service.send(
        AcceptDispute(payment_id=payments[1], dispute_id=ids[1], requested_by="shop"), "accept"
    )
    assert accepted.dispute is not None
    assert accepted.dispute.status == "lost"
    await until(lambda: has(service, "order-won", disputed=0), WAIT_S, "the dispute was not won")
    await service.assert_promises()
    assert (service.payment("order-won")["disputed"], service.payment("order-lost")["disputed"]) == (0, 1999)
    assert "winning_evidence" not in str(service.payments_stored())
    for payment in payments:
        kinds = service.listener.types(payment)
        assert (kinds.count("dispute_opened"), kinds.count("dispute_closed")) == (1, 1)


async def disputed(service: Service, order: str) -> bool:
    return bool(service.payment(order)["disputed"])


async def test_money_after_a_cancel_is_asked_about_and_given_back(service: Service) -> None:
    """A customer who pays while the cancel is on its way is told as late money, and the answer gives it back."""
    await service.worker()
    secret = await service.created("order-1")
    await service.stripe.fault("latency", path="/v1/payment_intents/*/cancel", ms=1500)
    canceling = asyncio.create_task(service.cancel("order-1"))
    await until(lambda: cancel_is_open(service), WAIT_S, "the cancel was not begun")
    assert await service.stripe.pay(secret) == "succeeded"
    refused = await canceling
    assert refused.refusal is not None
    assert refused.refusal.code is RefusalCode.WRONG_STATE
    payment = str(service.payment("order-1")["_id"])
    (told,) = [event for event in service.listener.events(payment) if event.type == "payment.late_money"]
    assert (told.data["case"], told.data["remedy"]) == ("paid_after_cancel", "ask")
    answer = ResolvePayment(payment_id=payment, decision=Resolution.REFUND, requested_by="shop")
    resolved = await service.send(answer, "resolve")
    assert resolved.payment is not None
    assert resolved.payment.status == "refunded"
    books = await service.assert_promises()
    assert books.ledger["payment_intents"][0]["refunded"] == 1999


async def cancel_is_open(service: Service) -> bool:
    return any(call["operation"] == "cancel" and call.get("sends") for call in service.payment("order-1")["calls"])
