"""A webhook endpoint on a free port that remembers what it got and answers what the test wants."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import stripe
from aiohttp import web

SECRET = "whsec_test"
PATIENCE_S = 10


@dataclass
class Receiver:
    """`status` decides the answer to the n-th request (from 1)."""

    url: str = ""
    status: Callable[[int], int] = lambda _number: 200
    bodies: list[bytes] = field(default_factory=list)
    signatures: list[str] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def events(self) -> list[stripe.Event]:
        """What came, verified by the SDK."""
        pairs = zip(self.bodies, self.signatures, strict=True)
        return [stripe.Webhook.construct_event(body, signature, SECRET) for body, signature in pairs]

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    async def count(self, number: int) -> None:
        """Wait until so many requests came."""
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: len(self.bodies) >= number)

    async def answer(self, request: web.Request) -> web.Response:
        async with self._changed:
            self.bodies.append(await request.read())
            self.signatures.append(request.headers.get("Stripe-Signature", ""))
            self._changed.notify_all()
        return web.Response(status=self.status(len(self.bodies)))


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()
