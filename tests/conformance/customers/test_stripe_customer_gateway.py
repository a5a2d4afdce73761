"""What only the real gateway meets: the exact requests, bytes that are no answer, a wrong key, a list of many pages."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import stripe
from aiohttp import web

from sandbox.stripe.app import create_app
from sandbox.stripe.server import serve
from tests.conformance.customers.conftest import KEY, client_to
from tests.conformance.customers.test_customer_gateway import Live, creating
from tests.unit.customers.customer_making import (
    CUS,
    CUSTOMER,
    DEPLOYMENT,
    METHOD,
    detach,
    ensure,
    erase,
    problem,
    set_default,
    set_up,
)
from worker.adapters.customer_gateway import StripeCustomerGateway
from worker.adapters.customer_translate import EVENTS, customer_event
from worker.adapters.gateway import TRY_S
from worker.domain.customers.messages import (
    CustomerAnswer,
    CustomerChanged,
    CustomerMessage,
    CustomerRead,
    CustomerReadFailed,
)
from worker.domain.customers.record import CustomerCall, SavedMethod
from worker.domain.messages import Result
from worker.ports import SetupSecret

MARK = {"metadata[customer_id]": CUSTOMER, "metadata[deployment]": DEPLOYMENT}


@asynccontextmanager
async def stripe_client(address: str, key: str = KEY) -> AsyncIterator[stripe.StripeClient]:
    http = stripe.AIOHTTPClient(timeout=TRY_S)
    try:
        yield client_to(address, http, key)
    finally:
        await http.close_async()  # type: ignore[no-untyped-call] # the SDK types only its resources


@asynccontextmanager
async def gateway_to(address: str, key: str = KEY) -> AsyncIterator[StripeCustomerGateway]:
    async with stripe_client(address, key) as client:
        yield StripeCustomerGateway(client)


@dataclass
class Somebody:
    """Answers everything with the same, and remembers what was asked."""

    gateway: StripeCustomerGateway
    asked: list[tuple[str, str, dict[str, str], str | None]] = field(default_factory=list)


@asynccontextmanager
async def answering(status: int, body: Any, headers: dict[str, str] | None = None) -> AsyncIterator[Somebody]:
    async def answer(request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        somebody.asked.append((request.method, request.path, form, request.headers.get("Idempotency-Key")))
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
            somebody = Somebody(gateway)
            yield somebody
    finally:
        await runner.cleanup()


def living() -> Live:
    """A user with a customer and a saved card, without asking anybody."""
    live = Live()
    create = live.asked(ensure())
    live.settle(CustomerAnswer(call_id=create.id, result=Result.DONE, version=0, made=CUS))
    card = SavedMethod(METHOD, "card")
    live.settle(CustomerRead(stripe_id=CUS, version=live.record.version, methods=(card,)))
    return live


def asked(message: CustomerMessage) -> tuple[Live, CustomerCall]:
    live = Live() if message == ensure() else living()
    return live, live.asked(message)


REQUESTS: list[tuple[CustomerMessage, str, str, dict[str, str], str | None]] = [
    (ensure(), "POST", "/v1/customers", MARK, f"{CUSTOMER}:create:1"),
    (
        set_up(),
        "POST",
        "/v1/setup_intents",
        MARK | {"customer": CUS, "usage": "off_session", "automatic_payment_methods[enabled]": "true"},
        f"{CUSTOMER}:set_up:set-up-1",
    ),
    (
        set_default(),
        "POST",
        f"/v1/customers/{CUS}",
        {"invoice_settings[default_payment_method]": METHOD},
        f"{CUSTOMER}:set_default:default-1",
    ),
    (detach(), "POST", f"/v1/payment_methods/{METHOD}/detach", {}, f"{CUSTOMER}:detach:detach-1"),
    (erase(), "DELETE", f"/v1/customers/{CUS}", {}, None),
]


@pytest.mark.parametrize(("message", "method", "path", "form", "key"), REQUESTS)
async def test_each_call_is_one_exact_request(
    message: CustomerMessage, method: str, path: str, form: dict[str, str], key: str | None
) -> None:
    """What is asked of Stripe is the stored parameters under the stored key, and nothing else."""
    live, call = asked(message)
    named = {"id": path.rsplit("/", maxsplit=1)[-1].replace("detach", METHOD), "client_secret": "x_1_secret"}
    async with answering(200, named) as somebody:
        answer = await somebody.gateway.send(call, live.record, 0)
    assert answer.result is Result.DONE
    assert somebody.asked == [(method, path, form, key)]
    assert (answer.client_secret is not None) == (path == "/v1/setup_intents")
    assert "x_1_secret" not in repr(answer)


@pytest.mark.parametrize(
    ("status", "error", "result"),
    [
        (400, {"type": "invalid_request_error", "message": "No."}, Result.REFUSED),
        (404, {"type": "invalid_request_error", "code": "resource_missing"}, Result.REFUSED),
        (400, {"type": "invalid_request_error", "code": "quantum_flux"}, Result.UNLISTED),
        (400, {"type": "idempotency_error", "message": "Other parameters."}, Result.KEY_MISUSED),
        (401, {"type": "invalid_request_error"}, Result.NOT_EXECUTED),
        (409, {"type": "invalid_request_error", "code": "lock_timeout"}, Result.NOT_EXECUTED),
        (500, {"type": "api_error"}, Result.UNKNOWN),
        (418, {"type": "api_error"}, Result.UNKNOWN),
    ],
)
async def test_every_status_has_its_result(status: int, error: Any, result: Result) -> None:
    """Rule 18: each answer of Stripe's is one of a closed set, and comes with a problem."""
    live, call = asked(set_default())
    async with answering(status, {"error": error}, {"Stripe-Should-Retry": "false"}) as somebody:
        answer = await somebody.gateway.send(call, live.record, 0)
    assert answer.result is result
    assert answer.problem is not None


