"""Queries: in, answered, and forgotten. Nothing of them is kept, retried or dead-lettered; a late answer helps nobody.

Unlike the queues of commands this one is never paused: with the database away each query is told so at once. Every delivery
is acked when it is answered, whatever came of it. Only a dying connection leaves one unacked, and then another worker
answers it, if it is young enough (contracts/topology.py, QUERY_TTL_MS).
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

import structlog
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue, AbstractRobustChannel, AbstractRobustConnection
from aio_pika.exceptions import AMQPError

from contracts import topology
from contracts.envelope import MAX_BODY_BYTES, decode, encode, unwrap, wrap
from contracts.errors import InvalidMessage
from contracts.queries import QUERIES, AnyAnswer, AnyQuery, QueryRefusal, QueryRefusalCode
from contracts.transport import Publisher, declare_queue
from worker.adapters.consumer import is_registered
from worker.adapters.outbox import SOURCE
from worker.ending import end
from worker.errors import StoreUnavailable

DEADLINE_S = 5.0
"""Far above what any query takes, below what its asker waits (contracts/client.py, ANSWER_TIMEOUT_S)."""

CANCEL_S = 2.0
"""A cancel waits for the broker's word: for ever, when the broker is down."""

Answer = Callable[[AnyQuery], Awaitable[AnyAnswer]]
log = structlog.get_logger()


class QueryConsumer:
    """Consumes the query queue on a channel of its own, at most `prefetch` queries at once.

    `answered` counts answers, a refusal under its code and the rest as "ok"; `busy_s` the seconds that they took together.
    """

    def __init__(self, answer: Answer, publisher: Publisher, *, prefetch: int, deadline_s: float = DEADLINE_S) -> None:
        self._answer = answer
        self._publisher = publisher
        self._prefetch = prefetch
        self._deadline_s = deadline_s
        self._running: set[asyncio.Task[Any]] = set()
        self.answered: Counter[str] = Counter()
        self.busy_s = 0.0
        self._channel: AbstractRobustChannel | None = None
        self._queue: AbstractQueue | None = None
        self._tag: str | None = None

    async def start(self, connection: AbstractRobustConnection, *, passive: bool = False) -> None:
        """Declare the queue, or with `passive` look for it, and consume it; after a reconnect the channel does both again."""
        self._channel = await connection.channel(publisher_confirms=False)
        await self._channel.set_qos(prefetch_count=self._prefetch)
        declared = next(queue for queue in topology.QUEUES if queue.name == topology.QUERIES_QUEUE)
        self._queue = await declare_queue(self._channel, declared, passive=passive)
        self._tag = await self._queue.consume(self._on_message)

    async def registered(self) -> bool:
        """Whether the broker knows us as a consumer right now."""
        return await is_registered(self._channel, self._tag)

    async def drain(self, grace_s: float) -> None:
        """Take nothing new, and let what runs finish within `grace_s` seconds."""
        tag, self._tag = self._tag, None
        if tag is not None and self._queue is not None:
            try:
                async with asyncio.timeout(CANCEL_S):
                    await self._queue.cancel(tag)
            except (AMQPError, ConnectionError, OSError, RuntimeError, TimeoutError):
                log.info("consumer_cancel_failed", queue=topology.QUERIES_QUEUE)
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=grace_s)
            await end(late)

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            await self._settle(message)
        finally:
            self._running.discard(task)

    async def _settle(self, message: AbstractIncomingMessage) -> None:
        began = perf_counter()
        query_id, answer = await self._answered(message)
        body = _encoded(query_id, answer)
        if len(body) > MAX_BODY_BYTES:
            answer = _refusal(QueryRefusalCode.INVALID, "the answer would be too large: ask for less")
            body = _encoded(query_id, answer)
        if message.reply_to:
            await self._publisher.reply(message.reply_to, message.correlation_id, body, kind=answer.TYPE)
        try:
            await message.ack()
        except (AMQPError, ConnectionError, RuntimeError):
            log.info("ack_lost", queue=topology.QUERIES_QUEUE)
        took_s = perf_counter() - began
        story = {"kind": message.type or "?", "answer": answer.TYPE, "ms": round(took_s * 1000, 1)}
        outcome = "ok"
        if isinstance(answer, QueryRefusal):
            story["code"] = outcome = answer.code.value
        self.answered[outcome] += 1
        self.busy_s += took_s
        log.info("query", **story)

    async def _answered(self, message: AbstractIncomingMessage) -> tuple[str, AnyAnswer]:
        """The query's id, where it has one, and its answer or why there is none."""
        query_id = ""
        try:
            envelope = decode(message.body)
            query_id = envelope.id
            query = unwrap(envelope, QUERIES)
            async with asyncio.timeout(self._deadline_s):
                return query_id, await self._answer(query)
        except InvalidMessage as error:
            return error.message_id, _refusal(QueryRefusalCode.INVALID, error.rule, error.field)
        except StoreUnavailable:
            return query_id, _refusal(QueryRefusalCode.UNAVAILABLE, "the database does not answer: ask again later")
        except TimeoutError:
            return query_id, _refusal(QueryRefusalCode.UNAVAILABLE, "it took too long: ask again, or for less")
        except Exception:
            log.exception("query_crashed", kind=message.type or "?")
            return query_id, _refusal(QueryRefusalCode.UNAVAILABLE, "it could not be answered")


def _encoded(query_id: str, answer: AnyAnswer) -> bytes:
    return encode(
        wrap(
            answer,
            kind=answer.TYPE,
            version=answer.VERSION,
            message_id=f"answer-{uuid.uuid4().hex}",
            source=SOURCE,
            causation_id=query_id or None,
        )
    )


def _refusal(code: QueryRefusalCode, message: str, field: str | None = None) -> QueryRefusal:
    return QueryRefusal(code=code, message=message, field=field or None)
