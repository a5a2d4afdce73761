"""The production handler, sweeper and relay in a world that breaks, thousands of times, each from a seed.

`SIMULATION_SEEDS=5000-9000 make test ARGS=tests/simulation` runs others; a failure names its seed, and
`make simulate SEED=1234` tells that run.
"""

import os
from collections import Counter
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import structlog

from tests.fake_stripe import Fault
from tests.simulation import virtual_time
from tests.simulation.chance import Trouble
from tests.simulation.world import World, judge
from worker.domain.record import Operation

FIRST, END = (int(number) for number in os.environ.get("SIMULATION_SEEDS", "0-2000").split("-"))
SEED = 7
"""A run with every trouble."""

AT_ONCE = 100
"""Seeds in one test, so that a failure stops only its neighbours."""

FAULTS = {
    *("worker dies", "delivery canceled", "redelivered", "command twice", "ack lost", "reply lost", "frozen"),
    *("webhook lost", "webhook twice", "webhook late", "events not published", "customer not there yet"),
    "coverage walk: put back",
    *("database: a write never arrived", "database: the answer to a write is lost"),
    *("database: a question never arrived", "database: the answer to a question is lost"),
    *(f"Stripe: {fault.value}" for fault in Fault if fault is not Fault.NONE),
    *Trouble,
}
"""What a simulated world does to the workers."""


@pytest.fixture(autouse=True)
def crashes() -> Iterator[list[str]]:
    """What the sweeper caught and logged as a crash; nothing is printed."""
    found: list[str] = []

    def collect(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if event["event"] == "tick_crashed" or event.get("error") == "StepsExhausted":
            found.append(str(event))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[collect])
    yield found
    structlog.configure(**before)


def lived(seed: int) -> World:
    """One run, judged."""
    world = World(seed)
    virtual_time.run(world.run())
    judge(world)
    return world


@pytest.mark.parametrize("first", range(FIRST, END, AT_ONCE))
def test_the_promises_hold(first: int, crashes: list[str]) -> None:
    """Whatever breaks, money moves at most once, nothing is lost, all is announced, and everything ends as Stripe says."""
    for seed in range(first, min(first + AT_ONCE, END)):
        try:
            lived(seed)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        assert not crashes, f"seed {seed}: {crashes}"


def test_a_seed_is_one_run() -> None:
    """The same seed gives the same story to the last event."""
    first, second = lived(SEED), lived(SEED)
    assert first.chance.troubles == set(Trouble)
    assert first.stripe.history == second.stripe.history
    assert first.store.payments == second.store.payments
    assert first.outbox.events == second.outbox.events
    assert first.chance.story == second.chance.story


def test_the_runs_meet_what_they_are_for() -> None:
    """The seeds reach every fault and status, searches, settled keys, tombstones, orphans, and every way that money moves."""
    worlds = [lived(seed) for seed in range(300)]
    injected = sum((world.chance.injected for world in worlds), Counter[str]())
    assert {fault: injected[fault] for fault in FAULTS if injected[fault] < 3} == {}
    payments = [payment for world in worlds for payment in world.store.payments.values()]
    calls = [call for payment in payments for call in payment.calls]
    assert {str(payment.status) for payment in payments} >= {"requires_payment_method", "succeeded", "canceled"}
    assert {call.settle for call in calls} >= {None, "conflict", "stored_error", "key_too_old"}
    assert any(len(call.sends) > 2 for call in calls)
    assert {call.own_reason for call in calls} >= {None, "abandoned", "orphan"}
    assert any(payment.attempts for payment in payments)
    assert any(payment.number > 1 for payment in payments)
    assert any(not payment.calls for payment in payments), "a tombstone"
    refunds = [refund for payment in payments for refund in payment.refunds]
    assert {str(refund.status) for refund in refunds} >= {"succeeded", "failed", "pending"}
    assert any(refund.made_at_stripe for refund in refunds)
    assert any(refund.asked_by == "policy" for refund in refunds)
    assert any(sum(refund.status == "succeeded" for refund in payment.refunds) > 1 for payment in payments)
    assert {str(call.operation) for call in calls} == {str(operation) for operation in Operation}
    assert {str(dispute.status) for payment in payments for dispute in payment.disputes} >= {"needs_response", "lost"}
    assert {str(concern.case) for payment in payments for concern in payment.concerns} >= {
        *("paid_after_cancel", "fraud_warning", "review_opened"),
    }
    assert any(event.type == "payment.resolved" for payment in payments for event in payment.events)
