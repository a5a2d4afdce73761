"""The operator's command line, as far as it needs no database."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from contracts.commands import CaptureMethod
from worker.domain.record import Payment, Status
from worker.ops import machine
from worker.ops.cli import main
from worker.ops.show_cli import told

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PAID = Payment(
    id="pay_a_1",
    order_id="order-1",
    user_id="user-1",
    deployment="test",
    amount=1999,
    currency="eur",
    capture_method=CaptureMethod.AUTOMATIC,
    status=Status.SUCCEEDED,
    created_at=NOW,
    updated_at=NOW,
    issued_at=NOW,
    captured=1999,
    refunded=500,
)

DOCUMENT = Path(__file__).parents[3] / "docs" / "state-machine.md"


def test_the_documented_machine_is_the_real_one(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/state-machine.md is what `payments machine` prints."""
    assert main(["machine"]) == 0
    assert capsys.readouterr().out == DOCUMENT.read_text("utf-8")


def test_what_is_logged_is_not_in_the_result(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warning of what a command uses goes to stderr in one line without its secrets; afterwards logs go where they went."""
    before = structlog.get_config()

    def rendered() -> str:
        log = structlog.get_logger()
        log.info("request_sent")
        log.warning("stripe_says_too_many", token="abc", rate=5.5)
        return "result"

    monkeypatch.setattr(machine, "rendered", rendered)
    assert main(["machine"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "result"
    assert printed.err == "level=warning event=stripe_says_too_many token=[redacted] rate=5.5\n"
    assert structlog.get_config() == before


def test_a_missing_address_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Without MONGO_URI `show` ends with 2 and one line that names it."""
    assert main(["show", "order-1"], {}) == 2
    assert capsys.readouterr().err == "payments: need MONGO_URI: it is not set\n"


@pytest.mark.parametrize(
    "arguments", [("show", "order-1"), ("timeline", "order-1"), ("verify", "order-1"), ("needs-review",)]
)
def test_a_database_that_is_away_is_said_in_one_line(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """An address where nothing listens ends with 1 and says that the database does not answer."""
    assert main(arguments, {"MONGO_URI": "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200"}) == 1
    assert capsys.readouterr().err.startswith("payments: the database does not answer: ")


@pytest.mark.parametrize(
    ("locale", "line"),
    [
        ("en", "pay_a_1: succeeded; order order-1, €19.99; captured €19.99, refunded €5.00, disputed €0.00"),
        ("de", "pay_a_1: succeeded; order order-1, 19,99 €; captured 19,99 €, refunded 5,00 €, disputed 0,00 €"),
    ],
)
def test_a_payment_is_told_in_amounts_that_people_read(locale: str, line: str) -> None:
    """The line above a payment's record has its totals as the operator's locale writes them."""
    assert told(PAID, locale).replace("\N{NO-BREAK SPACE}", " ") == line


def test_a_tombstone_has_no_amount_to_tell() -> None:
    """A cancel that came before its create left no currency, and the line says so instead of an amount."""
    tombstone = replace(PAID, status=Status.CANCELED, amount=0, currency="", captured=0, refunded=0)
    assert told(tombstone, "en") == "pay_a_1: canceled; order order-1 was canceled before its create came"


def test_an_unknown_locale_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A locale that does not exist is refused as bad usage before the database is asked."""
    with pytest.raises(SystemExit) as ended:
        main(["show", "order-1", "--locale", "xx_YY"], {})
    assert ended.value.code == 2
    assert "no locale is called 'xx_YY'" in capsys.readouterr().err
