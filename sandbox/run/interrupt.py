"""Ctrl-C and SIGTERM as an orderly end."""

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_until_signal(coroutine: Coroutine[Any, Any, T]) -> T | None:
    """Run to the end; None when a signal came first, and then everything that was begun is cleaned up.

    A second signal ends the process at once; the keepers of its children see to them.
    """
    return asyncio.run(_main(coroutine))


async def _main(coroutine: Coroutine[Any, Any, T]) -> T | None:
    task = asyncio.create_task(coroutine)
    asked = False

    def on_signal(number: signal.Signals) -> None:
        nonlocal asked
        if asked:
            os._exit(128 + number)
        asked = True
        task.cancel()

    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        return await task
    except asyncio.CancelledError:
        if asked:
            return None
        raise
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
