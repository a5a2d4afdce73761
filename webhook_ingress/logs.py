"""JSON lines on stdout: one per request, and one for everything that happens to the process.

A line never holds a body, a signature, a query string or an address with its password (docs/reliability.md, rule 25).
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, TextIO

import structlog
from pydantic_core import to_json
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import EventDict, FilteringBoundLogger

MAX_PATH = 200
"""A path is the sender's to choose; a line stays readable."""

QUIET_PATHS = frozenset({"/health", "/ready", "/metrics"})
"""Asked every few seconds by machines: their successes are DEBUG lines."""

KNOWN_PATHS = QUIET_PATHS | {"/docs", "/openapi.json"}
OTHER = "other"
"""A path that is no route is the sender's to choose: as a metric's label it would be a new series for each."""

Fields = dict[str, Any]


class LineWriter:
    """Where structlog's lines end: all lines of one turn of the event loop are written in one go.

    Under load that is one system call for several requests. What is a warning or worse is written at once, with
    everything before it: the process may be about to end. Whoever makes one flushes it at the end.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._pending: list[str] = []

    def soon(self, line: str) -> None:
        self._pending.append(line)
        if len(self._pending) == 1:
            asyncio.get_running_loop().call_soon(self.flush)

    def at_once(self, line: str) -> None:
        self._pending.append(line)
        self.flush()

    def flush(self) -> None:
        lines = "\n".join([*self._pending, ""]) if self._pending else ""
        self._pending.clear()
        self._stream.write(lines)
        self._stream.flush()

    debug = info = soon
    warning = error = critical = at_once


def make_logger(lines: LineWriter, level: str, **bound: str) -> FilteringBoundLogger:
    """Build the program's logger; every line carries `bound`."""
    logger: FilteringBoundLogger = structlog.wrap_logger(
        lines,
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        cache_logger_on_first_use=True,
    )
    return logger.bind(**bound)


def _render(_: object, __: str, line: EventDict) -> str:
    return to_json(line, serialize_unknown=True).decode()


class LibraryLines(logging.Handler):
    """Passes on what libraries log, as templates without their arguments: those may hold a message's whole body."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        fields: Fields = {"logger": record.name, "template": str(record.msg).strip()}
        if record.exc_info and record.exc_info[0] is not None:
            fields["error"] = record.exc_info[0].__name__
        self._log.log(record.levelno, "library", **fields)


def take_over_logging(log: FilteringBoundLogger) -> None:
    """Send the standard library's logging through `log`."""
    logging.basicConfig(handlers=[LibraryLines(log)], level=logging.WARNING, force=True)


Count = Callable[[str, str, int | None, float, str | None], None]
"""Counts one request: its route, method, status, seconds and outcome."""


class RequestLines:
    """Wraps an ASGI app and writes one line per request. An endpoint adds to it through `scope["state"]["line"]`.

    `count` is told the same without what is the sender's own: `route` and `outcome` of the line.
    """

    def __init__(self, app: ASGIApp, log: FilteringBoundLogger, count: Count) -> None:
        self._app = app
        self._log = log
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        line: Fields = {"method": scope["method"], "path": scope["path"][:MAX_PATH], "status": None}
        scope.setdefault("state", {})["line"] = line

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                line["status"] = message["status"]
            await send(message)

        started_at = time.perf_counter()
        try:
            await self._app(scope, receive, noting)
        finally:
            seconds = time.perf_counter() - started_at
            line["ms"] = round(seconds * 1000, 1)
            route = line.pop("route", scope["path"] if scope["path"] in KNOWN_PATHS else OTHER)
            self._count(route, scope["method"], line["status"], seconds, line.get("outcome"))
            quiet = line["status"] == 200 and scope["path"] in QUIET_PATHS
            (self._log.debug if quiet else self._log.info)("request", **line)
