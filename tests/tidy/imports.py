"""Who may import whom, and what the pure part may not touch. See docs/architecture for why."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

OURS = {"contracts", "webhook_ingress", "worker", "sandbox", "tests", "benchmarks"}

MAY_IMPORT = {
    "contracts": {"contracts"},
    "webhook_ingress": {"webhook_ingress", "contracts"},
    "worker": {"worker", "contracts"},
    "sandbox": {"sandbox", "contracts", "webhook_ingress", "worker"},
    "tests": OURS,
    "benchmarks": OURS - {"tests"},
}

# `contracts` is installed by every other service, so it may cost them pydantic and the currency table, and the broker's
# client only in the modules that talk to the broker.
CONTRACTS_MAY_NEED = {"pydantic", "pydantic_core", "iso4217"}
BROKER_CLIENT = {"aio_pika", "aiormq", "pamqp", "yarl"}
BROKER_MODULES = {"transport.py", "client.py", "generate.py"}

# The pure part gets the clock as an argument and derives its ids.
IMPURE_MODULES = {"asyncio", "os", "random", "secrets", "socket", "subprocess", "threading", "time"}
IMPURE_NAMES = {"now", "today", "utcnow", "uuid1", "uuid4", "urandom"}


def imported(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import, also of those inside functions."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, "relative imports are refused by ruff"
            yield from ((node.lineno, f"{node.module}.{name.name}") for name in node.names)


def complaints(path: Path, module: ast.Module) -> list[str]:
    """What breaks the import rule in this file."""
    package = path.parts[0]
    found = []
    for line, name in imported(module):
        top = name.split(".")[0]
        if top in OURS and top not in MAY_IMPORT[package]:
            found.append(f"{path}:{line}: {package} imports {name}")
        if package == "contracts" and not _contracts_may(path, top):
            found.append(f"{path}:{line}: contracts would cost every service {top}")
        if is_pure(path) and not _pure_may(name):
            found.append(f"{path}:{line}: worker/domain imports {name}")
    return found


def impurities(path: Path, module: ast.Module) -> list[str]:
    """Waiting, clocks and chance in the pure part."""
    found = []
    for node in ast.walk(module):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            found.append(f"{path}:{node.lineno}: waits")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in IMPURE_NAMES:
            found.append(f"{path}:{node.lineno}: calls {node.func.attr}")
    return found


def is_pure(path: Path) -> bool:
    return path.parts[:2] == ("worker", "domain")


def _contracts_may(path: Path, top: str) -> bool:
    allowed = CONTRACTS_MAY_NEED | (BROKER_CLIENT if path.name in BROKER_MODULES else set())
    return top in OURS or top in sys.stdlib_module_names or top in allowed


def _pure_may(name: str) -> bool:
    top, _, _ = name.partition(".")
    _, _, last = name.rpartition(".")
    if top == "worker":
        return name.startswith("worker.domain") or name == "worker.domain"
    if top == "contracts":
        return True
    return top in sys.stdlib_module_names and top not in IMPURE_MODULES and last not in IMPURE_NAMES
