"""What can be lived through under a seed, and how one life is told."""

from collections import Counter
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

from tests.simulation import virtual_time
from tests.simulation.chance import Chance
from tests.simulation.world import World, judge
from tests.simulation_customers import customer_world
from tests.stateful.histories import Life
from tests.stateful.test_any_order import lived

UNTOLD = frozenset({"level", "timestamp", "exc_info"})


def schedule(seed: int, chance: list[Chance] | None = None) -> Counter[str]:
    """The workers in virtual time, judged by Stripe's ledger; what was injected, by kind."""
    world = World(seed)
    if chance is not None:
        chance.append(world.chance)
    virtual_time.run(world.run())
    judge(world)
    return world.chance.injected


def customers(seed: int, chance: list[Chance] | None = None) -> Counter[str]:
    """The same for two users' customers."""
    world = customer_world.World(seed)
    if chance is not None:
        chance.append(world.chance)
    virtual_time.run(world.run())
    customer_world.judge(world)
    return world.chance.injected


def history(seed: int, _chance: list[Chance] | None = None) -> Counter[str]:
    """What happens to one payment, heard in several orders that must end alike."""
    lived(seed)
    return Counter()


LIVES: dict[str, Callable[..., Counter[str]]] = {"schedules": schedule, "histories": history, "customers": customers}


def live(kind: str, seed: int) -> Counter[str]:
    """One life without a log. Raises whatever it fails with."""
    structlog.configure(processors=[_silent])
    return LIVES[kind](seed)


def told(kind: str, seed: int) -> tuple[list[str], Exception | None]:
    """One life with its story, line by line: what was sent, injected, delivered and decided; and how it failed, if it did."""
    chance: list[Chance] = []

    def tell(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        fields = {name: value for name, value in event.items() if name not in UNTOLD and value}
        if chance:
            chance[0].tell("  " + " ".join(f"{name}={value}" for name, value in fields.items()))
        raise structlog.DropEvent

    structlog.configure(processors=[tell])
    failed = None
    try:
        LIVES[kind](seed, chance)
    except Exception as error:  # noqa: BLE001 - however it failed, it is told
        failed = error
    return (chance[0].story if chance else _heard(seed)), failed


def _heard(seed: int) -> list[str]:
    """A history in its first order: what was heard, and what the record was after it."""
    life, lines = Life(seed, 0), []
    handle = life.world.handle

    def tell(message: Any, payment_id: str | None = None, *, crash: bool = False) -> None:
        handle(message, payment_id, crash=crash)
        statuses = ", ".join(str(payment.status) for payment in life.world.store.values())
        name = getattr(message, "message_id", "")
        kind = getattr(message, "event_type", "")
        lines.append(" ".join(filter(None, (f"{life.world.now:%d %H:%M:%S}", type(message).__name__, name, kind))))
        lines[-1] += f" → {statuses}"

    life.world.handle = tell  # type: ignore[method-assign] # told, and otherwise the same
    try:
        life.live()
    except AssertionError as error:
        lines.append(f"! {error}")
    return lines


def _silent(*_: object) -> MutableMapping[str, Any]:
    raise structlog.DropEvent
