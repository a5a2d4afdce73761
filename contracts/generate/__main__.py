"""python -m contracts.generate: write contracts/schemas anew from the models.

What is committed there is what other services have. A change that would break one of them is refused, by name; it is made
either as a new version (raise VERSION of the message's model) or on purpose, with --accept-breaking-change.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from contracts.generate.asyncapi import document
from contracts.generate.breaks import DOCUMENT, breaks
from contracts.generate.catalogue import messages
from contracts.generate.schemas import ENVELOPE, Json, currencies, schema_of

SCHEMAS = Path(__file__).parents[1] / "schemas"


def generated() -> dict[str, Json]:
    """Every file by name."""
    schemas = {f"{message.name}.json": schema_of(message) for message in (ENVELOPE, *messages())}
    return {**schemas, "currencies.json": currencies(), DOCUMENT: document()}


def published(directory: Path = SCHEMAS) -> dict[str, Json]:
    """What is committed."""
    return {path.name: json.loads(path.read_text("utf-8")) for path in sorted(directory.glob("*.json"))}


def text(content: Json) -> str:
    """The same bytes for the same content, on every machine."""
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def differing(directory: Path, files: dict[str, Json]) -> list[str]:
    """Names of the files that are missing, stale or not as they would be written."""
    present = {path.name: path.read_text("utf-8") for path in directory.glob("*.json")}
    wanted = {name: text(content) for name, content in files.items()}
    return sorted(name for name in present.keys() | wanted.keys() if present.get(name) != wanted.get(name))


def write(directory: Path, files: dict[str, Json]) -> None:
    """Make the directory hold exactly these files."""
    directory.mkdir(exist_ok=True)
    for path in directory.glob("*.json"):
        if path.name not in files:
            path.unlink()
    for name, content in files.items():
        (directory / name).write_text(text(content), "utf-8")


def main(arguments: Sequence[str] | None = None, directory: Path = SCHEMAS) -> int:
    """Return the exit code: 1 when --check finds a difference, or a breaking change is not accepted."""
    parser = argparse.ArgumentParser(prog="python -m contracts.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when something would be written")
    parser.add_argument("--accept-breaking-change", action="store_true", help="write it although it breaks somebody")
    given = parser.parse_args(arguments)
    files = generated()
    broken = breaks(published(directory), files)
    for sentence in broken:
        print(f"breaking: {sentence}", file=sys.stderr)
    if broken and not given.accept_breaking_change:
        print("nothing is written: raise the VERSION of the message, or pass --accept-breaking-change", file=sys.stderr)
        return 1
    changed = differing(directory, files)
    if given.check:
        print(
            f"{len(changed)} to write: {', '.join(changed)}" if changed else f"{len(files)} files are as they should be"
        )
        return int(bool(changed))
    write(directory, files)
    print(f"{len(files)} files, {len(changed)} changed: {', '.join(changed) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
