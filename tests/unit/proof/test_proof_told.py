"""What the money proof tells people and programs, and which spans it takes."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from tests.unit.proof.proving import Account, Books, charge, paid, proven
from tests.unit.worker.making import NOW
from worker.ops import screen
from worker.ops.cli import main
from worker.ops.proof_cli import as_json, show
from worker.ops.prove import OtherDeployment, Proof
from worker.proof import Held


async def test_people_and_programs_are_told_the_same() -> None:
    """Totals by currency, what settled, and each drift with both sides: in tables, and as JSON in minor units."""
    moves = [charge(1), charge(2, 1840, whole=2000, currency="usd", converted=True)]
    dollars = Held("pay_2_1", "pi_2", "usd", 2001)
    found = await proven(Account(moves), Books([paid(1), dollars]))
    out = io.StringIO()
    show(found, Console(file=out, width=160))
    printed = out.getvalue()
    for words in ("€10.00", "$20.01", "$20.00", "-$0.01", "pay_2_1", "1 drifts", "€28.40"):
        assert words in printed
    told = json.loads(json.dumps(as_json(found)))
    assert (told["drift_count"], told["drift"], told["drifts"][0]["difference"]) == (1, {"usd": 1}, -1)
    assert told["totals"]["eur"]["here"] == told["totals"]["eur"]["stripe"] == 1000
    assert told["settled"]["eur"] == {"amount": 2840, "fee": 60, "net": 2780}


MILLIONS = ("$186,342,123.45", "$186,342,123.44", "-$0.01", "KWD 186,342,123.450")
LONG = "pay_0bafe22a4c1d9e8f7a6b5c4d_1"


async def millions() -> Proof:
    """A drift of a cent in a payment of millions, and dinars beside it."""
    dollars = Held(LONG, "pi_1", "usd", 18_634_212_345)
    dinars = Held("pay_2_1", "pi_2", "kwd", 186_342_123_450)
    moves = [
        charge(1, 18_634_212_344, currency="usd", settled_currency="usd"),
        charge(2, 186_342_123_450, currency="kwd", settled_currency="kwd"),
    ]
    return await proven(Account(moves), Books([dollars, dinars]))


async def test_no_amount_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """At 80 columns, and where it is piped on, amounts of millions are whole; where it is narrower they fold."""
    found = await millions()
    out = io.StringIO()
    show(found, Console(file=out, width=80))
    show(found, screen.console())
    piped = capsys.readouterr().out
    for printed in (out.getvalue(), piped):
        assert [amount for amount in MILLIONS if amount not in printed] == []
        assert "…" not in printed
    assert LONG in piped
    out = io.StringIO()
    show(found, Console(file=out, width=40))
    cells = [line.split("│")[1:-1] for line in out.getvalue().splitlines() if line.count("│") == 5]
    read = ["".join(cell.strip() for cell in column) for column in zip(*cells, strict=True)]
    assert (LONG in read[0], read[1:]) == (True, [MILLIONS[0], MILLIONS[1], MILLIONS[2]])


async def test_agreement_is_said_in_words() -> None:
    """Without a drift there is one line that says so."""
    out = io.StringIO()
    show(await proven(Account([charge(1)]), Books([paid(1)])), Console(file=out, width=160))
    assert "not a cent of drift in 1 payments" in out.getvalue()


async def test_nothing_judged_is_no_proof() -> None:
    """Without a payment there is a neutral line; it is sound only when no money moved at Stripe in this time either."""
    quiet = await proven(Account(), Books())
    elsewhere = await proven(Account([charge(1), charge(2, deployment="other")]), Books())
    later = await proven(Account([charge(1, at=int(NOW.timestamp()))]), Books())
    assert (quiet.sound, elsewhere.sound, later.sound) == (True, False, True)
    for found, words in ((quiet, "no money moved"), (elsewhere, "2 movements")):
        out = io.StringIO()
        show(found, Console(file=out, width=160))
        assert "0 payments judged" in out.getvalue()
        assert words in out.getvalue()
        assert "not a cent" not in out.getvalue()
    assert json.loads(json.dumps(as_json(elsewhere)))["sound"] is False


async def test_another_deployments_payments_are_no_proof() -> None:
    """Payments that bear another deployment than the command's are named, and nothing is told of their money."""
    books = Books([replace(paid(1), deployment="Test"), replace(paid(2), deployment="test")])
    with pytest.raises(OtherDeployment, match=r"'Test' \(1\)"):
        await proven(Account([charge(1), charge(2)]), books)


@pytest.mark.parametrize("options", [("--since", "0m"), ("--since", "1d", "--until", "30d")])
def test_a_span_without_time_is_bad_usage(capsys: pytest.CaptureFixture[str], options: tuple[str, ...]) -> None:
    """A span that ends before it begins, or as it does, ends the command with code 2 and both moments."""
    variables = {"MONGO_URI": "mongodb://127.0.0.1:9/", "STRIPE_SECRET_KEY": "sk_test_1"}
    assert main(["proof", *options], variables) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert "does not lie after --since" in printed.err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--since", "never"), "'never' is no moment: give 2026-11-01, 2026-11-01T12:00, 36h or 7d"),
        (("--since", "1d", "--until", "2999-01-01"), "'2999-01-01' lies ahead"),
    ],
)
def test_a_moment_that_is_none_is_bad_usage(
    capsys: pytest.CaptureFixture[str], options: tuple[str, ...], told: str
) -> None:
    """A span that cannot be read ends the command with code 2 and a line that says what is wrong with it."""
    variables = {"MONGO_URI": "mongodb://127.0.0.1:9/", "STRIPE_SECRET_KEY": "sk_test_1"}
    assert main(["proof", *options], variables) == 2
    assert capsys.readouterr().err == f"payments: {told}\n"
