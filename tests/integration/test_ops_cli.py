"""The operator's command line with a real database."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo import MongoClient

from contracts.commands import CaptureMethod
from tests.e2e.support.service import named
from worker.adapters.documents import to_document
from worker.domain.record import Payment, Status
from worker.ops.cli import main

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PAID = Payment(
    id="pay_a_1",
    order_id="order-1",
    user_id="user-1",
    deployment="test",
    amount=500,
    currency="jpy",
    capture_method=CaptureMethod.AUTOMATIC,
    status=Status.SUCCEEDED,
    created_at=NOW,
    updated_at=NOW,
    issued_at=NOW,
    captured=500,
    intent_id="pi_1",
)


@pytest.mark.parametrize("name", ["pay_a_1", "pi_1", "order-1"])
def test_show_tells_a_payment_and_prints_its_record(
    name: str,
    mongo_uri: str,
    mongo_client: MongoClient[dict[str, Any]],
    database_name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By each of its names a payment is found; stdout has its record in minor units, stderr the line for people."""
    mongo_client[database_name]["payments"].insert_one(to_document(PAID))
    assert main(["show", name], {"MONGO_URI": named(mongo_uri, database_name)}) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["amount"] == 500
    assert printed.err == "pay_a_1: succeeded; order order-1, ¥500; captured ¥500, refunded ¥0, disputed ¥0\n"


def test_show_says_what_it_does_not_find(
    mongo_uri: str, database_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An id that nothing has ends with 1 and one line."""
    assert main(["show", "order-2"], {"MONGO_URI": named(mongo_uri, database_name)}) == 1
    assert capsys.readouterr().err == "payments: nothing is known of 'order-2'\n"


def test_an_empty_database_is_no_proof(mongo_uri: str, database_name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no payment, `verify --all` proves nothing: it says so, and ends with 1."""
    assert main(["verify", "--all"], {"MONGO_URI": named(mongo_uri, database_name)}) == 1
    printed = capsys.readouterr()
    assert "payments: the database that MONGO_URI names has no payment" in printed.err
    assert printed.out == ""


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_rehearsal_says_which_letters_it_does_not_find(
    form: list[str], mongo_uri: str, database_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A letter that is named and not there ends `replay --dry-run` with 1 and one line, as it does a replay."""
    arguments = ["dead-letters", "replay", "dl_nope", "--dry-run", *form]
    assert main(arguments, {"MONGO_URI": named(mongo_uri, database_name)}) == 1
    assert capsys.readouterr().err == "payments: dl_nope is no open letter\n"
