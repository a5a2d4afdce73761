"""The three passes of the money proof on fakes: what a world that goes on does to it, and what it keeps in memory."""

import io
import json
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from contracts.views import DisputeStatus, RefundStatus
from tests.unit.proof.test_judge import moved
from tests.unit.worker.making import NOW
from worker.adapters.balance import Transactions
from worker.adapters.spill import Spill
from worker.ops import screen
from worker.ops.cli import main
from worker.ops.proof_cli import as_json, show
from worker.ops.prove import CLOCKS, SECOND_LOOKS, SHOWN, OtherDeployment, Phase, Proof, prove
from worker.proof import Held, Moved, Settled

DAY = timedelta(days=1)
PAGE = 100


class Account:
    """Stripe, as far as the proof reads it: pages of movements, and all of an intent at a second look."""

    def __init__(self, moves: Sequence[Moved] = ()) -> None:
        self.moves = list(moves)
        self.looks: list[str] = []
        self.since: datetime | None = None

    async def page(self, since: datetime, after: str | None) -> Transactions:
        self.since = since
        begin = int(after or 0)
        more = begin + PAGE < len(self.moves)
        return Transactions(tuple(self.moves[begin : begin + PAGE]), 1, str(begin + PAGE) if more else None, NOW)

    async def of_intent(self, intent_id: str) -> list[Moved]:
        self.looks.append(intent_id)
        return [move for move in self.moves if move.intent_id == intent_id]


class Books:
    """Our payments; `during` happens between the pass over Stripe and the second look."""

    def __init__(self, payments: Sequence[Held] = (), during: Callable[[], None] = lambda: None) -> None:
        self.payments = {one.payment_id: one for one in payments}
        self.before: dict[str, Held] = {}
        self.during = during

    async def count(self, since: datetime) -> int:
        del since
        return len(self.payments)

    async def held(self, since: datetime, until: datetime) -> AsyncIterator[list[Held]]:
        del since, until
        found = list(self.payments.values())
        for start in range(0, len(found), PAGE):
            yield found[start : start + PAGE]
        self.during()

    async def one(self, payment_id: str) -> Held | None:
        return (self.payments | self.before).get(payment_id)

    async def known(self, intents: Sequence[str]) -> dict[str, Held]:
        ours = (self.payments | self.before).values()
        return {one.intent_id: one for one in ours if one.intent_id is not None and one.intent_id in intents}


def paid(number: int, captured: int = 1000) -> Held:
    return Held(f"pay_{number}_1", f"pi_{number}", "eur", captured)


def charge(number: int, amount: int = 1000, **changes: object) -> Moved:
    return moved("charge", amount, intent_id=f"pi_{number}", source_id=f"ch_{number}", fee=30, **changes)


async def proven(account: Account, books: Books, **more: object) -> Proof:
    with Spill() as spill:
        return await prove(
            account,
            books,
            spill,
            more.pop("report", lambda *_: None),  # type: ignore[arg-type] # a report
            deployment="test",
            since=NOW - DAY,
            until=NOW,
        )


async def test_agreement_over_many_pages() -> None:
    """A thousand payments over ten pages agree, with their totals, and what settled for them beside it."""
    account, books = (
        Account([charge(number) for number in range(1000)]),
        Books([paid(number) for number in range(1000)]),
    )
    found = await proven(account, books)
    assert (found.drift_count, found.payments, found.others) == (0, 1000, 10)
    assert found.sums["eur"].here == found.sums["eur"].stripe == 1_000_000
    assert found.settled == {"eur": Settled(1_000_000, 30_000)}
    assert account.looks == []
    assert account.since == NOW - DAY - CLOCKS


async def test_a_planted_cent_is_found() -> None:
    """Of a thousand payments the one with a cent too much is told, and its neighbours are not."""
    books = Books([paid(number, 1001 if number == 617 else 1000) for number in range(1000)])
    found = await proven(Account([charge(number) for number in range(1000)]), books)
    assert [(drift.payment_id, drift.difference) for drift in found.drifts] == [("pay_617_1", -1)]
    assert (found.drift_count, found.drift_by_currency, found.payments) == (1, {"eur": 1}, 1000)


async def test_what_happened_meanwhile_is_no_drift() -> None:
    """A payment that was refunded between the first pass and the second is read again on both sides, and agrees."""
    account = Account([charge(1)])
    refund = moved("refund", -400, intent_id="pi_1")
    books = Books([paid(1), paid(2)], during=lambda: account.moves.extend([refund, charge(2)]))
    refunded = Held("pay_1_1", "pi_1", "eur", 1000, refunds={"re_1": (400, RefundStatus.SUCCEEDED)})
    books.payments["pay_1_1"] = refunded
    found = await proven(account, books)
    assert (found.drift_count, found.looked_at_again) == (0, 2)
    assert found.sums["eur"].here == found.sums["eur"].stripe == 1600
    assert found.settled["eur"].amount == 1600


