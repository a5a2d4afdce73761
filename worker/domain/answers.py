"""What Stripe's answer to a call does to it: one branch per result (docs/reliability.md, rule 18)."""

from collections.abc import Callable
from dataclasses import replace

from contracts import events
from contracts.replies import RefusalCode
from worker.domain import again, calls, disputes, heads, limits, news, refunds, watch
from worker.domain.facts import Decline, Intent, StripeProblem
from worker.domain.messages import Answer, ReadFailed, Result
from worker.domain.record import Call, Operation, Outcome, Refused
from worker.domain.step import Step

ApplyIntent = Callable[[Step, Intent, bool], None]
"""The table's way to apply an intent: step, intent, whether it is the truth."""

AUTHENTICATION_REQUIRED = "authentication_required"
"""Stripe docs, "Decline codes": the bank wants the customer, who is not there (off session)."""


def answered(step: Step, apply: ApplyIntent) -> None:
    """Settle, postpone or refuse the call that was answered."""
    message = step.message
    if isinstance(message, ReadFailed):
        _read_failed(step, message)
        return
    assert isinstance(message, Answer)
    call = step.known.call(message.call_id)
    assert call is not None, "an answer to a call that is not recorded"
    if not call.open:
        _overtaken(step, call, message)
        return
    match message.result:
        case Result.DONE:
            _done(step, call, message, apply)
        case Result.DECLINED if call.operation is Operation.CONFIRM:
            _declined(step, call, message, apply)
        case Result.REFUSED | Result.DECLINED:
            _refused(step, call, message, RefusalCode.PROVIDER_REFUSED)
        case Result.CONFLICT if call.operation is Operation.CREATE:
            _refused(step, call, message, RefusalCode.PROVIDER_REFUSED)
        case Result.UNLISTED | Result.KEY_MISUSED:
            watch.review(step, str(message.result), _text(message.problem))
            _refused(step, step.known.call(call.id) or call, message, RefusalCode.NEEDS_REVIEW)
        case Result.CONFLICT:
            step.put_call(replace(call, settle=calls.CONFLICT, due_at=step.now + limits.SEND_GRACE))
            step.change(read_at=step.now)
            step.why = f"state conflict ({_text(message.problem)}): read"
        case Result.NOT_FOUND:
            _not_found(step, call)
        case Result.STORED_ERROR:
            _settle_later(step, call)
        case Result.HELD_BACK:
            again.held_back(step, call, message)
        case Result.NOT_EXECUTED | Result.UNKNOWN if again.is_stored(call, message):
            _settle_later(step, call)
        case Result.NOT_EXECUTED | Result.UNKNOWN:
            again.later(step, call, message)


def _done(step: Step, call: Call, message: Answer, apply: ApplyIntent) -> None:
    if message.refund is not None:
        refunds.heard(step, message.refund, truth=False)
    elif message.dispute is not None:
        disputes.heard(step, message.dispute, truth=False)
    else:
        assert message.intent is not None, "done, and nothing said of what"
        apply(step, message.intent, _is_truth(step, call, message))
    step.outcome = Outcome.APPLIED
    still = step.known.call(call.id)
    assert still is not None
    if still.open:
        heads.close(step, still, None)
    elif all(told.command_id != call.id for told in step.told):
        step.told.append(calls.told_recorded(still, wants_secret=True))


def _is_truth(step: Step, call: Call, message: Answer) -> bool:
    """Whether an answer tells how the intent is now.

    Only if nobody has written since the send, and if it was the first: to a later one, and to the SDK's own retry, Stripe
    may replay what it had answered then.
    """
    return message.version == step.known.version and len(call.sends) == 1 and not message.replayed


def _overtaken(step: Step, call: Call, message: Answer) -> None:
    """A webhook or a twin settled the call first; the requester still gets its answer, with the secret at hand."""
    if message.refund is not None:
        refunds.heard(step, message.refund, truth=False)
    step.stale("the call was settled before its answer came")
    step.told.append(calls.told_recorded(call, wants_secret=True))


def _declined(step: Step, call: Call, message: Answer, apply: ApplyIntent) -> None:
    problem = message.problem
    assert problem is not None
    found = problem.decline or Decline(problem.code, None, problem.message)
    if message.intent is not None:
        apply(step, message.intent, _is_truth(step, call, message))
    if all(event.type != events.PaymentFailed.TYPE for event in step.events):
        news.decline(step, found, news.attempt_id(found) or call.key)
    still = step.known.call(call.id)
    assert still is not None
    absent = AUTHENTICATION_REQUIRED in {found.code, found.decline_code}
    code = RefusalCode.AUTHENTICATION_REQUIRED if absent else RefusalCode.CARD_DECLINED
    refused = Refused(code, problem.message, problem.field, found.decline_code or found.code)
    heads.close(step, still, refused)


def _refused(step: Step, call: Call, message: Answer, code: RefusalCode) -> None:
    problem = message.problem or StripeProblem("unknown", "Stripe refused it")
    refused = Refused(code, problem.message, problem.field and f"data.{problem.field}")
    if call.operation is Operation.CREATE:
        heads.fail(step, call, refused, problem.code)
    heads.close(step, call, refused)
    news.orphan_left(step)


def _not_found(step: Step, call: Call) -> None:
    """No intent of ours in Stripe's lists."""
    last = call.sends[-1]
    if call.settle == calls.STORED_ERROR or step.now - last >= limits.KEY_LIFETIME:
        refused = Refused(RefusalCode.PROVIDER_ERROR, "Stripe did not create it: try again")
        heads.fail(step, call, refused, str(RefusalCode.PROVIDER_ERROR))
        heads.close(step, call, refused)
    else:
        step.put_call(replace(call, due_at=last + limits.KEY_LIFETIME))
        step.why = "not found yet: look again when its last send is old enough"


def _settle_later(step: Step, call: Call) -> None:
    """A 5xx that Stripe keeps under the key will be repeated for ever: find out by reading what really happened."""
    wait = limits.STORED_ERROR_WAIT if call.operation is Operation.CREATE else limits.backoff(call.key, 0)
    step.put_call(replace(call, settle=calls.STORED_ERROR, due_at=step.now + wait, errors=0))
    step.why = "Stripe keeps an error under this key: settle by reading"


def _read_failed(step: Step, message: ReadFailed) -> None:
    polls, head = step.known.polls + 1, step.known.head
    if message.lost:
        step.change(polls=polls, read_at=None)
        watch.review(step, "intent_vanished", message.reason)
        if head and head.settle and head.intent_id:
            heads.close(step, head, Refused(RefusalCode.NEEDS_REVIEW, "Stripe knows no such intent"))
        return
    step.change(polls=polls, read_at=step.now + limits.backoff(step.known.id, polls))
    step.why = f"could not read ({message.reason}): again later"


def _text(problem: StripeProblem | None) -> str:
    return f"{problem.code}: {problem.message}" if problem else "no detail"
