"""Two JSON objects compared by their fields and types, with the differences that are meant listed by name.

A null agrees with everything: it says that the field exists and nothing of its type.
"""

from collections.abc import Iterator
from typing import Any

# Free-form hashes: their keys are the user's.
FREE = frozenset(["metadata"])


def differences(ours: Any, theirs: Any, path: str) -> Iterator[str]:
    """`path: missing`, `path: extra` and `path: string, not integer`."""
    if ours is None or theirs is None:
        return
    if kind(ours) != kind(theirs):
        yield f"{path}: {kind(ours)}, not {kind(theirs)}"
    elif isinstance(ours, dict):
        if path.rpartition(".")[2] in FREE:
            return
        for name in theirs.keys() - ours.keys():
            yield f"{path}.{name}: missing"
        for name in ours.keys() - theirs.keys():
            yield f"{path}.{name}: extra"
        for name in theirs.keys() & ours.keys():
            yield from differences(ours[name], theirs[name], f"{path}.{name}")
    elif isinstance(ours, list) and ours and theirs:
        yield from differences(ours[0], theirs[0], f"{path}[]")


def kind(value: Any) -> str:
    """The JSON type."""
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"