async def test_money_of_nobody_is_found() -> None:
    """Money that bears our deployment's mark and that no payment has is told; others' money is not."""
    mine = charge(1, deployment="test", payment_id="pay_lost_1")
    found = await proven(Account([mine, charge(3, deployment="other"), charge(4)]), Books())
    assert [(drift.payment_id, drift.stripe, drift.why) for drift in found.drifts] == [
        ("pay_lost_1", 1000, "no payment knows it")
    ]
    assert found.settled == {}


async def test_money_that_moves_for_a_payment_from_before_is_judged() -> None:
    """Where no payment of the span is looked at, what moved in it is held against the payment it is about, however old."""
    agreeing = replace(paid(1), refunds={"re_1": (400, RefundStatus.SUCCEEDED), "re_0": (100, RefundStatus.SUCCEEDED)})
    lost, later = paid(2), replace(paid(3, 999), created_at=NOW)
    charges = [charge(1), charge(2)]
    account = Account(
        [
            moved("refund", -400, intent_id="pi_1"),
            moved("refund", -300, intent_id="pi_2", source_id="re_2"),
            charge(3),
            charge(4, at=int(NOW.timestamp())),
        ]
    )
    books = Books()
    books.before = {one.payment_id: one for one in (agreeing, lost, later, paid(4, 999))}

    async def of_intent(intent_id: str) -> list[Moved]:
        account.looks.append(intent_id)
        return [move for move in (*account.moves, *charges) if move.intent_id == intent_id]

    account.of_intent = of_intent  # type: ignore[method-assign] # it knows what moved before the span, too
    found = await proven(account, books)
    assert [(drift.payment_id, drift.about, drift.difference) for drift in found.drifts] == [("pay_2_1", "re_2", -300)]
    assert (found.payments, found.older, account.looks, found.sums) == (0, 2, ["pi_2"], {})
    found = await proven(Account(account.moves[:1]), books)
    assert (found.sound, found.judged) == (True, 1)
    out = io.StringIO()
    show(found, Console(file=out, width=160))
    assert "1 older ones" in out.getvalue()


async def test_a_payment_that_vanishes_meanwhile_is_told() -> None:
    """One that differed and is gone at the second look leaves money that no payment knows."""
    books = Books([paid(1, 999)])
    books.during = books.payments.clear
    found = await proven(Account([charge(1, deployment="test")]), books)
    assert [(drift.part, drift.stripe) for drift in found.drifts] == [("payment", 1000)]


async def test_another_deployments_older_payments_are_no_proof() -> None:
    """A payment from before that bears another deployment is named as one of the span is."""
    books = Books()
    books.before = {"pay_1_1": replace(paid(1), deployment="Test")}
    with pytest.raises(OtherDeployment, match=r"'Test' \(1\)"):
        await proven(Account([charge(1)]), books)


async def test_one_unreadable_payment_ends_nothing() -> None:
    """A payment whose document cannot be read is a drift with what Stripe has for it, and the others are judged."""
    odd = Held("pay_1_1", "pi_1", "", 0, unreadable="captured is stored as float")
    found = await proven(Account([charge(1), charge(2)]), Books([odd, paid(2)]))
    (drift,) = found.drifts
    assert (drift.payment_id, drift.part, drift.stripe, found.sound) == ("pay_1_1", "document", 1000, False)
    assert "captured is stored as float" in drift.why
    assert (found.payments, found.sums["eur"].captured) == (1, 1000)
    out = io.StringIO()
    show(found, Console(file=out, width=200))
    assert "captured is stored as float" in " ".join(out.getvalue().split())


async def test_a_payment_that_comes_twice_counts_once() -> None:
    """One that changed while it was walked through, and so came twice, is in the totals once."""

    class Twice(Books):
        async def held(self, since: datetime, until: datetime) -> AsyncIterator[list[Held]]:
            for _ in range(2):
                async for batch in super().held(since, until):
                    yield batch

    found = await proven(Account([charge(1)]), Twice([paid(1)]))
    assert (found.payments, found.sums["eur"].captured) == (1, 1000)


