"""The table of safeguards fits the code as it is: `make safeguards` removes each, which takes minutes; this does not."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.safeguards.safeguard import Safeguard
from tests.safeguards.scratch import Bite, Run, judged
from tests.safeguards.table import SAFEGUARDS
from tests.tidy import shape
from tests.tidy.tree import PRODUCTION, ROOT

ONE = SAFEGUARDS[0]


def missing(test: str) -> bool:
    """Whether a node id names nothing: no such file, or no such function in it."""
    file, _, rest = test.partition("::")
    path, name = ROOT / file, rest.partition("[")[0]
    return not path.is_file() or name not in {found.name for found in shape.tests(ast.parse(path.read_text("utf-8")))}


def test_every_name_is_used_once() -> None:
    """A safeguard is called by its name, so no two have the same."""
    assert [name for name, times in Counter(one.name for one in SAFEGUARDS).items() if times > 1] == []


@pytest.mark.parametrize("safeguard", SAFEGUARDS, ids=lambda safeguard: safeguard.name)
def test_every_safeguard_stands_where_the_table_says(safeguard: Safeguard) -> None:
    """Its text is in production code exactly once, without it the file can still be read, and its tests exist."""
    assert Path(safeguard.file).parts[0] in PRODUCTION
    ast.parse(safeguard.removed_from((ROOT / safeguard.file).read_text("utf-8")))
    assert safeguard.tests
    assert [test for test in safeguard.tests if missing(test)] == []


@pytest.mark.parametrize("text", ["", f"{ONE.old}{ONE.old}"])
def test_a_text_that_is_not_there_once_is_named(text: str) -> None:
    """A safeguard that was moved or copied cannot be removed, and says which and where."""
    with pytest.raises(ValueError, match=f"{ONE.name}: its text is found {text.count(ONE.old)} times in {ONE.file}"):
        ONE.removed_from(text)


@pytest.mark.parametrize(
    ("code", "failed", "errors", "bite"),
    [
        (1, {"t": "assert 1 == 2"}, {}, Bite.BITES),
        (1, {"t": "AssertionError: seed 7"}, {}, Bite.BITES),
        (1, {"t": "Failed: DID NOT RAISE <class 'KeyError'>"}, {}, Bite.BITES),
        (0, {}, {}, Bite.SILENT),
        (1, {"t": "NameError: name 'x' is not defined"}, {}, Bite.BROKEN),
        (1, {"t": "Failed: Timeout >300.0s"}, {}, Bite.BROKEN),
        (1, {"t": "assert 1 == 2"}, {"u": "ImportError: x"}, Bite.BROKEN),
        (2, {}, {"t": "collection failure"}, Bite.BROKEN),
        (4, {}, {}, Bite.BROKEN),
    ],
)
def test_only_an_assertion_counts(code: int, failed: dict[str, str], errors: dict[str, str], bite: Bite) -> None:
    """A safeguard bites when a test fails by an assertion; a crash, a hang or a test that cannot begin proves nothing."""
    assert judged(ONE, Run(code, failed, errors, "the last line")).bite is bite
