"""The README's commands and program, run as they stand; only ports and addresses are those of this machine."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from pymongo import MongoClient

from sandbox.services.inbox import Inbox
from sandbox.services.orders import QUEUE
from sandbox.stack.ports import free_port
from sandbox.stack.processes import Child

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "README.md").read_text("utf-8")
PROGRAM = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
COMMANDS, START, PAY = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
PATIENCE_S = 60.0

INGRESS, WORKER, SIMULATOR = "5005", "5006", "12111"


@pytest.fixture
def ports() -> dict[str, str]:
    """A free port for each that the README names."""
    return {named: str(free_port()) for named in (INGRESS, WORKER, SIMULATOR)}


@pytest.fixture
def environment(vhost_url: str, mongo_uri: str, database_name: str, ports: dict[str, str]) -> dict[str, str]:
    """What the shell has: our programs on its path, and the ports that the README leaves at their defaults."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    uri = urlunsplit(urlsplit(mongo_uri)._replace(path=f"/{database_name}"))
    return {
        "PATH": path,
        "PORT": ports[INGRESS],
        "WORKER_PORT": ports[WORKER],
        "RABBITMQ_URL": vhost_url,
        "MONGO_URI": uri,
    }


def here(text: str, ports: dict[str, str], environment: dict[str, str]) -> str:
    """The README's text with this machine's ports and addresses."""
    text = re.sub(r"amqp://\S+", environment["RABBITMQ_URL"], text)
    text = re.sub(r"mongodb://\S+", environment["MONGO_URI"].replace("&", "\\&"), text)
    for named, free in ports.items():
        text = (
            text.replace(f":{named}/", f":{free}/")
            .replace(f":{named} ", f":{free} ")
            .replace(f" {named} ", f" {free} ")
        )
    return text


@pytest.fixture
async def started(ports: dict[str, str], environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Child]:
    """The block of "Start it by hand", in a shell."""
    block = here(START, ports, environment)
    shell = Child("the README's block", ["bash", "-c", block], log=tmp_path / "shell.log", env=environment)
    shell.start()
    try:
        for named in (INGRESS, WORKER):
            await shell.http_ok(f"http://127.0.0.1:{ports[named]}/ready")
        yield shell
    finally:
        shell.kill()


async def output(*command: str, environment: dict[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(PATIENCE_S):
        text, _ = await process.communicate()
    assert process.returncode == 0, text.decode()
    return text.decode()


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on the PATH")
async def test_by_hand_from_the_readme(
    started: Child,
    ports: dict[str, str],
    environment: dict[str, str],
    mongo_client: MongoClient[dict[str, Any]],
    database_name: str,
) -> None:
    """Worker, ingress and simulator start with nothing but the settings shown; the program creates, curl pays."""
    paid = asyncio.Event()
    inbox = Inbox(
        environment["RABBITMQ_URL"],
        QUEUE,
        lambda _, event: paid.set() if event.TYPE == "payment.succeeded" else None,
        name="test",
    )
    listening = asyncio.create_task(inbox.run())
    await inbox.ready.wait()
    verdict, secret = (await output(sys.executable, "-c", PROGRAM, environment=environment)).splitlines()
    pay = here(PAY, ports, environment)
    await output("bash", "-ec", pay, environment=environment | {"SECRET": secret})
    async with asyncio.timeout(PATIENCE_S):
        await paid.wait()
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    stored = mongo_client[database_name]["payments"].find_one({"order_id": "o-1042"})
    assert stored is not None
    assert (stored["status"], verdict) == ("succeeded", f"accepted {stored['_id']}")
    assert started.alive


def test_the_first_screen_has_two_commands() -> None:
    """What a newcomer sees first is what it is, then `make demo` and `make test`."""
    assert [line.split("#")[0].strip() for line in COMMANDS.splitlines()] == ["make demo", "make test"]
    assert PAGE.index(COMMANDS) < PAGE.index("## ")


def test_every_link_leads_somewhere() -> None:
    """Each file that the README or the page on running links to is there."""
    for page in (ROOT / "README.md", ROOT / "docs" / "running.md"):
        links = re.findall(r"\]\((?!http)([^)#]+)", page.read_text("utf-8"))
        assert [link for link in links if not (page.parent / link).exists()] == []
        assert links
