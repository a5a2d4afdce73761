"""Queries and statistics of whole workers, and the operator's rebuild."""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from contracts.commands import ConfirmPayment
from contracts.queries import (
    GetOrder,
    GetPayment,
    GetPaymentStats,
    GetTimeline,
    ListUserPayments,
    OrderPayments,
    PaymentDetails,
    PaymentPage,
    QueryRefusal,
    StatsView,
    TimelinePage,
)
from contracts.replies import RefusalCode, Verdict
from contracts.views import PaymentStatus
from tests.e2e.support.service import RETURN_URL, Service, named
from tests.e2e.support.until import until
from tests.unit.queries.making import MINUTE, NOW, paid
from worker.adapters.documents import to_document
from worker.ops.cli import main

ROLLED_UP_S = 40.0


async def ask_stats(service: Service) -> StatsView:
    """What is counted of these two days."""
    now = datetime.now(UTC)
    query = GetPaymentStats(since=now - timedelta(days=1), until=now + timedelta(days=1))
    answer = await service.payments.ask(query)
    assert isinstance(answer, StatsView), answer
    return answer


async def test_a_payment_is_told_at_every_step(service: Service) -> None:
    """What a worker stores is answered at once: to its user, by either id, with the story and what became of commands."""
    await service.worker()
    reply = await service.create("order-1")
    assert reply.payment is not None
    name = reply.payment.payment_id
    await service.confirm(name)
    mine = await service.payments.ask(GetPayment(payment_id=name, command_id=f"confirm-{name}", viewer="user-1"))
    assert isinstance(mine, PaymentDetails)
    assert mine.payment is not None
    assert mine.command is not None
    assert (mine.payment.status, mine.payment.captured) == (PaymentStatus.SUCCEEDED, 1999)
    assert mine.command.verdict is Verdict.ACCEPTED
    assert mine.payment.payment_intent_id is not None
    by_stripe = await service.payments.ask(GetPayment(payment_intent_id=mine.payment.payment_intent_id))
    assert isinstance(by_stripe, PaymentDetails)
    page = await service.payments.ask(ListUserPayments(user_id="user-1", statuses=(PaymentStatus.SUCCEEDED,)))
    assert isinstance(page, PaymentPage)
    assert [one.payment_id for one in page.items] == [name]
    story = await service.payments.ask(GetTimeline(payment_id=name))
    assert isinstance(story, TimelinePage)
    assert {"create", "confirm"} <= {entry.kind for entry in story.entries}
    assert isinstance(await service.payments.ask(GetOrder(order_id="order-1", viewer="user-2")), QueryRefusal)


async def test_a_refusal_that_has_no_payment_is_found(service: Service) -> None:
    """A command about a payment that does not exist is told as refused, by its id."""
    await service.worker()
    command = ConfirmPayment(payment_id="pay_0_1", payment_method="pm_card_visa", return_url=RETURN_URL)
    await service.payments.confirm(command, command_id="confirm-nothing")
    answer = await service.payments.ask(GetPayment(payment_id="pay_0_1", command_id="confirm-nothing"))
    assert isinstance(answer, PaymentDetails)
    assert answer.payment is None
    assert answer.command is not None
    assert answer.command.refusal is not None
    assert answer.command.refusal.code is RefusalCode.UNKNOWN_PAYMENT


async def test_an_order_is_told_while_its_worker_is_killed(service: Service) -> None:
    """Of two workers one dies, and the other goes on answering."""
    first, _ = await service.worker(), await service.worker()
    await service.create("order-1")
    first.child.send(signal.SIGKILL)
    answers = await asyncio.gather(*(service.payments.ask(GetOrder(order_id="order-1")) for _ in range(20)))
    assert all(isinstance(answer, OrderPayments) for answer in answers)


async def test_workers_keep_the_statistics_and_an_operator_can_count_anew(
    service: Service, capfd: pytest.CaptureFixture[str]
) -> None:
    """Two workers count what was paid once, and a rebuild by the command line puts a wrong count right."""
    await asyncio.gather(service.worker(), service.worker())
    for number in range(3):
        reply = await service.create(f"order-{number}")
        assert reply.payment is not None
        if number:
            await service.confirm(reply.payment.payment_id)

    async def counted() -> bool:
        found = (await ask_stats(service)).currencies
        return bool(found) and (found[0].total.created, found[0].total.captured) == (3, 2 * 1999)

    await until(counted, ROLLED_UP_S, "the statistics did not come")
    before = (await ask_stats(service)).currencies
    service.database["stats_quarters"].update_many({}, {"$set": {"tallies.eur.captured": 1}})
    assert (await ask_stats(service)).currencies != before
    code = await asyncio.to_thread(main, ["stats", "rebuild"], {"MONGO_URI": service.mongo_uri})
    assert code == 0
    assert "counted anew" in capfd.readouterr().out
    assert (await ask_stats(service)).currencies == before
    assert service.database["stats_state"].find_one({"_id": "rebuild"}) is None


def test_a_rebuild_needs_a_database(capsys: pytest.CaptureFixture[str]) -> None:
    """Without an address it ends with 2, where nothing answers with 1, and either time one line says so."""
    assert main(["stats", "rebuild"], {}) == 2
    assert main(["stats", "rebuild"], {"MONGO_URI": "mongodb://127.0.0.1:9"}) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "payments: need MONGO_URI: it is not set"
    assert lines[1].startswith("payments: the database does not answer: ")


async def test_an_interrupted_rebuild_says_that_it_can_go_on(mongo_uri: str, database_name: str) -> None:
    """A rebuild that is interrupted at the terminal ends with 1 and one line, and no traceback."""
    many = [to_document(paid(f"o-{n}", NOW + 15 * n * MINUTE, intent_id=f"pi_{n}")) for n in range(3000)]
    program = (  # as at a terminal: a shell that runs the tests in the background has its children ignore SIGINT
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from worker.ops.cli import main; raise SystemExit(main(['stats', 'rebuild']))"
    )
    async with AsyncMongoClient[dict[str, Any]](mongo_uri) as client:
        database = client[database_name]
        await database["payments"].insert_many(many)
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            program,
            env={**os.environ, "MONGO_URI": named(mongo_uri, database_name)},
            stderr=asyncio.subprocess.PIPE,
        )

        async def begun() -> bool:
            return (
                child.returncode is not None or await database["stats_state"].find_one({"_id": "rebuild"}) is not None
            )

        await until(begun, ROLLED_UP_S, "the rebuild did not begin")
        if child.returncode is None:
            child.send_signal(signal.SIGINT)
        _, errors = await child.communicate()
    assert child.returncode == 1, errors
    assert b"interrupted; a repeat goes on from here" in errors
    assert b"Traceback" not in errors
