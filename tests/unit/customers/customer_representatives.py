"""For every status some records that are really reached, and for every kind some messages: what the table is walked with."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from tests.unit.customers.customer_making import (
    CARD,
    CUS,
    METHOD,
    NOW,
    SETUP,
    CustomerStory,
    changed,
    detach,
    ensure,
    erase,
    marked,
    problem,
    set_default,
    set_up,
    story,
)
from worker.domain.customers.messages import (
    CustomerAnswer,
    CustomerMessage,
    CustomerRead,
    CustomerReadFailed,
    CustomerTick,
)
from worker.domain.customers.record import Customer, CustomerCall, CustomerOperation, CustomerStatus
from worker.domain.limits import KEY_LIFETIME
from worker.domain.messages import Result

HOURS = timedelta(hours=1)
MOMENTS = (timedelta(seconds=1), timedelta(minutes=5), KEY_LIFETIME + HOURS, timedelta(days=8))
"""How long after the record was written a message comes: at once, past every grace, past the key, past the patience."""

MADE = {CustomerOperation.CREATE: "cus_made", CustomerOperation.SET_UP: SETUP}


def records(status: CustomerStatus) -> Iterator[tuple[str, CustomerStory]]:
    """Ways to be in a status: at rest, with a call in flight, with one waiting, with a read owed, and so on."""
    yield "at rest", story(status)
    if status is CustomerStatus.CREATING:
        yield from _creating()
    elif status is CustomerStatus.ACTIVE:
        yield from _active()
    elif status in {CustomerStatus.ERASING, CustomerStatus.ERASED}:
        yield from _erased(status)
    elif status is CustomerStatus.ABSENT:
        refused = story(CustomerStatus.CREATING)
        refused.answer(Result.REFUSED, problem=problem("parameter_unknown"))
        yield "create refused", refused


def _creating() -> Iterator[tuple[str, CustomerStory]]:
    made = CustomerStory()
    made.tell(set_up("set-up-2"))
    made.tell(set_up("set-up-3", expires_at=NOW + HOURS))
    yield "set-ups waiting", made
    unsure = story(CustomerStatus.CREATING)
    unsure.answer(Result.UNKNOWN, problem=problem())
    yield "create unknown", unsure
    stored = story(CustomerStatus.CREATING)
    stored.answer(Result.STORED_ERROR, problem=problem("http_500"))
    yield "create to be looked for", stored
    stray = story(CustomerStatus.CREATING)
    stray.tell(marked("customer.created", "evt_stray", stripe_id="cus_stray"))
    yield "another is known", stray
    back = story(CustomerStatus.ERASED)
    back.tell(ensure())
    yield "back after an erasure", back


def _active() -> Iterator[tuple[str, CustomerStory]]:
    yield "a card saved", story(CustomerStatus.ACTIVE).saved()
    for command in (set_up("set-up-2"), set_default("default-2"), detach("detach-2")):
        busy = story(CustomerStatus.ACTIVE).saved()
        busy.tell(command)
        busy.tell(set_up("set-up-3"))
        yield f"{type(command).__name__} in flight", busy
        unsure = story(CustomerStatus.ACTIVE).saved()
        unsure.tell(command)
        unsure.answer(Result.UNKNOWN, problem=problem("http_500"))
        yield f"{type(command).__name__} unknown", unsure
    doubted = story(CustomerStatus.ACTIVE).saved()
    doubted.tell(detach("detach-2"))
    doubted.answer(Result.REFUSED, problem=problem("http_400"))
    yield "detach doubted", doubted
    looking = story(CustomerStatus.ACTIVE)
    looking.tell(set_default("default-2"))
    yield "looking whether it is theirs", looking
    late = story(CustomerStatus.ACTIVE)
    late.tell(changed())
    late.read_fails()
    yield "read failed", late
    stray = story(CustomerStatus.ACTIVE)
    stray.tell(marked(stripe_id="cus_stray"))
    yield "another is known", stray


def _erased(status: CustomerStatus) -> Iterator[tuple[str, CustomerStory]]:
    if status is CustomerStatus.ERASED:
        tombstone = CustomerStory()
        tombstone.tell(erase())
        yield "a tombstone", tombstone
        return
    creating = story(CustomerStatus.CREATING)
    creating.tell(erase())
    yield "while it was created", creating
    twice = story(CustomerStatus.ACTIVE)
    twice.tell(marked(stripe_id="cus_stray"))
    twice.tell(erase())
    yield "with another", twice
    refused = story(CustomerStatus.ERASING)
    refused.answer(Result.UNLISTED, problem=problem("quantum_flux"))
    yield "delete refused", refused


def messages(customer: Customer | None) -> Iterator[tuple[str, CustomerMessage]]:
    """At least one message of every kind, and every result for every call of the record that was ever sent."""
    yield from _commands()
    yield "ensure", ensure()
    yield "ensure for an old payment", ensure(issued_at=NOW)
    yield "ensure for the tombstone", ensure(user_id="erased")
    yield "erase", erase()
    for event in ("customer.created", "customer.updated", "customer.deleted"):
        yield event, marked(event, "evt_9")
        yield f"{event} of another", marked(event, "evt_9", stripe_id="cus_other")
    yield "method attached", changed("payment_method.attached", "evt_9")
    yield "setup of another succeeded", marked("setup_intent.succeeded", "evt_9", stripe_id="cus_other")
    yield "tick", CustomerTick()
    yield "read failed", CustomerReadFailed(reason="timeout")
    stripe_id, version = (customer.stripe_id or CUS, customer.version) if customer else (CUS, 0)
    for seen in (
        CustomerRead(stripe_id=stripe_id, version=version),
        CustomerRead(stripe_id=stripe_id, version=version, methods=(CARD,)),
        CustomerRead(stripe_id=stripe_id, version=version, methods=(replace(CARD, default=True),)),
        CustomerRead(stripe_id=stripe_id, version=version, deleted=True),
        CustomerRead(stripe_id=stripe_id, version=version - 1, deleted=True),
    ):
        yield f"seen {seen}", seen
    yield from _late_answers(version)
    for call in customer.calls if customer else ():
        for answer in answers(call, version):
            yield f"{answer.result} for {call.id}", answer


def _commands() -> Iterator[tuple[str, CustomerMessage]]:
    yield "set up", set_up("set-up-9", issued_at=NOW + 3 * HOURS, expires_at=NOW + 4 * HOURS)
    yield "set up for the tombstone", set_up("set-up-9", user_id="erased")
    yield "set up expired", set_up("set-up-9", expires_at=NOW)
    yield "set up of before", set_up("set-up-9")
    yield "set up again", set_up("set-up-2")
    yield "set up under another's id", set_up("set-up-2", body_hash="other")
    for make in (set_default, detach):
        name = make.__name__
        yield name, make(f"{name}-9")
        yield f"{name} of an unknown method", make(f"{name}-9", payment_method="pm_other")
        yield f"{name} expired", make(f"{name}-9", expires_at=NOW)
    yield "set default again", set_default("default-2")
    yield "detach again", detach("detach-2")


def _late_answers(version: int) -> Iterator[tuple[str, CustomerMessage]]:
    """Answers to calls that are closed, or that nobody remembers."""
    done = CustomerAnswer(call_id="~create-1", result=Result.DONE, version=version, made="cus_late")
    yield "another customer, late", done
    yield "the customer, late", replace(done, made=CUS)
    yield "to the set-up, late", replace(done, call_id="set-up-2", made=SETUP)
    yield "to nobody", replace(done, call_id="forgotten")


def answers(call: CustomerCall, version: int) -> Iterator[CustomerAnswer]:
    """Every result once, with what it comes with."""
    said = {
        Result.UNKNOWN: problem("http_500"),
        Result.NOT_EXECUTED: problem("http_401"),
        Result.REFUSED: problem("resource_missing", field="customer"),
    }
    for result in Result if call.sends else ():
        if result is Result.NOT_FOUND and call.operation is not CustomerOperation.CREATE:
            continue
        for stand in (version, version - 1):
            done = result is Result.DONE
            yield CustomerAnswer(
                call_id=call.id,
                result=result,
                version=stand,
                made=MADE.get(call.operation) if done else None,
                problem=None if done else said.get(result, problem("parameter_unknown", field=METHOD)),
                sent_at=call.sends[-1] if result is Result.HELD_BACK else None,
            )
