"""What only the real gateway meets: bytes that are no answer, a wrong key, a list of many pages, a task that is canceled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from sandbox.stripe import dashboard
from sandbox.stripe.app import create_app
from sandbox.stripe.faults import Shot, read_fault
from sandbox.stripe.server import Running, serve
from tests.unit.worker.making import AMOUNT, confirm, create
from worker.adapters.gateway import StripeGateway
from worker.domain.effects import Send
from worker.domain.messages import IntentSeen, ReadFailed, Result
from worker.domain.payment import decide
from worker.domain.record import Call, Payment, Status

KEY = "sk_test_123"


def creating() -> tuple[Payment, Call]:
    """A create that is being sent now."""
    now = datetime.now(UTC)
    decision = decide(None, create(issued_at=now), now)
    assert decision.payment is not None
    assert isinstance(decision.effect, Send)
    return decision.payment, decision.effect.call


def confirming(intent_id: str) -> tuple[Payment, Call]:
    """A confirm of this intent that is being sent now."""
    now = datetime.now(UTC)
    payment = replace(creating()[0], status=Status.REQUIRES_PAYMENT_METHOD, intent_id=intent_id, calls=())
    decision = decide(payment, confirm(issued_at=now), now)
    assert decision.payment is not None
    assert isinstance(decision.effect, Send)
    return decision.payment, decision.effect.call


@pytest.fixture
async def run() -> AsyncIterator[Running]:
    async with serve(create_app(seed=1, api_key=KEY)) as running:
        yield running


@asynccontextmanager
async def gateway_to(address: str, key: str = KEY) -> AsyncIterator[StripeGateway]:
    gateway = StripeGateway(key, address)
    try:
        yield gateway
    finally:
        await gateway.close()


@asynccontextmanager
async def answering(status: int, body: Any, headers: dict[str, str] | None = None) -> AsyncIterator[StripeGateway]:
    """A gateway to somebody who answers everything with this."""

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(body, status=status, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        async with gateway_to(f"http://{host}:{port}") as gateway:
            yield gateway
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("kind", ["truncate", "html_502", "html_502_after", "reset_after"])
async def test_bytes_that_are_no_answer_are_unknown(run: Running, kind: str) -> None:
    """A truncated body and a proxy's page say nothing; the same key then tells what was done, once."""
    run.simulator.faults.queue(Shot(read_fault(kind), "*", "/v1/*", times=2))
    payment, call = creating()
    async with gateway_to(run.address) as gateway:
        assert (await gateway.send(call, payment, 0)).result is Result.UNKNOWN
        run.simulator.faults.clear()  # the SDK repeats some of them by itself
        assert (await gateway.send(call, payment, 0)).result is Result.DONE
    assert len(run.simulator.world.payment_intents) == 1


async def test_a_status_of_a_later_release_is_told_by_name() -> None:
    """An object that says what we do not know is never guessed: the read fails with the word, and the log has an error."""
    found = {"id": "pi_1", "object": "payment_intent", "status": "levitating", "amount": AMOUNT, "currency": "eur"}
    payment, call = creating()
    with capture_logs() as lines:
        async with answering(200, found) as gateway:
            read = await gateway.read("pi_1", version=3)
            answer = await gateway.send(call, payment, 0)
    assert isinstance(read, ReadFailed)
    assert read.reason == "payment intent: KeyError 'levitating'"
    assert not read.lost
    assert answer.result is Result.UNKNOWN
    told = [(line["log_level"], line.get("intent_id"), line.get("payment_id")) for line in lines]
    assert told == [("error", "pi_1", None), ("error", None, payment.id)]


async def test_a_replay_is_told_as_one(run: Running) -> None:
    """The second answer under a key says that it is a repeat of the first."""
    payment, call = creating()
    async with gateway_to(run.address) as gateway:
        assert not (await gateway.send(call, payment, 0)).replayed
        assert (await gateway.send(call, payment, 0)).replayed


async def test_a_wrong_key_waits_for_a_person(run: Running) -> None:
    """While Stripe refuses our key nothing is executed; the problem says so, and names no key."""
    payment, call = creating()
    async with gateway_to(run.address, "sk_test_wrong") as gateway:
        answer = await gateway.send(call, payment, 0)
    assert answer.result is Result.NOT_EXECUTED
    assert answer.problem is not None
    assert answer.problem.code == "http_401"
    assert "sk_test_wrong" not in answer.problem.message


