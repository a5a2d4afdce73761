"""Payments as the state machine and Stripe make them together: decided, sent, and decided again on the answer."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from contracts.commands import CaptureMethod
from tests.conformance.gateway.conftest import Subject
from tests.fake_account import VISA
from tests.unit.worker.making import confirm, create
from worker.domain.effects import Send
from worker.domain.facts import Ledger
from worker.domain.messages import Answer, Command, Create, IntentSeen, Result
from worker.domain.payment import decide
from worker.domain.record import Call, Payment, Status


def asked(payment: Payment | None, command: Command) -> tuple[Payment, Call]:
    """A call as the state machine makes it, sent now."""
    decision = decide(payment, replace(command, issued_at=datetime.now(UTC)), datetime.now(UTC))
    assert decision.payment is not None
    assert isinstance(decision.effect, Send)
    return decision.payment, decision.effect.call


def settled(payment: Payment, answer: Answer) -> Payment:
    """The record after an answer."""
    after = decide(payment, answer, datetime.now(UTC)).payment
    assert after is not None
    return after


async def sent(subject: Subject, payment: Payment | None, command: Command, **params: Any) -> tuple[Payment, Answer]:
    """What a command's call comes to, with other parameters where these are given, and the record after it."""
    payment, call = asked(payment, command)
    answer = await subject.gateway.send(replace(call, params=call.params | params), payment, 0)
    return settled(payment, answer), answer


async def created(subject: Subject, command: Create | None = None) -> Payment:
    """A payment whose intent Stripe holds."""
    payment, answer = await sent(subject, None, command or create())
    assert answer.result is Result.DONE
    return payment


async def confirmed(subject: Subject, method: str) -> tuple[Payment, Call, Answer]:
    payment, call = asked(await created(subject), confirm(payment_method=method))
    return payment, call, await subject.gateway.send(call, payment, 0)


async def paid(subject: Subject, method: str = VISA) -> Payment:
    """A payment whose money is there."""
    payment, _ = await sent(subject, await created(subject), confirm(payment_method=method))
    assert payment.status is Status.SUCCEEDED
    return payment


async def held(subject: Subject, *, several: bool = False) -> Payment:
    """A payment whose money is held, to be captured once or in parts."""
    opened = await created(subject, create(capture_method=CaptureMethod.MANUAL, multicapture=several))
    payment, _ = await sent(subject, opened, confirm(payment_method=VISA))
    assert payment.status is Status.REQUIRES_CAPTURE
    return payment


async def read(subject: Subject, payment: Payment) -> IntentSeen:
    """A read of the payment's intent."""
    seen = await subject.gateway.read(intent_of(payment), payment.version)
    assert isinstance(seen, IntentSeen)
    return seen


async def ledger(subject: Subject, payment: Payment) -> Ledger:
    """What a read finds beside the intent."""
    found = (await read(subject, payment)).ledger
    assert found is not None
    return found


def intent_of(payment: Payment) -> str:
    assert payment.intent_id is not None
    return payment.intent_id


def refusal(answer: Answer) -> tuple[Result, str]:
    """The class of a refusal, and Stripe's code for it."""
    assert answer.problem is not None
    return answer.result, answer.problem.code
