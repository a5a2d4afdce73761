"""What does not match: intents changed behind the service's back, and events from elsewhere."""

from typing import Any

import pytest

from sandbox.stripe.server import Running
from sandbox.stripe.webhook_endpoints import add
from tests.unit.sandbox_stripe.intents import make
from tests.unit.sandbox_stripe.raw import Raw
from tests.unit.sandbox_stripe.receiver import SECRET, Receiver, receiving


async def test_an_intent_changes_behind_our_back(raw: Raw) -> None:
    """In any status, and no event tells."""
    intent = await make(raw, "succeeded")
    before = len((await raw.get("/v1/events?limit=100")).body["data"])
    body = {"amount": 1, "currency": "eur", "metadata": None}
    await raw.control(f"payment_intents/{intent['id']}/change", body)
    now = (await raw.get(f"/v1/payment_intents/{intent['id']}")).body
    assert now == {**intent, "amount": 1, "currency": "eur", "metadata": {}}
    assert len((await raw.get("/v1/events?limit=100")).body["data"]) == before


@pytest.mark.parametrize("body", [{"amount": "1"}, {"currency": "xxx"}, {"status": "canceled"}])
async def test_a_bad_change_is_refused(raw: Raw, body: dict[str, Any]) -> None:
    """An amount that is no integer, a currency that is none, and what is not to be changed are errors."""
    intent = await make(raw, "succeeded")
    assert "error" in await raw.control(f"payment_intents/{intent['id']}/change", body)


async def test_an_event_of_live_mode_and_of_another_account(raw: Raw, receiver: Receiver) -> None:
    """The envelope says what it was told to say, is signed, and the object's changes are in the event only."""
    intent = await make(raw, "succeeded")
    await receiver.count(3)
    sent = await raw.control(
        "events",
        {
            "type": "payment_intent.succeeded",
            "object": intent["id"],
            "changes": {"metadata": {"deployment": "other"}, "livemode": True},
            "livemode": True,
            "account": "acct_other",
            "api_version": "2020-08-27",
        },
    )
    await receiver.count(4)
    event = receiver.events[-1]
    assert (event.id, event.livemode, event.account, event.api_version) == (
        sent["id"],
        True,
        "acct_other",
        "2020-08-27",
    )
    assert event.data.object["metadata"].to_dict() == {"deployment": "other"}
    assert (await raw.get(f"/v1/payment_intents/{intent['id']}")).body == intent
    assert (await raw.get(f"/v1/events/{sent['id']}")).body["account"] == "acct_other"


async def test_an_event_about_a_stranger(raw: Raw) -> None:
    """An object that the account has never seen is sent as it was given, with what it was before."""
    stranger = {"id": "pi_stranger", "object": "payment_intent", "amount": 1, "metadata": {}}
    body = {"type": "payment_intent.created", "object": stranger, "previous_attributes": {"amount": 2}}
    sent = await raw.control("events", body)
    assert sent["data"] == {"object": stranger, "previous_attributes": {"amount": 2}}
    assert (await raw.get("/v1/payment_intents/pi_stranger")).status == 404


@pytest.mark.parametrize(
    "body",
    [
        {"type": "x", "object": {"object": "charge"}},
        {"type": "charge.succeeded", "object": "ch_none"},
        {"type": "charge.succeeded", "object": {}},
        {"type": "charge.succeeded", "object": {"object": "charge"}, "livemode": "yes"},
        {"type": "charge.succeeded", "object": {"object": "charge"}, "colour": "red"},
        {"object": {"object": "charge"}},
    ],
)
async def test_a_bad_event_is_refused(raw: Raw, body: dict[str, Any]) -> None:
    """A type that is none, an object that is unknown or none, a wrong envelope: nothing is sent."""
    assert "error" in await raw.control("events", body)
    assert (await raw.get("/v1/events")).body["data"] == []


async def test_an_endpoint_may_have_its_own_version(raw: Raw, run: Running) -> None:
    """Its events name the version that it was created with."""
    async with receiving() as old:
        params = {"url": old.url, "enabled_events": ["*"], "api_version": "2024-06-20"}
        add(run.simulator.world, params, SECRET)
        await raw.post("/v1/customers")
        await old.count(1)
        assert old.events[0].api_version == "2024-06-20"


async def test_there_is_no_search(raw: Raw) -> None:
    """It is refused in words, because an empty answer would be a lie."""
    answer = await raw.get("/v1/payment_intents/search?query=x")
    assert answer.status == 400
    assert "no search" in answer.body["error"]["message"]


async def test_a_charge_lists_its_refunds(raw: Raw) -> None:
    """Under the charge's own path, and only its own."""
    first, second = await make(raw, "succeeded"), await make(raw, "succeeded")
    for intent in (first, second):
        await raw.post("/v1/refunds", f"payment_intent={intent['id']}")
    path = f"/v1/charges/{first['latest_charge']}/refunds"
    page = (await raw.get(path)).body
    assert (page["url"], [row["charge"] for row in page["data"]]) == (path, [first["latest_charge"]])
    assert (await raw.get("/v1/charges/ch_none/refunds")).status == 404


async def test_events_are_found_by_delivery(raw: Raw, receiver: Receiver) -> None:
    """delivery_success=false lists what has not arrived, also within a time and among types."""
    receiver.status = lambda _number: 500
    await raw.control("webhooks", {"max_attempts": 1})
    await make(raw, "succeeded")
    await raw.control("quiesce", {})
    query = "delivery_success=false&created[gte]=1&types[]=charge.succeeded&types[]=charge.failed"
    assert [row["type"] for row in (await raw.get(f"/v1/events?{query}")).body["data"]] == ["charge.succeeded"]
    assert (await raw.get("/v1/events?delivery_success=true")).body["data"] == []
    assert (await raw.get("/v1/events?created[lt]=1")).body["data"] == []
