"""Idempotency keys, each rule of Stripe's documentation by itself."""

import asyncio

import pytest
import stripe
from stripe._v1_services import V1Services

from sandbox.stripe.idempotency import MAX_LENGTH
from sandbox.stripe.server import Running
from tests.unit.sandbox_stripe.intents import PLAIN, make
from tests.unit.sandbox_stripe.raw import Raw

INTENTS = "/v1/payment_intents"
DAY_S = 24 * 3600


async def test_the_same_key_and_parameters_replay_the_answer(raw: Raw) -> None:
    """Status and body come again, marked as replayed and naming the first request; nothing is made anew."""
    first = await raw.post(INTENTS, PLAIN, key="k")
    again = await raw.post(INTENTS, PLAIN, key="k")
    assert (again.status, again.body) == (first.status, first.body)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Original-Request"] == first.headers["Request-Id"] != again.headers["Request-Id"]
    assert again.headers["Idempotency-Key"] == "k"
    assert len((await raw.get(INTENTS)).body["data"]) == 1


async def test_the_order_of_parameters_does_not_matter(raw: Raw) -> None:
    """The same parameters in another order are the same request."""
    first = await raw.post(INTENTS, "amount=2000&currency=usd", key="k")
    again = await raw.post(INTENTS, "currency=usd&amount=2000", key="k")
    assert again.body == first.body


async def test_other_parameters_are_an_idempotency_error(sdk: V1Services) -> None:
    """The same key with another amount raises the SDK's IdempotencyError."""
    await sdk.payment_intents.create_async({"amount": 2000, "currency": "usd"}, {"idempotency_key": "k"})
    with pytest.raises(stripe.IdempotencyError, match="can only be used with the same parameters"):
        await sdk.payment_intents.create_async({"amount": 2001, "currency": "usd"}, {"idempotency_key": "k"})


async def test_another_endpoint_is_an_idempotency_error(raw: Raw) -> None:
    """The same key for another path is refused and names both."""
    await raw.post("/v1/customers", "", key="k")
    answer = await raw.post(INTENTS, PLAIN, key="k")
    assert (answer.status, answer.body["error"]["type"]) == (400, "idempotency_error")
    assert "('/v1/payment_intents' vs '/v1/customers')" in answer.body["error"]["message"]


async def test_a_key_in_flight_is_a_conflict(raw: Raw) -> None:
    """While one request runs its twin is a 409; after it, the key replays."""
    await raw.control("faults", {"kind": "latency", "ms": 300})
    answers = await asyncio.gather(raw.post(INTENTS, PLAIN, key="k"), raw.post(INTENTS, PLAIN, key="k"))
    first, second = sorted(answers, key=lambda answer: answer.status)
    assert (second.status, second.body["error"]["code"]) == (409, "idempotency_key_in_use")
    third = await raw.post(INTENTS, PLAIN, key="k")
    assert (third.status, third.body) == (200, first.body)


async def test_a_decline_is_stored(raw: Raw) -> None:
    """A 402 comes again, and the card is not asked twice."""
    intent = await make(raw, "requires_payment_method")
    path, form = f"{INTENTS}/{intent['id']}/confirm", "payment_method=pm_card_chargeDeclined"
    first = await raw.post(path, form, key="k")
    again = await raw.post(path, form, key="k")
    assert (first.status, again.status) == (402, 402)
    assert again.body == first.body
    assert len((await raw.get(f"/v1/charges?payment_intent={intent['id']}")).body["data"]) == 1


async def test_a_state_conflict_is_stored(raw: Raw) -> None:
    """A refused cancel stays refused under its key: execution had begun."""
    intent = await make(raw, "succeeded")
    path = f"{INTENTS}/{intent['id']}/cancel"
    first = await raw.post(path, key="k")
    again = await raw.post(path, key="k")
    assert (first.status, again.status) == (400, 400)
    assert again.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("form", "code"), [("amount=1&currency=usd", "amount_too_small"), ("currency=usd", "parameter_missing")]
)
async def test_a_validation_error_is_not_stored(raw: Raw, form: str, code: str) -> None:
    """The corrected request may use the same key: no execution had begun."""
    refused = await raw.post(INTENTS, form, key="k")
    assert (refused.status, refused.body["error"]["code"]) == (400, code)
    assert (await raw.post(INTENTS, PLAIN, key="k")).status == 200


@pytest.mark.parametrize("kind", ["500", "500_after"])
async def test_a_500_is_stored(raw: Raw, kind: str) -> None:
    """A 500 is replayed, whether the effect happened or not."""
    await raw.control("faults", {"kind": kind})
    first = await raw.post(INTENTS, PLAIN, key="k")
    again = await raw.post(INTENTS, PLAIN, key="k")
    assert (first.status, again.status) == (500, 500)
    assert (again.body, again.headers["Stripe-Should-Retry"]) == (first.body, "false")
    assert len((await raw.get(INTENTS)).body["data"]) == (kind == "500_after")


@pytest.mark.parametrize("kind", ["429", "429_lock", "503", "html_502"])
async def test_what_never_reached_the_api_is_not_stored(raw: Raw, kind: str) -> None:
    """After a rate limit, a lock timeout, a 503 or a proxy's 502 the same key executes."""
    await raw.control("faults", {"kind": kind})
    assert (await raw.post(INTENTS, PLAIN, key="k")).status >= 429
    answer = await raw.post(INTENTS, PLAIN, key="k")
    assert answer.status == 200
    assert "Idempotent-Replayed" not in answer.headers


async def test_keys_are_pruned_after_a_day(raw: Raw, run: Running) -> None:
    """24 hours after its first use the key is new: the request executes again."""
    first = await raw.post(INTENTS, PLAIN, key="k")
    run.simulator.world.clock.advance(DAY_S - 60)
    assert (await raw.post(INTENTS, PLAIN, key="k")).body["id"] == first.body["id"]
    run.simulator.world.clock.advance(61)
    assert (await raw.post(INTENTS, PLAIN, key="k")).body["id"] != first.body["id"]


async def test_a_long_key_is_refused(raw: Raw) -> None:
    """255 characters are allowed, 256 are not."""
    assert (await raw.post(INTENTS, PLAIN, key="k" * MAX_LENGTH)).status == 200
    assert (await raw.post(INTENTS, PLAIN, key="k" * (MAX_LENGTH + 1))).status == 400


async def test_keys_mean_nothing_on_get(raw: Raw) -> None:
    """A GET with a key is answered anew each time."""
    intent = await make(raw, "requires_confirmation")
    path = f"{INTENTS}/{intent['id']}"
    async with raw.session.get(raw.address + path, headers={"Idempotency-Key": "k"}) as response:
        before = await response.json()
    await raw.post(f"{path}/cancel")
    async with raw.session.get(raw.address + path, headers={"Idempotency-Key": "k"}) as response:
        after = await response.json()
    assert (before["status"], after["status"]) == ("requires_confirmation", "canceled")
