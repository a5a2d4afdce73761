"""HTTP in to HTTP out: a query and a create through ingress, broker and worker, beside a route that does the work itself."""

import json
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import jwt
from pymongo import AsyncMongoClient

from benchmarks.load import send
from benchmarks.measure import Measure, Row, Sample, cpu_s
from contracts.commands import CaptureMethod
from sandbox.stack import choose
from sandbox.stack.processes import Child, plain_environment
from worker.adapters.documents import Document, to_document
from worker.domain.record import Payment, Status, payment_id

INGRESS = (sys.executable, "-m", "webhook_ingress")
WORKER = (sys.executable, "-m", "worker")
FLOOR = (sys.executable, str(Path(__file__).parent / "floor" / "http_route.py"))
SIMULATOR = (sys.executable, "-m", "sandbox", "stripe", "--port", "0", "--seed", "1")

SECRET = "the-secret-of-the-benchmark-is-long-enough"
STRIPE_KEY = "sk_test_benchmark"
USER = "user"
MUCH = "100000000/minute"
STARTED_S = 60.0

Requests = Callable[[int], list[bytes]]


class Stored:
    """Payments in a side's database, to be asked for in turn."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self.orders = [uuid.uuid4().hex for _ in range(200)]

    async def put(self) -> None:
        async with AsyncMongoClient[Document](self._uri) as client:
            collection = client.get_default_database()["payments"]
            await collection.insert_many([to_document(_waiting(order)) for order in self.orders])

    def asked(self, count: int) -> list[bytes]:
        """Whole requests, each for one of them by its id."""
        ids = [payment_id(order, 1) for order in self.orders]
        return [
            f"GET /api/payments/status/{ids[number % len(ids)]} HTTP/1.1\r\n{_head()}\r\n".encode()
            for number in range(count)
        ]


def creates(count: int) -> list[bytes]:
    """Whole requests, each for the payment of an order of its own."""
    made = []
    for _ in range(count):
        order = uuid.uuid4().hex
        body = json.dumps({"order_id": order, "amount": 1999, "currency": "eur"}).encode()
        head = f"Content-Type: application/json\r\nIdempotency-Key: {order}\r\nContent-Length: {len(body)}\r\n"
        made.append(f"POST /api/payments/intent HTTP/1.1\r\n{_head()}{head}\r\n".encode() + body)
    return made


def _head() -> str:
    claims = {"iss": "benchmark", "aud": "payments", "sub": USER, "exp": int(time.time()) + 3600}
    return f"Host: localhost\r\nAuthorization: Bearer {jwt.encode(claims, SECRET)}\r\n"


class Parts:
    """A broker, a database server and the simulator, and the processes that use them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        _, self._broker = choose.private_broker(directory / "rabbitmq", print)
        _, self._database = choose.private_database(directory / "mongodb")
        self._children: list[Child] = []
        self._uri = ""
        self._stripe = ""

    async def start(self) -> None:
        await self._broker.start()
        self._uri = await self._database.start()
        simulator = self._child("simulator", SIMULATOR)
        self._stripe = (await simulator.line(r"on (http://\S+)", STARTED_S))[1]

    async def discard(self) -> None:
        for child in self._children:
            child.kill()
        await self._broker.discard()
        await self._database.discard()

    def database(self, name: str) -> str:
        return urlunsplit(urlsplit(self._uri)._replace(path=f"/{name}"))

    async def ours(self) -> tuple[int, Sequence[Child]]:
        """Ingress and worker; the port to ask."""
        limits = dict.fromkeys(("RATE_LIMIT_STANDARD", "RATE_LIMIT_ADDRESS"), MUCH)
        tokens = {"JWT_SECRET": SECRET, "JWT_ISSUER": "benchmark", "JWT_AUDIENCE": "payments"}
        served = {"ROUTES": "public,admin", "HOST": "127.0.0.1", "PORT": "0"}
        ingress = self._child("ingress", INGRESS, RABBITMQ_URL=self._broker.url, **limits, **tokens, **served)
        worker = self._child(
            "worker",
            WORKER,
            RABBITMQ_URL=self._broker.url,
            MONGO_URI=self.database("ours"),
            STRIPE_SECRET_KEY=STRIPE_KEY,
            STRIPE_API_BASE=self._stripe,
            WORKER_PORT="0",
        )
        port = int((await ingress.line(r'"port": ?(\d+)', STARTED_S))[1])
        await ingress.http_ok(f"http://127.0.0.1:{port}/ready", STARTED_S)
        await worker.line(r'"event": ?"ready"', STARTED_S)
        return port, (ingress, worker)

    async def floor(self) -> tuple[int, Sequence[Child]]:
        """The direct route; the port to ask."""
        names = {"MONGO_URI": self.database("floor"), "STRIPE_API_BASE": self._stripe, "STRIPE_SECRET_KEY": STRIPE_KEY}
        child = self._child("floor", FLOOR, **names, JWT_SECRET=SECRET)
        return int((await child.line(r'"port": ?(\d+)', STARTED_S))[1]), (child,)

    def _child(self, name: str, command: Sequence[str], **names: str) -> Child:
        directory = self._directory / name
        child = Child(name, list(command), log=directory / "said.log", env=plain_environment(directory, **names))
        self._children.append(child)
        child.start()
        return child


def _measure(port: int, children: Sequence[Child], requests: Requests) -> Measure:
    async def measure(count: int) -> Sample:
        sent = requests(count)
        before_s = sum(cpu_s(child.pid) for child in children)
        answered, seconds = await send(port, sent)
        assert answered == count, "every request is answered"
        return Sample(answered, seconds, sum(cpu_s(child.pid) for child in children) - before_s)

    return measure


@asynccontextmanager
async def queries(directory: Path) -> AsyncIterator[tuple[Measure, Measure]]:
    """Both sides, each with payments in its database."""
    parts = Parts(directory)
    try:
        await parts.start()
        measures = []
        for name, side in (("ours", parts.ours), ("floor", parts.floor)):
            port, children = await side()
            stored = Stored(parts.database(name))
            await stored.put()
            measures.append(_measure(port, children, stored.asked))
        yield measures[0], measures[1]
    finally:
        await parts.discard()


@asynccontextmanager
async def creating(directory: Path) -> AsyncIterator[tuple[Measure, Measure]]:
    """Both sides, with one simulator of Stripe between them."""
    parts = Parts(directory)
    try:
        await parts.start()
        measures = [_measure(*await side(), creates) for side in (parts.ours, parts.floor)]
        yield measures[0], measures[1]
    finally:
        await parts.discard()


def _waiting(order: str) -> Payment:
    now = datetime.now(UTC)
    return Payment(
        id=payment_id(order, 1),
        order_id=order,
        user_id=USER,
        deployment="default",
        amount=1999,
        currency="eur",
        capture_method=CaptureMethod.AUTOMATIC,
        status=Status.REQUIRES_PAYMENT_METHOD,
        created_at=now,
        updated_at=now,
        issued_at=now,
        intent_id=f"pi_{order}",
    )


QUERY = Row(
    name="http-query",
    what="a payment asked for over HTTP: token, limit, broker, worker, database and back; the floor reads the database itself",
    messages=1000,
    open=queries,
)
CREATE = Row(
    name="http-create",
    what="a payment opened over HTTP, at the simulator of Stripe, until its secret is answered; the floor asks Stripe itself",
    messages=200,
    open=creating,
)
