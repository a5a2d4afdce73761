"""Every test of this folder runs on each store and each gateway: what holds for the real one must hold for the fake."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

import pytest
import stripe

from sandbox.stripe import payment_methods
from sandbox.stripe.app import create_app
from sandbox.stripe.faults import Shot, read_fault
from sandbox.stripe.server import serve
from tests.fake_customers import FakeCustomerGateway, FakeCustomerStripe, MemoryCustomerStore
from tests.fake_stripe import Fault
from worker.adapters.customer_gateway import StripeCustomerGateway
from worker.adapters.customer_store import MongoCustomerStore
from worker.adapters.gateway import API_VERSION, RETRIES, TRY_S
from worker.adapters.store import open_client
from worker.ports import CustomerGateway, CustomerStore

KEY = "sk_test_123"
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


@pytest.fixture(params=["memory", "mongodb"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[CustomerStore]:
    """An empty store; the real one over the wire, with its indexes."""
    if request.param == "memory":
        yield MemoryCustomerStore()
        return
    client = open_client(request.getfixturevalue("mongo_uri"))
    real = MongoCustomerStore(client[request.getfixturevalue("database_name")])
    await real.prepare()
    yield real
    await client.close()


@dataclass
class Subject:
    """A gateway, how to break its requests, how many customers Stripe holds, and a hand at Stripe's own side."""

    gateway: CustomerGateway
    broken: Callable[[Fault], None]
    mended: Callable[[], None]
    customers: Callable[[], int]
    attach: Callable[[str], str]


def fake() -> Subject:
    model, faults = FakeCustomerStripe(), [Fault.NONE]
    gateway = FakeCustomerGateway(model, lambda: datetime.now(UTC), lambda: faults[-1])

    def living() -> int:
        return sum(not held.deleted for held in model.customers.values())

    return Subject(gateway, faults.append, lambda: faults.append(Fault.NONE), living, model.attach)


@pytest.fixture(params=["fake", "simulator"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    """A gateway to an empty Stripe account."""
    if request.param == "fake":
        yield fake()
        return
    async with serve(create_app(seed=1)) as run:
        faults, world = run.simulator.faults, run.simulator.world

        def broken(fault: Fault) -> None:
            stored = fault in {Fault.STORED, Fault.STORED_AFTER}
            faults.queue(Shot(read_fault(SIMULATED[fault]), method="*", path="/v1/*", times=1 if stored else TRIES))

        def attach(stripe_id: str) -> str:
            method = payment_methods.resolve(world, "pm_card_visa", "payment_method")
            return str(payment_methods.attach(world, method, stripe_id)["id"])

        def living() -> int:
            return sum(not held.get("deleted") for held in world.customers)

        http = stripe.AIOHTTPClient(timeout=TRY_S)
        client = client_to(run.address, http)
        yield Subject(StripeCustomerGateway(client), broken, faults.clear, living, attach)
        await http.close_async()  # type: ignore[no-untyped-call] # the SDK types only its resources


def client_to(address: str, http: stripe.AIOHTTPClient, key: str = KEY) -> stripe.StripeClient:
    """The SDK's client as the worker makes it."""
    return stripe.StripeClient(
        key,
        http_client=http,
        base_addresses={"api": address},
        max_network_retries=RETRIES,
        stripe_version=API_VERSION,
    )
