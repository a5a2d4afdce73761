"""Replies and answers as HTTP: which status each has, what it shows, and where it sends the asker."""

import asyncio
from typing import Any

import pytest

from contracts.commands import Command
from contracts.queries import PaymentDetails, QueryRefusal, QueryRefusalCode
from contracts.replies import Refusal, RefusalCode, Reply, Verdict
from tests.unit.webhook_ingress.asgi import Answer, Ingress
from tests.unit.webhook_ingress.workers import OWNER, PAYMENT_ID, FakeWorkers, payment, refused
from webhook_ingress.api import gate
from webhook_ingress.api.answers import STATUS
from webhook_ingress.line import Unanswered

CREATE = {"order_id": "shop/7", "amount": 1999, "currency": "eur"}
KEY = {"idempotency_key": "cart-7"}


async def create(workers: FakeWorkers, **more: Any) -> Answer:
    return await Ingress(workers=workers).ask("POST", "/api/payments/intent", CREATE, **(KEY | more))


async def cancel(workers: FakeWorkers) -> Answer:
    return await Ingress(workers=workers).ask("POST", f"/api/payments/{PAYMENT_ID}/cancel", **KEY)


def test_every_refusal_has_a_status() -> None:
    """The table is total, and each status is an error of the client's or of Stripe's."""
    assert set(STATUS) == set(RefusalCode)
    assert set(STATUS.values()) <= {402, 404, 409, 422, 429, 502}


async def test_an_open_payment_is_201() -> None:
    """The payment, the secret to pay it with, and where it is."""
    answer = await create(FakeWorkers())
    assert answer.status == 201
    assert answer.headers[b"location"] == f"/api/payments/status/{PAYMENT_ID}".encode()
    assert answer.headers[b"content-type"] == b"application/json"
    assert answer.json()["client_secret"] == "pi_1_secret_2"
    assert answer.json()["payment"]["amount"] == 1999
    assert "refusal" not in answer.json()


async def test_what_is_done_is_200() -> None:
    """A command that makes nothing new shows the payment."""
    answer = await cancel(FakeWorkers())
    assert (answer.status, answer.json()["verdict"]) == (200, "accepted")
    assert b"location" not in answer.headers


def pending(_: Command, command_id: str) -> Reply:
    return Reply(command_id=command_id, verdict=Verdict.PENDING)


@pytest.mark.parametrize("reply", [pending, lambda *_: Unanswered.NO_REPLY, lambda *_: Unanswered.UNREADABLE])
async def test_what_is_not_done_yet_is_202(reply: Any) -> None:
    """A stored command without an answer names the place where there will be one."""
    workers = FakeWorkers(reply=reply)
    answer = await create(workers)
    (name,) = workers.commands
    assert answer.status == 202
    assert answer.headers[b"location"] == f"/api/payments/order/shop%2F7?command={name}".encode()
    assert answer.json() == {"command_id": name, "verdict": "pending"}
    answer = await cancel(workers)
    name = list(workers.commands)[-1]
    assert answer.headers[b"location"] == f"/api/payments/status/{PAYMENT_ID}?command={name}".encode()


async def test_the_place_to_look_names_another_user() -> None:
    """Whoever opened a payment for another is sent where they may see it."""
    workers = FakeWorkers(reply=pending)
    answer = await Ingress(workers=workers).ask(
        "POST", "/api/payments/intent", CREATE | {"user_id": "user-2"}, who="admin-1"
    )
    assert answer.headers[b"location"].endswith(b"&user_id=user-2")


@pytest.mark.parametrize(
    ("reply", "code"), [(Unanswered.NOT_STORED, "not_stored"), (Unanswered.UNKNOWN, "not_confirmed")]
)
async def test_what_is_not_stored_is_503(reply: Unanswered, code: str) -> None:
    """Without the broker's confirm nothing is promised, and it says when to try again."""
    answer = await create(FakeWorkers(reply=lambda *_: reply))
    assert (answer.status, answer.json()["code"]) == (503, code)
    assert int(answer.headers[b"retry-after"]) > 0


@pytest.mark.parametrize("code", list(RefusalCode))
async def test_a_refusal_is_a_problem_with_its_code(code: RefusalCode) -> None:
    """Every refusal keeps its code, shows the payment that it is about, and names the body's field."""
    answer = await create(FakeWorkers(reply=refused(code, "data.amount")))
    assert answer.status == STATUS[code]
    assert answer.headers[b"content-type"] == b"application/problem+json"
    told = answer.json()
    assert (told["code"], told["status"], told["detail"], told["field"]) == (code, STATUS[code], "No.", "amount")
    assert told["payment"]["payment_id"] == PAYMENT_ID
    assert (b"retry-after" in answer.headers) == (STATUS[code] == 429)


async def test_a_reused_key_is_told_as_such() -> None:
    """Another body under the same key is the worker's refusal, and the field is the header."""
    answer = await create(FakeWorkers(reply=refused(RefusalCode.ID_REUSED, "id")))
    assert (answer.status, answer.json()["code"]) == (422, "id_reused")
    assert answer.json()["field"] == "Idempotency-Key"


