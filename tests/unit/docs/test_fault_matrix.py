"""The page of the fault matrix names tests that exist, and leaves out no row."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROWS = [
    line.split("|") for line in (ROOT / "docs/fault-matrix.md").read_text("utf-8").splitlines() if line.startswith("| ")
][1:]
NAMED = sorted({name for row in ROWS for name in re.findall(r"`([^`]+)`", row[3])})


def functions_of(path: Path) -> set[str]:
    found = ast.walk(ast.parse(path.read_text("utf-8")))
    return {node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_row_is_there_once() -> None:
    """The rows are 1 to 38, in order."""
    assert [int(row[1]) for row in ROWS] == list(range(1, 39))


@pytest.mark.parametrize("named", NAMED)
def test_every_named_test_exists(named: str) -> None:
    """A test that the page names is a file, or a function of that file; a folder shows nothing in particular."""
    file, _, name = named.partition("::")
    assert (ROOT / file).is_file()
    assert not name or name in functions_of(ROOT / file)


OTHERWISE = ("tests/simulation/", "tests/soak")
"""What `make simulate` and `make soak` run, as the page says."""


def run_by_make_chaos() -> set[Path]:
    """The files of the variable FAULTS, and the folder beside it."""
    faults = re.findall(r"^FAULTS := ((?:.*\\\n)*.*)", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    patterns = re.findall(r"tests/[\w/*]+\.py", faults[0])
    return {path for pattern in [*patterns, "tests/chaos/*.py"] for path in ROOT.glob(pattern)}


@pytest.mark.parametrize("named", [name for name in NAMED if not name.startswith(OTHERWISE)])
def test_make_chaos_runs_what_is_named(named: str) -> None:
    """A file that shows a row is among those that the target takes."""
    assert ROOT / named.partition("::")[0] in run_by_make_chaos()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"row-{row[1].strip()}")
def test_a_row_without_a_test_says_so(row: list[str]) -> None:
    """Where nothing is named, the page says that it is not shown yet."""
    assert "`" in row[3] or "not yet" in row[4]
