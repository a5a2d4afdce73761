"""The official SDK, pointed at a simulator."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import stripe
from stripe._v1_services import V1Services


@asynccontextmanager
async def official_client(address: str, *, key: str = "sk_test_123", retries: int = 0) -> AsyncIterator[V1Services]:
    """The SDK's asynchronous client over aiohttp, closed at the end."""
    http = stripe.AIOHTTPClient()
    client = stripe.StripeClient(key, base_addresses={"api": address}, http_client=http, max_network_retries=retries)
    try:
        yield client.v1
    finally:
        await http.close_async()  # type: ignore[no-untyped-call]  # the SDK leaves it unannotated
