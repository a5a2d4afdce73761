"""Rule 25 for what nobody could read: no secret, no card and no address of it reaches the database, a log or a screen."""

import json

import pytest

from contracts import topology
from tests.e2e.support.publish import publish
from tests.e2e.support.service import Service
from tests.integration.dead_letter_desk import Operator, create, open_letters
from tests.unit.dead_letters.arrivals import CANARIES, full_of_secrets

EXCHANGES = (topology.COMMANDS, topology.PRIVILEGED, topology.STRIPE)


async def test_no_secret_of_a_dead_letter_is_kept_logged_or_shown(
    service: Service, capfd: pytest.CaptureFixture[str]
) -> None:
    """Bodies full of canaries through every exchange, and of a sound create with an address, leave none behind."""
    worker = await service.worker("--crash-at", "load", "--order", "order-1")
    operator = Operator(service, capfd)
    bodies = full_of_secrets()
    for exchange in EXCHANGES:
        await publish(service.rabbitmq_url, exchange, *bodies.values(), headers={"x-sender": CANARIES[0]})
    headers = {topology.HEADER_ATTEMPT: len(topology.TIERS)}
    addressed = create("order-1", receipt_email="canary@example.com")
    await publish(service.rabbitmq_url, topology.COMMANDS, addressed, headers=headers)
    ignored = len([name for name in bodies if name == "event"])
    await open_letters(service, len(EXCHANGES) * len(bodies) - ignored + 1)
    stored = {name: list(service.database[name].find()) for name in service.database.list_collection_names()}
    screens = [
        await operator.types("dead-letters", "list"),
        await operator.types("dead-letters", "list", "--json"),
        await operator.types("dead-letters", "replay", "--all", "--dry-run"),
    ]
    for cause in (json.loads(screens[1]))["causes"]:
        screens += [await operator.types("dead-letters", "show", letter) for letter in cause["examples"]]
    kept = repr(stored) + worker.child.text() + "".join(screens)
    found = [canary for canary in CANARIES if canary in kept]
    assert found == []
