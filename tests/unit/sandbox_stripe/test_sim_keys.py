"""API keys and headers: who may ask, and what every answer carries."""

import base64
import io

import aiohttp
import pytest
import stripe

from sandbox.stripe.app import create_app
from sandbox.stripe.server import Running, serve
from tests.unit.sandbox_stripe.intents import PLAIN, created, make
from tests.unit.sandbox_stripe.raw import Raw, raw_client
from tests.unit.sandbox_stripe.sdk import official_client


def basic(user: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:'.encode()).decode()}"


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("Bearer sk_test_1", 200),
        ("Bearer rk_test_1", 200),
        (basic("sk_test_1"), 200),
        ("Bearer sk_live_1", 401),
        ("Bearer nonsense", 401),
        ("Basic !!", 401),
        ("Bearer pk_test_1", 401),
        ("", 401),
    ],
)
async def test_keys(raw: Raw, authorization: str, status: int) -> None:
    """Any test key is taken, as bearer or basic; all else is a 401 with Stripe's error body."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{raw.address}/v1/account", headers={"Authorization": authorization}) as answer,
    ):
        assert answer.status == status
        body = await answer.json()
    assert (status == 200) == ("error" not in body)


async def test_one_key_may_be_required() -> None:
    """With an API key set every other one is refused, as the SDK's AuthenticationError."""
    async with serve(create_app(api_key="sk_test_mine")) as run:
        async with official_client(run.address, key="sk_test_mine") as sdk:
            assert (await sdk.accounts.retrieve_current_async()).id.startswith("acct_")
        async with official_client(run.address, key="sk_test_other") as sdk:
            with pytest.raises(stripe.AuthenticationError, match="Invalid API Key provided: sk_test_"):
                await sdk.accounts.retrieve_current_async()


async def test_every_answer_has_a_request_id_and_a_version(raw: Raw) -> None:
    """Request-Id is unique; Stripe-Version echoes the request's or is the SDK's."""
    first = await raw.get("/v1/account")
    second = await raw.post("/v1/customers", Stripe_Version="2024-06-20")
    assert first.headers["Request-Id"] != second.headers["Request-Id"]
    assert first.headers["Stripe-Version"] == stripe.api_version
    assert second.headers["Stripe-Version"] == "2024-06-20"
    assert (await raw.post("/v1/customers", Stripe_Version="latest")).status == 400


async def test_a_browser_pays_with_the_publishable_key_and_the_secret(raw: Raw, run: Running) -> None:
    """With pk_test and the client secret an intent is retrieved and confirmed; metadata and charge stay hidden."""
    intent = await created(raw, f"{PLAIN}&metadata[order_id]=o-1")
    path = f"/v1/payment_intents/{intent['id']}"
    async with raw_client(run.address, "pk_test_1") as browser:
        assert (await browser.get(path)).status == 400
        assert (await browser.get(f"{path}?client_secret=wrong")).status == 400
        shown = (await browser.get(f"{path}?client_secret={intent['client_secret']}")).body
        assert shown.keys().isdisjoint({"metadata", "latest_charge", "customer"})
        form = f"client_secret={intent['client_secret']}&payment_method=pm_card_visa&return_url=https://shop.example/"
        paid = await browser.post(f"{path}/confirm", form)
        assert (paid.status, paid.body["status"]) == (200, "succeeded")
        assert paid.headers["Access-Control-Allow-Origin"] == "*"
        assert (await browser.post("/v1/payment_methods", "type=card&card[token]=tok_visa")).status == 200
        assert (await browser.post("/v1/refunds", f"payment_intent={intent['id']}")).status == 401


async def test_the_publishable_key_may_come_as_a_parameter(raw: Raw) -> None:
    """Stripe.js sends key=pk_… in the form, and no Authorization header."""
    intent = await make(raw, "requires_payment_method")
    form = {"key": "pk_test_1", "client_secret": intent["client_secret"], "payment_method": "pm_card_visa"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{raw.address}/v1/payment_intents/{intent['id']}/confirm", data=form) as answer,
    ):
        assert (await answer.json())["status"] == "succeeded"


async def test_a_preflight_is_answered(raw: Raw) -> None:
    """A browser's OPTIONS is allowed for any origin, without a key."""
    async with aiohttp.ClientSession() as session, session.options(f"{raw.address}/v1/payment_intents") as answer:
        assert (answer.status, answer.headers["Access-Control-Allow-Headers"]) == (200, "*")


@pytest.mark.parametrize("path", ["/v1/unicorns", "/payment_intents", "/v2/core/events", "/v1/payment_intents/a/b/c"])
async def test_an_unknown_url_is_stripes_404(raw: Raw, path: str) -> None:
    """The message names the method and the path."""
    answer = await raw.get(path)
    assert answer.status == 404
    assert answer.body["error"]["message"].startswith(f"Unrecognized request URL (GET: {path}).")


async def test_a_large_body_is_refused(raw: Raw) -> None:
    """More than a megabyte is a 413."""
    body = io.BytesIO(b"description=" + b"x" * 1024 * 1024)
    async with raw.session.post(f"{raw.address}/v1/customers", data=body) as answer:
        assert answer.status == 413
