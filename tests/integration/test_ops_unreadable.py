"""One payment whose document somebody has altered hides no other from an operator."""

import json
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection

from tests.e2e.support.service import named
from tests.unit.worker.making import NOW, PAYMENT, story
from worker.adapters.documents import to_document
from worker.domain.record import Status
from worker.ops.cli import main

SOUND, BROKEN, STRANGE = PAYMENT, f"{PAYMENT[:-1]}2", f"{PAYMENT[:-1]}3"
LINES = (
    f"payments: {BROKEN} cannot be read: captured is stored as float\n"
    f"payments: {STRANGE} cannot be read: it is not as we write it: ValueError\n"
)


@pytest.fixture
def payments(mongo_client: MongoClient[dict[str, Any]], database_name: str) -> Collection[dict[str, Any]]:
    return mongo_client[database_name]["payments"]


@pytest.fixture
def environment(mongo_uri: str, database_name: str, payments: Collection[dict[str, Any]]) -> dict[str, str]:
    """Three payments of one order, all to be reviewed: one sound, one with a double for an amount, one of no known status."""
    document = to_document(story(Status.SUCCEEDED).record) | {"needs_review": "by hand"}
    other = {name: value for name, value in document.items() if name != "stripe"}
    payments.insert_many(
        [
            document,
            other | {"_id": BROKEN, "captured": 1999.0},
            other | {"_id": STRANGE, "status": "divined"},
        ]
    )
    letter = {"state": "open", "form": "command", "delivery": "d1", "origin": "payments.commands", "open_at": NOW}
    letter |= {"kind": "payment.confirm", "message_id": "confirm-1", "reason": "Crash: x", "error_type": "Crash"}
    letter |= {"fingerprint": "f1", "attempt": 5, "arrived_at": NOW, "about": ["order-1"]}
    payments.database["dead_letters"].insert_one({"_id": "dl_1"} | letter)
    return {"MONGO_URI": named(mongo_uri, database_name)}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["needs-review"], SOUND),
        (["show", "order-1"], f'"id": "{SOUND}"'),
        (["timeline", "order-1"], f"{SOUND}: succeeded"),
    ],
)
def test_what_cannot_be_read_is_named_and_passed_over(
    arguments: list[str], told: str, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The sound payment is shown, each of the others has a line on stderr that says why, and the exit code is 1."""
    assert main(arguments, environment) == 1
    printed = capsys.readouterr()
    assert told in printed.out
    assert LINES in printed.err


def test_what_cannot_be_read_leaves_json_whole(environment: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output stays one JSON value, with what could be read."""
    for command in (["needs-review"], ["timeline", "order-1"]):
        assert main([*command, "--json"], environment) == 1
        assert [one["payment_id"] for one in json.loads(capsys.readouterr().out)] == [SOUND]


ODD = {"updated_at": "yesterday", "currency": 7, "timeline.0.at": None, "timeline.0.message": "x", "calls.0.sends": "x"}


@pytest.mark.parametrize("field", list(ODD))
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_value_of_another_kind_hides_no_other_payment(
    field: str,
    form: list[str],
    environment: dict[str, str],
    payments: Collection[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever is stored in place of a moment, a text or a list, each command shows the sound payment or names this one."""
    payments.update_one({"_id": STRANGE}, {"$set": {"status": "succeeded", field: ODD[field]}})
    for command in (["needs-review", *form], ["timeline", "order-1", *form], ["show", "order-1"]):
        assert main(command, environment) == 1
        printed = capsys.readouterr()
        assert SOUND in printed.out
        assert f"payments: {BROKEN} cannot be read: captured is stored as float\n" in printed.err
        assert STRANGE in printed.out + printed.err


@pytest.mark.parametrize("name", [SOUND, BROKEN, "order-1"])
def test_dead_letters_take_no_reading_of_payments(
    name: str, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Letters are listed with the payments that they concern, and what needs review is counted, whatever the payments hold."""
    assert main(["dead-letters", "list", "--payment", name, "--json"], environment) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["causes"][0]["payments"] == [SOUND, BROKEN, STRANGE]
    assert sorted(told["needs_review"]) == [SOUND, BROKEN, STRANGE]
