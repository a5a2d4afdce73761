"""The simulator as one ASGI application: `/v1` is Stripe, `/_sim` its controls."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.stripe import webhook_endpoints, wire
from sandbox.stripe.api import Api
from sandbox.stripe.clock import Clock
from sandbox.stripe.control import Control
from sandbox.stripe.faults import Faults
from sandbox.stripe.hosted import Hosted
from sandbox.stripe.webhooks import Webhooks
from sandbox.stripe.world import Settings, World


@dataclass(frozen=True, slots=True)
class Simulator:
    """The application and its parts, for tests that look inside. Call it as ASGI."""

    world: World
    faults: Faults
    api: Api
    webhooks: Webhooks
    starlette: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wire.remember_transport(scope, send)
        await self.starlette(scope, receive, send)


def create_app(
    *,
    seed: int | None = None,
    webhook_urls: tuple[str, ...] = (),
    webhook_secret: str = "whsec_sandbox",  # noqa: S107  a well-known secret of a sandbox
    api_key: str | None = None,
    settings: Settings | None = None,
    clock: Clock | None = None,
) -> Simulator:
    """Build a fresh account. The same seed and the same requests give the same ids and the same faults."""
    world = World(seed=seed, clock=clock, settings=settings)
    faults = Faults()
    api = Api(world, faults, api_key=api_key)
    webhooks = Webhooks(world, seed=seed)
    world.on_event = webhooks.dispatch
    world.clock.on_advance(webhooks.hurry)
    for url in webhook_urls:
        webhook_endpoints.add(world, {"url": url, "enabled_events": ["*"]}, webhook_secret)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await webhooks.start()
        try:
            yield
        finally:
            world.clock.close()
            await webhooks.stop()

    routes = [*Hosted(world).routes(), *Control(api, webhooks).routes(), Mount("/", api)]
    return Simulator(world, faults, api, webhooks, Starlette(routes=routes, lifespan=lifespan))
