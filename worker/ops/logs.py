"""Structured logs: one JSON line per event on standard output, one line per delivery."""

import logging
import sys

import structlog

SECRET_WORDS = ("secret", "password", "signature", "authorization", "token")
"""A field of such a name never reaches a log, whoever puts it there."""


def configure(level: str) -> None:
    """Set up structlog and send the libraries' own logging through it, from WARNING up."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_secrets,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_LibraryFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


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
