"""Every refusal as RFC 9457 problem+json: `code` is stable and meant for programs, `detail` for people.

Nothing in it comes from the request: no header, no body, no reason of the broker's.
"""

import json

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

RETRY_AFTER_S = 5
"""Stripe keeps to its own schedule; this is for whoever else may call."""


class Problem(Response):
    """One refusal, built once or per request; it keeps no state, so the same object may answer many."""

    media_type = "application/problem+json"

    def __init__(self, status: int, code: str, title: str, detail: str, headers: dict[str, str] | None = None) -> None:
        self.code = code
        members = {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail}
        super().__init__(json.dumps(members), status, headers)


def bad_request(code: str, detail: str) -> Problem:
    return Problem(400, code, "Bad Request", detail)


def unavailable(code: str, detail: str) -> Problem:
    return Problem(503, code, "Service Unavailable", detail, {"retry-after": str(RETRY_AFTER_S)})


async def from_http(_: Request, error: Exception) -> Response:
    """Answer what the router raises: an unknown path or a method that it does not take."""
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "refused")
    return Problem(error.status_code, code, error.detail, error.detail, dict(error.headers or {}))


BUG = Problem(500, "internal_error", "Internal Server Error", "The request could not be handled.")
"""The answer to a programmer's error says nothing; the log holds its name."""


async def from_bug(_: Request, __: Exception) -> Response:
    return BUG
