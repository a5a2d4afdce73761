"""One process at a time, where several would get into each other's way: two installations of one package, say."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def one_at_a_time(name: str) -> Iterator[None]:
    """Wait until no other process of this user is inside under this name. Whoever dies inside lets the next one in."""
    path = Path(tempfile.gettempdir()) / f"payments-{name}-{os.geteuid()}.lock"
    # Never removed: who waits for a file that is gone would not meet who comes next. A link of somebody else is not followed.
    held = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
