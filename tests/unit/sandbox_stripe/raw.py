"""Plain HTTP to the simulator: what the SDK hides."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Raw:
    address: str
    session: aiohttp.ClientSession

    async def get(self, path: str) -> Answer:
        return await self._send("GET", path, None, {})

    async def post(self, path: str, form: str = "", *, key: str | None = None, **headers: str) -> Answer:
        """A form body; `key` is the idempotency key."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            given["Idempotency-Key"] = key
        return await self._send("POST", path, form, given)

    async def delete(self, path: str) -> Answer:
        return await self._send("DELETE", path, None, {})

    async def control(self, path: str, body: Any = None, method: str = "POST") -> Any:
        """A request to /_sim; returns its JSON."""
        async with self.session.request(method, f"{self.address}/_sim/{path}", json=body) as response:
            return await response.json()

    async def _send(self, method: str, path: str, form: str | None, headers: dict[str, str]) -> Answer:
        kind = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        async with self.session.request(method, self.address + path, data=form, headers=kind) as response:
            text = await response.text()
            is_json = "json" in response.headers["Content-Type"]
            return Answer(response.status, response.headers, (await response.json()) if is_json else text)


@asynccontextmanager
async def raw_client(address: str, key: str = "sk_test_123") -> AsyncIterator[Raw]:
    """A fresh connection for each request, so that a reset concerns one only."""
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}, connector=connector) as session:
        yield Raw(address, session)
