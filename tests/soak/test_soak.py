"""The soak's own parts: its stream, its gate, and a short one of the real stack on demand."""

import asyncio
import os
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from contracts.commands import PRIVILEGED_COMMANDS
from contracts.replies import RefusalCode
from tests.e2e.support.books import Books
from tests.soak.memory import FLAT_MIB, Growth, Meter, slope
from tests.soak.orders import Order, stream
from tests.soak.run import Wanted, soak
from tests.soak.tally import Tally, Verdict, failures

KILLS = 5


def test_a_seed_is_one_stream() -> None:
    """The same seed gives the same orders, with every command, copies, and both expected refusals."""
    orders, again = list(stream(4, 1000)), list(stream(4, 1000))
    assert [(order.order_id, order.messages, order.status) for order in orders] == [
        (order.order_id, order.messages, order.status) for order in again
    ]
    assert sum(order.messages for order in orders[:-1]) < 1000 <= sum(order.messages for order in orders)
    steps = [step for order in orders for step in order.steps]
    assert {step.name for step in steps} == {"create", "confirm", "capture", "cancel", "refund"}
    assert {step.copies for step in steps} == {1, 2, 3}
    assert {step.refusal for step in steps} == {None, RefusalCode.CARD_DECLINED, RefusalCode.NOT_REFUNDABLE}
    kinds = {step.make("pay_1_1").TYPE for step in steps}
    assert kinds & set(PRIVILEGED_COMMANDS) == {"payment.capture", "payment.refund"}


def test_the_gate_names_what_was_lost_and_what_was_done_twice() -> None:
    """A command that nobody has recorded, a charge that was made twice and an order that ended otherwise shut the gate."""
    entry: dict[str, Any] = {
        "payment_intent": "pi_1",
        "status": "succeeded",
        "captured": 1999,
        "refunded": 0,
        "amount": 1999,
        "succeeded_charges": 2,
        "refunds": [],
        "disputes": [],
        "metadata": {"payment_id": "pay_1", "order_id": "soak-1"},
    }
    payment: dict[str, Any] = {
        "_id": "pay_1",
        "status": "succeeded",
        "captured": 1999,
        "stripe": {"payment_intent_id": "pi_1"},
        "calls": [],
        "timeline": [],
        "events": [],
        "refunds": [],
        "disputes": [],
    }
    books = Books(
        payments=[payment],
        customers=[],
        refusals=set(),
        ignored=set(),
        dead=0,
        queues={},
        ledger={"payment_intents": [entry], "double_charged": []},
        posts=[],
        pending_webhooks=0,
        delivered=set(),
        commands=frozenset({"soak-1-0-create"}),
        listener=cast(Any, SimpleNamespace(bodies={}, repeated=list, contradictions=list)),
    )
    verdict = Verdict.of(books, [Order("soak-1", (), "succeeded", 1999, 1999)])
    assert verdict.lost == ["soak-1-0-create is recorded nowhere"]
    assert verdict.twice == ["P1: pi_1 captured 1999 of 1999"]
    assert "soak-1 is [('succeeded', 1999, 0)], not [('succeeded', 1999, 1999)]" in verdict.other
    text = "\n".join(failures(Tally(), verdict, [Growth("worker-1", 10, 200, FLAT_MIB + 1)]))
    assert all(what in text for what in ("lost: ", "duplicated: ", "unexpected: ", "memory: worker-1"))


def test_nothing_wrong_opens_the_gate() -> None:
    """Without a wrong the gate opens; a command without a final answer shuts it."""
    flat = [Growth("ingress", 10, 60, FLAT_MIB)]
    tally = Tally()
    assert failures(tally, Verdict([], [], [], 3), flat) == []
    tally.unknown["soak-1-0-create"] += 1
    assert failures(tally, Verdict([], [], [], 3), flat) == ["unknown: soak-1-0-create"]


def test_memory_is_judged_by_the_line_through_the_second_half() -> None:
    """A start that takes memory is flat, a steady gain is not, and the line says how much it was."""
    meter = Meter("worker-1", 0, [(float(s), min(100.0, 10.0 * s)) for s in range(60)])
    assert meter.growth().flat
    meter = Meter("worker-1", 0, [(float(s), 100.0 + s) for s in range(60)])
    assert meter.growth().gained_mib == pytest.approx(29)
    assert not meter.growth().flat
    assert slope([(0.0, 1.0)]) == 0


@pytest.mark.skipif("SOAK" not in os.environ, reason="takes about 40 s: SOAK=1 runs it, `make soak` a longer one")
async def test_nothing_is_lost_while_workers_are_killed() -> None:
    """A short stream through the real stack, with workers killed in it, ends with nothing lost and nothing twice."""
    outcome = await soak(Wanted(600, KILLS, 3, 1, asyncio.Event()), Console(quiet=True))
    assert failures(outcome.tally, outcome.verdict, outcome.growths) == []
    assert outcome.tally.kills == KILLS
    assert outcome.tally.ok == outcome.tally.attempted
