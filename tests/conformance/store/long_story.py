"""Payments that have lived: whatever comes, or as many refunds as one may have. Made by `decide` alone."""

import random
from datetime import timedelta
from functools import cache

from tests.unit.worker.making import (
    NOW,
    SECOND,
    Story,
    committed,
    create,
    dispute_fact,
    dispute_seen,
    evidence,
    refund_fact,
    refund_total,
    story,
)
from tests.unit.worker.making import refund as wanted
from tests.unit.worker.representatives import messages, records
from worker.domain.limits import MAX_OPEN_CALLS, MAX_REFUNDS
from worker.domain.messages import Answer, Message, Result
from worker.domain.payment import decide
from worker.domain.record import Payment, Status

STEPS = 30
WAITS = (timedelta(seconds=1), timedelta(minutes=3), timedelta(hours=21))
LONGEST_NOTE = "\N{GRINNING FACE}" * 500
LONGEST_EVIDENCE = 250_000
"""Bytes; a message on the broker has at most 256 KiB."""


def random_story(seed: int) -> list[Payment]:
    """A record after each of many messages that were drawn from a seed; every other one begins with money that is there."""
    chance = random.Random(seed)
    made = Story()
    made.tell(create(description="Two tickets", metadata={"a.b": "$set", "c": ""}, multicapture=True))
    if seed % 2:
        _, made = chance.choice(list(records(Status.SUCCEEDED)))
    found = [made.record]
    for _ in range(STEPS):
        _, message = chance.choice(list(messages(made.payment)))
        if made.tell(message, chance.choice(WAITS)).write:
            found.append(made.record)
    return found


@cache
def longest() -> Payment:
    """As many refunds as a payment may have, each with its answer and a note; and all the commands that may wait."""
    payment = story(Status.SUCCEEDED).record
    for number in range(1, MAX_REFUNDS + 1):
        name = f"refund-{number}".ljust(128, "x")
        payment = _tell(payment, wanted(name, amount=10, note=LONGEST_NOTE))
        payment = _tell(payment, _refunded(payment, name, number))
    for number in range(50):
        payment = _tell(payment, refund_total(2000, f"evt_{number}"))
    payment = _tell(payment, dispute_seen(dispute_fact()))
    for number in range(50):
        staged = evidence(f"staged-{number}", submit=False, note=LONGEST_NOTE)
        payment = _tell(payment, staged)
        payment = _tell(payment, _answer(payment, staged.message_id, dispute=dispute_fact()))
    texts = {"uncategorized_text": "x" * LONGEST_EVIDENCE}
    for number in range(MAX_OPEN_CALLS):
        payment = _tell(payment, evidence(f"waiting-{number}", evidence=texts))
    return payment


def _refunded(payment: Payment, name: str, number: int) -> Answer:
    return _answer(payment, name, refund=refund_fact(10, name=name, number=number))


def _answer(payment: Payment, call_id: str, **said: object) -> Answer:
    return Answer(call_id=call_id, result=Result.DONE, version=payment.version, **said)  # type: ignore[arg-type] # one of what an answer tells


def _tell(payment: Payment, message: Message) -> Payment:
    """Decide and commit, without the checks of Story: they copy all of the record each time."""
    decision = decide(payment, message, max(NOW, payment.updated_at) + SECOND)
    after = committed(payment, decision)
    assert after is not None
    return after
