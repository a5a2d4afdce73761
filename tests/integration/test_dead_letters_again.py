"""Fault row 36, dead letters replayed while the cause persists, and what else may come between: no database, a kill."""

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from contracts import topology
from sandbox.stack.choose import PrivateDatabase
from tests.e2e.support.publish import publish
from tests.e2e.support.service import Service
from tests.e2e.support.until import until
from tests.integration.dead_letter_desk import ARRIVED_S, Operator, confirm, create, open_letters

LETTERS = int(os.environ.get("TEST_DEAD_LETTERS", "100"))
"""`TEST_DEAD_LETTERS=10000 make test` is the row as it is written; on the embedded database it takes a quarter of an hour."""

ROUND_S = 30 + LETTERS / 10
PAYMENTS = 10
"""So many of the letters would move money; the others are about payments that do not exist."""

DEAD = {
    topology.HEADER_ORIGIN: topology.COMMANDS_QUEUE,
    topology.HEADER_REASON: "given up after 5 tries: Crash: load",
    topology.HEADER_ERROR_TYPE: "Crash",
    topology.HEADER_ATTEMPT: len(topology.TIERS),
}


@pytest.fixture
def operator(service: Service, capfd: pytest.CaptureFixture[str]) -> Operator:
    return Operator(service, capfd)


async def back(service: Service, arrivals: int) -> None:
    """Wait until every letter has come to the desk so often."""

    async def arrived() -> bool:
        found = service.database["dead_letters"].count_documents({"state": "open", "arrivals": arrivals})
        return found == LETTERS and not any((await service.queues()).values())

    await until(arrived, ROUND_S, f"not all {LETTERS} letters came to the desk for the {arrivals}. time")


@pytest.mark.timeout(300 + LETTERS)
async def test_fault_row_36_dead_letters_replayed_twice_while_the_cause_persists(
    service: Service, operator: Operator
) -> None:
    """They come back with their counts raised, apply nothing, hold nothing up, and apply once when the cause is mended."""
    armed = service.directory / "armed"
    armed.touch()
    await asyncio.gather(*(service.worker("--crash-at", "load", "--armed-by", str(armed)) for _ in range(2)))
    unpaid = [confirm(f"pay_0_{number}", f"confirm-{number}") for number in range(LETTERS - PAYMENTS)]
    creates = [create(f"order-{number}") for number in range(PAYMENTS)]
    await publish(service.rabbitmq_url, topology.DEAD, *unpaid, *creates, headers=DEAD)
    await back(service, arrivals=1)
    for times in (2, 3):
        done = await operator.replays("--all")
        assert (done["asked"], done["published"]) == (LETTERS, LETTERS)
        await back(service, arrivals=times)
        told = Counter(letter["attempt"] for letter in service.database["dead_letters"].find())
        assert told == {len(topology.TIERS) + times - 1: LETTERS}
        assert len(await operator.causes()) == 2, "one for each kind: the same crash"
    assert service.database["payments"].count_documents({}) == 0
    assert await service.stripe.posts() == []
    armed.unlink()
    assert (await operator.replays("--all"))["published"] == LETTERS

    async def applied() -> bool:
        refused = service.database["refusals"].count_documents({"code": "unknown_payment"})
        made = service.database["payments"].count_documents({"status": "requires_payment_method"})
        return (refused, made) == (LETTERS - PAYMENTS, PAYMENTS)

    await until(applied, ROUND_S, "not all were applied")
    assert (await operator.replays("--all"))["asked"] == 0
    assert len((await service.stripe.ledger())["payment_intents"]) == PAYMENTS


async def test_a_worker_killed_between_keeping_and_acknowledging_keeps_each_letter_once(service: Service) -> None:
    """A letter that is kept and not acknowledged is delivered again, and is the same letter with one arrival."""
    worker = service.make_worker("--kill-at", "handled")
    worker.child.start()
    await publish(service.rabbitmq_url, topology.DEAD, create("order-1"), headers=DEAD)
    assert await worker.child.ended(ARRIVED_S) == -signal.SIGKILL
    assert service.database["dead_letters"].count_documents({"arrivals": 1}) == 1
    await service.worker()
    await open_letters(service, 1, arrivals=1)


async def test_with_the_database_away_dead_letters_wait_in_their_queue(
    tmp_path: Path, vhost_url: str, private_database: PrivateDatabase, database_name: str
) -> None:
    """While the database is away letters stay in their queue in any number, and are kept when it is back."""
    async with Service(tmp_path, vhost_url, private_database.uri, database_name) as service:
        worker = await service.worker()
        private_database.kill()
        await publish(
            service.rabbitmq_url, topology.DEAD, *(create(f"order-{number}") for number in range(50)), headers=DEAD
        )
        await worker.logged("database_away", ARRIVED_S)

        async def all_wait() -> bool:
            return (await service.queues())[topology.DEAD_LETTERS_QUEUE] == 50

        await until(all_wait, ARRIVED_S, "they do not all wait in their queue")
        await private_database.restart()
        await open_letters(service, 50, arrivals=1)
        assert worker.child.alive
