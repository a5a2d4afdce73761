"""Which seeds a long run has done, kept in a small file, so that it can be interrupted and go on."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = ("contracts", "worker", "tests/simulation", "tests/simulation_customers", "tests/stateful")

Ranges = list[tuple[int, int]]


def fingerprint() -> str:
    """Of the code that a seed runs: what was done with other code says nothing about this one."""
    digest = hashlib.blake2b(digest_size=16)
    files = [path for folder in CODE for path in (ROOT / folder).rglob("*.py")]
    for path in sorted([*files, *(ROOT / "tests").glob("*.py")]):
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


class Done:
    """Half-open ranges of seeds by kind, and the seeds among them that failed, with how."""

    def __init__(self, code: str) -> None:
        self._code = code
        self.ranges: dict[str, Ranges] = {}
        self.failed: dict[str, dict[int, str]] = {}

    @classmethod
    def read(cls, path: Path, code: str) -> "Done":
        """What the file says; nothing when there is none, or when it was done with other code."""
        done = cls(code)
        if path.exists():
            kept = json.loads(path.read_text())
            if kept["code"] == code:
                done.ranges = {kind: [(first, end) for first, end in found] for kind, found in kept["ranges"].items()}
                done.failed = {
                    kind: {int(seed): how for seed, how in found.items()} for kind, found in kept["failed"].items()
                }
        return done

    def write(self, path: Path) -> None:
        """Whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(".new")
        half.write_text(json.dumps({"code": self._code, "ranges": self.ranges, "failed": self.failed}))
        half.replace(path)

    def add(self, kind: str, first: int, end: int) -> None:
        """The seeds from `first` to before `end` are done."""
        joined: Ranges = []
        for begin, stop in sorted([*self.ranges.get(kind, []), (first, end)]):
            if joined and begin <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
            elif begin < stop:
                joined.append((begin, stop))
        self.ranges[kind] = joined

    def left(self, kind: str, first: int, end: int, at_once: int) -> Iterator[tuple[int, int]]:
        """What is still to do, in pieces of at most `at_once` seeds."""
        for begin, stop in [*self.ranges.get(kind, []), (end, end)]:
            for piece in range(first, min(begin, end), at_once):
                yield piece, min(piece + at_once, begin, end)
            first = max(first, stop)
