"""Webhook deliveries: signatures, retries, duplicates, order, and what the control endpoint can do to them."""

import json
import time

import pytest
import stripe
from stripe._v1_services import V1Services

from sandbox.stripe.server import Running
from sandbox.stripe.webhooks import sign
from tests.unit.sandbox_stripe.intents import PLAIN, make
from tests.unit.sandbox_stripe.raw import Raw
from tests.unit.sandbox_stripe.receiver import SECRET, Receiver, receiving

TOLERANCE_S = 300


def verify(receiver: Receiver, number: int, secret: str = SECRET) -> stripe.Event:
    event: stripe.Event = stripe.Webhook.construct_event(receiver.bodies[number], receiver.signatures[number], secret)
    return event


def test_the_signature_is_what_the_sdk_verifies() -> None:
    """The SDK accepts the header for each secret that signed, and for no other."""
    header = sign(b"{}", ["whsec_old", "whsec_new"], int(time.time()))
    for secret in ("whsec_old", "whsec_new"):
        assert stripe.WebhookSignature.verify_header("{}", header, secret, TOLERANCE_S)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header("{}", header, "whsec_other", TOLERANCE_S)


async def test_a_payments_events_arrive_signed(raw: Raw, receiver: Receiver) -> None:
    """A paid intent sends its three events, which verify and carry the object and the request."""
    answer = await raw.post("/v1/payment_intents", f"{PLAIN}&payment_method=pm_card_visa&confirm=true", key="k")
    await receiver.count(3)
    events = {event.type: event for event in receiver.events}
    assert set(events) == {"payment_intent.created", "charge.succeeded", "payment_intent.succeeded"}
    paid = events["payment_intent.succeeded"]
    assert paid.data.object["id"] == answer.body["id"]
    assert paid.data.object["status"] == "succeeded"
    assert paid.api_version == stripe.api_version
    assert paid.request is not None
    assert (paid.request.id, paid.request.idempotency_key) == (answer.headers["Request-Id"], "k")
    assert events["payment_intent.created"].data.object["status"] == "requires_confirmation"


@pytest.mark.parametrize("answer", [500, 400, 301])
async def test_a_failed_delivery_is_repeated_until_a_2xx(raw: Raw, receiver: Receiver, answer: int) -> None:
    """Anything but a 2xx comes again, byte for byte, and is then delivered."""
    receiver.status = lambda number: 200 if number == 3 else answer
    await raw.control("webhooks", {"retry_delays_ms": [1]})
    await raw.post("/v1/customers")
    await receiver.count(3)
    state = await raw.control("quiesce", {"timeout_s": 5})
    assert (state["quiet"], state["delivered"], state["attempts"]) == (True, 1, 3)
    assert len(set(receiver.bodies)) == 1


async def test_an_undeliverable_event_fails_after_its_attempts(raw: Raw, receiver: Receiver) -> None:
    """After max_attempts it is failed, and delivery_success=false lists it."""
    receiver.status = lambda _number: 503
    await raw.control("webhooks", {"retry_delays_ms": [1], "max_attempts": 2})
    await raw.post("/v1/customers")
    state = await raw.control("quiesce", {"timeout_s": 5})
    assert (state["failed"], state["attempts"]) == (1, 2)
    (event,) = (await raw.get("/v1/events?delivery_success=false")).body["data"]
    assert (event["type"], event["pending_webhooks"]) == ("customer.created", 1)
    assert (await raw.get("/v1/events?delivery_success=true")).body["data"] == []


async def test_a_delivered_event_has_no_pending_webhooks(raw: Raw, receiver: Receiver) -> None:
    """The event says 1 when it is sent and 0 once it is delivered."""
    await raw.post("/v1/customers")
    await raw.control("quiesce")
    assert receiver.events[0].pending_webhooks == 1
    (event,) = (await raw.get("/v1/events?delivery_success=true")).body["data"]
    assert event["pending_webhooks"] == 0


async def test_a_jump_of_the_clock_makes_retries_due(raw: Raw, receiver: Receiver) -> None:
    """A delivery that waits for an hour comes at once when the clock is advanced."""
    receiver.status = lambda number: 500 if number == 1 else 200
    await raw.control("webhooks", {"retry_delays_ms": [3_600_000]})
    await raw.post("/v1/customers")
    await receiver.count(1)
    while (await raw.control("deliveries", method="GET"))["deliveries"][0]["status"] != 500:
        continue
    await raw.control("clock", {"advance_s": 3600})
    await receiver.count(2)
    assert receiver.events[0].id == receiver.events[1].id


async def test_duplicates_on_demand(raw: Raw, receiver: Receiver) -> None:
    """duplicate_rate 1 with two copies delivers each event three times under one id."""
    await raw.control("webhooks", {"duplicate_rate": 1, "duplicates": 2})
    await raw.post("/v1/customers")
    await raw.control("quiesce")
    assert len({event.id for event in receiver.events}) == 1
    assert len(receiver.bodies) == 3


async def test_drops_on_demand_by_type(raw: Raw, receiver: Receiver) -> None:
    """What is dropped never comes, stays undelivered in the list, and other types are untouched."""
    await raw.control("webhooks", {"drop_rate": 1, "types": ["payment_intent.*"]})
    await make(raw, "succeeded")
    state = await raw.control("quiesce")
    assert receiver.types == ["charge.succeeded"]
    assert state["dropped"] == 2
    lost = (await raw.get("/v1/events?delivery_success=false")).body["data"]
    assert [event["type"] for event in lost] == ["payment_intent.succeeded", "payment_intent.created"]


