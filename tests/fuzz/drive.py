"""One target under atheris, in a process of its own: `python -m tests.fuzz.drive webhook CORPUS -max_total_time=30`.

The code under test is imported while atheris watches, so that it sees which branches an input has reached.
"""

import importlib
import sys
from collections.abc import Callable
from typing import Any

WATCHED = ["contracts", "webhook_ingress", "worker"]
HEADER_BYTES = 100
"""Of an input that is not rightly signed so many bytes are the signature header; a sound one has fewer."""

SIGNED, UNSIGNED = b"\x00", b"\x01"
ORDINARY, PRIVILEGED = b"\x00", b"\x01"


def main(arguments: list[str]) -> None:
    """Fuzz until the time is over. The process ends with an exit code of libFuzzer's, and 0 means that all was foreseen."""
    name, *options = arguments
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=WATCHED):
        targets: Any = importlib.import_module("tests.fuzz.targets")
    atheris.Setup([sys.argv[0], *options], made(targets)[name])
    atheris.Fuzz()


def made(targets: Any) -> dict[str, Callable[[bytes], None]]:
    """The targets by name, each of one input: its first byte chooses, the rest is the message."""

    def webhook(raw: bytes) -> None:
        if raw[:1] == UNSIGNED:
            targets.webhook(raw[1 + HEADER_BYTES :], raw[1 : 1 + HEADER_BYTES])
        else:
            targets.webhook(raw[1:], None)
            targets.stripe_event(raw[1:])

    def command(raw: bytes) -> None:
        targets.command(raw[1:], privileged=raw[:1] == PRIVILEGED)

    return {"webhook": webhook, "command": command}


if __name__ == "__main__":
    main(sys.argv[1:])
