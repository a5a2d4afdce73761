"""JSON lines on stdout: one per request, and one for everything that happens to the process.

A line never holds a body, a signature, a query string or an address with its password (RELIABILITY rule 25).
"""

import logging
import sys
import time
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

MAX_PATH = 200
"""A path is the sender's to choose; a line stays readable."""

QUIET_PATHS = frozenset({"/health", "/ready"})
"""Asked every few seconds by machines: their successes are DEBUG lines."""

Fields = dict[str, Any]


def make_logger(level: str, **bound: str) -> FilteringBoundLogger:
    """Build the program's logger; every line carries `bound`."""
    number = logging.getLevelNamesMapping()[level]
    logger: FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(sys.stdout),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        cache_logger_on_first_use=True,
    )
    return logger.bind(**bound)


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


class RequestLines:
    """Wraps an ASGI app and writes one line per request. An endpoint adds to it through `scope["state"]["line"]`."""

    def __init__(self, app: ASGIApp, log: FilteringBoundLogger) -> None:
        self._app = app
        self._log = log

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
            line["ms"] = round((time.perf_counter() - started_at) * 1000, 1)
            quiet = line["status"] == 200 and scope["path"] in QUIET_PATHS
            (self._log.debug if quiet else self._log.info)("request", **line)
