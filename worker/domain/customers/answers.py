"""What Stripe's answer to a call of a customer does to it: one branch per result (docs/reliability.md, rule 18)."""

from dataclasses import replace

from contracts.replies import RefusalCode, Verdict
from worker.domain import again, limits
from worker.domain.customers import calls, news
from worker.domain.customers.effects import CustomerTold
from worker.domain.customers.messages import CustomerAnswer
from worker.domain.customers.record import ON_A_METHOD, CustomerCall, CustomerOperation, CustomerStatus
from worker.domain.customers.step import OWN, CustomerStep
from worker.domain.facts import StripeProblem
from worker.domain.messages import Result
from worker.domain.record import Refused

NO_SUCH = "resource_missing"


def answered(step: CustomerStep) -> None:
    """Settle, postpone or refuse the call that was answered."""
    message = step.message
    assert isinstance(message, CustomerAnswer)
    call = step.known.call(message.call_id)
    if call is None:
        _overtaken(step, message)
        return
    match message.result:
        case Result.DONE:
            _done(step, call, message)
        case Result.REFUSED | Result.DECLINED | Result.CONFLICT | Result.UNLISTED | Result.KEY_MISUSED:
            _refused(step, call, message)
        case Result.NOT_FOUND:
            _not_found(step, call)
        case Result.STORED_ERROR if call.operation is not CustomerOperation.DELETE:
            _settle_later(step, call)
        case Result.HELD_BACK:
            again.held_back(step, call, message)
        case _ if again.is_stored(call, message) and call.operation is not CustomerOperation.DELETE:
            _settle_later(step, call)
        case _:
            again.later(step, call, message)


def _overtaken(step: CustomerStep, message: CustomerAnswer) -> None:
    """A twin, or an erasure, settled the call first; its requester is told what was recorded."""
    step.stale("the call was settled before its answer came")
    entry = step.known.entry(message.call_id)
    if entry is None:
        return
    if entry.kind == CustomerOperation.CREATE and message.result is Result.DONE and message.made is not None:
        _second(step, message.made)
    elif not entry.message_id.startswith(OWN):
        verdict = Verdict.REFUSED if entry.refused else Verdict.ACCEPTED
        step.told.append(CustomerTold(entry.message_id, verdict, None, entry.refused, calls.secret_of(entry)))


def _second(step: CustomerStep, made: str) -> None:
    """A create was settled without this customer, and made it all the same."""
    if made == step.known.stripe_id:
        return
    if step.status in {CustomerStatus.ERASING, CustomerStatus.ERASED}:
        calls.deletion(step, made)
    else:
        news.remember(step, made)


def _done(step: CustomerStep, call: CustomerCall, message: CustomerAnswer) -> None:
    made, customer = message.made, step.known
    fresh = len(call.sends) == 1 and not call.settle and not message.replayed and message.version == customer.version
    match call.operation:
        case CustomerOperation.CREATE:
            assert made is not None, "a customer without an id"
            if step.status is CustomerStatus.CREATING:
                strays = tuple(name for name in customer.strays if name != made)
                step.change(status=CustomerStatus.ACTIVE, stripe_id=made, strays=strays)
            else:
                calls.deletion(step, made)
        case CustomerOperation.SET_DEFAULT:
            methods = (replace(method, default=method.id == call.method) for method in customer.methods)
            step.change(methods=tuple(methods))
        case CustomerOperation.DETACH:
            step.change(methods=tuple(method for method in customer.methods if method.id != call.method))
    if not fresh and call.operation is not CustomerOperation.SET_UP and step.known.stripe_id is not None:
        step.change(read_at=step.now)  # what was done may be long ago
    step.close(call, made=made, request_id=message.request_id)


def _refused(step: CustomerStep, call: CustomerCall, message: CustomerAnswer) -> None:
    problem = message.problem or StripeProblem("unknown", "Stripe refused it")
    refused = Refused(RefusalCode.PROVIDER_REFUSED, problem.message, problem.field and f"data.{problem.field}")
    missing = problem.code == NO_SUCH
    match call.operation:
        case CustomerOperation.CREATE:
            _none_made(step, call, refused, message)
        case CustomerOperation.SET_UP:
            step.close(call, calls.GONE if missing else refused, request_id=message.request_id)
            if missing and call.target == step.known.stripe_id:  # a set-up names nothing but the customer
                news.lost(step)
        case CustomerOperation.SET_DEFAULT | CustomerOperation.DETACH:
            doubt = calls.NOT_THEIRS if missing else refused
            due = step.now + limits.SEND_GRACE
            step.put_call(replace(call, settle=calls.DOUBTED, doubt=doubt, due_at=due))
            step.change(read_at=step.now)
            step.why = f"{problem.code}: read"
        case CustomerOperation.DELETE if missing:
            step.close(call, request_id=message.request_id)
        case CustomerOperation.DELETE:
            # An erasure is never given up. What keeps refusing it needs a person, so there is no hurry.
            wait = limits.poll_after(call.key, call.errors)
            step.put_call(replace(call, errors=call.errors + 1, due_at=step.now + wait))
            step.why = f"delete refused ({problem.code}): again later"


def _none_made(step: CustomerStep, call: CustomerCall, refused: Refused, message: CustomerAnswer) -> None:
    """Stripe makes no customer, and would make none for those who wait either."""
    if step.status is CustomerStatus.CREATING:
        step.change(status=CustomerStatus.ABSENT)
    step.close(call, refused, request_id=message.request_id)
    for waiting in step.known.calls:
        if waiting.operation is CustomerOperation.SET_UP:
            step.close(waiting, refused)


def _not_found(step: CustomerStep, call: CustomerCall) -> None:
    """No customer of ours in Stripe's lists: once that is sure, the next create has a key of its own."""
    last = call.sends[-1]
    if call.settle != calls.STORED_ERROR and step.now - last < limits.KEY_LIFETIME:
        step.put_call(replace(call, due_at=last + limits.KEY_LIFETIME))
        step.why = "not found yet: look again when its last send is old enough"
        return
    step.close(call, calls.NOT_CARRIED_OUT)
    if step.status is CustomerStatus.CREATING:
        calls.creation(step)


def _settle_later(step: CustomerStep, call: CustomerCall) -> None:
    """A 5xx that Stripe keeps under the key will be repeated for ever: find out by reading what really happened."""
    if call.operation is CustomerOperation.SET_UP:
        calls.give_up(step, call)
        return
    wait = limits.backoff(call.key, 0) if call.operation in ON_A_METHOD else limits.STORED_ERROR_WAIT
    step.put_call(replace(call, settle=calls.STORED_ERROR, due_at=step.now + wait, errors=0))
    step.why = "Stripe keeps an error under this key: settle by reading"
