"""A message that kills whoever takes it: alone in quarantine after three deaths, a dead letter after more."""

import asyncio
import signal

from contracts import topology
from contracts.commands import CreatePayment
from contracts.envelope import encode, wrap
from contracts.replies import Verdict
from tests.e2e.support.publish import publish, take_dead
from tests.e2e.support.service import Service
from tests.e2e.support.until import until

DEATHS = 3 + topology.QUARANTINE_DELIVERY_LIMIT + 1
"""Three among others; then alone, until it has come back more often than the limit allows."""

DIED_S = 20.0
CREATED_S = 150.0  # through all those deaths, each of which takes a start first
POISON = "order-poison"
HOOKS = ("--kill-at", "load", "--order", POISON, "--deaf", topology.DEAD_LETTERS_QUEUE)
"""Deaf to dead letters: this test looks at what they are on the broker."""


async def test_fault_row_34_a_message_that_kills_its_worker(service: Service) -> None:
    """It kills three workers among others' commands, then only when alone, ends as a dead letter, and nobody else suffers."""
    body = CreatePayment(order_id=POISON, user_id="user-1", amount=1999, currency="eur")
    poison = encode(wrap(body, kind=body.TYPE, version=1, message_id="create-poison", source="tests"))
    asking = []
    await publish(service.rabbitmq_url, topology.COMMANDS, poison, kind=body.TYPE)
    for death in range(DEATHS):
        asking += [
            asyncio.create_task(service.created(f"order-{death}-{number}", within_s=CREATED_S)) for number in range(5)
        ]
        worker = service.make_worker(*HOOKS)
        worker.child.start()
        assert await worker.child.ended(within_s=DIED_S) == -signal.SIGKILL
    worker = await service.worker(*HOOKS)
    assert all(await asyncio.gather(*asking))
    await until(lambda: dead(service), DIED_S, "there is no dead letter")
    (letter,) = await take_dead(service.rabbitmq_url)
    assert letter.body == poison
    assert letter.headers[topology.HEADER_ORIGIN] == topology.COMMANDS_QUEUE
    assert (await service.create("order-after")).verdict is Verdict.ACCEPTED
    await service.assert_promises()
    assert worker.child.alive


async def dead(service: Service) -> bool:
    return (await service.queues())[topology.DEAD_LETTERS_QUEUE] == 1
