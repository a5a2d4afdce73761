"""Ending tasks for certain."""

import asyncio
from collections.abc import Iterable
from typing import Any

from worker.errors import JobEnded

AGAIN_S = 0.5
"""Longer than what a canceled task still has to clean up."""


def why_ended(job: asyncio.Task[Any]) -> BaseException:
    """The error of a job that should run for ever; JobEnded for one that returned, or that somebody else canceled."""
    if job.cancelled():
        return JobEnded(f"{job.get_name()} was canceled")
    return job.exception() or JobEnded(f"{job.get_name()} returned")


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel them, and again until all have ended; also when canceled itself meanwhile, which it says afterwards.

    Once is not enough: the database driver awaits with `asyncio.wait_for`, and Python 3.11's forgets a cancellation that comes
    in the same moment as the answer (cpython issue 86296). A job that runs for ever would then keep its worker from ending.
    """
    ending, canceled = set(tasks), False
    while left := {task for task in ending if not task.done()}:
        for task in left:
            task.cancel()
        try:
            await asyncio.wait(left, timeout=AGAIN_S)
        except asyncio.CancelledError:
            canceled = True
    for task in ending:
        if not task.cancelled():
            task.exception()  # looked at: else asyncio tells of it on its own when the task is forgotten
    if canceled:
        raise asyncio.CancelledError
