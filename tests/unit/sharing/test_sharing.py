"""How many processes share a run, and what they begin with."""

import pytest

from tests.sharing import FEWEST, MOST, processes, turn


@pytest.mark.parametrize(
    ("named", "cores", "expected"),
    [
        (["tests"], 1, FEWEST),
        (["tests/e2e", "tests/unit/worker/test_cli.py"], FEWEST + 1, FEWEST + 1),
        (["tests"], 64, MOST),
        (["a.py", "b.py::test_one", "b.py::test_two[x]"], 64, 2),
        (["a.py"], 64, 0),
        (["a.py::test_one[b/c]", "a.py::test_two"], 64, 0),
    ],
)
def test_there_are_as_many_processes_as_there_is_work_for(named: list[str], cores: int, expected: int) -> None:
    """One for each core within bounds, no more than named files, and a single file stays in the process that was asked."""
    assert processes(named, cores=cores, captured=True) == expected


def test_output_that_shall_be_seen_keeps_the_run_in_one_process() -> None:
    """With `-s` nothing is shared: what another process prints would be lost."""
    assert processes(["tests"], cores=64, captured=False) == 0


def test_long_folders_are_begun_first() -> None:
    """What waits for brokers and processes comes before the simulations, and these before all that is short."""
    folders = ["conformance", "simulation", "unit", "integration", "e2e", "chaos", "tidy"]
    assert sorted(folders, key=turn) == ["chaos", "e2e", "integration", "simulation", "conformance", "unit", "tidy"]
