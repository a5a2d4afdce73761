"""`python -m benchmarks [ROW ...]`: each row beside the least code that does the same I/O, measured in turn."""

import argparse
import asyncio
import tempfile
from pathlib import Path

import uvloop

from benchmarks import http_route, measure, webhook_accepted, webhook_applied
from benchmarks.measure import Row

ROWS: tuple[Row, ...] = (webhook_accepted.ROW, webhook_applied.ROW, http_route.QUERY, http_route.CREATE)

PAIRS = 7
"""An odd number, so that the median is a pair that was measured."""


def main() -> None:
    by_name = {row.name: row for row in ROWS}
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"one of: {', '.join(by_name)}; all when none is named")
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"samples of each side, taken in turn ({PAIRS})")
    parser.add_argument("--messages", type=int, help="messages per sample, instead of the row's own number")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.rows if name not in by_name]
    if unknown:
        parser.error(f"no such row: {', '.join(unknown)}")
    for row in [by_name[name] for name in chosen.rows] or ROWS:
        with (
            tempfile.TemporaryDirectory(prefix="payments-benchmark-") as directory,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            messages = chosen.messages or row.messages
            result = runner.run(measure.run(row, Path(directory), pairs=chosen.pairs, messages=messages))
        print(measure.report(row, result), flush=True)


if __name__ == "__main__":
    main()
