"""Rules about functions, tests and names, as functions that return complaints."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

LONGEST = 70  # lines; a function that needs more has two things to do

# Words that would fit any file say nothing about this one.
EMPTY_WORDS = {
    "base",
    "common",
    "data",
    "helper",
    "helpers",
    "impl",
    "info",
    "manager",
    "misc",
    "processor",
    "util",
    "utils",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(module: ast.Module) -> Iterator[Function]:
    for node in ast.walk(module):
        if isinstance(node, Function):
            yield node


def too_long(path: Path, module: ast.Module) -> list[str]:
    found = []
    for function in functions(module):
        assert function.end_lineno is not None
        lines = function.end_lineno - function.lineno + 1
        if lines > LONGEST:
            found.append(f"{path}:{function.lineno}: {function.name} has {lines} lines")
    return found


def untold_tests(path: Path, module: ast.Module) -> list[str]:
    """Tests without a docstring of one sentence."""
    found = []
    for test in tests(module):
        told = ast.get_docstring(test)
        if told is None:
            found.append(f"{path}:{test.lineno}: {test.name} has no docstring")
        elif not is_one_sentence(told):
            found.append(f"{path}:{test.lineno}: {test.name} is not told in one sentence")
    return found


def empty_tests(path: Path, module: ast.Module) -> list[str]:
    """Tests that could not fail."""
    return [
        f"{path}:{test.lineno}: {test.name} asserts nothing"
        for test in tests(module)
        if not any(asserts(node) for node in ast.walk(test))
    ]


def tests(module: ast.Module) -> Iterator[Function]:
    return (function for function in functions(module) if function.name.startswith("test_"))


def is_one_sentence(text: str) -> bool:
    flat = " ".join(text.split())
    return flat.endswith(".") and re.search(r"[.!?] [A-Z]", flat) is None


def asserts(node: ast.AST) -> bool:
    """An assert, pytest.raises and the like, or a call of something that is named for asserting."""
    if isinstance(node, ast.Assert):
        return True
    if not isinstance(node, ast.Call):
        return False
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in {"raises", "warns", "fail"} or name.startswith(("assert_", "run_state_machine"))


def empty_name(path: Path) -> list[str]:
    said = set(path.stem.split("_")) & EMPTY_WORDS
    return [f"{path}: named {word}" for word in sorted(said)]
