"""What both machines do with a call that an answer leaves unsettled (docs/reliability.md, rule 18): it is tried again."""

from dataclasses import replace
from datetime import datetime
from typing import Protocol, TypeVar

from worker.domain import limits
from worker.domain.messages import AnswerMessage
from worker.domain.record import StripeCall

Kind = TypeVar("Kind", bound=StripeCall)
Taken_contra = TypeVar("Taken_contra", bound=StripeCall, contravariant=True)


class Deciding(Protocol[Taken_contra]):
    """A decision in the making, of either machine."""

    now: datetime
    why: str

    def put_call(self, call: Taken_contra) -> None: ...
    def stale(self, why: str) -> None: ...


def held_back(step: Deciding[Kind], call: Kind, answer: AnswerMessage) -> None:
    """Nothing of it left the worker: a call that was never sent may still expire or become moot, whenever its time comes."""
    if call.settle is not None or answer.sent_at not in call.sends:
        step.stale("held back, and somebody else is at it")
        return
    changed = replace(call, sends=_without(call.sends, answer.sent_at), held_back=call.held_back + 1)
    if call.sends[-1] == answer.sent_at:
        wait = limits.backoff(call.key, len(call.sends) + call.held_back - 1)
        changed = replace(changed, due_at=step.now + min(wait, limits.HELD_BACK_CAP))
    step.put_call(changed)
    step.why = f"{call.operation} held back ({answer.problem.code if answer.problem else 'no reason'}): again later"


def is_stored(call: StripeCall, answer: AnswerMessage) -> bool:
    """Whether this is one 500 too many under one key: then it is the answer that Stripe keeps, marked or not."""
    return not call.settle and _errors(call, answer) >= limits.STORED_ERROR_STREAK


def later(step: Deciding[Kind], call: Kind, answer: AnswerMessage) -> None:
    """Send it again, or look again for what it came to."""
    code = _code(answer)
    if call.settle:
        step.put_call(replace(call, errors=call.errors + 1, due_at=step.now + limits.backoff(call.key, call.errors)))
        step.why = f"could not look for it ({code}): again later"
        return
    tries = len(call.sends) + call.held_back
    wait = limits.KEYS_REFUSED_WAIT if code in {"http_401", "http_403"} else limits.backoff(call.key, tries - 1)
    step.put_call(replace(call, errors=_errors(call, answer), due_at=step.now + wait))
    step.why = f"{call.operation} {answer.result} ({code}): again later"


def _errors(call: StripeCall, answer: AnswerMessage) -> int:
    """The 500s in a row, with this answer."""
    return call.errors + 1 if _code(answer) == "http_500" else 0


def _code(answer: AnswerMessage) -> str:
    return answer.problem.code if answer.problem else str(answer.result)


def _without(sends: tuple[datetime, ...], begun: datetime) -> tuple[datetime, ...]:
    """The sends but one that began at this moment."""
    index = sends.index(begun)
    return sends[:index] + sends[index + 1 :]
