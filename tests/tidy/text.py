"""Rules about the text of every file, as functions that return complaints."""

import re
from itertools import pairwise
from pathlib import Path

# Written in pieces, so that this file does not contain what it looks for.
REGISTRIES = [
    ("pypi", "org"),
    ("python" + "hosted", "org"),
    ("npmjs", "org"),
    ("golang", "org/"),
    ("crates", "io"),
    ("debian", "org/debian"),
]
REGISTRY = re.compile("|".join(rf"\b{name}\.{end}" for name, end in REGISTRIES))
MACHINE = re.compile(r"(?<![\w.}])/(?:work|root|home/[a-z]\w*|Users/[A-Za-z]\w*)/(?=[\w.])")
UNFINISHED = re.compile(r"\b(?:" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3]) + r")\b")

LOCKED = re.compile(r"^[a-z0-9][\w.-]*(\[[\w,-]+\])?==", re.MULTILINE)


def places(path: Path, text: str) -> list[str]:
    """Package registries and paths of somebody's machine."""
    return _lines(path, text, REGISTRY, "names a registry") + _lines(path, text, MACHINE, "names a path of a machine")


def unfinished(path: Path, text: str) -> list[str]:
    return _lines(path, text, UNFINISHED, "is unfinished")


def unlocked(path: Path, text: str) -> list[str]:
    """What a lock file must not have: an entry without a hash, an address, an option that names one."""
    found = [f"{path}: an address: {line}" for line in text.splitlines() if "://" in line or line.startswith("-")]
    starts = [match.start() for match in LOCKED.finditer(text)]
    for start, end in pairwise([*starts, len(text)]):
        entry = text[start:end]
        if "--hash=sha256:" not in entry:
            found.append(f"{path}: no hash: {entry.splitlines()[0]}")
    return found if starts else [*found, f"{path}: no entries"]


def _lines(path: Path, text: str, pattern: re.Pattern[str], what: str) -> list[str]:
    return [
        f"{path}:{n}: {what}: {line.strip()}" for n, line in enumerate(text.splitlines(), 1) if pattern.search(line)
    ]
