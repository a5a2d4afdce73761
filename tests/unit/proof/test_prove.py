"""The three passes of the money proof on fakes: what a world that goes on does to it, and what it keeps in memory."""

import io
import json
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from rich.console import Console

from contracts.views import DisputeStatus, RefundStatus
from tests.unit.proof.proving import DAY, PAGE, Account, Books, charge, paid, proven
from tests.unit.proof.test_judge import moved
from tests.unit.worker.making import NOW
from worker.adapters.balance import Transactions
from worker.ops.proof_cli import show
from worker.ops.prove import CLOCKS, SECOND_LOOKS, SHOWN, OtherDeployment, Phase
from worker.proof import Held, Moved, Settled


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
