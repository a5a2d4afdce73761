"""The worker's last net: whoever puts a secret into a field of a log line, it is not written."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from worker.ops import logs


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Logging is set up for the whole process: it is put back."""
    configured, root = structlog.get_config(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.configure(**configured)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("field", ["client_secret", "stripe_signature", "Authorization", "password", "access_token"])
def test_a_field_that_is_named_like_a_secret_is_not_logged(field: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A field of such a name is written as redacted, and its neighbours as they are."""
    logs.configure("INFO")
    structlog.get_logger().info("delivery", payment_id="pay_1", **{field: "hush"})
    line = json.loads(capsys.readouterr().out)
    assert (line["payment_id"], line[field]) == ("pay_1", "[redacted]")
