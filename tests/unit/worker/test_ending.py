"""A task ends although it forgets that it was canceled."""

import asyncio

import pytest

from worker import ending
from worker.ending import end, why_ended


class Forgetful:
    """A job for ever that loses its first cancellations, as Python 3.11 does when the answer comes in the same moment."""

    def __init__(self, times: int) -> None:
        self.left = times

    async def run(self) -> None:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if self.left == 0:
                    raise
                self.left -= 1


async def begun(*jobs: Forgetful) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(job.run()) for job in jobs]
    await asyncio.sleep(0)
    return tasks


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "AGAIN_S", 0.001)


async def test_all_end_however_often_they_forget() -> None:
    """Each is canceled until it has ended, and nobody waits for a job that runs for ever."""
    tasks = await begun(Forgetful(0), Forgetful(1), Forgetful(5))
    await end(tasks)
    assert all(task.cancelled() for task in tasks)


async def test_who_ends_others_and_is_canceled_still_ends_them() -> None:
    """A job that ends its own tasks is canceled again meanwhile: they end all the same, and then it does."""
    tasks = await begun(Forgetful(3))
    ends = asyncio.create_task(end(tasks))
    await asyncio.sleep(0)
    ends.cancel()
    await asyncio.wait({ends})
    assert ends.cancelled()
    assert tasks[0].cancelled()


async def test_a_job_that_just_ends_says_so_by_name() -> None:
    """Returned, canceled by somebody or failed: each is a reason for the worker to end, with the job's name or its error."""
    returned = asyncio.create_task(asyncio.sleep(0), name="Relay.run")
    canceled = asyncio.create_task(asyncio.sleep(3600), name="Sweeper.run")
    failed = asyncio.create_task(asyncio.to_thread(int, "x"), name="Rollups.run")
    canceled.cancel()
    await asyncio.wait({returned, canceled, failed})
    assert str(why_ended(returned)) == "Relay.run returned"
    assert str(why_ended(canceled)) == "Sweeper.run was canceled"
    assert isinstance(why_ended(failed), ValueError)


async def test_an_error_of_one_that_ends_is_nobody_elses() -> None:
    """What fails while it is ended, fails alone."""

    async def failing() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise ZeroDivisionError

    task = asyncio.create_task(failing())
    await asyncio.sleep(0)
    await end([task])
    assert isinstance(task.exception(), ZeroDivisionError)
