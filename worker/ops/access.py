"""What an operator's command needs to look at Stripe and the database at once, at a pace that leaves room for workers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import stripe
from pymongo.asynchronous.database import AsyncDatabase

from contracts.environment import Environment, SettingError
from worker.adapters.breaker import Breaker
from worker.adapters.budget import Budget
from worker.adapters.gateway import StripeGateway
from worker.adapters.line import Line, MeteredClient
from worker.adapters.store import database_of, open_client
from worker.settings import STRIPE

RATE = 10
"""Requests a second, beside the workers' own: a tenth of a live account's. A page of a hundred at each."""


@dataclass(frozen=True)
class Access:
    """Read once, for one command."""

    mongo_uri: str = field(repr=False)
    stripe_secret_key: str = field(repr=False)
    stripe_api_base: str
    deployment: str

    @property
    def livemode(self) -> bool:
        """Whether the key moves real money."""
        return "_live_" in self.stripe_secret_key

    @asynccontextmanager
    async def open(self, rate: int) -> AsyncIterator[tuple[AsyncDatabase[dict[str, Any]], stripe.StripeClient, Line]]:
        """The database, the SDK's client, and the line that its requests go over."""
        line = Line(Budget(rate), Breaker())
        gateway = StripeGateway(self.stripe_secret_key, self.stripe_api_base, MeteredClient(line))
        client = open_client(self.mongo_uri)
        try:
            yield database_of(client, self.mongo_uri), gateway.client, line
        finally:
            await client.close()
            await gateway.close()


def read(mongo_uri: str, environment: Environment) -> Access:
    """Read the settings that a worker reads, too. Raises SettingError."""
    key = environment.secret("STRIPE_SECRET_KEY")
    if not key.startswith(("sk_test_", "sk_live_", "rk_test_", "rk_live_")):
        raise SettingError("STRIPE_SECRET_KEY must start with sk_test_, sk_live_, rk_test_ or rk_live_")
    return Access(
        mongo_uri=mongo_uri,
        stripe_secret_key=key,
        stripe_api_base=environment.url("STRIPE_API_BASE", "http", "https", default=STRIPE),
        deployment=environment.text("DEPLOYMENT", "default"),
    )
