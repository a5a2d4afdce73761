"""The log: JSON lines that tell a story and keep secrets."""

import json
import logging
from collections.abc import Iterator

import pytest

from tests.ingress_requests import WEBHOOK_PATH, event_body
from tests.unit.webhook_ingress.asgi import Ingress
from webhook_ingress import logs


@pytest.fixture
def root_logging() -> Iterator[None]:
    """Puts the standard library's root logger back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


async def test_one_line_tells_a_request() -> None:
    """A request's line names the event, the outcome, the status and the time it took."""
    ingress = Ingress()
    await ingress.post(event_body("evt_7", "charge.refunded"))
    (line,) = ingress.lines
    assert line["ms"] >= 0
    assert line["timestamp"].endswith("Z")
    wanted = {
        "service": "ingress",
        "event": "request",
        "level": "info",
        "method": "POST",
        "path": WEBHOOK_PATH,
        "status": 200,
        "outcome": "stored",
        "event_id": "evt_7",
        "event_type": "charge.refunded",
    }
    assert wanted.items() <= line.items()


async def test_a_long_path_is_cut() -> None:
    """A sender cannot make a line as long as it likes."""
    ingress = Ingress()
    await ingress.get("/" + "x" * 5000)
    assert len(ingress.lines[0]["path"]) == logs.MAX_PATH


@pytest.mark.usefixtures("root_logging")
def test_a_library_logs_its_template_only(capsys: pytest.CaptureFixture[str]) -> None:
    """What a library puts into its message stays out: it may be a whole webhook."""
    logs.take_over_logging(logs.make_logger("INFO", service="ingress"))
    error = ValueError("hush")
    logging.getLogger("aiormq.channel").error("Unhandled message %r returning", b"hush", exc_info=error)
    text = capsys.readouterr().out
    line = json.loads(text)
    assert "hush" not in text
    assert (line["logger"], line["template"]) == ("aiormq.channel", "Unhandled message %r returning")
    assert (line["error"], line["level"]) == ("ValueError", "error")


@pytest.mark.usefixtures("root_logging")
def test_a_level_silences_what_is_below(capsys: pytest.CaptureFixture[str]) -> None:
    """LOG_LEVEL=ERROR leaves errors only."""
    log = logs.make_logger("ERROR")
    log.info("no")
    log.error("yes")
    assert [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()] == ["yes"]