async def test_a_key_in_flight_is_not_executed(run: Running) -> None:
    """While the first request under a key runs, a second one is told to wait and changes nothing."""
    slow = Shot(read_fault("latency", 2000), "POST", "/v1/payment_intents")
    run.simulator.faults.queue(slow)
    payment, call = creating()
    async with gateway_to(run.address) as gateway:
        first = asyncio.create_task(gateway.send(call, payment, 0))
        while not run.simulator.faults.state()["fired"]:  # noqa: ASYNC110 - the simulator tells nobody
            await asyncio.sleep(0.01)
        second = await gateway.send(call, payment, 0)
        assert (second.result, second.problem and second.problem.code) == (Result.NOT_EXECUTED, "http_409")
        assert (await first).result is Result.DONE
    assert len(run.simulator.world.payment_intents) == 1


async def test_a_search_goes_through_all_pages(run: Running) -> None:
    """An intent is found behind a hundred others that were made at the same time."""
    payment, call = creating()
    async with gateway_to(run.address) as gateway:
        assert (await gateway.send(call, payment, 0)).result is Result.DONE
        other = call.params | {"metadata": {"payment_id": "pay_0_1"}}
        others = (replace(call, key=f"other-{number}", params=other) for number in range(101))
        await asyncio.gather(*(gateway.send(one, payment, 0) for one in others))
        found = await gateway.find(call, payment)
        assert found.result is Result.DONE
        assert found.intent is not None
        nobody = replace(payment, id="pay_00_1")
        assert (await gateway.find(call, nobody)).result is Result.NOT_FOUND


async def test_a_method_that_does_not_fit_is_a_refusal(run: Running) -> None:
    """A payment method of a type that the intent does not accept is the caller's mistake, not a case for a person."""
    async with gateway_to(run.address) as gateway:
        made = await gateway.send(creating()[1], creating()[0], 0)
        assert made.intent is not None
        payment, call = confirming(made.intent.id)
        ill = replace(call, params=call.params | {"payment_method": "pm_usBankAccount_success"})
        answer = await gateway.send(ill, payment, 0)
    assert answer.result is Result.REFUSED
    assert answer.problem is not None
    assert answer.problem.field == "payment_method"


async def test_a_canceled_task_stays_canceled(run: Running) -> None:
    """A send that is canceled in the middle lets the cancellation through, as a crash would."""
    run.simulator.faults.queue(Shot(read_fault("latency", 60_000), "POST", "/v1/payment_intents"))
    payment, call = creating()
    async with gateway_to(run.address) as gateway:
        task = asyncio.create_task(gateway.send(call, payment, 0))
        while not run.simulator.faults.state()["fired"]:  # noqa: ASYNC110 - the simulator tells nobody
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_nobody_there_is_unknown() -> None:
    """Where nothing listens a send is unknown and a read is not lost."""
    payment, call = creating()
    async with gateway_to("http://127.0.0.1:9") as gateway:
        assert (await gateway.send(call, payment, 0)).result is Result.UNKNOWN
        assert await gateway.read("pi_1", 0) == ReadFailed(reason="APIConnectionError")
        owner = await gateway.owner("pi_1")
    assert isinstance(owner, ReadFailed)
    assert not owner.lost


INTENT: dict[str, Any] = {"id": "pi_1", "object": "payment_intent", "amount": AMOUNT, "currency": "eur"}
PAID = INTENT | {"status": "succeeded", "amount_received": AMOUNT}


@pytest.mark.parametrize(
    "body",
    [
        INTENT,
        INTENT | {"status": "dreaming"},
        INTENT | {"status": None},
        {},
        PAID | {"amount": 20.0},
        PAID | {"amount_received": 0.0},
        PAID | {"amount_received": ""},
        PAID | {"amount_received": False},
        PAID | {"amount_received": None},
        PAID | {"amount_received": -1},
    ],
)
async def test_an_intent_that_cannot_be_read_is_unknown(body: dict[str, Any]) -> None:
    """An intent without its fields, in a status that nobody has heard of, or with an amount that is none, is not guessed at."""
    payment, call = creating()
    async with answering(200, body) as gateway:
        assert (await gateway.send(call, payment, 0)).result is Result.UNKNOWN
        seen = await gateway.read("pi_1", 0)
    assert isinstance(seen, ReadFailed)
    assert not seen.lost


