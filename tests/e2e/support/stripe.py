"""The Stripe simulator as a process, its controls, and the customer who pays at it."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import aiohttp

from sandbox.stack.ports import free_port
from sandbox.stack.processes import Child, plain_environment
from tests.ingress_requests import SECRET

Json = dict[str, Any]

STARTED_S = 30.0
REQUEST_S = 60.0
PAGE = 100
TRIES = 60
BETWEEN_TRIES_S = 0.1
CUSTOMER = {"Authorization": "Bearer pk_test_123"}
OPERATOR = {"Authorization": "Bearer sk_test_123"}


class Simulator:
    """One process; it sends its webhooks to `webhook_url`."""

    def __init__(self, directory: Path, webhook_url: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        program = (sys.executable, "-m", "sandbox", "stripe", "--port", str(port), "--seed", "1")
        webhooks = ("--webhook-url", webhook_url, "--webhook-secret", SECRET)
        self.child = Child(
            "the simulator", (*program, *webhooks), log=directory / "stripe.log", env=plain_environment(directory)
        )
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        timeout, connector = aiohttp.ClientTimeout(total=REQUEST_S), aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=connector)
        self.child.start()
        await self.child.http_ok(f"{self.url}/_sim/health", STARTED_S)

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()
        self.child.kill()

    async def fault(self, kind: str, *, method: str = "POST", path: str = "*", times: int = 1, **more: int) -> None:
        """Queue a fault for the next requests that match."""
        await self._sim("POST", "faults", {"kind": kind, "method": method, "path": path, "times": times, **more})

    async def rates(self, rates: dict[str, float | Json], seed: int) -> None:
        """Strike requests of the service at these rates."""
        await self._sim("POST", "faults", {"rates": rates, "seed": seed})

    async def clear_faults(self) -> None:
        await self._sim("DELETE", "faults")

    async def fired(self) -> dict[str, int]:
        """How often each kind of fault struck."""
        return dict((await self._sim("GET", "faults"))["fired"])

    async def webhooks(self, **behaviour: Any) -> None:
        """Change how deliveries behave."""
        await self._sim("POST", "webhooks", behaviour)

    async def release(self, order: str = "oldest") -> int:
        """Let go what is held; deliveries go out normally again."""
        released = await self._sim("POST", "webhooks/release", {"order": order})
        await self._sim("DELETE", "webhooks")
        return int(released["released"])

    async def pending(self) -> int:
        """Deliveries on their way or waiting for their next attempt."""
        return int((await self._sim("GET", "deliveries?limit=1"))["pending"])

    async def delivered(self) -> set[str]:
        """The ids of the events that somebody has taken with a 2xx."""
        rows = (await self._sim("GET", "deliveries?limit=10000"))["deliveries"]
        return {row["event"] for row in rows if row["state"] == "delivered"}

    async def redeliver(self, event_id: str) -> None:
        await self._sim("POST", f"webhooks/redeliver/{event_id}")

    async def ledger(self) -> Json:
        """What was really charged."""
        return await self._sim("GET", "ledger")

    async def posts(self) -> list[Json]:
        """The recorded POST requests of the service, oldest first: those that have an idempotency key."""
        rows = (await self._sim("GET", "requests?method=POST&limit=20000"))["requests"]
        return [row for row in rows if row["idempotency_key"]]

    async def requests(self, method: str, path: str) -> int:
        """How many requests matched so far."""
        return int((await self._sim("GET", f"requests?method={method}&path={path}"))["count"])

    async def events(self) -> list[Json]:
        """Every event so far, oldest first, as the API lists them."""
        return await self._all("/v1/events")

    async def intents(self) -> list[Json]:
        """Every PaymentIntent, oldest first."""
        return await self._all("/v1/payment_intents")

    async def cancel(self, intent: str) -> None:
        """Cancel behind the service's back, as on Stripe's dashboard."""
        answer = await self._ask("POST", f"/v1/payment_intents/{intent}/cancel", OPERATOR)
        assert answer["status"] == "canceled", answer

    async def authenticate(self, client_secret: str, outcome: str) -> None:
        """End a 3-D Secure: `succeed` or `fail`."""
        intent = client_secret.partition("_secret_")[0]
        await self._sim("POST", f"payment_intents/{intent}/authenticate", {"outcome": outcome})

    async def refund(self, intent: str, amount: int, **more: Any) -> Json:
        """Refund as on Stripe's dashboard: nothing of ours is in the metadata."""
        return await self._sim("POST", f"payment_intents/{intent}/refund", {"amount": amount, **more})

    async def move_refund(self, refund: str, to: str) -> None:
        """What the bank does with a refund."""
        await self._sim("POST", f"refunds/{refund}/move", {"to": to})

    async def dispute(self, intent: str, **more: Any) -> Json:
        """The cardholder's bank disputes a charge."""
        return await self._sim("POST", f"payment_intents/{intent}/dispute", {"kind": "chargeback", **more})

    async def foreign_intent(self) -> str:
        """Make an intent that is nobody's here; its id."""
        form = {"amount": "1999", "currency": "eur"}
        return str((await self._ask("POST", "/v1/payment_intents", OPERATOR, form))["id"])

    async def pay(self, client_secret: str, method: str = "pm_card_visa") -> str:
        """Confirm as the customer's browser does, again after a broken answer; the intent's status afterwards."""
        intent = client_secret.partition("_secret_")[0]
        form = {"client_secret": client_secret, "payment_method": method, "return_url": "https://shop.example/"}
        for _ in range(TRIES):
            try:
                answer = await self._ask("POST", f"/v1/payment_intents/{intent}/confirm", CUSTOMER, form)
            except (aiohttp.ClientError, TimeoutError, ValueError):
                answer = {"error": {"type": "api_error"}}
            error = answer.get("error")
            if error is None:
                return str(answer["status"])
            if error["type"] == "card_error" or error.get("code") == "payment_intent_unexpected_state":
                return str(error["payment_intent"]["status"])
            await asyncio.sleep(BETWEEN_TRIES_S)
        raise AssertionError(f"Stripe took no payment in {TRIES} tries")

    async def _sim(self, method: str, path: str, body: Json | None = None) -> Json:
        assert self._session is not None
        async with self._session.request(method, f"{self.url}/_sim/{path}", json=body) as answer:
            answer.raise_for_status()
            found: Json = await answer.json()
            return found

    async def _all(self, path: str) -> list[Json]:
        found: list[Json] = []
        after = ""
        while True:
            page = await self._ask("GET", f"{path}?limit={PAGE}{after}", OPERATOR)
            found += page["data"]
            if not page["has_more"]:
                return found[::-1]
            after = f"&starting_after={found[-1]['id']}"

    async def _ask(self, method: str, path: str, headers: dict[str, str], form: Json | None = None) -> Json:
        assert self._session is not None
        async with self._session.request(method, self.url + path, headers=headers, data=form) as answer:
            found: Json = await answer.json()
            return found
