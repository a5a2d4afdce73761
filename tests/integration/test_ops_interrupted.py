"""An operator's Ctrl-C, in a real process."""

import asyncio
import os
import signal
import sys

import pytest

PATIENCE_S = 90.0
PROGRAM = (  # a shell may run the tests with SIGINT ignored
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from worker.ops.cli import main; raise SystemExit(main(sys.argv[1:]))"
)


@pytest.mark.parametrize("command", [["verify", "--all"], ["timeline", "pay_1"], ["needs-review"]])
async def test_an_interrupted_command_ends_with_one_line(command: list[str]) -> None:
    """While the database is silent, Ctrl-C ends a command with 130, one line and no traceback."""
    met = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        uri = f"mongodb://127.0.0.1:{server.sockets[0].getsockname()[1]}/payments?directConnection=true"
        environment = {**os.environ, "MONGO_URI": uri}
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, *command, env=environment, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(PATIENCE_S):
                await met.wait()
                child.send_signal(signal.SIGINT)
                _, errors = await child.communicate()
        except TimeoutError:
            child.kill()
            await child.communicate()
            raise
    assert child.returncode == 130, errors
    assert b"Traceback" not in errors
    assert b"payments: interrupted" in errors


IMPORTING = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            sys.stderr.write("met\\n")
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
from worker.ops.cli import main
raise SystemExit(main(["machine"]))
"""


@pytest.mark.parametrize("module", ["argparse", "pymongo", "stripe", "rich.table"])
async def test_a_command_is_interrupted_while_it_loads(module: str) -> None:
    """Ctrl-C in the first moments, whatever is being imported, ends a command with 130 and one line, too."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", IMPORTING, module, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE_S):
        _, errors = await child.communicate()
    assert child.returncode == 130, errors
    assert errors == b"met\npayments: interrupted\n"
