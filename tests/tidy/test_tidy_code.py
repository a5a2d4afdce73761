"""The house rules about code hold, and each of them can fail."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tidy import imports, money, shape, text
from tests.tidy.tree import CODE, modules, texts, walk

Rule = Callable[[Path, ast.Module], list[str]]

LOCKS = ("requirements.lock", "requirements-dev.lock")


def test_everybody_imports_only_whom_they_may() -> None:
    """The import rule holds in every package."""
    assert [line for path, module in modules(*CODE).items() for line in imports.complaints(path, module)] == []


def test_the_domain_neither_waits_nor_looks_at_a_clock_nor_draws() -> None:
    """Nothing under worker/domain awaits, reads a clock or is random."""
    pure = {path: module for path, module in modules("worker").items() if imports.is_pure(path)}
    assert [line for path, module in pure.items() for line in imports.impurities(path, module)] == []


def test_no_function_is_too_long() -> None:
    """Every function, in tests too, has at most 70 lines."""
    assert [line for path, module in modules(*CODE).items() for line in shape.too_long(path, module)] == []


def test_every_test_is_told_in_one_sentence() -> None:
    """Every test has a docstring, and it is one sentence."""
    assert [line for path, module in modules("tests").items() for line in shape.untold_tests(path, module)] == []


def test_every_test_can_fail() -> None:
    """Every test asserts something."""
    assert [line for path, module in modules("tests").items() for line in shape.empty_tests(path, module)] == []


def test_amounts_are_never_floats() -> None:
    """Nothing that makes, moves, stores or shows amounts uses a float or a true division."""
    counting = {path: module for path, module in modules(*CODE).items() if money.counts_money(path)}
    assert counting.keys() >= money.FILES
    assert [line for path, module in counting.items() for line in money.floats(path, module)] == []


def test_money_is_counted_at_any_depth() -> None:
    """A package inside a folder that counts money counts money, too."""
    assert money.counts_money(Path("worker/domain/customers/calls.py"))
    assert not money.counts_money(Path("worker/jobs/relay.py"))


def test_files_are_named_for_what_is_in_them() -> None:
    """No file of the code is named helper, utils, manager or another word that fits all of them."""
    assert [line for path in modules(*CODE) for line in shape.empty_name(path)] == []


def test_no_file_names_a_registry_or_a_machine() -> None:
    """No file names a package registry's host or a path that exists on one machine only."""
    assert [line for path, content in texts().items() for line in text.places(path, content)] == []


def test_nothing_is_left_unfinished() -> None:
    """No file has a note that something is still to be done."""
    assert [line for path, content in texts().items() for line in text.unfinished(path, content)] == []


@pytest.mark.parametrize("name", LOCKS)
def test_every_dependency_is_locked_with_a_hash(name: str) -> None:
    """Each entry of a lock file has a hash, and nothing says where it comes from."""
    assert text.unlocked(Path(name), texts()[Path(name)]) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("contracts/money.py", "import worker"),
        ("contracts/money.py", "import requests"),
        ("contracts/events.py", "from aio_pika import connect"),
        ("webhook_ingress/app.py", "from worker.ports import Store"),
        ("worker/handler.py", "import webhook_ingress.app"),
        ("worker/handler.py", "def f():\n    from sandbox.stack import Stack"),
        ("worker/domain/payment.py", "from worker.ports import Store"),
        ("worker/domain/payment.py", "import stripe"),
        ("worker/domain/payment.py", "import time"),
        ("worker/domain/payment.py", "from uuid import uuid4"),
        ("benchmarks/decide.py", "import tests.fakes"),
    ],
)
def test_the_import_rule_can_fail(path: str, source: str) -> None:
    """Each way of importing somebody that one may not is found."""
    assert len(imports.complaints(Path(path), ast.parse(source))) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("contracts/transport.py", "import aio_pika"),
        ("contracts/money.py", "from decimal import Decimal"),
        ("worker/domain/payment.py", "from worker.domain.record import Payment\nfrom contracts import money"),
        ("worker/domain/payment.py", "from uuid import uuid5\nfrom datetime import datetime"),
        ("sandbox/demo/cli.py", "from worker.__main__ import main"),
    ],
)
def test_the_import_rule_allows_what_it_should(path: str, source: str) -> None:
    """Imports that the rule allows are not complained about."""
    assert imports.complaints(Path(path), ast.parse(source)) == []


def test_a_clock_that_was_handed_in_is_no_impurity() -> None:
    """The time as a value is what the pure part is given, whatever it is called."""
    assert imports.impurities(Path("worker/domain/x.py"), ast.parse("f(context.now, self.now)")) == []


@pytest.mark.parametrize("source", ["async def f(): ...", "datetime.now(UTC)", "date.today()", "uuid.uuid4()"])
def test_impurity_is_found(source: str) -> None:
    """Waiting, clocks and chance are found in the pure part."""
    assert len(imports.impurities(Path("worker/domain/x.py"), ast.parse(source))) == 1


