"""Every test of this folder runs on both gateways: the fake, and the real one on the simulator over HTTP."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

import pytest

from sandbox.stripe.app import create_app
from sandbox.stripe.faults import Shot, read_fault
from sandbox.stripe.server import serve
from tests.conformance.gateway.at_stripe import AtStripe, InMemory, Simulated
from tests.fake_gateway import FakeGateway
from tests.fake_stripe import FakeStripe, Fault
from worker.adapters.gateway import StripeGateway
from worker.ports import Gateway

SIMULATED = MappingProxyType(
    {
        Fault.LOST_BEFORE: "reset_before",
        Fault.LOST_AFTER: "reset_after",
        Fault.UNAVAILABLE: "503",
        Fault.TOO_MANY: "429",
        Fault.STORED: "500",
        Fault.STORED_AFTER: "500_after",
    },
)

TRIES = 20
"""The SDK repeats a lost request once by itself, a search asks five times for a page: a fault must meet them all."""


@dataclass
class Subject:
    """A gateway, how to break its requests, and the Stripe behind it."""

    gateway: Gateway
    broken: Callable[[Fault], None]
    mended: Callable[[], None]
    stripe: AtStripe


def fake() -> Subject:
    stripe, faults = FakeStripe(), [Fault.NONE]
    gateway = FakeGateway(stripe, lambda: datetime.now(UTC), lambda: faults[-1])
    return Subject(gateway, faults.append, lambda: faults.append(Fault.NONE), InMemory(stripe))


@pytest.fixture(params=["fake", "simulator"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    """A gateway to an empty Stripe account."""
    if request.param == "fake":
        yield fake()
        return
    async with serve(create_app(seed=1)) as run:
        faults = run.simulator.faults

        def broken(fault: Fault) -> None:
            stored = fault in {Fault.STORED, Fault.STORED_AFTER}
            shot = Shot(read_fault(SIMULATED[fault]), method="*", path="/v1/*", times=1 if stored else TRIES)
            faults.queue(shot)

        gateway = StripeGateway("sk_test_123", run.address)
        yield Subject(gateway, broken, faults.clear, Simulated(run.simulator.world))
        await gateway.close()
