"""The worker as it runs in production, with what only a test wants: a death or a crash at a named point.

    python tests/worker_process.py --kill-at committed:2 --armed-by /tmp/armed

A point counts each time that it is passed once the file `--armed-by` exists; `NAME:2` means the second time, `NAME` every
time. `--order` narrows `load` to one order; `--deaf` names a queue that this worker takes nothing from.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from aio_pika.abc import AbstractIncomingMessage

from contracts import topology
from contracts.transport import Published, Publisher
from worker import ports
from worker.__main__ import Wraps, main
from worker.adapters.consumer import Consumer
from worker.adapters.inbound import Story
from worker.domain.archive import Surplus
from worker.domain.messages import Answer, IntentSeen, ReadFailed
from worker.domain.record import Call, Payment
from worker.ports import Due, Ignored, Mark, Owner, Refusal

IN_FLIGHT_S = 0.001
"""So long after a write was begun the process dies in it: the embedded database needs about as long to keep it."""


class Crash(Exception):
    """A crash on purpose."""


class Hook:
    """Counts the points that are passed, and ends the process or the handler at the chosen one."""

    def __init__(self, kill_at: str, crash_at: str, armed_by: Path | None) -> None:
        self._kill_at = kill_at
        self._crash_at = crash_at
        self._armed_by = armed_by
        self._counts: Counter[str] = Counter()

    def passed(self, point: str) -> None:
        if self._armed_by is not None and not self._armed_by.exists():
            return
        self._counts[point] += 1
        names = {point, f"{point}:{self._counts[point]}"}
        if self._kill_at in names:
            os.kill(os.getpid(), signal.SIGKILL)
        if self._crash_at in names:
            raise Crash(point)

    def watches(self, point: str) -> bool:
        return self._kill_at.partition(":")[0] == point


class WatchedStore:
    """Points: `load` before a message's first look, `commit`, `committing`, `committed` around a write, `mark`."""

    def __init__(self, inner: ports.Store, hook: Hook, order: str | None) -> None:
        self._inner = inner
        self._hook = hook
        self._order = order

    async def by_id(self, payment_id: str) -> Payment | None:
        if self._order is None:
            self._hook.passed("load")
        return await self._inner.by_id(payment_id)

    async def by_order(self, order_id: str) -> list[Payment]:
        if self._order in {None, order_id}:
            self._hook.passed("load")
        return await self._inner.by_order(order_id)

    async def by_intent(self, intent_id: str) -> Payment | None:
        return await self._inner.by_intent(intent_id)

    async def commit(self, before: Payment | None, after: Payment) -> Payment | None:
        self._hook.passed("commit")
        writing = asyncio.ensure_future(self._inner.commit(before, after))
        if self._hook.watches("committing"):
            await asyncio.wait({writing}, timeout=IN_FLIGHT_S)
            self._hook.passed("committing")
        stored = await writing
        self._hook.passed("committed")
        return stored

    async def mark_sent(self, marks: Sequence[Mark]) -> None:
        self._hook.passed("mark")
        await self._inner.mark_sent(marks)

    async def unsent(self, before: datetime, limit: int) -> list[Payment]:
        return await self._inner.unsent(before, limit)

    async def due(self, now: datetime, limit: int) -> list[Due]:
        return await self._inner.due(now, limit)

    async def record_refusal(self, refusal: Refusal) -> None:
        await self._inner.record_refusal(refusal)

    async def refusal(self, message_id: str) -> Refusal | None:
        return await self._inner.refusal(message_id)

    async def archive(self, payment: Payment, moved: Surplus) -> bool:
        return await self._inner.archive(payment, moved)

    async def recall(self, payment: Payment, message_id: str) -> Payment:
        return await self._inner.recall(payment, message_id)

    async def of_user(self, user_id: str, limit: int) -> list[str]:
        return await self._inner.of_user(user_id, limit)

    async def erase_archive(self, payment_id: str, tombstone: str) -> None:
        await self._inner.erase_archive(payment_id, tombstone)

    async def record_ignored(self, ignored: Ignored) -> None:
        await self._inner.record_ignored(ignored)


class WatchedGateway:
    """Points: `send` before a request leaves, `sent` when Stripe has answered it."""

    def __init__(self, inner: ports.Gateway, hook: Hook) -> None:
        self._inner = inner
        self._hook = hook

    async def send(self, call: Call, payment: Payment, chained: int) -> Answer:
        self._hook.passed("send")
        answer = await self._inner.send(call, payment, chained)
        self._hook.passed("sent")
        return answer

    async def read(self, intent_id: str, version: int, *, for_secret: bool = False) -> IntentSeen | ReadFailed:
        return await self._inner.read(intent_id, version, for_secret=for_secret)

    async def find(self, call: Call, payment: Payment) -> Answer:
        return await self._inner.find(call, payment)

    async def owner(self, intent_id: str) -> Owner | ReadFailed:
        return await self._inner.owner(intent_id)


class WatchedPublisher(Publisher):
    """Points: `published` when the broker has confirmed an event, `tiered` when it has confirmed a delayed message."""

    def __init__(self, inner: Publisher, hook: Hook) -> None:
        super().__init__(inner._connection, replying=inner._replying)
        self._hook = hook

    async def publish(self, exchange: str, routing_key: str, body: bytes, **options: Any) -> Published:
        published = await super().publish(exchange, routing_key, body, **options)
        if exchange == topology.EVENTS:
            self._hook.passed("published")
        if exchange == topology.RETRY:
            self._hook.passed("tiered")
        return published


def watched(consumer: Consumer, hook: Hook, deaf: str | None) -> Consumer:
    """Point: `handled` when a message is applied and not yet acknowledged."""
    if consumer.name == deaf:
        consumer._declared = topology.subscription("nothing")
    apply = consumer._apply

    async def handled(message: AbstractIncomingMessage) -> Story:
        report = await apply(message)
        hook.passed("handled")
        return report

    consumer._apply = handled
    return consumer


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kill-at", default="")
    parser.add_argument("--crash-at", default="")
    parser.add_argument("--armed-by", type=Path)
    parser.add_argument("--order")
    parser.add_argument("--deaf")
    chosen = parser.parse_args()
    at = Hook(chosen.kill_at, chosen.crash_at, chosen.armed_by)
    wraps = Wraps(
        store=lambda store: WatchedStore(store, at, chosen.order),
        gateway=lambda gateway: WatchedGateway(gateway, at),
        publisher=lambda publisher: WatchedPublisher(publisher, at),
        consumer=lambda consumer: watched(consumer, at, chosen.deaf),
    )
    sys.exit(main([], wraps=wraps))
