"""The operator's command line, as far as it needs no database."""

from pathlib import Path

import pytest

from worker.ops.cli import main

DOCUMENT = Path(__file__).parents[3] / "docs" / "state-machine.md"


def test_the_documented_machine_is_the_real_one(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/state-machine.md is what `payments machine` prints."""
    assert main(["machine"]) == 0
    assert capsys.readouterr().out == DOCUMENT.read_text("utf-8")


def test_a_missing_address_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Without MONGO_URI `show` ends with 2 and one line that names it."""
    assert main(["show", "order-1"], {}) == 2
    assert capsys.readouterr().err == "payments: need MONGO_URI: it is not set\n"


def test_a_database_that_is_away_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """An address where nothing listens ends with 1 and says that the database does not answer."""
    assert main(["show", "order-1"], {"MONGO_URI": "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200"}) == 1
    assert capsys.readouterr().err.startswith("payments: the database does not answer: ")
