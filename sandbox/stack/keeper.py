"""Kill a process group when whoever started it is gone, even if that one was killed with -9.

Run as `python keeper.py GROUP` with a pipe as its stdin. The operating system closes the pipe when the starter ends, for
whatever reason. Linux's parent-death signal would be less code, but it fires when the starting *thread* ends, and macOS has
none. Standard library only, so that it starts in milliseconds.
"""

import contextlib
import os
import signal
import sys


def main() -> None:
    group = int(sys.argv[1])
    sys.stdin.read()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
