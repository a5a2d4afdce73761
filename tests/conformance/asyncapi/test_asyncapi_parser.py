"""AsyncAPI's own parser reads the committed document. Skipped, with the reason, where Node or its packages cannot be had.

The parser does not hold examples against their schemas in AsyncAPI 3: tests/unit/contracts/test_generate.py does.
"""

import copy
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
DOCUMENT = Path(__file__).parents[3] / "contracts" / "schemas" / "asyncapi.json"
OLDEST_NODE = 18
INSTALL_TIMEOUT_S = 240
PARSE_TIMEOUT_S = 60
ERROR, WARNING = 0, 1
UNREACHABLE = ("ENOTFOUND", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EAI_AGAIN", "ENETUNREACH", "ERR_SOCKET_TIMEOUT")

Json = dict[str, Any]
Parse = Callable[[Json], Json]


def node_and_npm() -> tuple[str, str]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node with npm is not installed")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.removeprefix("v").split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"Node {version.strip()} is older than {OLDEST_NODE}")
    return node, npm


@pytest.fixture(scope="module")
def parse(tmp_path_factory: pytest.TempPathFactory) -> Parse:
    """Runs the parser, installed from the lock file into a folder of its own, on a document."""
    node, npm = node_and_npm()
    folder = tmp_path_factory.mktemp("asyncapi")
    for name in ("package.json", "package-lock.json", ".npmrc", "validate.mjs"):
        shutil.copy(HERE / name, folder)
    install = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(
            install, cwd=folder, capture_output=True, text=True, check=False, timeout=INSTALL_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm ci took longer than {INSTALL_TIMEOUT_S} s")
    if done.returncode != 0 and any(word in done.stderr for word in UNREACHABLE):
        pytest.skip("npm cannot reach its registry")
    assert done.returncode == 0, done.stderr

    def run(document: Json) -> Json:
        path = folder / "document.json"
        path.write_text(json.dumps(document), "utf-8")
        answer = subprocess.run(
            [node, "validate.mjs", path],
            cwd=folder,
            env={**os.environ, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=True,
            timeout=PARSE_TIMEOUT_S,
        )
        found: Json = json.loads(answer.stdout)
        return found

    return run


@pytest.fixture
def document() -> Json:
    found: Json = json.loads(DOCUMENT.read_text("utf-8"))
    return found


def test_the_parser_finds_nothing_wrong(parse: Parse, document: Json) -> None:
    """AsyncAPI's parser reads the committed document without an error and without a warning."""
    answer = parse(document)
    assert answer["parsed"]
    assert [said for said in answer["diagnostics"] if said["severity"] in {ERROR, WARNING}] == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda document: document.pop("info"),
        lambda document: document["operations"]["payment.create"].update(action="publish"),
        lambda document: document["channels"]["payment.create"]["bindings"]["amqp"].update(
            exchange="payments.commands"
        ),
        lambda document: document["operations"]["payment.create"]["channel"].update({"$ref": "#/channels/nowhere"}),
        lambda document: document["components"]["schemas"]["payment.create.v1"].update(type="money"),
    ],
    ids=["no info", "unknown action", "malformed binding", "dangling reference", "unknown type"],
)
def test_the_parser_sees_damage(parse: Parse, document: Json, damage: Callable[[Json], object]) -> None:
    """The same parser reports a damaged document, so that its silence means something."""
    damaged = copy.deepcopy(document)
    damage(damaged)
    answer = parse(damaged)
    assert [said for said in answer["diagnostics"] if said["severity"] in {ERROR, WARNING}]
