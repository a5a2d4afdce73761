"""`make simulate` itself: what it has done, how it ends, and what it tells."""

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from sandbox.stack.processes import Child, plain_environment
from tests.e2e.support.until import until
from tests.simulation.done import ROOT, Done
from tests.simulation.lives import told

ENOUGH = 10_000_000
"""More than it could do before it is told to end."""

BEGUN_S = 60.0
GONE_S = 20.0


@pytest.fixture(autouse=True)
def log() -> Iterator[None]:
    """As it was before, afterwards."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def test_what_is_left_is_what_was_not_done(tmp_path: Path) -> None:
    """Ranges that touch are joined, survive the file, and what is left between them comes in pieces."""
    done, path = Done("code"), tmp_path / "done.json"
    for first, end in ((30, 40), (0, 10), (10, 12), (35, 38)):
        done.add("schedules", first, end)
    done.failed["schedules"] = {11: "P1"}
    done.write(path)
    again = Done.read(path, "code")
    assert again.ranges == {"schedules": [(0, 12), (30, 40)]}
    assert again.failed == {"schedules": {11: "P1"}}
    assert list(again.left("schedules", 5, 50, 10)) == [(12, 22), (22, 30), (40, 50)]
    assert list(again.left("schedules", 31, 39, 10)) == []
    assert list(again.left("histories", 0, 15, 10)) == [(0, 10), (10, 15)]


def test_what_was_done_with_other_code_is_nothing(tmp_path: Path) -> None:
    """A file that other code has written is not gone on with."""
    done, path = Done("code"), tmp_path / "done.json"
    done.add("schedules", 0, 10)
    done.write(path)
    assert not Done.read(path, "other code").ranges


def test_a_story_is_told() -> None:
    """A schedule's story has what was sent, injected and decided; a history's what was heard and what came of it."""
    story, failed = told("schedules", 422)
    assert failed is None
    text = "\n".join(story)
    assert all(
        what in text for what in ("> create-order-1 is sent", "! worker dies", "creating", "calm: faults are over")
    )
    story, failed = told("histories", 3)
    assert failed is None
    assert any("→ succeeded" in line for line in story)


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc to see whose processes are there")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_nobody_outlives_it(tmp_path: Path, number: signal.Signals) -> None:
    """However it is ended, its processes end with it; after all but SIGKILL it says how to go on, and has kept what is done."""
    kept = tmp_path / "done.json"
    command = [*(sys.executable, "-m", "tests.simulate"), *("--histories", str(ENOUGH), "--resume", str(kept))]
    environment = plain_environment(tmp_path, PYTHONUNBUFFERED="1", COLUMNS="100")
    child = Child("make simulate", command, log=tmp_path / "log", env=environment, cwd=ROOT)
    child.start()
    try:

        async def begun() -> bool:
            return kept.exists()

        async def gone() -> bool:
            return not group_of(child.pid)

        await child.ready(begun, BEGUN_S)
        crew = group_of(child.pid)
        assert len(crew) > 1
        child.send(number)
        assert await child.ended(BEGUN_S) == (-number if number is signal.SIGKILL else 130)
        if number is not signal.SIGKILL:
            assert "the same command goes on" in child.text()
            assert json.loads(kept.read_text())["ranges"]["histories"]
        await until(gone, GONE_S, "processes of the crew are still there")
    finally:
        child.kill()


def group_of(leader: int) -> set[int]:
    """The processes of a session's group that are alive."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(group) == leader and state != "Z":
                found.add(int(entry.name))
    return found
