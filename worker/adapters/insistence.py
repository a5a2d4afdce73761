"""Asking Stripe again, for an operator's long walk: one lost answer must not end hours of pages."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from worker.errors import StripeUnavailable

MOST_TRIES = 5
BETWEEN_TRIES_S = 2.0

Answer = TypeVar("Answer")


async def insist(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask what changes nothing at Stripe until there is an answer. Raises StripeUnavailable when there is none after all."""
    for _ in range(MOST_TRIES - 1):
        try:
            return await ask()
        except StripeUnavailable:
            await asyncio.sleep(BETWEEN_TRIES_S)
    return await ask()
