"""Recorded requests (`GET /_sim/requests`), sent again to stripe-mock, which checks them against Stripe's OpenAPI document.

with process.running() as mock:
    await assert_accepted(rows, mock)
"""

from collections.abc import Iterable
from typing import Any

import aiohttp

HEADERS = {"Authorization": "Bearer sk_test_123", "Content-Type": "application/x-www-form-urlencoded"}


async def refused(rows: Iterable[dict[str, Any]], mock: str) -> list[str]:
    """What stripe-mock did not accept, each with its reason. A row is a record of the simulator's."""
    answers: list[str] = []
    async with aiohttp.ClientSession(headers=HEADERS) as session:
        for row in rows:
            in_query = row["method"] in {"GET", "DELETE"}
            url = f"{mock}{row['path']}" + (f"?{row['query']}" if in_query and row["query"] else "")
            body = None if in_query else row["query"]
            async with session.request(row["method"], url, data=body) as response:
                if response.status >= 400:
                    text = (await response.text()).strip()
                    answers.append(f"{row['method']} {row['path']} {row['query']} → {response.status}: {text}")
    return answers


async def assert_accepted(rows: Iterable[dict[str, Any]], mock: str) -> None:
    """Every recorded request is one that Stripe would take."""
    found = await refused(rows, mock)
    assert not found, "\n".join(found)
