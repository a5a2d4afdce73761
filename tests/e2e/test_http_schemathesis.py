"""Requests that Schemathesis makes from the OpenAPI document, against the whole service."""

import sys
from collections import Counter
from pathlib import Path

import pytest

from sandbox.stack.processes import Child, plain_environment
from tests.e2e.support.service import Service
from tests.ingress_process import IngressProcess
from tests.ingress_requests import token

MUCH = "1000000/minute"
UNLIMITED = {"RATE_LIMIT_STANDARD": MUCH, "RATE_LIMIT_SENSITIVE": MUCH, "RATE_LIMIT_ADDRESS": MUCH}
EXAMPLES = 25
SEED = 7
RUN_S = 280

CONFIG = """
[checks.positive_data_acceptance]
# What fits the document can still be refused by payments' own rules: an unknown currency, a declined card.
expected-statuses = ["2xx", "401", "402", "403", "404", "409", "422"]

[[operations]]
# No generated signature is Stripe's, so that none of its events is taken.
include-path = "/api/payments/webhook"
checks.positive_data_acceptance.expected-statuses = ["400", "429"]

[reports.ndjson]
enabled = false
"""


async def explore(service: Service, directory: Path, *roles: str) -> tuple[int | None, str, IngressProcess]:
    """Let Schemathesis try every operation with every check; its exit code, what it said, and the ingress."""
    ingress = IngressProcess(directory / "explored", service.rabbitmq_url, **UNLIMITED)
    try:
        await ingress.start()
        await ingress.child.http_ok(f"{ingress.url}/ready")
        command = [
            *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"),
            *("--config-file", str(directory / "schemathesis.toml"), "run", f"{ingress.url}/openapi.json"),
            *("--header", f"Authorization: Bearer {token('user-1', *roles)}", "--checks", "all", "--no-color"),
            *("--max-examples", str(EXAMPLES), "--seed", str(SEED), "--generation-database", "none"),
            "--continue-on-failure",
        ]
        run = Child("schemathesis", command, log=directory / "said.log", env=plain_environment(directory))
        run.start()
        try:
            code = await run.ended(within_s=RUN_S)
        finally:
            run.kill()
        return code, run.text(), ingress
    finally:
        ingress.child.kill()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("roles", [("admin",), ()], ids=["admin", "user"])
async def test_no_request_is_answered_wrongly(service: Service, tmp_path: Path, roles: tuple[str, ...]) -> None:
    """All checks of Schemathesis hold for an administrator and for a user, no answer is a 5xx, and the promises hold."""
    await service.worker()
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    code, said, ingress = await explore(service, tmp_path, *roles)
    assert code == 0, said
    requests = [line for line in ingress.lines("request") if line["path"] != "/ready"]
    statuses = Counter(line["status"] for line in requests)
    assert not [status for status in statuses if status is None or status >= 500], statuses
    assert [line for line in requests if line["status"] == 201 and line["path"].endswith("/intent")], statuses
    assert len(statuses) > 5, statuses
