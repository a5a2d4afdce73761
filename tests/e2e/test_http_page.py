"""The page about HTTP says what is true: its commands run, its codes are the code's."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.replies import RefusalCode
from sandbox.stack.processes import plain_environment
from tests.e2e.support.service import Service
from tests.ingress_requests import SECRET, TOKEN_SETTINGS, WEBHOOK_PATH
from webhook_ingress.api.answers import STATUS
from webhook_ingress.api.endpoint import Endpoint
from webhook_ingress.api.routes import ENDPOINTS
from webhook_ingress.auth import BadToken
from webhook_ingress.settings import HELP

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "http.md").read_text()
BLOCKS = re.findall(r"^```bash\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
RUN_S = 120
SETTINGS = TOKEN_SETTINGS | {"STRIPE_WEBHOOK_SECRET": SECRET}


async def test_the_walk_can_be_walked(service: Service, tmp_path: Path) -> None:
    """Every command of the page succeeds, in its order, against the whole service, and asks every endpoint."""
    await service.worker()
    script = "set -euo pipefail\n" + "\n".join(BLOCKS)
    environment = plain_environment(tmp_path / "walk", API=service.ingress.url, **SETTINGS)
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answered = [line for line in service.ingress.lines("request") if line["status"] in {200, 201}]
    asked = {(line["method"], line["path"]) for line in answered}
    assert [endpoint.name for endpoint in ENDPOINTS if not any(leads_to(endpoint, *one) for one in asked)] == []
    assert {("POST", WEBHOOK_PATH), ("GET", "/openapi.json"), ("GET", "/docs")} <= asked
    assert all(f'"$API{path}"' in script for path in ("/health", "/ready", "/metrics"))  # these are not logged
    assert service.database["payments"].count_documents({"refunded": 500}) == 1


def leads_to(endpoint: Endpoint, method: str, path: str) -> bool:
    """Whether a request is for this endpoint. A part with an underscore or a digit in it is an id, the others are names."""
    pattern = "[^/]*[_0-9-][^/]*".join(map(re.escape, re.split(r"\{\w+\}", endpoint.path)))
    return method == endpoint.method and re.fullmatch(pattern, path) is not None


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_every_endpoint_is_listed(endpoint: Endpoint) -> None:
    """The page's table has every route."""
    assert f"`{endpoint.method} {endpoint.path}`" in PAGE


def test_the_codes_are_listed_by_their_status() -> None:
    """Each refusal and each way of being unknown is in the row of the status that it has."""
    listed = re.findall(r"^\| (\d{3}) \| (.*) \|$", PAGE, re.MULTILINE)
    rows = {int(status): set(re.findall(r"`(\w+)`", codes)) for status, codes in listed}
    for code in RefusalCode:
        assert code.value in rows[STATUS[code]]
    assert {bad.value for bad in BadToken} == rows[401]


def test_every_code_of_ours_is_listed() -> None:
    """No problem is built under a code that the page does not know."""
    found: set[str] = set()
    for path in (ROOT / "webhook_ingress").rglob("*.py"):
        text = path.read_text()
        found |= set(re.findall(r"Problem\(\s*\d{3}, \"(\w+)\"", text))
        found |= set(re.findall(r"(?:unavailable|bad_request)\(\s*\"(\w+)\"", text))
    assert len(found) > 15
    assert [code for code in sorted(found) if f"`{code}`" not in PAGE] == []


def test_every_setting_is_explained() -> None:
    """What the program's help names for the API has a row on the page."""
    names = set(re.findall(r"^  ([A-Z_]+)\b", HELP.partition("for ROUTES with public")[2], re.MULTILINE))
    assert len(names) > 10
    assert [name for name in sorted(names) if f"| `{name}` |" not in PAGE] == []
