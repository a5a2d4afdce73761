"""A replay by many letters: asked for at a bounded pace, published by workers, followed to its end."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from time import monotonic

from worker.adapters.dead_letters import MongoDeadLetters
from worker.dead_letter import State, Wanted

RATE = 20
"""Letters a second: a replay goes beside what workers do anyway, and each letter of an event costs a request to Stripe."""

LOOK_EVERY_S = 0.3
PATIENCE_S = 30.0
"""Without any progress for so long there is no worker, or Stripe is away. What is asked for stays asked for."""

CHUNK = 500

Report = Callable[[int, int], None]
"""Is told how many are asked for, and how many are published."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a replay. `back` are at the desk again already; `waiting` will be published by the next worker."""

    asked: int
    published: int
    back: int
    refused: int
    waiting: int


async def replay(
    desk: MongoDeadLetters,
    names: Sequence[str],
    who: str,
    clock: Callable[[], datetime],
    report: Report,
    *,
    rate: float = RATE,
    patience_s: float = PATIENCE_S,
) -> Replayed:
    """Ask for each letter, `rate` a second, and wait until workers have published them. Raises StoreUnavailable.

    A letter that somebody else has asked for meanwhile is left to them.
    """
    asked: list[str] = []
    began = monotonic()
    for number, name in enumerate(names):
        await asyncio.sleep(max(0.0, began + number / rate - monotonic()))
        if await desk.ask_replay(name, who, clock()):
            asked.append(name)
        report(number + 1, 0)
    waiting = await _followed(desk, frozenset(asked), len(names), report, patience_s)
    back = refused = 0
    for ids in _chunks(asked):
        async for letter in desk.find(Wanted(ids=ids)):
            back += letter.state is State.OPEN and not letter.unreplayable
            refused += letter.state is State.OPEN and bool(letter.unreplayable)
    return Replayed(len(asked), len(asked) - waiting - refused, back, refused, waiting)


async def _followed(desk: MongoDeadLetters, asked: frozenset[str], of: int, report: Report, patience_s: float) -> int:
    """How many are not published when all are, or when nothing has moved for `patience_s` seconds."""
    left, moved_at = len(asked), monotonic()
    while left and monotonic() - moved_at < patience_s:
        found = len(asked & await desk.waiting())
        if found < left:
            left, moved_at = found, monotonic()
        report(of, len(asked) - left)
        if left:
            await asyncio.sleep(LOOK_EVERY_S)
    return left


def _chunks(names: Iterable[str]) -> Iterable[tuple[str, ...]]:
    remaining = iter(names)
    while chunk := tuple(islice(remaining, CHUNK)):
        yield chunk
