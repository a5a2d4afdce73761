"""What a safeguard is, as data."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Safeguard:
    """A piece of code that keeps a promise. Without it at least one of its tests must fail, by an assertion.

    `old` stands exactly once in `file`, and with `new` in its place the file can still be read: what is removed is the
    safeguard alone. `tests` are pytest's node ids, without parameters or with.
    """

    name: str
    promise: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def removed_from(self, text: str) -> str:
        """The file's text without the safeguard. Raises ValueError unless it stands there exactly once."""
        found = text.count(self.old)
        if found != 1:
            raise ValueError(f"{self.name}: its text is found {found} times in {self.file}, not once")
        return text.replace(self.old, self.new)