async def test_a_decline_says_why() -> None:
    """A declined card is 402 with the bank's code."""

    def declined(_: Command, command_id: str) -> Reply:
        why = Refusal(code=RefusalCode.CARD_DECLINED, message="Declined.", decline_code="insufficient_funds")
        return Reply(command_id=command_id, verdict=Verdict.REFUSED, refusal=why, payment=payment())

    answer = await create(FakeWorkers(reply=declined))
    assert (answer.status, answer.json()["decline_code"]) == (402, "insufficient_funds")


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (QueryRefusal(code=QueryRefusalCode.NOT_FOUND, message="No."), 404, "not_found"),
        (QueryRefusal(code=QueryRefusalCode.INVALID, message="No.", field="data.cursor"), 422, "invalid"),
        (QueryRefusal(code=QueryRefusalCode.UNAVAILABLE, message="No."), 503, "no_answer"),
        (Unanswered.NOT_STORED, 503, "no_answer"),
        (Unanswered.UNKNOWN, 503, "no_answer"),
        (Unanswered.NO_REPLY, 503, "no_answer"),
        (Unanswered.UNREADABLE, 502, "unreadable_answer"),
    ],
)
async def test_a_query_without_an_answer_says_why(answer: Any, status: int, code: str) -> None:
    """Not there, not askable and not answered are told apart, also where a command needed to look first."""
    ingress = Ingress(workers=FakeWorkers(answer=lambda _: answer))
    for method, path in (("GET", "/api/payments/order/order-1"), ("POST", f"/api/payments/{PAYMENT_ID}/cancel")):
        told = await ingress.ask(method, path)
        assert (told.status, told.json()["code"]) == (status, code)
    assert ingress.workers.commands == {}


async def test_a_command_can_be_known_without_a_payment() -> None:
    """A user who looks for a command that was refused is shown it, and cannot confirm what is not there."""
    ingress = Ingress(workers=FakeWorkers(answer=lambda _: PaymentDetails()))
    assert (await ingress.ask("GET", f"/api/payments/status/{PAYMENT_ID}?command=cmd_1")).status == 200
    assert (await ingress.ask("POST", f"/api/payments/{PAYMENT_ID}/cancel")).status == 404


async def test_the_same_request_is_the_same_command() -> None:
    """One key is one command, whatever the body, and each other user, key, route and order another."""
    ingress = Ingress()
    path = "/api/payments/intent"
    other = CREATE | {"amount": 5}
    for body in (CREATE, CREATE, other):
        await ingress.ask("POST", path, body, **KEY)
    assert len(ingress.workers.commands) == 1
    await ingress.ask("POST", path, CREATE, who="user-2", **KEY)
    await ingress.ask("POST", path, CREATE, idempotency_key="cart-8")
    await ingress.ask("POST", path, CREATE | {"order_id": "order-2"}, **KEY)
    await ingress.ask("POST", f"/api/payments/{PAYMENT_ID}/cancel", **KEY)
    await ingress.ask("POST", "/api/payments/methods", **KEY)
    assert len(ingress.workers.commands) == 6


async def test_without_a_key_every_request_is_its_own() -> None:
    """Nothing protects a sender who gives no key."""
    ingress = Ingress()
    for _ in range(3):
        await ingress.ask("POST", "/api/payments/intent", CREATE)
    assert len(ingress.workers.commands) == 3


@pytest.mark.parametrize("key", ["", "a b", "k" * 256, "\x00", "ü"])
async def test_a_malformed_key_is_refused(key: str) -> None:
    """A key is 1 to 255 visible characters; nothing is sent under another."""
    ingress = Ingress()
    answer = await ingress.ask("POST", "/api/payments/intent", CREATE, idempotency_key=key)
    assert (answer.status, answer.json()["code"]) == (400, "idempotency_key_malformed")
    assert ingress.workers.commands == {}


async def test_a_refund_is_named_by_its_key() -> None:
    """Without a `refund_id` the same key names the same refund, and another key another one."""
    ingress = Ingress()
    for key in ("a", "a", "b"):
        await ingress.ask("POST", f"/api/payments/{PAYMENT_ID}/refund", who="admin-1", idempotency_key=key)
    names = [getattr(command, "refund_id", "") for command in ingress.workers.commands.values()]
    assert len(set(names)) == len(names) == 2
    await ingress.ask("POST", f"/api/payments/{PAYMENT_ID}/refund", {"refund_id": "return-7"}, who="admin-1")
    assert getattr(list(ingress.workers.commands.values())[-1], "refund_id", "") == "return-7"


async def test_requests_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """While too many are being answered the next is told to come again, and afterwards they are answered."""
    monkeypatch.setattr(gate, "MAX_IN_FLIGHT", 2)
    release = asyncio.Event()

    class Slow(FakeWorkers):
        async def ask(self, query: Any, **more: Any) -> Any:
            await release.wait()
            return await super().ask(query, **more)

    ingress = Ingress(workers=Slow())
    path = f"/api/payments/status/{PAYMENT_ID}"
    waiting = [asyncio.create_task(ingress.ask("GET", path)) for _ in range(2)]
    await asyncio.sleep(0)
    refused_now = await ingress.ask("GET", path)
    assert (refused_now.status, refused_now.json()["code"]) == (503, "overloaded")
    release.set()
    assert [answer.status for answer in await asyncio.gather(*waiting)] == [200, 200]


async def test_a_bug_is_a_500_that_says_nothing() -> None:
    """A programmer's error is one line in the log and nothing in the answer."""

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError(OWNER)

    ingress = Ingress(workers=FakeWorkers(reply=broken))
    with pytest.raises(ZeroDivisionError):
        await ingress.ask("POST", "/api/payments/intent", CREATE)
    assert ingress.lines[-1]["status"] == 500