async def test_a_ledger_goes_through_all_pages(run: Running) -> None:
    """A read brings more refunds than fit on one of Stripe's pages."""
    async with gateway_to(run.address) as gateway:
        payment, call = creating()
        made = await gateway.send(call, payment, 0)
        assert made.intent is not None
        payment, call = confirming(made.intent.id)
        await gateway.send(call, payment, 0)
        world = run.simulator.world
        for _ in range(101):
            dashboard.refund(world, world.payment_intents.need(made.intent.id), {"amount": 1})
        seen = await gateway.read(made.intent.id, 0)
    assert isinstance(seen, IntentSeen)
    assert seen.ledger is not None
    assert len({refund.id for refund in seen.ledger.refunds}) == 101


@pytest.mark.parametrize("parts", [[{"id": "re_1", "status": "succeeded"}], [{}] * 3, None, [None]])
async def test_a_ledger_that_cannot_be_read_is_no_ledger(parts: Any) -> None:
    """Where a refund cannot be read the whole read has failed, and is not lost: half a ledger would be a wrong total."""
    async with answering(200, PAID | {"data": parts, "has_more": False, "url": "/v1/refunds"}) as gateway:
        seen = await gateway.read("pi_1", 0)
    assert isinstance(seen, ReadFailed)
    assert not seen.lost


@pytest.mark.parametrize("embedded", [{}, {"id": "pi_1", "status": "dreaming"}, "pi_1"])
async def test_a_decline_is_definite_whatever_comes_with_it(embedded: Any) -> None:
    """A decline whose intent cannot be read is a decline all the same."""
    error = {"type": "card_error", "code": "card_declined", "message": "No.", "charge": "ch_1"}
    payment, call = confirming("pi_1")
    async with answering(402, {"error": error | {"payment_intent": embedded}}) as gateway:
        answer = await gateway.send(call, payment, 0)
    assert (answer.result, answer.intent) == (Result.DECLINED, None)
    assert answer.problem is not None
    assert answer.problem.decline is not None
    assert answer.problem.decline.charge_id == "ch_1"


@pytest.mark.parametrize(
    ("status", "error", "result"),
    [
        (400, {"type": "invalid_request_error", "message": "No."}, Result.REFUSED),
        (400, {"type": "invalid_request_error", "code": "amount_too_small"}, Result.REFUSED),
        (400, {"type": "invalid_request_error", "code": "payment_intent_unexpected_state"}, Result.CONFLICT),
        (400, {"type": "invalid_request_error", "code": "quantum_flux"}, Result.UNLISTED),
        (404, {"type": "invalid_request_error", "code": "resource_missing"}, Result.REFUSED),
        (400, {"type": "idempotency_error", "message": "Other parameters."}, Result.KEY_MISUSED),
        (401, {"type": "invalid_request_error"}, Result.NOT_EXECUTED),
        (403, {"type": "invalid_request_error"}, Result.NOT_EXECUTED),
        (409, {"type": "invalid_request_error", "code": "lock_timeout"}, Result.NOT_EXECUTED),
        (429, {"type": "invalid_request_error", "code": "rate_limit"}, Result.NOT_EXECUTED),
        (500, {"type": "api_error"}, Result.UNKNOWN),
        (503, {"type": "api_error"}, Result.UNKNOWN),
        (402, {"type": "card_error", "code": "card_declined"}, Result.DECLINED),
        (418, {"type": "api_error"}, Result.UNKNOWN),
    ],
)
async def test_every_status_and_code_has_its_result(status: int, error: Any, result: Result) -> None:
    """Rule 18: each answer of Stripe's is one of a closed set."""
    payment, call = confirming("pi_1")
    async with answering(status, {"error": error}, {"Stripe-Should-Retry": "false"}) as gateway:
        answer = await gateway.send(call, payment, 0)
    assert answer.result is result
    assert answer.problem is not None


@pytest.mark.parametrize("body", [[], "text", None, {"error": None}, {"error": []}, {"error": "text"}])
async def test_an_error_without_words_is_unknown_or_refused(body: Any) -> None:
    """An error page that is not Stripe's never raises."""
    payment, call = confirming("pi_1")
    for status, expected in ((400, {Result.UNKNOWN, Result.REFUSED}), (500, {Result.UNKNOWN})):
        async with answering(status, body, {"Stripe-Should-Retry": "false"}) as gateway:
            assert (await gateway.send(call, payment, 0)).result in expected


async def test_a_search_looks_around_every_send(run: Running) -> None:
    """A create that was sent twice, hours apart, is looked for around both sends."""
    payment, call = creating()
    spread = replace(call, sends=(call.sends[0] - timedelta(hours=5), call.sends[0]))
    async with gateway_to(run.address) as gateway:
        assert (await gateway.send(call, payment, 0)).result is Result.DONE
        assert (await gateway.find(spread, payment)).result is Result.DONE