LONG = "def f():\n" + "    x = 1\n" * 70
SILENT = "def test_x():\n    assert True"
TWO_SENTENCES = 'def test_x():\n    """It works. It also sings."""\n    assert True'
NO_SENTENCE = 'def test_x():\n    """It works"""\n    assert True'
TOOTHLESS = 'async def test_x():\n    """It works."""\n    await work()'


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (shape.too_long, LONG),
        (shape.untold_tests, SILENT),
        (shape.untold_tests, TWO_SENTENCES),
        (shape.untold_tests, NO_SENTENCE),
        (shape.empty_tests, TOOTHLESS),
        (money.floats, "amount = 0.1"),
        (money.floats, "amount = 1e3"),
        (money.floats, "amount = total / 2"),
        (money.floats, "amount /= 100"),
        (money.floats, "amount = minor * 10 ** -digits"),
        (money.floats, "amount = int(float(text))"),
        (money.floats, "amount: float"),
        (money.floats, "amount: dict[str, float | None]"),
        (money.floats, "def f(amount: float): ..."),
        (money.floats, "def f(amount: int, wait_s: float) -> float: ..."),
        (money.floats, "shares = [amount / 3, amount // 3]"),
        (money.floats, "delay_s = amount = 0.5"),
        (money.floats, "send(amount / 100, delay_s=5)"),
    ],
)
def test_a_rule_about_code_can_fail(rule: Rule, source: str) -> None:
    """Each rule about code finds a sample that breaks it."""
    assert len(rule(Path("x.py"), ast.parse(source))) == 1


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (shape.too_long, LONG.removesuffix("    x = 1\n")),
        (shape.untold_tests, 'def test_x():\n    """With v1.2 it works, e.g. here: yes."""'),
        (shape.empty_tests, "def test_x():\n    with pytest.raises(ValueError): work()"),
        (shape.empty_tests, "def test_x():\n    assert_accepted(rows)"),
        (money.floats, "amount = total // 2"),
        (money.floats, "amount = rounded(Decimal(total * basis_points) / 10_000)"),
        (money.floats, "PAGE_PAUSE_S = 0.5"),
        (money.floats, "self.wait_s: float = 1 / 2"),
        (money.floats, "class Stats:\n    success_rate: float | None = None"),
        (money.floats, "def wait_s(delay_s: float, *, jitter_s: float) -> float: ..."),
    ],
)
def test_a_rule_about_code_allows_what_it_should(rule: Rule, source: str) -> None:
    """Code that keeps a rule is not complained about."""
    assert rule(Path("x.py"), ast.parse(source)) == []


@pytest.mark.parametrize(
    "line",
    ["https://pypi" + ".org/simple", "see /ro" + "ot/notes.txt", "cd /home/" + "ann/payments", "/wor" + "k/main"],
)
def test_a_place_is_found(line: str) -> None:
    """A registry's host and a machine's path are found."""
    assert len(text.places(Path("x"), line)) == 1


@pytest.mark.parametrize("line", ["golang.organic", "src/work/x", "${PREFIX}/root/x", "HOME=/home", "worker/root.py"])
def test_what_only_looks_like_a_place_is_allowed(line: str) -> None:
    """Words that contain a host or a path are allowed."""
    assert text.places(Path("x"), line) == []


@pytest.mark.parametrize("word", ["TO" + "DO", "FIX" + "ME", "X" * 3])
def test_an_unfinished_note_is_found(word: str) -> None:
    """Each word for unfinished work is found."""
    assert len(text.unfinished(Path("x"), f"# {word}: later")) == 1


@pytest.mark.parametrize(
    "lock",
    [
        "",
        "a==1 \\\n    --hash=sha256:0\nb==2\n",
        "--index-url https://example.com\na==1 \\\n    --hash=sha256:0\n",
        "a @ https://example.com/a.whl\nb==1 \\\n    --hash=sha256:0\n",
    ],
)
def test_a_loose_lock_is_found(lock: str) -> None:
    """A lock file without entries, without a hash or with an address is found."""
    assert len(text.unlocked(Path("x.lock"), lock)) == 1


@pytest.mark.parametrize("name", ["utils.py", "stripe_helper.py", "base.py"])
def test_an_empty_name_is_found(name: str) -> None:
    """A file that is named for nothing is found."""
    assert len(shape.empty_name(Path("worker") / name)) == 1


def test_without_git_what_was_made_is_left_out(tmp_path: Path) -> None:
    """Where git cannot say what is committed, caches and environments are left out by their names."""
    for name in ("worker/a.py", ".venv/3.11/b.py", "worker/__pycache__/a.pyc", ".ci/run", ".env", "x.egg-info/c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert walk(tmp_path) == (Path(".ci/run"), Path("worker/a.py"))
