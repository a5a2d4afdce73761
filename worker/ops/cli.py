"""`payments`: the way in. It loads next to nothing before Ctrl-C and a reader that goes away have their answers."""

import os
import sys
from collections.abc import Mapping, Sequence

INTERRUPTED = 130
"""As a shell tells a program that SIGINT has ended: 128 and the signal's number."""


def main(arguments: Sequence[str] | None = None, variables: Mapping[str, str] = os.environ) -> int:
    """Run one command; exit code 0 done, 1 not found or no answer, 2 bad usage or setting, 130 interrupted by Ctrl-C.

    A command of which a repeat goes on where it was says so and ends with 1. So does one whose reader went away, as `head`
    does, without a word.
    """
    try:
        try:
            from worker.ops import commands

            return commands.run(arguments, variables)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stderr.write("payments: interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        _write_nowhere()
        return 1


def _write_nowhere() -> None:
    """What is still to be written goes nowhere: at its end Python would try again, and complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
