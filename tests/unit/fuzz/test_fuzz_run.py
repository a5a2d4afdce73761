"""`make fuzz` where there is no atheris, and the first input of each target."""

import importlib.util
import json

import pytest

from tests.fuzz import __main__ as fuzz
from tests.fuzz import targets
from tests.fuzz.drive import HEADER_BYTES, PRIVILEGED, SIGNED, UNSIGNED, made
from tests.unit.fuzz.bending import commands, webhooks


def test_without_atheris_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where atheris cannot be installed nothing fails, and the reason is printed."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert fuzz.main(["--seconds", "1"]) == 0
    assert capsys.readouterr().out.startswith("skipped: atheris is not installed")


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("webhook", SIGNED + json.dumps(webhooks()[0]).encode()),
        ("webhook", UNSIGNED + b"t=1,v1=0".ljust(HEADER_BYTES) + b"{}"),
        ("webhook", b""),
        ("command", PRIVILEGED + json.dumps(commands()[-1]).encode()),
        ("command", b""),
    ],
)
def test_a_target_takes_any_input(name: str, raw: bytes) -> None:
    """What atheris begins with, and nothing at all, goes through a target without a complaint."""
    assert set(made(targets)) == set(fuzz.TARGETS)
    made(targets)[name](raw)
