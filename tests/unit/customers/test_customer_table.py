"""The customer's table is total, and every status with every message keeps what must hold."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.customers.customer_making import NOW, CustomerStory, committed, decided, ensure, story
from tests.unit.customers.customer_representatives import MOMENTS, messages, records
from worker.domain.customers.machine import TRANSITIONS, CustomerRule
from worker.domain.customers.messages import (
    CustomerChanged,
    CustomerKind,
    CustomerMessage,
    CustomerTick,
    Ensure,
    Erase,
    SetUp,
    UserCommand,
    customer_kind,
)
from worker.domain.customers.record import Customer, CustomerStatus
from worker.domain.record import Outcome

EXISTING = tuple(status for status in CustomerStatus if status is not CustomerStatus.NEW)

STEPS = st.lists(
    st.tuples(
        st.integers(0, 10_000),
        st.sampled_from([timedelta(), timedelta(seconds=1), timedelta(minutes=2), timedelta(hours=21)]),
    ),
    min_size=5,
    max_size=40,
)


def walked(steps: list[tuple[int, timedelta]]) -> CustomerStory:
    """Begin with a payment's need, then let the numbers choose among every message that the record could meet."""
    made = CustomerStory()
    made.tell(ensure())
    for number, after in steps:
        choices = list(messages(made.customer))
        _, message = choices[number % len(choices)]
        made.tell(message, after)
    return made


def test_every_status_has_a_rule_for_every_kind_of_message() -> None:
    """The table has a rule for every status and every kind of message."""
    every = {status: set(CustomerKind) for status in CustomerStatus}
    assert {status: set(row) for status, row in TRANSITIONS.items()} == every


def test_every_rule_is_used() -> None:
    """No rule is in the code that the table never names."""
    assert {rule for row in TRANSITIONS.values() for rule in row.values()} == set(CustomerRule)


@pytest.mark.parametrize("status", EXISTING)
def test_every_kind_of_message_is_walked(status: CustomerStatus) -> None:
    """The walk below meets every cell of the table's row."""
    met = {customer_kind(message) for _, made in records(status) for _, message in messages(made.customer)}
    assert met == set(CustomerKind)
    assert {made.record.status for _, made in records(status)} == {status}


@pytest.mark.parametrize("status", EXISTING)
def test_every_message_keeps_what_must_hold(status: CustomerStatus) -> None:
    """Whatever comes in a status, at whatever time, nothing is lost or sent against the rules."""
    walks = 0
    for _, made in records(status):
        for what, message in messages(made.customer):
            for moment in MOMENTS:
                decision = decided(made.customer, message, made.now + moment)
                assert decision.customer is not None, what
                walks += 1
    assert walks > 200


@pytest.mark.parametrize("what_and_message", list(messages(None)), ids=lambda pair: pair[0])
def test_every_message_to_nobody_keeps_what_must_hold(what_and_message: tuple[str, CustomerMessage]) -> None:
    """A message that finds no record begins one, leaves a tombstone, or changes nothing."""
    _, message = what_and_message
    decision = decided(None, message, NOW + MOMENTS[0])
    opens = isinstance(message, Ensure | SetUp) and decision.outcome is Outcome.APPLIED
    assert (decision.customer is not None) == (opens or isinstance(message, Erase))


@pytest.mark.parametrize("status", EXISTING)
def test_a_repeated_message_is_a_duplicate(status: CustomerStatus) -> None:
    """Deciding the same command or webhook again changes nothing unless it helps an open call or an owed read."""
    for _, made in records(status):
        for what, message in messages(made.customer):
            if not isinstance(message, UserCommand | CustomerChanged):
                continue
            now = made.now + MOMENTS[0]
            once = committed(made.customer, decided(made.customer, message, now))
            again = decided(once, message, now + timedelta(minutes=3))
            assert again.customer is not None
            assert again.write == (again.effect is not None or again.customer.calls != (once and once.calls)), what


@pytest.mark.parametrize("status", EXISTING)
def test_what_is_due_is_done(status: CustomerStatus) -> None:
    """Ticks at one moment come to rest: after three of them nothing is due any more."""
    for what, made in records(status):
        for moment in MOMENTS:
            customer: Customer = made.record
            now = made.now + moment
            for _ in range(3):
                after = committed(customer, decided(customer, CustomerTick(), now))
                assert after is not None
                customer = after
            assert customer.check_at is None or customer.check_at > now, what


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_every_walk_keeps_what_must_hold(steps: list[tuple[int, timedelta]]) -> None:
    """After any history the invariants hold; each decision is checked on the way."""
    assert walked(steps).record.updated_at is not None


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.sampled_from([timedelta(), timedelta(minutes=2), timedelta(hours=21), timedelta(days=8)]))
def test_due_ticks_come_to_rest(steps: list[tuple[int, timedelta]], after: timedelta) -> None:
    """After any history, a few ticks at one moment leave nothing due at that moment: the sweeper never spins."""
    made = walked(steps)
    made.now += after
    for _ in range(3):
        made.tell(CustomerTick(), timedelta())
    assert made.record.check_at is None or made.record.check_at > made.now


def test_at_rest_nothing_is_open() -> None:
    """Getting to a status the ordinary way leaves nothing open but a call that has just been sent."""
    still = {status: [call.id for call in story(status).record.calls] for status in EXISTING}
    assert still == {
        CustomerStatus.CREATING: ["~create-1"],
        CustomerStatus.ACTIVE: [],
        CustomerStatus.ABSENT: [],
        CustomerStatus.ERASING: ["~delete-1"],
        CustomerStatus.ERASED: [],
    }
