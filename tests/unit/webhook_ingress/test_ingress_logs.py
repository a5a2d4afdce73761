"""The log: JSON lines that tell a story and keep secrets."""

import asyncio
import io
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
def test_a_library_logs_its_template_only() -> None:
    """What a library puts into its message stays out: it may be a whole webhook."""
    output = io.StringIO()
    logs.take_over_logging(logs.make_logger(logs.LineWriter(output), "INFO", service="ingress"))
    error = ValueError("hush")
    logging.getLogger("aiormq.channel").error("Unhandled message %r returning", b"hush", exc_info=error)
    line = json.loads(output.getvalue())
    assert "hush" not in output.getvalue()
    assert (line["logger"], line["template"]) == ("aiormq.channel", "Unhandled message %r returning")
    assert (line["error"], line["level"]) == ("ValueError", "error")


def test_a_level_silences_what_is_below() -> None:
    """LOG_LEVEL=ERROR leaves errors only."""
    output = io.StringIO()
    log = logs.make_logger(logs.LineWriter(output), "ERROR")
    log.warning("no")
    log.error("yes")
    assert [json.loads(line)["event"] for line in output.getvalue().splitlines()] == ["yes"]


async def test_a_warning_is_written_at_once_and_in_order() -> None:
    """What came before a warning is written with it, and nothing is written twice."""
    output = io.StringIO()
    writer = logs.LineWriter(output)
    log = logs.make_logger(writer, "INFO")
    log.info("first")
    assert output.getvalue() == ""
    log.warning("second")
    writer.flush()
    assert [json.loads(line)["event"] for line in output.getvalue().splitlines()] == ["first", "second"]


class Watched(io.StringIO):
    """Says when it is written to."""

    def __init__(self) -> None:
        super().__init__()
        self.written = asyncio.Event()

    def write(self, text: str) -> int:
        self.written.set()
        return super().write(text)


async def test_lines_are_written_soon_and_together() -> None:
    """Without a warning the lines of a moment are written in one go, by themselves."""
    output = Watched()
    log = logs.make_logger(logs.LineWriter(output), "INFO")
    log.info("first")
    log.info("second")
    await output.written.wait()
    assert output.getvalue().count("\n") == 2
