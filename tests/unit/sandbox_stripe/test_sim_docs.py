"""docs/simulator.md: its examples are accepted and its tables are complete."""

import json
import re
from pathlib import Path

import pytest

from sandbox.stripe.cli import parser
from sandbox.stripe.control import INDEX
from sandbox.stripe.faults import KINDS
from tests.unit.sandbox_stripe.raw import Raw

PAGE = Path(__file__).parents[3].joinpath("docs/simulator.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^curl -s (-X DELETE )?\"?\$SIM/_sim/([^\"'\s]+)\"?(?: -d '(.*)')?$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("delete", "path", "body"), EXAMPLES)
async def test_each_example_is_accepted(raw: Raw, delete: str, path: str, body: str) -> None:
    """Every control request of the page does something and is no error."""
    method = "DELETE" if delete else "POST" if body else "GET"
    assert "error" not in await raw.control(path, json.loads(body) if body else None, method=method)


def test_every_control_is_described() -> None:
    """Each entry of the index has its path in the page, with an id in the place of {id}."""
    paths = {line.split()[1] for line in INDEX} - {"/_sim/health", "/_sim/3ds/{id}"}
    missing = {path for path in paths if not re.search(re.sub(r"\\{\w+\\}", r"[a-z]+_…", re.escape(path)), PAGE)}
    assert missing == set()
    assert len(EXAMPLES) >= 15


def test_every_fault_is_described() -> None:
    """The table has one row per kind, in the order of the code."""
    assert tuple(re.findall(r"^\| `(\w+)` \| .* \| .* \| .* \| .*\|$", PAGE, re.MULTILINE)) == KINDS


def test_every_option_is_described() -> None:
    """The page names each option of the command line."""
    options = [text for action in parser()._actions for text in action.option_strings if text.startswith("--")]
    assert [text for text in options if f"`{text}`" not in PAGE and text != "--help"] == []
