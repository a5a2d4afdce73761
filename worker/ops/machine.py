"""The state machine as Markdown, drawn from its table: docs/state-machine.md is this text, and a test compares them."""

from worker.domain.messages import Kind
from worker.domain.payment import TRANSITIONS, Rule
from worker.domain.record import Status

INTRODUCTION = """# The payment state machine

Drawn from `TRANSITIONS` in worker/domain/payment.py by `payments machine`. A row is a kind of message, a column the status
that it meets. Commands come from other services, `intent.*` and `charge.*` from Stripe's webhooks and reads, `answer` is
Stripe's answer to a call of our own, `tick` the clock.
"""


def rendered() -> str:
    """The whole document."""
    statuses = list(Status)
    head = ["| |", *(f" {status} |" for status in statuses)]
    line = ["|---|", *("---|" for _ in statuses)]
    rows = [
        "".join([f"| **{kind}** |", *(f" {TRANSITIONS[status][kind].name.lower()} |" for status in statuses)])
        for kind in Kind
    ]
    rules = [f"- **{rule.name.lower()}**: {rule.value}" for rule in Rule]
    return "\n".join([INTRODUCTION, "".join(head), "".join(line), *rows, "", "## What the cells mean", "", *rules, ""])
