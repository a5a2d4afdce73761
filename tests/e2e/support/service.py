"""The whole service as processes, and everybody who talks to it.

async with Service(tmp_path, vhost_url, mongo_client, database_name) as service:
    worker = await service.worker()
    reply = await service.create("order-1")
    await service.stripe.pay(reply.client_secret)
    await service.assert_promises()
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import aio_pika
from aio_pika.exceptions import ChannelNotFoundEntity
from pymongo import MongoClient

from contracts import topology
from contracts.client import PaymentsClient
from contracts.commands import CancelPayment, Command, ConfirmPayment, CreatePayment, RefundPayment
from contracts.errors import NoReply, NotStored, OutcomeUnknown
from contracts.replies import RefusalCode, Reply, Verdict
from sandbox.stack.ports import free_port
from tests.e2e.support.books import Books, unsettled, wrongs
from tests.e2e.support.listener import Listener
from tests.e2e.support.stripe import Simulator
from tests.e2e.support.until import until, until_none
from tests.e2e.support.worker import WorkerProcess
from tests.ingress_process import IngressProcess
from tests.ingress_requests import WEBHOOK_PATH

REPLY_S = 20.0
IMPATIENT_S = 5.0
"""For one who asks again: a reply that was lost with its connection never comes."""

SETTLED_S = 30.0
RETURN_URL = "https://shop.example/back"

Database = MongoClient[dict[str, Any]]


def named(mongo_uri: str, database: str) -> str:
    """The address of one database of a server."""
    return urlunsplit(urlsplit(mongo_uri)._replace(path=f"/{database}"))


class Service:
    """Simulator, ingress, a listener and a client; workers as they are asked for."""

    def __init__(self, directory: Path, rabbitmq_url: str, mongo_uri: str, database: str) -> None:
        port = free_port()
        self.directory = directory
        self.rabbitmq_url = rabbitmq_url
        self.mongo_uri = named(mongo_uri, database)
        self.stripe = Simulator(directory, f"http://127.0.0.1:{port}{WEBHOOK_PATH}")
        self.ingress = IngressProcess(directory, rabbitmq_url, PORT=str(port))
        self.listener = Listener(rabbitmq_url)
        self.payments = PaymentsClient(rabbitmq_url, source="tests")
        self.mongo: Database = MongoClient(mongo_uri, tz_aware=True)
        self.database = self.mongo[database]
        self.workers: list[WorkerProcess] = []
        self.commands: set[str] = set()
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as closing:
            closing.callback(self.mongo.close)
            closing.callback(self._kill_workers)
            closing.callback(self.ingress.child.kill)
            closing.push_async_callback(self.stripe.stop)
            await asyncio.gather(self.stripe.start(), self.ingress.start(), closing.enter_async_context(self.listener))
            await closing.enter_async_context(self.payments)
            self._closing = closing.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._closing.aclose()

    def make_worker(self, *hooks: str, **variables: str) -> WorkerProcess:
        directory = self.directory / f"worker-{len(self.workers) + 1}"
        made = WorkerProcess(directory, self.rabbitmq_url, self.mongo_uri, self.stripe.url, hooks=hooks, **variables)
        self.workers.append(made)
        return made

    async def worker(self, *hooks: str, **variables: str) -> WorkerProcess:
        """Start one more worker and wait until it consumes."""
        made = self.make_worker(*hooks, **variables)
        await made.start()
        return made

    async def create(self, order: str, *, command_id: str | None = None, reply_s: float = REPLY_S) -> Reply:
        command = CreatePayment(order_id=order, user_id="user-1", amount=1999, currency="eur")
        return await self.send(command, command_id or f"create-{order}", reply_s=reply_s)

    async def created(
        self,
        order: str,
        *,
        command_id: str | None = None,
        within_s: float = SETTLED_S,
        reply_s: float = IMPATIENT_S,
    ) -> str:
        """Create until the answer is final, under one command id, whatever happens to answers; the client secret.

        Empty when Stripe did not create it: then the order may try again, under another command id.
        """
        secret = ""

        async def settled() -> bool:
            nonlocal secret
            try:
                reply = await self.create(order, command_id=command_id, reply_s=reply_s)
            except (NoReply, NotStored, OutcomeUnknown):
                return False
            assert reply.refusal is None or reply.refusal.code is RefusalCode.PROVIDER_ERROR, reply
            secret = reply.client_secret or ""
            return reply.verdict is not Verdict.PENDING

        await until(settled, within_s, f"{order} was not created")
        return secret

    async def confirm(self, payment: str, *, method: str = "pm_card_visa", command_id: str | None = None) -> Reply:
        command = ConfirmPayment(payment_id=payment, payment_method=method, return_url=RETURN_URL)
        return await self.send(command, command_id or f"confirm-{payment}")

    async def paid(self, order: str, method: str = "pm_card_visa") -> str:
        """Create and pay, and wait until the payment knows it; its id."""
        assert await self.stripe.pay(await self.created(order), method) == "succeeded"

        async def known() -> bool:
            return bool(self.payment(order)["captured"])

        await until(known, SETTLED_S, f"{order} never learnt that it is paid")
        return str(self.payment(order)["_id"])

    async def refund(
        self,
        payment: str,
        refund_id: str,
        amount: int | None = None,
        *,
        command_id: str | None = None,
        reply_s: float = REPLY_S,
    ) -> Reply:
        command = RefundPayment(payment_id=payment, refund_id=refund_id, amount=amount, requested_by="support-1")
        return await self.send(command, command_id or f"refund-{refund_id}", reply_s=reply_s)

    async def cancel(self, order: str) -> Reply:
        return await self.send(CancelPayment(order_id=order), f"cancel-{order}")

    async def send(self, command: Command, command_id: str, *, reply_s: float = REPLY_S) -> Reply:
        self.commands.add(command_id)
        return await self.payments.send(command, command_id=command_id, reply_timeout_s=reply_s)

    def payment(self, order: str) -> dict[str, Any]:
        """The only payment of an order, as stored."""
        found = list(self.database["payments"].find({"order_id": order}))
        assert len(found) == 1, f"{order} has {len(found)} payments"
        return found[0]

    def payments_stored(self) -> list[dict[str, Any]]:
        """Every payment, whole: with what has moved to the archive."""
        return [self._whole(payment) for payment in self.database["payments"].find()]

    def _whole(self, payment: dict[str, Any]) -> dict[str, Any]:
        if not payment["archived"]:
            return payment
        kept: dict[str, list[Any]] = {"entry": [], "call": [], "event": [], "input": []}
        for document in self.database["archive"].find({"payment_id": payment["_id"]}).sort("_id"):
            kept[document["kind"]].append(document["value"])
        lists = {"timeline": kept["entry"], "calls": kept["call"], "events": kept["event"], "inputs": kept["input"]}
        return payment | {name: found + payment[name] for name, found in lists.items()}

    async def books(self) -> Books:
        """Everybody's books now. The broker's come first: what leaves a queue meanwhile is in the database by then."""
        queues = await self.queues()
        ledger, posts, pending, delivered = await asyncio.gather(
            self.stripe.ledger(), self.stripe.posts(), self.stripe.pending(), self.stripe.delivered()
        )
        return Books(
            payments=self.payments_stored(),
            customers=list(self.database["customers"].find()),
            refusals={str(found["_id"]) for found in self.database["refusals"].find({}, {"_id": 1})},
            ignored={str(found["_id"]) for found in self.database["stripe_events"].find({}, {"_id": 1})},
            dead=self.database["dead_letters"].count_documents({}),
            queues=queues,
            ledger=ledger,
            posts=posts,
            pending_webhooks=pending,
            delivered=delivered,
            commands=frozenset(self.commands),
            listener=self.listener,
            gone=frozenset(queue.name for queue in topology.QUEUES) - queues.keys(),
        )

    async def queues(self) -> dict[str, int]:
        """Messages that wait in each of payments' queues; one that is not there is left out."""
        waiting: dict[str, int] = {}
        async with await aio_pika.connect(self.rabbitmq_url, timeout=10) as connection:
            channel = await connection.channel()
            for queue in topology.QUEUES:
                try:
                    declared = await channel.declare_queue(queue.name, passive=True)
                except ChannelNotFoundEntity:
                    channel = await connection.channel()  # the broker has closed the one that asked
                else:
                    waiting[queue.name] = declared.declaration_result.message_count or 0
        return waiting

    async def quiesce(self, within_s: float = SETTLED_S) -> Books:
        """Wait until nothing is on its way any more. Fails with what still is."""

        async def left() -> Sequence[str]:
            return unsettled(await self.books())

        await until_none(left, within_s)
        return await self.books()

    async def assert_promises(self, within_s: float = SETTLED_S) -> Books:
        """P1-P5 hold once everything has drained."""
        books = await self.quiesce(within_s)
        found = wrongs(books)
        assert not found, "\n".join(found)
        return books

    def _kill_workers(self) -> None:
        for worker in self.workers:
            worker.child.kill()
