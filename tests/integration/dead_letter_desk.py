"""An operator at the desk of a whole service, who knows MONGO_URI and nothing else."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts import topology
from contracts.commands import ConfirmPayment, CreatePayment
from contracts.envelope import encode, wrap
from tests.e2e.support.publish import publish
from tests.e2e.support.service import RETURN_URL, Service
from tests.e2e.support.until import until
from worker.ops.cli import main

ARRIVED_S = 30.0
LAST_TRY = {topology.HEADER_ATTEMPT: len(topology.TIERS)}
"""What has been through every delay tier: when it fails once more it is a dead letter."""


class Operator:
    """Runs `payments` as a person would, and reads what it prints."""

    def __init__(self, service: Service, capfd: pytest.CaptureFixture[str]) -> None:
        self._service = service
        self._capfd = capfd

    async def types(self, *arguments: str, code: int = 0, **variables: str) -> str:
        """Run one command, which must end with this code; what it printed."""
        known = {"MONGO_URI": self._service.mongo_uri, **variables}
        self._capfd.readouterr()
        ended = await asyncio.to_thread(main, arguments, known)
        printed = self._capfd.readouterr()
        assert ended == code, printed
        return printed.out if code != 2 else printed.err

    async def reads(self, *arguments: str, code: int = 0) -> Any:
        """Run one command with `--json`."""
        return json.loads(await self.types(*arguments, "--json", code=code))

    async def causes(self, *filters: str) -> list[dict[str, Any]]:
        return list((await self.reads("dead-letters", "list", *filters))["causes"])

    async def replays(self, *chosen: str, code: int = 0) -> dict[str, Any]:
        """Replay, as fast as workers can."""
        told = await self.reads(
            "dead-letters", "replay", *chosen, "--requested-by", "op-1", "--rate", "10000", code=code
        )
        return dict(told)

    async def rehearses(self, *chosen: str) -> dict[str, dict[str, Any]]:
        """The rehearsals, by the payment that each is about, or else by the letter."""
        told = await self.reads("dead-letters", "replay", *chosen, "--dry-run")
        return {one["about"] or one["letter_id"]: one for one in told}


def create(order: str, **more: Any) -> bytes:
    """A create that is wanted for a day."""
    expires_at = datetime.now(UTC) + timedelta(days=1)
    body = CreatePayment(order_id=order, user_id="user-1", amount=1999, currency="eur", expires_at=expires_at, **more)
    return encode(wrap(body, kind=body.TYPE, version=1, message_id=f"create-{order}", source="tests"))


def confirm(payment: str, command_id: str, method: str = "pm_card_visa") -> bytes:
    expires_at = datetime.now(UTC) + timedelta(days=1)
    body = ConfirmPayment(payment_id=payment, payment_method=method, return_url=RETURN_URL, expires_at=expires_at)
    return encode(wrap(body, kind=body.TYPE, version=1, message_id=command_id, source="tests"))


async def die(service: Service, exchange: str, *bodies: bytes) -> None:
    """Publish what will be a dead letter if it fails once more."""
    await publish(service.rabbitmq_url, exchange, *bodies, headers=LAST_TRY)


async def open_letters(service: Service, count: int, **like: Any) -> None:
    """Wait until so many letters are open and none waits on its way."""

    async def arrived() -> bool:
        found = service.database["dead_letters"].count_documents({"state": "open", **like})
        return found == count and not any((await service.queues()).values())

    await until(arrived, ARRIVED_S, f"there are not {count} open letters {like}")
