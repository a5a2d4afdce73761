"""Every refusal as RFC 9457 problem+json: `code` is stable and meant for programs, `detail` for people.

Nothing internal is in it: no reason of the broker's, no address. What comes from the request is at most the name of a field.
"""

import json
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

RETRY_AFTER_S = 5
"""Stripe keeps to its own schedule; this is for whoever else may call."""

MEDIA_TYPE = "application/problem+json"

TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
"""RFC 9110, section 15, and RFC 6585. Python's own names for some of them depend on its version."""


class Problem(Response):
    """One refusal, built once or per request; it keeps no state, so the same object may answer many."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        self.code = code
        members = {"type": "about:blank", "title": TITLES[status], "status": status, "code": code, "detail": detail}
        if field is not None:
            members["field"] = field
        super().__init__(json.dumps(members | dict(more or {})), status, headers)


def bad_request(code: str, detail: str) -> Problem:
    return Problem(400, code, detail)


def invalid(detail: str, field: str | None) -> Problem:
    """The request can be read, and breaks a rule."""
    return Problem(422, "invalid", detail, field=field)


def not_found() -> Problem:
    """It does not exist, or it is another's: the two cannot be told apart."""
    return Problem(404, "not_found", "There is no such thing here.")


def unavailable(code: str, detail: str) -> Problem:
    return Problem(503, code, detail, headers={"retry-after": str(RETRY_AFTER_S)})


TOO_MANY = "too_many_requests"


def too_many(headers: Mapping[str, str]) -> Problem:
    """`headers` say when there is more again."""
    return Problem(429, TOO_MANY, "Too many requests; wait and try again.", headers=headers)


async def from_http(_: Request, error: Exception) -> Response:
    """Answer what the router raises: an unknown path or a method that it does not take."""
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "refused")
    return Problem(error.status_code, code, error.detail, headers=error.headers)


BUG = Problem(500, "internal_error", "The request could not be handled.")
"""The answer to a programmer's error says nothing; the log holds its name."""


async def from_bug(_: Request, __: Exception) -> Response:
    return BUG
