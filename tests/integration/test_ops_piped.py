"""An operator's command whose reader goes away before it has read all, as `head` does, in a real process."""

import asyncio
import os
import sys
from typing import Any

import pytest
from pymongo import MongoClient

from tests.e2e.support.service import named
from tests.unit.worker.making import PAYMENT, story
from worker.adapters.documents import to_document
from worker.domain.record import Status

PATIENCE_S = 90.0
PROGRAM = "import sys; from worker.ops.cli import main; raise SystemExit(main(sys.argv[1:]))"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["machine"],
        ["show", PAYMENT],
        ["timeline", PAYMENT],
        ["timeline", PAYMENT, "--json"],
        ["verify", PAYMENT, "--json"],
        ["needs-review"],
        ["dead-letters", "list", "--json"],
    ],
)
@pytest.mark.parametrize("both", [False, True])
async def test_a_reader_that_goes_away_gets_no_complaint(
    arguments: list[str], mongo_uri: str, mongo_client: MongoClient[dict[str, Any]], database_name: str, *, both: bool
) -> None:
    """Standard output, or with `2>&1` both, have no reader any more: exit code 1, and nothing is complained of."""
    mongo_client[database_name]["payments"].insert_one(to_document(story(Status.SUCCEEDED).record))
    reader, writer = os.pipe()
    os.close(reader)
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, *arguments),
        env={**os.environ, "PYTHONUNBUFFERED": "", "MONGO_URI": named(mongo_uri, database_name)},
        stdout=writer,
        stderr=writer if both else asyncio.subprocess.PIPE,
    )
    os.close(writer)
    async with asyncio.timeout(PATIENCE_S):
        _, errors = await child.communicate()
    assert child.returncode == 1, errors
    assert both or b"Error" not in errors