async def test_what_comes_again_at_another_rate_is_kept() -> None:
    """A dispute that was taken, came back and was taken again at three rates is taken once, as it is read from the disk."""

    def move(number: int, category: str, settled: int, rate: str) -> Moved:
        name = f"txn_{number}"
        made = {"intent_id": "pi_1", "currency": "usd", "converted": True, "whole": 3333}
        return moved(category, settled, **made, rate=rate, at=number, transaction_id=name)

    dispute = [
        move(1, "dispute", -3066, "0.92"),
        move(2, "dispute_reversal", 2666, "0.8"),
        move(3, "dispute", -2833, "0.85"),
    ]
    held = Held("pay_1_1", "pi_1", "usd", 5000, disputes={"du_1": (3333, DisputeStatus.NEEDS_RESPONSE)})
    account = Account([charge(1, 4600, whole=5000, currency="usd", converted=True), *reversed(dispute), dispute[0]])
    found = await proven(account, Books([held]))
    assert (found.drift_count, account.looks) == (0, [])
    assert found.settled["eur"].amount == 4600 - 3066 + 2666 - 2833


async def test_payments_without_money_are_counted() -> None:
    """One that was never paid, and one that has not even an intent, agree with nothing."""
    books = Books([paid(1, 0), Held("pay_2_1", None, "eur", 0), Held("pay_3_1", None, "", 0)])
    found = await proven(Account(), books)
    assert (found.drift_count, found.payments) == (0, 2)


async def test_a_payment_without_an_intent_cannot_have_money() -> None:
    """Money in our books without anything at Stripe is told without a second look."""
    found = await proven(Account(), Books([Held("pay_1_1", None, "eur", 700)]))
    assert [(drift.here, drift.stripe) for drift in found.drifts] == [(700, 0)]


async def test_second_looks_and_what_is_shown_are_bounded() -> None:
    """When all differ, a thousand are looked at again, a thousand are shown, and all are counted."""
    number = SHOWN + 200
    account, books = Account(), Books([paid(one) for one in range(number)])
    found = await proven(account, books)
    assert (found.drift_count, len(found.drifts), len(account.looks)) == (number, SHOWN, SECOND_LOOKS)
    assert found.drift_by_currency == {"eur": number * 1000}


async def test_progress_is_told() -> None:
    """Each phase tells how far it is, and ends whole."""
    told: dict[Phase, tuple[int, int]] = {}

    def report(phase: Phase, done: int, whole: int) -> None:
        told[phase] = (done, whole)

    await proven(Account([charge(1)]), Books([paid(1), paid(2)]), report=report)
    assert told == {Phase.MOVED: (1, 1), Phase.HELD: (2, 2), Phase.AGAIN: (1, 1)}


async def test_memory_does_not_grow_with_payments() -> None:
    """Ten times the payments need hardly more memory: what moved waits on disk."""

    class Endless(Account):
        def __init__(self, count: int) -> None:
            super().__init__()
            self.count = count

        async def page(self, since: datetime, after: str | None) -> Transactions:
            del since
            begin = int(after or 0)
            moves = tuple(charge(number) for number in range(begin, begin + PAGE))
            end = begin + PAGE
            return Transactions(moves, 0, str(end) if end < self.count else None, NOW)

    class Long(Books):
        async def held(self, since: datetime, until: datetime) -> AsyncIterator[list[Held]]:
            del since, until
            for start in range(0, account.count, PAGE):
                yield [paid(number) for number in range(start, start + PAGE)]

    peaks = []
    for count in (1000, 10_000):
        account = Endless(count)
        tracemalloc.start()
        found = await proven(account, Long())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert (found.payments, found.drift_count) == (count, 0)
    assert peaks[1] < 1.5 * peaks[0]


SPILLING = """
import os, signal, sys
from worker.adapters import spill
from worker.proof import Moved
signal.signal(signal.SIGHUP, signal.SIG_DFL)
spill.TABLES = spill.TABLES.replace(str(spill.CACHE_KIB), "100")
kept = spill.Spill()
common = {"category": "charge", "currency": "eur", "whole": 1, "settled": 1, "settled_currency": "eur", "fee": 0}
named = ({"intent_id": f"pi_{n}", "transaction_id": f"txn_{n}", "source_id": f"ch_{n}"} for n in range(20_000))
kept.put(Moved(**names, **common) for names in named)
files = (f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd"))
print([os.stat(file).st_size for file in files if os.path.islink(file) and sys.argv[1] in os.readlink(file)], flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the open files are read from /proc")
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_the_spill_leaves_nothing_behind(tmp_path: Path, ending: signal.Signals) -> None:
    """More than its memory is on disk without a name, and is gone with the process, whatever ends it."""
    command = [sys.executable, "-c", SPILLING, str(tmp_path)]
    environment = {**os.environ, "SQLITE_TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        (size,) = json.loads(process.stdout.readline())
        assert size > 500_000
        assert list(tmp_path.iterdir()) == []
        process.send_signal(ending)
        process.wait(timeout=60)
    assert process.returncode == -ending
    assert list(tmp_path.iterdir()) == []


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
