"""Structured logs: one JSON line per event on standard output, one line per delivery."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

import structlog

SECRET_WORDS = ("secret", "password", "signature", "authorization", "token")
"""A field of such a name never reaches a log, whoever puts it there."""


def configure(level: str) -> None:
    """Set up structlog and send the libraries' own logging through it, from WARNING up."""
    stamped = (
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    )
    _set_up(level, sys.stdout, stamped, structlog.processors.JSONRenderer(default=str), for_good=True)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_LibraryFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


@contextmanager
def on_stderr() -> Iterator[None]:
    """For a command: warnings and worse go to stderr, one line each. What is piped on is the result alone."""
    before = structlog.get_config()
    line = structlog.processors.LogfmtRenderer(key_order=["level", "event"])
    _set_up("WARNING", sys.stderr, (structlog.processors.add_log_level,), line, for_good=False)
    try:
        yield
    finally:
        structlog.configure(**before)


def _set_up(
    level: str,
    stream: TextIO,
    first: Sequence[structlog.typing.Processor],
    rendered: structlog.typing.Processor,
    *,
    for_good: bool,
) -> None:
    structlog.configure(
        processors=[
            *first,
            _without_secrets,
            structlog.processors.format_exc_info,
            rendered,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=for_good,
    )


def _without_secrets(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {
        name: "[redacted]" if any(word in name.lower() for word in SECRET_WORDS) else value
        for name, value in event.items()
    }


class _LibraryFormatter(logging.Formatter):
    """A library's line as JSON. Its text is cut and holds no URL's password: aio-pika prints addresses without it."""

    def format(self, record: logging.LogRecord) -> str:
        rendered = structlog.processors.JSONRenderer()(
            None,
            record.levelname.lower(),
            {
                "event": "library",
                "logger": record.name,
                "level": record.levelname.lower(),
                "text": record.getMessage()[:500],
            },
        )
        return rendered if isinstance(rendered, str) else rendered.decode()