async def test_held_events_are_released_in_the_asked_order(raw: Raw, receiver: Receiver) -> None:
    """Nothing comes while held; released newest first they arrive backwards."""
    await raw.control("webhooks", {"hold": True})
    await make(raw, "succeeded")
    assert (await raw.control("quiesce"))["held"] == 3
    assert receiver.bodies == []
    assert await raw.control("webhooks/release", {"order": "newest"}) == {"released": 3}
    await raw.control("quiesce")
    assert set(receiver.types) == {"payment_intent.succeeded", "charge.succeeded", "payment_intent.created"}


async def test_reordering_is_seeded(raw: Raw, receiver: Receiver) -> None:
    """Within the window the order is another one than that of the events."""
    await raw.control("webhooks", {"reorder_window_ms": 200, "seed": 4})
    for number in range(8):
        await raw.post("/v1/customers", f"name=c{number}")
    await receiver.count(8)
    names = [event.data.object["name"] for event in receiver.events]
    assert sorted(names) == [f"c{number}" for number in range(8)] != names


async def test_bad_signatures_on_demand(raw: Raw, receiver: Receiver) -> None:
    """A wrong secret and no signature at all fail the SDK's verification."""
    for signing in ("wrong", "none"):
        await raw.control("webhooks", {"signing": signing})
        await raw.post("/v1/customers")
        await raw.control("quiesce")
    for number in (0, 1):
        with pytest.raises(stripe.SignatureVerificationError):
            verify(receiver, number)


@pytest.mark.parametrize("offset_s", [-3600, 3600])
async def test_signatures_of_another_time_on_demand(raw: Raw, receiver: Receiver, offset_s: int) -> None:
    """The timestamp is shifted and the signature is right for it."""
    await raw.control("webhooks", {"timestamp_offset_s": offset_s})
    await raw.post("/v1/customers")
    await receiver.count(1)
    (stamp,) = [part[2:] for part in receiver.signatures[0].split(",") if part.startswith("t=")]
    assert abs(int(stamp) - time.time() - offset_s) < 5
    assert receiver.signatures[0] == sign(receiver.bodies[0], [SECRET], int(stamp))


async def test_a_rotated_secret_signs_beside_the_old_one(raw: Raw, run: Running, receiver: Receiver) -> None:
    """While two secrets are active both verify; afterwards only the new one does."""
    (endpoint,) = run.simulator.world.webhook_endpoints
    await raw.control(f"webhooks/secrets/{endpoint['id']}", {"secrets": [SECRET, "whsec_new"]})
    await raw.post("/v1/customers")
    await receiver.count(1)
    assert verify(receiver, 0).id == verify(receiver, 0, "whsec_new").id
    await raw.control(f"webhooks/secrets/{endpoint['id']}", {"secrets": ["whsec_new"]})
    await raw.post("/v1/customers")
    await receiver.count(2)
    assert verify(receiver, 1, "whsec_new").type == "customer.created"
    with pytest.raises(stripe.SignatureVerificationError):
        verify(receiver, 1)


async def test_an_event_can_be_sent_again(raw: Raw, receiver: Receiver) -> None:
    """Redelivery sends the event of the past under the same id."""
    await raw.post("/v1/customers")
    await receiver.count(1)
    event_id = json.loads(receiver.bodies[0])["id"]
    assert await raw.control(f"webhooks/redeliver/{event_id}") == {"endpoints": 1}
    await receiver.count(2)
    assert {event.id for event in receiver.events} == {event_id}


async def test_endpoints_are_made_through_the_api(sdk: V1Services, run: Running) -> None:
    """A created endpoint shows its secret once, gets only the events it asked for, and none when disabled or deleted."""
    async with receiving() as endpoint:
        made = await sdk.webhook_endpoints.create_async({"url": endpoint.url, "enabled_events": ["customer.updated"]})
        assert made.secret is not None
        assert made.secret.startswith("whsec_")
        assert "secret" not in (await sdk.webhook_endpoints.retrieve_async(made.id)).to_dict()
        customer = await sdk.customers.create_async({"name": "a"})
        await sdk.customers.update_async(customer.id, {"name": "b"})
        await endpoint.count(1)
        event = stripe.Webhook.construct_event(endpoint.bodies[0], endpoint.signatures[0], made.secret)
        assert event.data.to_dict()["previous_attributes"] == {"name": "a"}
        await sdk.webhook_endpoints.update_async(made.id, {"disabled": True})
        await sdk.customers.update_async(customer.id, {"name": "c"})
        await sdk.webhook_endpoints.update_async(made.id, {"disabled": False})
        assert (await sdk.webhook_endpoints.delete_async(made.id)).deleted
        await sdk.customers.update_async(customer.id, {"name": "d"})
        assert await run.simulator.webhooks.quiet_within(5)
        assert len(endpoint.bodies) == 1


async def test_an_unknown_behaviour_is_refused(raw: Raw) -> None:
    """A misspelt field is an error and changes nothing."""
    assert "unknown: dropp_rate" in (await raw.control("webhooks", {"dropp_rate": 1}))["error"]


async def test_quiesce_says_when_it_is_not_quiet(raw: Raw, receiver: Receiver) -> None:
    """With a delivery that cannot succeed the wait ends at its timeout."""
    receiver.status = lambda _number: 500
    await raw.post("/v1/customers")
    state = await raw.control("quiesce", {"timeout_s": 0.05})
    assert (state["quiet"], state["pending"]) == (False, 1)
