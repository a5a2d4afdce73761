"""Each kind of fault: what the client sees, whether the effect happened, what the key keeps."""

import asyncio
import time

import aiohttp
import pytest
import stripe

from sandbox.stripe.faults import KINDS
from sandbox.stripe.server import Running
from tests.unit.sandbox_stripe.intents import PLAIN
from tests.unit.sandbox_stripe.raw import Raw
from tests.unit.sandbox_stripe.sdk import official_client

INTENTS = "/v1/payment_intents"
CUT = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


async def made(raw: Raw) -> int:
    return len((await raw.get(INTENTS)).body["data"])


async def test_a_reset_before_the_effect_executes_nothing(raw: Raw) -> None:
    """The connection is reset, no intent exists, and the same key executes."""
    await raw.control("faults", {"kind": "reset_before"})
    with pytest.raises(CUT):
        await raw.post(INTENTS, PLAIN, key="k")
    assert await made(raw) == 0
    assert (await raw.post(INTENTS, PLAIN, key="k")).status == 200


async def test_a_reset_after_the_effect_has_executed(raw: Raw) -> None:
    """The connection is reset, the intent exists, and the same key replays it."""
    await raw.control("faults", {"kind": "reset_after"})
    with pytest.raises(CUT):
        await raw.post(INTENTS, PLAIN, key="k")
    assert await made(raw) == 1
    again = await raw.post(INTENTS, PLAIN, key="k")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await made(raw) == 1


async def test_a_truncated_body_has_executed(raw: Raw) -> None:
    """Half of the announced body comes, the intent exists, and the same key replays all of it."""
    await raw.control("faults", {"kind": "truncate"})
    with pytest.raises(aiohttp.ClientPayloadError):
        await raw.post(INTENTS, PLAIN, key="k")
    assert await made(raw) == 1
    assert (await raw.post(INTENTS, PLAIN, key="k")).body["object"] == "payment_intent"


@pytest.mark.parametrize(("kind", "effects"), [("html_502", 0), ("html_502_after", 1)])
async def test_a_proxys_error_page_is_html(raw: Raw, kind: str, effects: int) -> None:
    """The client sees a 502 that is no JSON, before or after the effect; then the key works."""
    await raw.control("faults", {"kind": kind})
    answer = await raw.post(INTENTS, PLAIN, key="k")
    assert (answer.status, answer.headers["Content-Type"]) == (502, "text/html")
    assert "502 Bad Gateway" in answer.body
    assert await made(raw) == effects
    assert (await raw.post(INTENTS, PLAIN, key="k")).status == 200
    assert await made(raw) == 1


@pytest.mark.parametrize(
    ("kind", "status", "kind_of_error", "should_retry"),
    [
        ("429", 429, "invalid_request_error", "false"),
        ("429_lock", 429, "invalid_request_error", "true"),
        ("500", 500, "api_error", "false"),
        ("500_after", 500, "api_error", "false"),
        ("503", 503, "api_error", "true"),
    ],
)
async def test_refusals_carry_stripes_error_and_advice(
    raw: Raw, kind: str, status: int, kind_of_error: str, should_retry: str
) -> None:
    """Status, error type and Stripe-Should-Retry are Stripe's."""
    await raw.control("faults", {"kind": kind})
    answer = await raw.post(INTENTS, PLAIN)
    assert (answer.status, answer.body["error"]["type"]) == (status, kind_of_error)
    assert answer.headers["Stripe-Should-Retry"] == should_retry


@pytest.mark.parametrize("kind", ["latency", "latency_after"])
async def test_latency_delays_the_answer(raw: Raw, kind: str) -> None:
    """The answer is right and late."""
    await raw.control("faults", {"kind": kind, "ms": 80})
    started = time.perf_counter()
    assert (await raw.post(INTENTS, PLAIN)).status == 200
    assert time.perf_counter() - started >= 0.08


async def test_a_late_answer_can_time_out_after_the_effect(raw: Raw) -> None:
    """With latency_after the client gives up, the effect is there and the key replays at once."""
    await raw.control("faults", {"kind": "latency_after", "ms": 300})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await raw.post(INTENTS, PLAIN, key="k")
    assert (await raw.post(INTENTS, PLAIN, key="k")).headers["Idempotent-Replayed"] == "true"


async def test_the_sdks_own_retry_gets_over_a_reset(raw: Raw, run: Running) -> None:
    """The official client with one retry hides a reset after the effect, and pays once."""
    await raw.control("faults", {"kind": "reset_after", "method": "POST", "path": "/v1/payment_intents*"})
    async with official_client(run.address, retries=1) as sdk:
        intent = await sdk.payment_intents.create_async({"amount": 2000, "currency": "usd"})
    assert intent.status == "requires_payment_method"
    assert await made(raw) == 1


async def test_the_sdk_does_not_retry_a_rate_limit(raw: Raw, run: Running) -> None:
    """A plain 429 says Stripe-Should-Retry: false, and the SDK obeys."""
    await raw.control("faults", {"kind": "429"})
    async with official_client(run.address, retries=2) as sdk:
        with pytest.raises(stripe.RateLimitError):
            await sdk.payment_intents.create_async({"amount": 2000, "currency": "usd"})


async def test_queued_faults_wait_for_their_request(raw: Raw) -> None:
    """A shot hits the method and path it names, after the ones it skips, as often as it says."""
    shot = {"kind": "503", "method": "POST", "path": "/v1/payment_intents/*/confirm", "skip": 1, "times": 2}
    await raw.control("faults", {"queue": [shot]})
    assert (await raw.post(INTENTS, PLAIN)).status == 200
    statuses = [(await raw.post(f"{INTENTS}/pi_none/confirm")).status for _ in range(4)]
    assert statuses == [404, 503, 503, 404]


async def test_seeded_rates_are_repeatable(raw: Raw) -> None:
    """The same seed draws the same faults over the same requests, another seed others."""

    async def drawn(seed: int) -> list[int]:
        body = {"seed": seed, "rates": {"429": 0.3, "500": 0.2}, "paths": "/v1/customers*"}
        await raw.control("faults", body)
        return [(await raw.post("/v1/customers")).status for _ in range(30)]

    first = await drawn(7)
    assert set(first) == {200, 429, 500}
    assert await drawn(7) == first
    assert await drawn(8) != first
    assert (await raw.get(INTENTS)).status == 200


async def test_delete_ends_all_faults(raw: Raw) -> None:
    """After DELETE nothing is queued and nothing is drawn."""
    await raw.control("faults", {"kind": "503", "rates": {"500": 1.0}})
    state = await raw.control("faults", method="DELETE")
    assert state == {"queue": [], "rates": {}, "fired": {}}
    assert (await raw.post(INTENTS, PLAIN)).status == 200


@pytest.mark.parametrize(
    "body", [{"kind": "earthquake"}, {"rates": {"500": 2}}, {"kind": "latency", "ms": -1}, {"kind": "503", "when": 1}]
)
async def test_nonsense_is_refused(raw: Raw, body: dict[str, object]) -> None:
    """An unknown kind, an impossible rate or an unknown field is a 400 that says so."""
    assert "error" in await raw.control("faults", body)


async def test_every_kind_can_be_fired(raw: Raw) -> None:
    """No kind of the table is without an effect: each is counted when it hits."""
    for kind in KINDS:
        await raw.control("faults", {"kind": kind, "ms": 1})
        try:
            await raw.post(INTENTS, PLAIN)
        except aiohttp.ClientError:
            assert kind in {"reset_before", "reset_after", "truncate"}
    assert (await raw.control("faults", method="GET"))["fired"] == dict.fromkeys(KINDS, 1)
