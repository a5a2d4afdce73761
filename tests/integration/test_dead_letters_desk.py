"""Dead letters with the real parts: kept, listed, rehearsed, replayed, discarded."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from contracts import topology
from tests.e2e.support.publish import publish
from tests.e2e.support.service import Service
from tests.e2e.support.until import until
from tests.e2e.test_fault_rows_bad_input import BAD_COMMANDS, BAD_EVENTS
from tests.integration.dead_letter_desk import ARRIVED_S, Operator, confirm, create, die, open_letters
from worker.dead_letter import NO_LONGER_LISTED, UNREADABLE


@pytest.fixture
def operator(service: Service, capfd: pytest.CaptureFixture[str]) -> Operator:
    return Operator(service, capfd)


async def test_dead_letters_of_every_reason_are_kept_and_listed(service: Service, operator: Operator) -> None:
    """What cannot be read, what failed in every tier and what the broker gave up is drained and grouped by cause."""
    await service.worker("--crash-at", "load")
    await publish(service.rabbitmq_url, topology.COMMANDS, *BAD_COMMANDS.values())
    await publish(service.rabbitmq_url, topology.STRIPE, *BAD_EVENTS.values())
    await die(service, topology.COMMANDS, create("order-1"), create("order-2"))
    deaths = {"x-first-death-reason": "delivery_limit", topology.HEADER_ORIGIN: topology.PRIVILEGED_QUEUE}
    await publish(service.rabbitmq_url, topology.DEAD, create("order-3"), headers=deaths)
    unreadable = len(BAD_COMMANDS) + len(BAD_EVENTS) - 1  # two of the events have one id
    await open_letters(service, unreadable + 3)
    causes = await operator.causes()
    assert sum(cause["count"] for cause in causes) == unreadable + 3
    (crashed,) = [cause for cause in causes if "Crash: load" in cause["reason"]]
    assert (crashed["count"], crashed["replayable"], crashed["attempts"]) == (2, 2, 5)
    assert sorted(crashed["payments"]) == ["order-1", "order-2"], "they have no payment yet: the orders are named"
    (given_up,) = [cause for cause in causes if cause["reason"].startswith("the broker gave it up")]
    assert given_up["origin"] == topology.PRIVILEGED_QUEUE
    assert [one["count"] for one in await operator.causes("--fingerprint", crashed["fingerprint"])] == [2]
    assert [one["examples"] for one in await operator.causes("--payment", "order-2")] != []
    assert await operator.causes("--kind", "payment.refund") == []
    shown = await operator.reads("dead-letters", "show", crashed["fingerprint"])
    assert {json.loads(letter["body"])["id"] for letter in shown} == {"create-order-1", "create-order-2"}
    table = await operator.types("dead-letters", "list")
    assert f"{sum(cause['count'] for cause in causes)} open dead letters" in table
    assert crashed["fingerprint"] in table


async def test_a_replay_after_the_cause_is_mended_applies(service: Service, operator: Operator) -> None:
    """Commands and events that crashed are rehearsed, replayed once, applied once, and a second replay finds nothing."""
    armed = service.directory / "armed"
    await service.worker("--crash-at", "load", "--armed-by", str(armed))
    secret = await service.created("order-paid")
    await service.stripe.webhooks(hold=True)
    await service.stripe.pay(secret)
    armed.touch()
    (paid,) = [one for one in await service.stripe.events() if one["type"] == "payment_intent.succeeded"]
    await die(service, topology.STRIPE, json.dumps(paid).encode())
    await die(service, topology.COMMANDS, create("order-new"))
    await open_letters(service, 2)
    payment = str(service.payment("order-paid")["_id"])
    told = await operator.rehearses("--all")
    assert told[payment]["to_status"] == "succeeded"
    assert told[payment]["kind"] == "payment_intent.succeeded"
    (new,) = [one for name, one in told.items() if name != payment]
    assert (new["from_status"], new["to_status"]) == ("new", "creating")
    assert new["asks"].startswith("create under ")
    assert service.database["payments"].count_documents({}) == 1, "a rehearsal writes nothing"
    assert {cause["payments"][0] for cause in await operator.causes()} == {payment, "order-new"}
    armed.unlink()
    done = await operator.replays("--all")
    assert (done["asked"], done["published"], done["waiting"]) == (2, 2, 0)

    async def applied() -> bool:
        stored = service.database["payments"]
        return stored.count_documents({"$or": [{"captured": 1999}, {"status": "requires_payment_method"}]}) == 2

    await until(applied, ARRIVED_S, "they were not applied")
    assert (await operator.replays("--all"))["asked"] == 0
    (first,) = await operator.causes("--settled", "--kind", "payment.create")
    assert first["count"] == 1
    await service.stripe.release()
    books = await service.quiesce()
    assert [entry["captured"] for entry in books.ledger["payment_intents"]].count(1999) == 1
    assert len(books.ledger["payment_intents"]) == 2


async def test_what_stripe_lists_no_longer_stays_and_can_be_discarded(service: Service, operator: Operator) -> None:
    """An event that is too old for Stripe's list is given back with the reason, and is then discarded by name."""
    await service.worker()
    body = {"id": "evt_tooold", "type": "charge.failed", "data": {"object": [1]}}
    await publish(service.rabbitmq_url, topology.STRIPE, json.dumps(body).encode(), b"{")
    await open_letters(service, 2)
    done = await operator.replays("--all", code=1)
    assert (done["asked"], done["refused"], list(done["unreplayable"].values())) == (1, 1, [UNREADABLE])
    (cause,) = await operator.causes("--kind", "charge.failed")
    (letter,) = cause["examples"]
    (shown,) = await operator.reads("dead-letters", "show", letter)
    assert shown["unreplayable"] == NO_LONGER_LISTED
    discard = ("dead-letters", "discard", letter, "--why", "applied by a read", "--requested-by", "op-1")
    assert (await operator.reads(*discard))["discarded"] == [letter]
    await operator.types(*discard, code=1)
    (shown,) = await operator.reads("dead-letters", "show", letter)
    assert (shown["state"], shown["note"], shown["asked_by"]) == ("discarded", "applied by a read", "op-1")


