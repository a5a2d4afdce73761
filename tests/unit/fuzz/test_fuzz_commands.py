"""Any bytes on the queues of commands: a command, or a dead letter that says why."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import targets
from tests.unit.fuzz.bending import bent, commands


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=300) | bent(commands), st.booleans())
def test_any_command_is_read_or_refused_by_name(body: bytes, privileged: bool) -> None:
    """Bytes on either queue become a command whose record can be stored, or a dead letter with a reason."""
    assert targets.command(body, privileged=privileged)


@pytest.mark.parametrize("place", range(len(commands())))
def test_what_is_bent_was_a_command(place: int) -> None:
    """Every command is read on its own queue, and on no other, before anything is changed in it."""
    raw = json.dumps(commands()[place]).encode()
    found = {targets.command(raw, privileged=privileged) for privileged in (True, False)}
    assert sum(told.startswith("invalid: type: unknown type") for told in found) == 1