@pytest.mark.parametrize("body", [[], "text", None, {}, {"id": "x_1"}, {"error": None}, {"error": []}])
async def test_an_answer_without_sense_never_raises(body: Any) -> None:
    """Whatever comes back, sending, reading and asking for a secret end as values."""
    live, call = asked(set_default())
    for status in (200, 400, 500):
        async with answering(status, body, {"Stripe-Should-Retry": "false"}) as somebody:
            assert (await somebody.gateway.send(call, live.record, 0)).result is not Result.DONE
            assert isinstance(await somebody.gateway.read(CUS, 0), CustomerReadFailed)
            assert isinstance(await somebody.gateway.secret("seti_1"), CustomerReadFailed)


async def test_a_create_without_an_id_is_unknown() -> None:
    """An answer that names no customer is not taken for one."""
    customer, call = creating()
    async with answering(200, {"object": "customer"}) as somebody:
        assert (await somebody.gateway.send(call, customer, 0)).result is Result.UNKNOWN


async def test_a_confirmed_set_up_has_no_secret_left() -> None:
    """Of a SetupIntent that has succeeded there is nothing to tell."""
    async with answering(200, {"id": "seti_1", "status": "succeeded", "client_secret": "s"}) as somebody:
        assert await somebody.gateway.secret("seti_1") == SetupSecret(None)


async def test_a_wrong_key_waits_for_a_person() -> None:
    """While Stripe refuses our key nothing is executed, and a read does not take the customer for gone."""
    customer, call = creating()
    async with serve(create_app(seed=1, api_key=KEY)) as run, gateway_to(run.address, "sk_test_wrong") as gateway:
        answer = await gateway.send(call, customer, 0)
        assert (answer.result, answer.problem and answer.problem.code) == (Result.NOT_EXECUTED, "http_401")
        assert "sk_test_wrong" not in str(answer)
        assert isinstance(await gateway.read(CUS, 0), CustomerReadFailed)


async def test_a_search_goes_through_all_pages() -> None:
    """A customer is found behind a hundred others that were made at the same time."""
    customer, call = creating()
    async with serve(create_app(seed=1, api_key=KEY)) as run, gateway_to(run.address) as gateway:
        made = await gateway.send(call, customer, 0)
        others = (_other(call, number) for number in range(101))
        await asyncio.gather(*(gateway.send(one, customer, 0) for one in others))
        assert (await gateway.find(call, customer)).made == made.made


def _other(call: CustomerCall, number: int) -> CustomerCall:
    return replace(call, key=f"other-{number}", params={"metadata": {"customer_id": f"usr_{number}"}})


async def test_what_happens_at_stripe_is_told_by_its_webhooks() -> None:
    """From a set-up that the user confirms to the erasure, each event names the customer, and the mark where there is one."""
    async with serve(create_app(seed=1, api_key=KEY)) as run, stripe_client(run.address) as client:
        gateway, live = StripeCustomerGateway(client), Live()

        async def done(message: CustomerMessage) -> CustomerAnswer:
            answer = await gateway.send(live.asked(message), live.record, 0)
            assert answer.result is Result.DONE, answer
            live.settle(answer)
            return answer

        stripe_id = (await done(ensure())).made
        setup = (await done(set_up())).made
        assert stripe_id is not None
        assert setup is not None
        confirmed: Any = {"payment_method": "pm_card_visa", "return_url": "https://shop.example/back"}
        await client.v1.setup_intents.confirm_async(setup, confirmed)
        assert await gateway.secret(setup) == SetupSecret(None)
        seen = await gateway.read(stripe_id, live.record.version)
        assert isinstance(seen, CustomerRead)
        live.settle(seen)
        (method,) = seen.methods
        await done(set_default(payment_method=method.id))
        await done(detach(payment_method=method.id))
        await done(erase())
        events = [event.to_dict() for event in (await client.v1.events.list_async({"limit": 100})).data]
    told = [event for event in events if event["type"] in EVENTS]
    kinds = {"customer.created", "customer.updated", "customer.deleted", "setup_intent.succeeded"}
    assert {event["type"] for event in told} == kinds | {"payment_method.attached", "payment_method.detached"}
    for event in told:
        found = customer_event(json.dumps(event).encode(), deployment=DEPLOYMENT, livemode=False)
        mark = None if event["type"].startswith("payment_method.") else CUSTOMER
        assert found.news == CustomerChanged(
            message_id=event["id"], event_type=event["type"], stripe_id=stripe_id, customer_id=mark
        )


async def test_nobody_there_is_unknown() -> None:
    """Where nothing listens a send is unknown, and a read says nothing."""
    customer, call = creating()
    async with gateway_to("http://127.0.0.1:9") as gateway:
        answer = await gateway.send(call, customer, 0)
        assert (answer.result, answer.problem) == (
            Result.UNKNOWN,
            problem("APIConnectionError", message="APIConnectionError"),
        )
        assert await gateway.read(CUS, 0) == CustomerReadFailed(reason="APIConnectionError")