async def test_a_replay_waits_for_stripe(service: Service, operator: Operator) -> None:
    """What is asked for while Stripe does not answer is published when it does, without being asked for again."""
    worker = await service.worker()
    secret = await service.created("order-1")
    await service.stripe.webhooks(hold=True)
    await service.stripe.pay(secret)
    (paid,) = [one for one in await service.stripe.events() if one["type"] == "payment_intent.succeeded"]
    broken = {**paid, "data": {"object": []}}
    await publish(service.rabbitmq_url, topology.STRIPE, json.dumps(broken).encode())
    await open_letters(service, 1)
    await service.stripe.fault("503", method="GET", path="/v1/events/*", times=3)
    (cause,) = await operator.causes()
    letters = service.database["dead_letters"]
    letters.update_one({}, {"$set": {"state": "replaying", "replay_at": datetime.now(UTC)}, "$inc": {"replays": 1}})
    await worker.logged("replay_waits", ARRIVED_S, letter=cause["examples"][0])
    assert letters.find_one({"state": "replaying"}) is not None
    letters.update_one({}, {"$set": {"replay_at": datetime.now(UTC)}})
    await worker.logged("replayed", ARRIVED_S, letter=cause["examples"][0], came_back=False)

    async def applied() -> bool:
        return bool(service.payment("order-1")["captured"])

    await until(applied, ARRIVED_S, "the event was not applied")
    await service.stripe.release()


async def test_fault_row_30_a_key_older_than_a_day_is_read_and_not_sent(service: Service, operator: Operator) -> None:
    """A confirm from the dead letters whose key Stripe may have forgotten is settled by reading, and nothing is posted."""
    await service.worker()
    await service.created("order-1")
    payment = str(service.payment("order-1")["_id"])
    await service.stripe.fault("503", path="*/confirm", times=100)
    await die(service, topology.COMMANDS, confirm(payment, "confirm-1"))

    async def sent() -> bool:
        return any(call["id"] == "confirm-1" and call.get("sends") for call in service.payment("order-1")["calls"])

    await until(sent, ARRIVED_S, "it was never sent")
    old, far = datetime.now(UTC) - timedelta(hours=25), datetime.now(UTC) + timedelta(hours=1)

    async def aged() -> bool:
        """As soon as its first answer is known, so that nobody is in the middle of a send."""
        soon = datetime.now(UTC) + timedelta(
            minutes=1
        )  # while it is sent it is due later, after the send's own deadline
        changed = service.database["payments"].update_one(
            {"_id": payment, "calls": {"$elemMatch": {"id": "confirm-1", "due_at": {"$lt": soon}}}},
            {"$set": {"calls.1.sends": [old], "calls.1.due_at": far, "check_at": far}, "$inc": {"version": 1}},
        )
        return bool(changed.modified_count)

    await until(aged, ARRIVED_S, "it could not be aged")
    await service.stripe.clear_faults()
    headers = {
        topology.HEADER_ORIGIN: topology.COMMANDS_QUEUE,
        topology.HEADER_REASON: "given up after 5 tries: Crash: x",
    }
    await publish(service.rabbitmq_url, topology.DEAD, confirm(payment, "confirm-1"), headers=headers)
    await open_letters(service, 1)
    posted = await service.stripe.requests("POST", "/v1/payment_intents/*/confirm")
    intent = service.payment("order-1")["stripe"]["payment_intent_id"]
    assert (await operator.rehearses("--all"))[payment]["asks"] == f"how {intent} is now"
    assert (await operator.replays("--all"))["published"] == 1

    async def settled() -> bool:
        return all(call["state"] != "open" for call in service.payment("order-1")["calls"])

    await until(settled, ARRIVED_S, "the call was not settled")
    assert await service.stripe.requests("POST", "/v1/payment_intents/*/confirm") == posted


async def test_what_is_typed_wrong_is_said_in_one_line(service: Service, operator: Operator) -> None:
    """Without a choice, somebody who decides, or a letter of that name the command changes nothing and says so."""
    assert "name letters, a filter, or --all" in await operator.types("dead-letters", "replay", code=2)
    assert "--requested-by" in await operator.types("dead-letters", "replay", "--all", code=2)
    await operator.types("dead-letters", "show", "dl_nothing", code=1)
    await operator.types("dead-letters", "replay", "dl_nothing", "--requested-by", "op-1", code=1)
    assert "0 open dead letters" in await operator.types("dead-letters", "list")
    assert service.database["dead_letters"].count_documents({}) == 0
