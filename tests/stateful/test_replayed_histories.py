"""Whatever a payment has lived through, its recorded steps make it again."""

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import structlog

from tests.simulation import virtual_time
from tests.simulation.world import World
from tests.stateful.histories import Life
from worker.adapters.documents import to_document
from worker.adapters.verify_store import stored
from worker.verification import Result, Verified, verify

HISTORIES = range(120)
RUNS = range(40)
"""Seeds; each takes some ten milliseconds."""

EQUAL = (Result.EQUAL, "", ())


@pytest.fixture
def quiet() -> Iterator[None]:
    """A simulated worker logs nothing."""

    def drop(_logger: Any, _name: str, _event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[drop])
    yield
    structlog.configure(**before)


def outcome(found: Verified) -> tuple[Result, str, tuple[object, ...]]:
    return found.result, found.why, found.differences


@pytest.mark.parametrize("order", [1, 2])
def test_every_history_can_be_replayed(order: int) -> None:
    """What generated histories leave, heard in different orders, is what their inputs make through `decide`."""
    for seed in HISTORIES:
        payment = Life(seed, order).live()
        found = verify(stored(to_document(payment)))
        assert outcome(found) == EQUAL, (seed, found)
        assert found.steps == payment.version + 1


@pytest.mark.usefixtures("quiet")
def test_every_simulated_run_can_be_replayed() -> None:
    """What several workers leave in a world that breaks, with any policy, is what the inputs make through `decide`."""
    steps = 0
    for seed in RUNS:
        world = World(seed)
        virtual_time.run(world.run())
        for payment in world.store.payments.values():
            found = verify(stored(to_document(payment)))
            assert outcome(found) == EQUAL, (seed, found)
            steps += found.steps
    assert steps > len(RUNS)
