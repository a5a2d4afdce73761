"""Seeds that ever failed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.simulation.lives import LIVES, live
from tests.simulation.regressions import Regression, keep, read


@pytest.fixture(autouse=True)
def log() -> Iterator[None]:
    """As it was before, afterwards."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.mark.parametrize("kept", read(), ids=lambda kept: f"{kept.kind}-{kept.seed}")
def test_what_failed_once_holds(kept: Regression) -> None:
    """A seed that ever failed keeps every promise."""
    assert kept.kind in LIVES
    live(kept.kind, kept.seed)


def test_a_failure_is_kept_once(tmp_path: Path) -> None:
    """What fails is added to the file with its reason on one line, and not a second time."""
    path = tmp_path / "regressions.txt"
    path.write_text("# why\nschedules 1 before\n")
    assert keep("schedules", {1: "again", 2: "P1:\n  two intents"}, path) == 1
    assert keep("schedules", {2: "again"}, path) == 0
    assert keep("histories", {2: ""}, path) == 1
    assert read(path) == [
        Regression("schedules", 1, "before"),
        Regression("schedules", 2, "P1: two intents"),
        Regression("histories", 2, "failed"),
    ]
