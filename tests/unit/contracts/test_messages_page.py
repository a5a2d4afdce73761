"""docs/messages.md says what the code does."""

import re
from pathlib import Path

import pytest

from contracts.commands import COMMANDS, MAX_EVIDENCE, PRIVILEGED_COMMANDS, CaptureMethod
from contracts.events import EVENTS, Case, Remedy
from contracts.generate import refusals
from contracts.generate.catalogue import messages
from contracts.money import THREE_DECIMAL, WHOLE_IN_HUNDREDTHS, WHOLE_IN_PAYOUTS, ZERO_DECIMAL
from contracts.replies import RefusalCode
from contracts.views import DisputeView, PaymentStatus, RefundView

PAGE = (Path(__file__).parents[3] / "docs" / "messages.md").read_text("utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def first_column(heading: str) -> list[str]:
    """The code words in the first column of the table under a heading row."""
    rows = PAGE.split(heading, 1)[1].split("\n\n", 1)[0].splitlines()[1:]
    return [row.split("|")[1].strip(" `") for row in rows if row.startswith("|")][1:]


def test_the_page_has_every_message() -> None:
    """The tables of commands and events list exactly the registered types."""
    assert first_column("| command | what it asks |") == list(COMMANDS)
    assert first_column("| privileged command | what it asks |") == list(PRIVILEGED_COMMANDS)
    assert first_column("| event | when |") == list(EVENTS)


def test_the_page_has_every_refusal_code() -> None:
    """The table of refusal codes is the one that the AsyncAPI document has."""
    assert refusals.table() in PAGE


def test_the_page_has_stripes_exceptions() -> None:
    """The table of currencies names those that are counted in another way than in hundredths."""
    for codes in (ZERO_DECIMAL, THREE_DECIMAL, WHOLE_IN_HUNDREDTHS, WHOLE_IN_PAYOUTS):
        assert f"| {' '.join(sorted(codes)).upper()} |" in PAGE


def test_the_page_names_what_the_prose_is_about() -> None:
    """Each field, value and limit that the prose about late money, disputes and refunds leans on exists in the code."""
    prose = PAGE.split("## After the money has come", 1)[1].split("## Amounts", 1)[0]
    named = {word for word in re.findall(r"`([a-z_]+)`", prose) if "_" in word}
    values = {value.value for kind in (Case, CaptureMethod, PaymentStatus, RefusalCode) for value in kind}
    fields = {field for message in messages() for field in message.model.model_fields}
    fields |= {*RefundView.model_fields, *DisputeView.model_fields}
    assert named - values - fields == {"warning_"}
    assert f"at most {MAX_EVIDENCE:,} characters" in prose
    assert {f"`{remedy}`" for remedy in Remedy} <= set(re.findall(r"`[a-z]+`", prose))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.strip().splitlines()[-1])
def test_the_programs_on_the_page_run(program: str) -> None:
    """Each piece of Python on the page can be executed; the parts that need a broker are only defined."""
    names: dict[str, object] = {"__name__": "page"}
    exec(compile(program, "docs/messages.md", "exec"), names)
    assert len(names) > 2
