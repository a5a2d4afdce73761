"""How processes share a run of the tests, as decisions over values; `make test` says `-n auto --dist loadfile`."""

from collections.abc import Sequence

LONG = ("chaos", "e2e", "integration", "stateful", "simulation", "simulation_customers")
"""The folders to begin with: whoever begins a long file last keeps all others waiting."""

FEWEST = 4
"""On fewer cores too: most of a run is waiting, for brokers that die and come back."""

MOST = 8
"""Each has a broker and a database of its own, and there are not so many long files."""


def processes(named: Sequence[str], *, cores: int, captured: bool) -> int:
    """How many; 0 for the process that was asked, alone. `named` is what the command line names to run.

    No more than files, where only files are named. Output that shall be seen as it comes is seen from this process only.
    """
    files = {name.split("::")[0] for name in named}
    only_files = all(name.endswith(".py") for name in files)
    number = min(max(FEWEST, cores), MOST, *([len(files)] if only_files else []))
    return number if number > 1 and captured else 0


def turn(folder: str) -> int:
    """Where the tests of a folder come in a shared run: the smaller, the earlier."""
    return LONG.index(folder) if folder in LONG else len(LONG)
