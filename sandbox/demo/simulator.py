"""The simulator's controls, as the demo uses them. docs/simulator.md lists them all."""

import asyncio
from typing import Any

import aiohttp

from sandbox.run.system import SIMULATOR_KEY

Json = dict[str, Any]

LOOK_EVERY_S = 0.05

EVENTS_PAGE = 100
"""Stripe's largest page; more than one payment's events ever fill."""


class Simulator:
    """Talks to `/_sim`; nothing here is known to the service under test."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self._session = session
        self.address = address

    async def hold_webhooks(self) -> None:
        """Keep all webhooks back, until they are released."""
        await self._call("POST", "/_sim/webhooks", {"hold": True})

    async def release_webhooks(self, order: str) -> int:
        """Let them go, `newest` or `oldest` first; how many there were. New ones go out normally again."""
        released: int = (await self._call("POST", "/_sim/webhooks/release", {"order": order}))["released"]
        await self._call("DELETE", "/_sim/webhooks")
        return released

    async def disturb_webhooks(self, *, duplicate_rate: float, reorder_window_ms: int, seed: int) -> None:
        changes = {"duplicate_rate": duplicate_rate, "reorder_window_ms": reorder_window_ms, "seed": seed}
        await self._call("POST", "/_sim/webhooks", changes)

    async def strike(self, kind: str, path: str, ms: int) -> None:
        """The next request to this path meets a fault."""
        await self._call("POST", "/_sim/faults", {"kind": kind, "path": path, "ms": ms})

    async def struck(self, path: str) -> None:
        """Wait until that request has come: its fault is not queued any more."""
        waits = True
        while waits:
            await asyncio.sleep(LOOK_EVERY_S)
            queued = (await self._call("GET", "/_sim/faults"))["queue"]
            waits = any(shot["path"] == path for shot in queued)

    async def act(self, kind: str, object_id: str, what: str, **how: Any) -> Json:
        """What a bank, or somebody in the dashboard, does to an object: `act("refunds", "re_…", "move", to="failed")`."""
        return await self._call("POST", f"/_sim/{kind}/{object_id}/{what}", how)

    async def send_event(self, kind: str, about: str, **envelope: Any) -> str:
        """An event about an object of the account, in an envelope of our making; its id."""
        made = await self._call("POST", "/_sim/events", {"type": kind, "object": about, **envelope})
        return str(made["id"])

    async def move_clock(self, seconds: int) -> None:
        """Move Stripe's clock, also back; ours stays."""
        await self._call("POST", "/_sim/clock", {"advance_s": seconds})

    async def charge_by_hand(self, form: Json) -> str:
        """Somebody with the account's key charges a card past the service: the PaymentIntent's id."""
        url, headers = f"{self.address}/v1/payment_intents", {"Authorization": f"Bearer {SIMULATOR_KEY}"}
        by_card = {"payment_method": "pm_card_visa", "payment_method_types[]": "card", "confirm": "true"}
        async with self._session.post(url, data=form | by_card, headers=headers) as answer:
            answer.raise_for_status()
            return str((await answer.json())["id"])

    async def set_faults(self, rates: Json, seed: int) -> None:
        """Replace the seeded rates; `{kind: rate}` or `{kind: {"rate": …, "ms": …}}`."""
        await self._call("POST", "/_sim/faults", {"rates": rates, "seed": seed})

    async def behave(self) -> None:
        """Stripe's bad day is over: no faults any more, and webhooks as usual."""
        await self._call("DELETE", "/_sim/faults")
        await self._call("DELETE", "/_sim/webhooks")

    async def faults(self) -> dict[str, int]:
        """How often each kind struck so far."""
        fired: dict[str, int] = (await self._call("GET", "/_sim/faults"))["fired"]
        return fired

    async def events(self, intent_id: str) -> list[str]:
        """The ids of an intent's events, newest first, as the API lists them."""
        url = f"{self.address}/v1/events?limit={EVENTS_PAGE}"
        async with self._session.get(url, headers={"Authorization": f"Bearer {SIMULATOR_KEY}"}) as answer:
            answer.raise_for_status()
            listed: list[Json] = (await answer.json())["data"]
        return [event["id"] for event in listed if intent_id in _intent_ids(event["data"]["object"])]

    async def redeliver(self, event_id: str) -> None:
        await self._call("POST", f"/_sim/webhooks/redeliver/{event_id}")

    async def pending(self) -> int:
        """Deliveries that are on their way or wait for their next attempt."""
        state = await self._call("GET", "/_sim/deliveries?limit=1")
        return int(state["pending"]) + int(state["held"])

    async def ledger(self) -> list[Json]:
        """What was really charged, one entry per PaymentIntent."""
        entries: list[Json] = (await self._call("GET", "/_sim/ledger"))["payment_intents"]
        return entries

    async def _call(self, method: str, path: str, body: Json | None = None) -> Json:
        async with self._session.request(method, self.address + path, json=body) as answer:
            answer.raise_for_status()
            result: Json = await answer.json()
            return result


def _intent_ids(subject: Json) -> set[Any]:
    """The intent that an event's object is, or belongs to."""
    return {subject["id"], subject.get("payment_intent")}
