"""The production handler and sweeper of customers in a world that breaks, thousands of times, each from a seed.

`CUSTOMER_SEEDS=5000-9000 make test ARGS=tests/simulation_customers` runs others; a failure names its seed.
"""

import os
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import structlog

from tests.simulation import virtual_time
from tests.simulation_customers.customer_world import USERS, World, judge
from worker.domain.customers.record import CustomerStatus

FIRST, END = (int(number) for number in os.environ.get("CUSTOMER_SEEDS", "0-600").split("-"))
AT_ONCE = 100
"""Seeds in one test, so that a failure stops only its neighbours."""


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
def test_every_user_has_one_customer(first: int, crashes: list[str]) -> None:
    """Whatever breaks, a user has at most one customer, nobody's method is touched, and all ends as Stripe says."""
    for seed in range(first, min(first + AT_ONCE, END)):
        try:
            lived(seed)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        assert not crashes, f"seed {seed}: {crashes}"


def test_a_seed_is_one_run() -> None:
    """The same seed gives the same story to the last entry."""
    first, second = lived(7), lived(7)
    assert first.store.customers == second.store.customers
    assert first.replies.replies == second.replies.replies


def test_the_runs_meet_what_they_are_for() -> None:
    """The seeds reach every end, second creates, returns after an erasure, found customers, and every outcome of a call."""
    worlds = [lived(seed) for seed in range(150)]
    records = [record for world in worlds for record in world.store.customers.values()]
    entries = [entry for record in records for entry in record.timeline]
    assert {record.status for record in records} == {
        CustomerStatus.ACTIVE,
        CustomerStatus.ABSENT,
        CustomerStatus.ERASED,
    }
    assert any(record.creates > 1 for record in records)
    assert any(record.strays for record in records), "a second customer that was found"
    assert any(record.erased_at and record.status is CustomerStatus.ACTIVE for record in records)
    for kind in ("create", "set_up", "set_default", "detach"):
        outcomes = {str(entry.outcome) for entry in entries if entry.kind == kind}
        assert outcomes >= {"applied", "refused"}, kind
    assert {entry.from_status for entry in entries} >= {CustomerStatus.CREATING, CustomerStatus.ERASING}
    assert any(entry.message.get("sends", 0) > 2 for entry in entries)
    assert sum(len(world.given) for world in worlds) > len(USERS) * len(worlds), "payments that got their customer"
