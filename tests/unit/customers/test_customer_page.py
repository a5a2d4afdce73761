"""docs/customers.md says what the code does."""

import re
from pathlib import Path

from worker.adapters.customer_translate import EVENTS
from worker.domain.customers.limits import MAX_METHODS, MAX_TIMELINE
from worker.domain.customers.machine import TRANSITIONS
from worker.domain.customers.messages import CustomerKind
from worker.domain.customers.record import CustomerStatus
from worker.domain.limits import MAX_OPEN_CALLS

PAGE = (Path(__file__).parents[3] / "docs" / "customers.md").read_text()


def test_the_documented_table_is_the_real_one() -> None:
    """The page's last table is the machine's, cell by cell."""
    rows = [
        "".join([f"| **{kind}** |", *(f" {TRANSITIONS[status][kind].name.lower()} |" for status in CustomerStatus)])
        for kind in CustomerKind
    ]
    assert PAGE.endswith("\n".join(["|---|---|---|---|---|---|---|", *rows, ""]))


def test_the_documented_events_are_those_that_are_read() -> None:
    """The page names every event type that the worker has a rule for, and no other."""
    (line,) = re.findall(r"Subscribe the webhook endpoint to: (.*?)\.\n", PAGE, re.DOTALL)
    assert set(re.findall(r"`([a-z_.]+)`", line)) == EVENTS


def test_the_documented_numbers_are_the_real_ones() -> None:
    """The limits that the page promises are those of the code."""
    assert f"the newest {MAX_METHODS}:" in PAGE
    assert f"the newest {MAX_TIMELINE} handled messages" in PAGE
    assert f"{MAX_OPEN_CALLS} wait for this user already" in PAGE
