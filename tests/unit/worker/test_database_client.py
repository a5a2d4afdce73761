"""What the address of the database may say, and what it may not change."""

import pytest

from worker.adapters.store import OPERATION_TIMEOUT_MS, POOL_SIZE, open_client


@pytest.mark.parametrize(
    ("query", "size"), [("", POOL_SIZE), ("?maxPoolSize=3", 3), ("?maxpoolsize=3&tls=false", 3), ("?w=1", POOL_SIZE)]
)
async def test_the_address_says_how_many_connections(query: str, size: int) -> None:
    """The address's own number of connections is taken, however it is spelt, and ours where it names none."""
    client = open_client(f"mongodb://127.0.0.1:9/payments{query}")
    assert client.options.pool_options.max_pool_size == size
    await client.close()


async def test_the_address_makes_no_write_less_safe() -> None:
    """A majority that has journaled, and the limit of time, stay whatever the address says."""
    client = open_client("mongodb://127.0.0.1:9/payments?w=1&journal=false&timeoutMS=60000")
    assert client.write_concern.document == {"w": "majority", "j": True}
    assert client.options.timeout == OPERATION_TIMEOUT_MS / 1000
    await client.close()
