"""The state machine as Markdown, drawn from its table: docs/state-machine.md is this text, and a test compares them."""

from collections.abc import Iterator

from worker.domain.invariants import INVARIANTS
from worker.domain.messages import Kind
from worker.domain.payment import TRANSITIONS, Rule
from worker.domain.record import Status

INTRODUCTION = """# The payment state machine

Drawn from `TRANSITIONS` in worker/domain/payment.py by `payments machine`. Commands come from other services, `intent.*`,
`charge.*`, `refund.*`, `dispute.*`, `fraud.*` and `review.*` from Stripe's webhooks and reads, `answer` is Stripe's answer to a
call of our own, `customer` the user's customer at Stripe, `tick` the clock.

## The ways of a payment

Every arrow is a cell of the table below: what may move a payment on the first hearing. What may be old when it is heard
(`reread`) moves it, too, once it has been read at Stripe.
"""

TABLE = """
## The table

A row is a kind of message, a column the status that it meets.
"""

HELD = """
## What must hold

Asserted after every decision; a broken one stops the delivery before anything is written or sent (worker/domain/invariants.py).
"""

MOVES = {Rule.MOVE, Rule.FORWARD}


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
    table = ["".join(head), "".join(line), *rows, "", "## What the cells mean", "", *rules]
    held = [f"{number}. {invariant.text}" for number, invariant in enumerate(INVARIANTS, 1)]
    return "\n".join([INTRODUCTION, *_diagram(), TABLE, *table, HELD, *held, ""])


def _diagram() -> Iterator[str]:
    """A Mermaid state diagram."""
    yield "```mermaid"
    yield "stateDiagram-v2"
    for status, row in TRANSITIONS.items():
        for kind, rule in row.items():
            to = _target(kind, rule)
            if to is not None:
                yield f"    {'[*]' if status is Status.NEW else status} --> {to}: {kind}"
    yield "    creating --> failed: answer"
    yield "```"


def _target(kind: Kind, rule: Rule) -> Status | None:
    """Where a cell leads, if it leads somewhere by itself."""
    if rule is Rule.OPEN:
        return Status.CREATING
    if rule is Rule.TOMBSTONE:
        return Status.CANCELED
    return Status(kind.removeprefix("intent.")) if rule in MOVES else None
