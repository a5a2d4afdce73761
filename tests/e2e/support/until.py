"""Waiting for what gives us nothing to await: another process, another process's books."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

POLL_S = 0.05


async def until(true: Callable[[], Awaitable[bool]], within_s: float, what: str) -> None:
    """Ask until it is true. Fails after `within_s` seconds, saying what did not come true."""

    async def missing() -> Sequence[str]:
        return [] if await true() else [what]

    await until_none(missing, within_s)


async def until_none(missing: Callable[[], Awaitable[Sequence[str]]], within_s: float) -> None:
    """Ask until nothing is missing. Fails after `within_s` seconds, saying what still is.

    Asking takes no more than half of the time: all books of a crowd, asked for without a pause, hold up those who fill them.
    """
    deadline = time.monotonic() + within_s
    while True:
        asked = time.monotonic()
        if not (left := await missing()):
            return
        assert time.monotonic() < deadline, f"after {within_s:g} s: " + "\n".join(left)
        await asyncio.sleep(max(POLL_S, time.monotonic() - asked))
