"""The ingress as a real process, the requests that are sent to it, and a look into its queue."""

import asyncio
import io
import itertools
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aio_pika
import aiohttp
from aio_pika.abc import AbstractIncomingMessage
from yarl import URL

from contracts import topology
from sandbox.stack.processes import Child, plain_environment
from tests.ingress_requests import SECRET, TOKEN_SETTINGS, WEBHOOK_PATH, bearer, event_body, signature_header

PROGRAM = (sys.executable, "-m", "webhook_ingress")
POLL_S = 0.1  # another process gives us nothing to await
STARTED_S = 20.0
REQUEST_S = 30.0  # far above the 3 s that are promised: a hang is told apart from a late answer


class IngressProcess:
    """One process with the settings that it needs, on a free port. `start` may be called again after it ended."""

    def __init__(
        self, directory: Path, rabbitmq_url: str, *, program: Sequence[str] = PROGRAM, **variables: str
    ) -> None:
        environment = {
            "RABBITMQ_URL": rabbitmq_url,
            "STRIPE_WEBHOOK_SECRET": SECRET,
            **TOKEN_SETTINGS,
            "HOST": "127.0.0.1",
            "PORT": "0",
            **variables,
        }
        self.child = Child(
            "the ingress", program, log=directory / "ingress.log", env=plain_environment(directory, **environment)
        )
        self.url = ""
        self.port = 0

    async def start(self) -> None:
        """Start and wait for the line with the address."""
        before = len(self.lines("listening"))
        self.child.start()

        async def probe() -> bool:
            return len(self.lines("listening")) > before

        await self.child.ready(probe, STARTED_S)
        self.port = self.lines("listening")[-1]["port"]
        self.url = f"http://127.0.0.1:{self.port}"

    async def logged(self, event: str, within_s: float, **fields: object) -> None:
        """Wait for a log line of this event with these fields. A request's line is written after its answer."""

        async def probe() -> bool:
            return any(fields.items() <= line.items() for line in self.lines(event))

        await self.child.ready(probe, within_s)

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The whole log lines of this event, so far."""
        whole = self.child.text().rpartition("\n")[0].splitlines()
        parsed = [json.loads(line) for line in whole if line.startswith("{")]
        return [line for line in parsed if line["event"] == event]


class Sender:
    """Posts as Stripe would. `acknowledged` are the ids of the events that were answered 200."""

    def __init__(self, ingress: IngressProcess, session: aiohttp.ClientSession) -> None:
        self._ingress = ingress
        self._session = session
        self.acknowledged: list[str] = []

    async def post(self, event_id: str = "evt_1", body: bytes | None = None) -> int:
        """The status; raises aiohttp.ClientError when there is no answer."""
        sent = event_body(event_id) if body is None else body
        headers = {"Stripe-Signature": signature_header(sent), "Content-Type": "application/json"}
        async with self._session.post(
            self._ingress.url + WEBHOOK_PATH, data=io.BytesIO(sent), headers=headers
        ) as answer:
            if answer.status == 200:
                self.acknowledged.append(event_id)
            return answer.status

    async def get(self, path: str) -> int:
        async with self._session.get(self._ingress.url + path) as answer:
            return answer.status

    async def until_stored(self, within_s: float) -> None:
        """Post until one is stored. Raises NotReady."""
        numbers = itertools.count()

        async def probe() -> bool:
            return await self.post(f"evt_again_{next(numbers)}") == 200

        await self._ingress.child.ready(probe, within_s)

    async def until_ready(self, status: int, within_s: float) -> None:
        """Ask for readiness until it is the status given. Raises NotReady."""

        async def probe() -> bool:
            return await self.get("/ready") == status

        await self._ingress.child.ready(probe, within_s)

    async def keep_posting(self, name: str, stop: asyncio.Event) -> None:
        """Post one after the other until told to stop; broken connections and refusals are passed over."""
        number = 0
        while not stop.is_set():
            number += 1
            try:
                await self.post(f"evt_{name}_{number}")
            except (aiohttp.ClientError, ConnectionError):
                await asyncio.sleep(POLL_S)


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: dict[str, Any]


class User:
    """Somebody with a token, or nobody, over one session. `asked` are the ids of the commands that were answered."""

    def __init__(self, url: str, session: aiohttp.ClientSession, headers: Mapping[str, str]) -> None:
        self._url = url
        self._session = session
        self._headers = dict(headers)
        self.asked: set[str] = set()

    async def get(self, path: str) -> Answer:
        return await self.ask("GET", path)

    async def post(self, path: str, body: Any = None, *, key: str | None = None) -> Answer:
        return await self.ask("POST", path, body, key=key)

    async def ask(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Answer:
        """One request; a Location can be asked for as it is."""
        headers = self._headers | ({"Idempotency-Key": key} if key else {})
        url = URL(self._url + path, encoded=True)
        async with self._session.request(method, url, json=body, headers=headers) as got:
            told = await got.json(content_type=None)
            if "command_id" in told:
                self.asked.add(told["command_id"])
            return Answer(got.status, {name.lower(): value for name, value in got.headers.items()}, told)


@asynccontextmanager
async def users(url: str) -> AsyncIterator[Callable[..., User]]:
    """Lend users of an ingress: `user("user-1", "admin")` has a token with these roles, `user(None)` has none."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_S)) as session:

        def user(subject: str | None, *roles: str) -> User:
            return User(url, session, bearer(subject, *roles) if subject is not None else {})

        yield user


@asynccontextmanager
async def running(ingress: IngressProcess) -> AsyncIterator[Sender]:
    """Start it, lend a sender, end it."""
    timeout = aiohttp.ClientTimeout(total=REQUEST_S)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        try:
            await ingress.start()
            yield Sender(ingress, session)
        finally:
            ingress.child.kill()


async def take_all(rabbitmq_url: str) -> list[AbstractIncomingMessage]:
    """Empty the queue of webhooks."""
    connection = await aio_pika.connect(rabbitmq_url, timeout=10)
    async with connection:
        channel = await connection.channel()
        queue = await channel.get_queue(topology.STRIPE_QUEUE, ensure=False)
        taken = []
        while (message := await queue.get(fail=False, no_ack=True)) is not None:
            taken.append(message)
        return taken


async def stored_ids(rabbitmq_url: str) -> list[str]:
    """The event ids in the queue, which is empty afterwards."""
    return [str(message.headers[topology.HEADER_STRIPE_EVENT_ID]) for message in await take_all(rabbitmq_url)]
