"""A fresh simulator per test, on a free port of the test's own event loop."""

from collections.abc import AsyncIterator

import pytest
from stripe._v1_services import V1Services

from sandbox.stripe.app import create_app
from sandbox.stripe.server import Running, serve
from sandbox.stripe.webhook_endpoints import add
from sandbox.stripe.world import Settings
from tests.unit.sandbox_stripe.raw import Raw, raw_client
from tests.unit.sandbox_stripe.receiver import SECRET, Receiver, receiving
from tests.unit.sandbox_stripe.sdk import official_client

# So long that nothing settles by itself: tests move the clock.
SLOW = Settings(
    processing_delay_s=3600, refund_delay_s=3600, balance_delay_s=3600, dispute_delay_s=3600, evidence_delay_s=3600
)


@pytest.fixture
async def run() -> AsyncIterator[Running]:
    async with serve(create_app(seed=1, settings=SLOW)) as running:
        yield running


@pytest.fixture
async def raw(run: Running) -> AsyncIterator[Raw]:
    async with raw_client(run.address) as client:
        yield client


@pytest.fixture
async def sdk(run: Running) -> AsyncIterator[V1Services]:
    async with official_client(run.address) as client:
        yield client


@pytest.fixture
async def receiver(run: Running) -> AsyncIterator[Receiver]:
    """An endpoint that the simulator sends every event to."""
    async with receiving() as endpoint:
        params = {"url": endpoint.url, "enabled_events": ["*"]}

        add(run.simulator.world, params, SECRET)
        yield endpoint
