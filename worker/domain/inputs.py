"""What the record keeps of each message that changed it, so that `decide` can be asked the same again (worker/verification.py).

The timeline is the story for people, and the inbox: it has one entry per message and leaves out ticks, answers and reads
that failed. This is the whole of it, step by step, without what is secret or personal, which decides nothing.
"""

from dataclasses import fields, is_dataclass
from datetime import timedelta
from enum import Enum
from typing import Any

from worker.domain.policy import DEFAULT, Policy

UNKEPT = frozenset(
    {
        *("client_secret", "redirect_url", "return_url"),
        *("receipt_email", "description", "metadata", "evidence", "note"),
        *("user_id", "reply", "trace"),
    },
)
"""Fields of messages, at any depth, that no decision depends on: what is secret, personal, or a way back to a sender.

Whether a create is by the payment's own user does matter: STRANGER says so.
"""

RULES = 1
"""Raised with every release that would decide a recorded step otherwise than the one before: `payments verify` then says so
of what differs. Before 1, news of any capture settled a capture of ours, and so with disputes."""

PAID_ELSEWHERE = "paid_elsewhere"
LIVE_ELSEWHERE = "live_elsewhere"
STRANGER = "stranger"
"""The create is by another user than the payment's."""


def kept(value: Any) -> dict[str, Any]:
    """A message, or a part of one, as plain values; what is as it is by default is left out."""
    found = {one.name: (getattr(value, one.name), one.default) for one in fields(value) if one.name not in UNKEPT}
    return {name: _plain(given) for name, (given, default) in found.items() if given != default}


def terms(policy: Policy) -> dict[str, Any]:
    """A policy as plain values; empty for the default one."""
    if policy == DEFAULT:
        return {}
    courses = {str(case): kept(course) for case, course in policy.courses.items()}
    return {"courses": courses, "answer_within_ms": policy.answer_within // timedelta(milliseconds=1)}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return kept(value) if is_dataclass(value) else value
