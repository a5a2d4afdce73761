"""Webhook deliveries: signed, retried until a 2xx, and on demand dropped, held, delayed, repeated, reordered or badly signed.

Signatures are dated by the real clock and not by the simulated one: whoever verifies them has not moved his clock. Retries run
in real time too, hours shortened to seconds; a jump of the simulated clock makes the waiting ones due at once.
"""

import asyncio
import dataclasses
import hashlib
import hmac
import random
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from sandbox.stripe.clock import Clock
from sandbox.stripe.encoding import to_json
from sandbox.stripe.errors import Json
from sandbox.stripe.events import matches
from sandbox.stripe.world import World

CONCURRENCY = 32  # deliveries in flight at once; more would only queue at the receiver
TIMEOUT_S = 20.0  # Stripe waits longer than 10 s in practice; a receiver is expected to answer at once
RETRY_DELAYS_S = (0.2, 0.5, 1.0, 2.0, 5.0, 5.0, 10.0)  # stands for Stripe's "up to three days with exponential backoff"
MAX_ATTEMPTS = 40  # about five minutes with the delays above, the last of which repeats
KEPT_DELIVERIES = 10_000  # the log that GET /_sim/deliveries shows
WRONG_SECRET = "whsec_wrong"  # noqa: S105  a secret that is wrong on purpose
TIMER_POLL_S = 0.02
USER_AGENT = "Stripe/1.0 (+https://stripe.com/docs/webhooks)"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What happens to deliveries from now on. `types` limits it to these events (patterns); all others go out normally."""

    types: tuple[str, ...] = ("*",)
    duplicate_rate: float = 0.0
    duplicates: int = 1  # extra copies of an event that the rate hits
    drop_rate: float = 0.0
    reorder_window_ms: int = 0  # each delivery waits a random time up to this
    delay_ms: int = 0
    hold: bool = False
    timestamp_offset_s: int = 0
    signing: str = "normal"  # normal | wrong | none
    max_attempts: int = MAX_ATTEMPTS
    retry_delays_ms: tuple[int, ...] = tuple(int(delay * 1000) for delay in RETRY_DELAYS_S)


@dataclass(slots=True)
class Delivery:
    """One event to one endpoint."""

    event_id: str
    kind: str
    endpoint_id: str
    body: bytes
    counts: bool  # the original; copies and redeliveries do not count for pending_webhooks
    attempts: int = 0
    state: str = "pending"  # pending | held | delivered | failed | dropped
    status: int | None = None
    error: str | None = None
    wake: asyncio.TimerHandle | None = field(default=None, repr=False)


def sign(body: bytes, secrets: list[str], timestamp: int) -> str:
    """The Stripe-Signature header: one v1 for every active secret."""
    message = b"%d.%b" % (timestamp, body)
    parts = [f"v1={hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()}" for secret in secrets]
    return ",".join([f"t={timestamp}", *parts])


class Webhooks:
    """The queue between the events and the endpoints."""

    def __init__(self, world: World, *, seed: int | None = None, concurrency: int = CONCURRENCY) -> None:
        self._world = world
        self._random = random.Random(seed)
        self._concurrency = concurrency
        self._queue: asyncio.Queue[Delivery] = asyncio.Queue()
        self._waiting: set[int] = set()
        self._by_id: dict[int, Delivery] = {}
        self._held: list[Delivery] = []
        self._open = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._workers: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None
        self.behaviour = Behaviour()
        self.log: deque[Delivery] = deque(maxlen=KEPT_DELIVERIES)
        self.counts = dict.fromkeys(("delivered", "failed", "dropped", "attempts", "duplicates"), 0)

    async def start(self) -> None:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=self._concurrency))
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._concurrency)]

    async def stop(self) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        for delivery in self._by_id.values():
            if delivery.wake is not None:
                delivery.wake.cancel()
        if self._session is not None:
            await self._session.close()

    def dispatch(self, event: Json) -> None:
        """Send a new event to every enabled endpoint that asked for its type."""
        endpoints = [
            endpoint
            for endpoint in self._world.webhook_endpoints
            if endpoint["status"] == "enabled"
            and any(matches(event["type"], pattern) for pattern in endpoint["enabled_events"])
        ]
        if not endpoints:
            return
        event = self._world.events.change(event, pending_webhooks=len(endpoints))
        for endpoint in endpoints:
            body = _rendered(event, endpoint)
            self._accept(Delivery(event["id"], event["type"], endpoint["id"], body, counts=True))

    def redeliver(self, event: Json) -> int:
        """Send an event of the past again, whatever the behaviour says. Returns to how many endpoints."""
        endpoints = [endpoint for endpoint in self._world.webhook_endpoints if endpoint["status"] == "enabled"]
        for endpoint in endpoints:
            body = _rendered(event, endpoint)
            self._later(self._opened(Delivery(event["id"], event["type"], endpoint["id"], body, counts=False)), 0)
        return len(endpoints)

    def release(self, order: str = "oldest") -> int:
        """Let go what is held: `oldest` first, `newest` first or `random`."""
        held, self._held = self._held, []
        if order == "newest":
            held.reverse()
        elif order == "random":
            self._random.shuffle(held)
        for delivery in held:
            delivery.state = "pending"
            self._later(self._opened(delivery), 0)
        return len(held)

    def reseed(self, seed: int | None) -> None:
        self._random = random.Random(seed)

    def hurry(self) -> None:
        """Make every waiting retry due now."""
        for key in list(self._waiting):
            delivery = self._by_id[key]
            if delivery.wake is not None:
                delivery.wake.cancel()
            self._due(delivery)

    async def quiet_within(self, timeout_s: float, clock: Clock | None = None) -> bool:
        """Wait until nothing is pending (held deliveries do not count), with a clock also for the timers due by then."""
        ends = self._world.clock.time() + timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
                while clock is not None and (clock.is_due_within(ends - clock.time()) or self._open):
                    await asyncio.sleep(TIMER_POLL_S)
                    await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def state(self) -> Json:
        return {"pending": self._open, "held": len(self._held), **self.counts}

    def _accept(self, delivery: Delivery) -> None:
        """Apply the behaviour to a new delivery."""
        rules = self.behaviour
        self.log.append(delivery)
        if not any(matches(delivery.kind, pattern) for pattern in rules.types):
            self._later(self._opened(delivery), 0)
            return
        if rules.drop_rate and self._random.random() < rules.drop_rate:
            delivery.state = "dropped"
            self.counts["dropped"] += 1
            return
        copies = [delivery]
        if rules.duplicate_rate and self._random.random() < rules.duplicate_rate:
            copies += [dataclasses.replace(delivery, counts=False) for _ in range(rules.duplicates)]
            self.counts["duplicates"] += rules.duplicates
            self.log.extend(copies[1:])
        for copy in copies:
            if rules.hold:
                copy.state = "held"
                self._held.append(copy)
                continue
            wait_ms = rules.delay_ms
            if rules.reorder_window_ms:
                wait_ms += self._random.randint(0, rules.reorder_window_ms)
            self._later(self._opened(copy), wait_ms / 1000)

    def _opened(self, delivery: Delivery) -> Delivery:
        self._open += 1
        self._idle.clear()
        self._by_id[id(delivery)] = delivery
        return delivery

    def _later(self, delivery: Delivery, delay_s: float) -> None:
        if delay_s <= 0:
            self._queue.put_nowait(delivery)
            return
        self._waiting.add(id(delivery))
        delivery.wake = asyncio.get_running_loop().call_later(delay_s, self._due, delivery)

    def _due(self, delivery: Delivery) -> None:
        self._waiting.discard(id(delivery))
        delivery.wake = None
        self._queue.put_nowait(delivery)

    async def _work(self) -> None:
        while True:
            delivery = await self._queue.get()
            await self._attempt(delivery)

    async def _attempt(self, delivery: Delivery) -> None:
        endpoint = self._world.webhook_endpoints.get(delivery.endpoint_id)
        if endpoint is None:
            self._close(delivery, "dropped")
            return
        delivery.attempts += 1
        self.counts["attempts"] += 1
        await self._post(delivery, endpoint["url"])
        if delivery.status is not None and 200 <= delivery.status < 300:
            self._close(delivery, "delivered")
        elif delivery.attempts >= self.behaviour.max_attempts:
            self._close(delivery, "failed")
        else:
            delays = self.behaviour.retry_delays_ms
            self._later(delivery, delays[min(delivery.attempts, len(delays)) - 1] / 1000)

    async def _post(self, delivery: Delivery, url: str) -> None:
        assert self._session is not None, "start() was not called"
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": USER_AGENT, "Accept": "*/*"}
        rules = (
            self.behaviour if any(matches(delivery.kind, pattern) for pattern in self.behaviour.types) else Behaviour()
        )
        if rules.signing != "none":
            secrets = [WRONG_SECRET] if rules.signing == "wrong" else self._world.secrets[delivery.endpoint_id]
            headers["Stripe-Signature"] = sign(delivery.body, secrets, int(time.time()) + rules.timestamp_offset_s)
        try:
            async with self._session.post(url, data=delivery.body, headers=headers, allow_redirects=False) as response:
                await response.read()
                delivery.status, delivery.error = response.status, None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            delivery.status, delivery.error = None, f"{type(error).__name__}: {error}"

    def _close(self, delivery: Delivery, state: str) -> None:
        delivery.state = state
        delivery.body = b""
        self.counts[state] += 1
        self._by_id.pop(id(delivery), None)
        if delivery.counts and state == "delivered":
            event = self._world.events.get(delivery.event_id)
            if event is not None:
                self._world.events.change(event, pending_webhooks=event["pending_webhooks"] - 1)
        self._open -= 1
        if self._open == 0:
            self._idle.set()


def _rendered(event: Json, endpoint: Json) -> bytes:
    """An endpoint of another API version gets events that say so; the objects are the same for all."""
    version = endpoint["api_version"]
    return to_json(event if version is None else {**event, "api_version": version})


def describe(delivery: Delivery) -> dict[str, Any]:
    """A delivery as the control endpoint shows it."""
    return {
        "event": delivery.event_id,
        "type": delivery.kind,
        "endpoint": delivery.endpoint_id,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "status": delivery.status,
        "error": delivery.error,
    }
