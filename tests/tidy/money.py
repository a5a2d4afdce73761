"""Where money is counted there is no binary fraction, as functions that return complaints.

A float cannot hold a cent: 0.1 + 0.2 is not 0.3, and a true division of two integers is a float.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

FILES = {
    *(Path("contracts") / f"{name}.py" for name in ("commands", "events", "money", "queries", "replies", "views")),
    *(Path("worker/adapters") / f"{name}.py" for name in ("documents", "gateway", "snapshots", "translate")),
    Path("worker/ops/amounts.py"),
}
FOLDERS = (Path("worker/domain"), Path("sandbox/stripe"))

# Of the model of Stripe: what waits and repeats, which counts seconds and chances, and what writes rates of exchange as JSON.
NO_MONEY = {
    Path("sandbox/stripe") / f"{name}.py"
    for name in ("api", "cli", "clock", "control", "encoding", "faults", "idempotency", "webhooks")
}

OTHER_UNITS = ("_s", "_rate")
"""Seconds and ratios may be fractions. A name says its unit at its end."""

Named = ast.Assign | ast.AnnAssign | ast.arg | ast.FunctionDef | ast.AsyncFunctionDef


def counts_money(path: Path) -> bool:
    return path in FILES or (any(folder in path.parents for folder in FOLDERS) and path not in NO_MONEY)


def floats(path: Path, module: ast.Module) -> list[str]:
    """Literals, types, divisions and powers that are, or make, a float; those named for another unit are let through."""
    allowed = {id(part) for node in ast.walk(module) for part in _of_another_unit(node)}
    return [
        f"{path}:{node.lineno}: {found}"
        for node in ast.walk(module)
        if isinstance(node, ast.expr | ast.stmt) and id(node) not in allowed and (found := _float(node))
    ]


def _float(node: ast.AST) -> str:
    """What is wrong with this very node; empty when nothing is."""
    match node:
        case ast.Constant(value=float()):
            return "a float"
        case ast.Name(id="float"):
            return "the type float"
        case ast.AugAssign(op=ast.Div()):
            return "a true division"
        case ast.BinOp(op=ast.Div()) if not _is_decimal(node.left) and not _is_decimal(node.right):
            return "a true division"
        case ast.BinOp(op=ast.Pow(), right=ast.UnaryOp(op=ast.USub())):
            return "a negative power"
    return ""


def _is_decimal(node: ast.expr) -> bool:
    """`Decimal(...)`: divided by or with an integer it stays a decimal, and with a float it is an error."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Decimal"


def _of_another_unit(node: ast.AST) -> Iterator[ast.AST]:
    """The value and the type of what is named for seconds or a ratio; of a function, what it returns."""
    if not isinstance(node, Named) or not all(name.lower().endswith(OTHER_UNITS) for name in _names(node)):
        return
    parts: list[ast.AST | None]
    match node:
        case ast.Assign():
            parts = [node.value]
        case ast.AnnAssign():
            parts = [node.value, node.annotation]
        case ast.arg():
            parts = [node.annotation]
        case _:
            parts = [node.returns]
    for part in parts:
        if part is not None:
            yield from ast.walk(part)


def _names(node: Named) -> list[str]:
    match node:
        case ast.Assign():
            targets = node.targets
        case ast.AnnAssign():
            targets = [node.target]
        case ast.arg():
            return [node.arg]
        case _:
            return [node.name]
    # An item of a list or a dict has no name of its own.
    return [target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "") for target in targets]
