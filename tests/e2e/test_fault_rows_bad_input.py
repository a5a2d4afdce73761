"""Fault row 33: what is no message of ours is refused to its sender or is a dead letter, and never a crash or a loop."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from aio_pika.abc import AbstractIncomingMessage

from contracts import topology
from contracts.envelope import decode, unwrap
from contracts.replies import Refusal, RefusalCode, Reply, Verdict
from tests.e2e.support.publish import ask, publish, take_dead
from tests.e2e.support.service import Service
from tests.e2e.support.until import until
from tests.e2e.support.worker import WorkerProcess

DEAD_S = 10.0
TOO_LARGE = 5_000_000


def command(kind: str = "payment.create", /, **changes: Any) -> dict[str, Any]:
    """A sound create, but for these changes of its attributes; None takes one away."""
    sound = {
        "specversion": "1.0",
        "id": "cmd-1",
        "source": "tests",
        "type": kind,
        "time": datetime.now(UTC).isoformat(),
        "data": {"order_id": "order-1", "user_id": "user-1", "amount": 1999, "currency": "eur"},
    }
    return {name: value for name, value in {**sound, **changes}.items() if value is not None}


def event(**changes: Any) -> dict[str, Any]:
    """A sound webhook event, but for these changes; None takes one away."""
    sound = {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "livemode": False,
        "api_version": "2026-10-28.endive",
        "data": {"object": {"id": "pi_1", "object": "payment_intent", "metadata": {}}},
    }
    return {name: value for name, value in {**sound, **changes}.items() if value is not None}


def create(**changes: Any) -> dict[str, Any]:
    """A sound create, but for these changes of its data; None takes one away."""
    data = {"order_id": "order-1", "user_id": "user-1", "amount": 1999, "currency": "eur", **changes}
    return command(data={name: value for name, value in data.items() if value is not None})


def confirm(payment: str) -> dict[str, Any]:
    data = {"payment_id": payment, "payment_method": "pm_card_visa", "return_url": "https://shop.example/"}
    return command("payment.confirm", data=data)


def large(found: Mapping[str, Any]) -> bytes:
    return json.dumps({**found, "padding": "x" * TOO_LARGE}).encode()


NOT_JSON = {
    "malformed": b'{"id": "cmd-1"',
    "empty": b"",
    "not UTF-8": b"\xff\xfe\x00{",
    "nested without end": b"[" * 100_000,
    "a list": b"[1, 2]",
    "null": b"null",
}
BAD_COMMANDS = {
    **NOT_JSON,
    "no id": json.dumps(command(id=None)).encode(),
    "unknown version": json.dumps(command(dataschema="urn:payments:payment.create:v99")).encode(),
    "unknown type": json.dumps(command("payment.explode")).encode(),
    "data is a list": json.dumps(command(data=[1])).encode(),
    "5 MB": large(command()),
}
BAD_EVENTS = {
    **NOT_JSON,
    "no id": json.dumps(event(id=None)).encode(),
    "no object": json.dumps(event(data={"object": [1]})).encode(),
    "5 MB": large(event()),
}


WRONG_FIELDS = [
    ("data.amount", create(amount="12 EUR")),
    ("data.amount", create(amount=19.99)),
    ("data.amount", create(amount=0)),
    ("data.amount", create(amount=-1)),
    ("data.amount", create(amount=True)),
    ("data.amount", create(amount=10**13)),
    ("data.currency", create(currency="euro")),
    ("data.order_id", create(order_id="a b")),
    ("data.order_id", create(order_id="")),
    ("data.user_id", create(user_id=None)),
    ("data.amont", create(amont=1)),
    ("data.description", create(description="x" * 1001)),
    ("data.metadata", create(metadata={f"k{number}": "v" for number in range(41)})),
    ("data.metadata.k", create(metadata={"k": 1})),
    ("data.metadata.k\0.[key]", create(metadata={"k\0": "v"})),
    ("data.expires_at", create(expires_at="tomorrow")),
    ("time", command(time=(datetime.now(UTC) + timedelta(days=1)).isoformat())),
    ("time", command(time="2026-11-24T12:00:00")),
    ("specversion", command(specversion="2.0")),
    ("data", command("payment.cancel", data={})),
    ("data", command("payment.cancel", data={"payment_id": "pay_0_1", "order_id": "order-1"})),
]


async def dead_letters(service: Service, count: int) -> list[AbstractIncomingMessage]:
    """Wait for so many dead letters, and take them."""

    async def dead() -> bool:
        return (await service.queues())[topology.DEAD_LETTERS_QUEUE] >= count

    await until(dead, DEAD_S, f"there are not {count} dead letters")
    return await take_dead(service.rabbitmq_url)


async def test_fault_row_33_commands_without_a_reply_address(service: Service) -> None:
    """A command that cannot be read and left no address is a dead letter with the reason, its origin and its bytes."""
    worker = await service.worker("--deaf", topology.DEAD_LETTERS_QUEUE)
    await publish(service.rabbitmq_url, topology.COMMANDS, *BAD_COMMANDS.values())
    letters = await dead_letters(service, len(BAD_COMMANDS))
    assert {letter.body for letter in letters} == set(BAD_COMMANDS.values())
    for letter in letters:
        assert str(letter.headers[topology.HEADER_REASON]).startswith("invalid: ")
        assert letter.headers[topology.HEADER_ORIGIN] == topology.COMMANDS_QUEUE
    assert await works_on(service)
    await until(lambda: handled(worker, topology.COMMANDS_QUEUE, len(BAD_COMMANDS) + 1), DEAD_S, "not all were handled")
    assert sum(line["queue"] == topology.COMMANDS_QUEUE for line in worker.lines("delivery")) == len(BAD_COMMANDS) + 1


async def test_fault_row_33_commands_with_a_reply_address(service: Service) -> None:
    """A command that cannot be read is refused to its sender, naming the field and the rule, and is no dead letter."""
    await service.worker()
    for name, body in BAD_COMMANDS.items():
        reply = unwrap(decode(await ask(service.rabbitmq_url, topology.COMMANDS, body)), {Reply.TYPE: Reply})
        assert reply.verdict is Verdict.REFUSED, name
        assert reply.refusal is not None
        assert (reply.refusal.code, bool(reply.refusal.message)) == (RefusalCode.INVALID, True)
    assert await works_on(service)
    await service.assert_promises()


async def test_fault_row_33_the_field_at_fault_is_named(service: Service) -> None:
    """The refusal of a command of the wrong shape names the field."""
    await service.worker()
    for field, body in WRONG_FIELDS:
        reply = await refused(service, body)
        assert (reply.code, reply.field) == (RefusalCode.INVALID, field)


async def test_fault_row_33_commands_that_cannot_be_carried_out(service: Service) -> None:
    """An unknown payment, a wrong state, an expired command and an amount or currency of no use are refused by name."""
    await service.worker()
    await service.stripe.pay(await service.created("order-paid"))
    await service.quiesce()
    paid = str(service.payment("order-paid")["_id"])
    for code, body in (
        (RefusalCode.UNKNOWN_PAYMENT, confirm("pay_0_1")),
        (RefusalCode.UNKNOWN_PAYMENT, command("payment.cancel", data={"payment_id": "pay_0_1"})),
        (RefusalCode.WRONG_STATE, confirm(paid)),
        (RefusalCode.WRONG_STATE, command("payment.cancel", data={"payment_id": paid})),
        (RefusalCode.EXPIRED, create(expires_at="2020-01-01T00:00:00Z")),
        (RefusalCode.EXPIRED, command(time="2020-01-01T00:00:00Z")),
        (RefusalCode.AMOUNT_TOO_SMALL, create(amount=49)),
        (RefusalCode.AMOUNT_TOO_LARGE, create(amount=100_000_000)),
        (RefusalCode.UNKNOWN_CURRENCY, create(currency="xyz")),
        (RefusalCode.AMOUNT_NOT_CHARGEABLE, create(amount=5005, currency="kwd")),
        (RefusalCode.ORDER_HAS_PAYMENT, create(order_id="order-paid", amount=2000)),
        (RefusalCode.ORDER_HAS_PAYMENT, create(order_id="order-paid", user_id="user-2")),
    ):
        assert (await refused(service, body)).code is code, body
    await service.assert_promises()


async def test_fault_row_33_strange_commands_are_carried_out(service: Service) -> None:
    """What the schema allows is carried out however strange it is: text of every kind, names that mean something to others."""
    worker = await service.worker()
    strange = {"a.$set": "x", "a.b": "y", "": "z", "\U0001f600": "\u202e", "x" * 40: "\x00" * 500}
    for number, (name, value) in enumerate(strange.items()):
        body = create(order_id=f"order-{number}", metadata={name: value}, description=value)
        answer = await ask(
            service.rabbitmq_url, topology.COMMANDS, json.dumps({**body, "id": f"cmd-{number}"}).encode()
        )
        reply = unwrap(decode(answer), {Reply.TYPE: Reply})
        assert reply.verdict is (Verdict.ACCEPTED if name else Verdict.REFUSED), (name, reply)
    assert worker.lines("handler_crashed") == []


async def test_fault_row_33_webhooks(service: Service) -> None:
    """A webhook body that is no event of Stripe's is a dead letter with the reason, its origin and its bytes."""
    await service.stripe.webhooks(hold=True)  # so that no sound one is counted
    worker = await service.worker("--deaf", topology.DEAD_LETTERS_QUEUE)
    await publish(service.rabbitmq_url, topology.STRIPE, *BAD_EVENTS.values())
    letters = await dead_letters(service, len(BAD_EVENTS))
    assert {letter.body for letter in letters} == set(BAD_EVENTS.values())
    for letter in letters:
        assert str(letter.headers[topology.HEADER_REASON]).startswith("invalid: ")
        assert letter.headers[topology.HEADER_ORIGIN] == topology.STRIPE_QUEUE
    assert await works_on(service)
    assert sum(line["queue"] == topology.STRIPE_QUEUE for line in worker.lines("delivery")) == len(BAD_EVENTS)


async def test_fault_row_33_strange_webhooks(service: Service) -> None:
    """An event whose object makes no sense is ignored or read again from Stripe, and crashes nothing."""
    worker = await service.worker()
    await service.created("order-1")
    payment = service.payment("order-1")
    intent = {"id": payment["stripe"]["payment_intent_id"], "object": "payment_intent"}
    ours = {"payment_id": payment["_id"], "order_id": "order-1", "deployment": "default"}
    objects: list[dict[str, Any]] = [
        {**intent, "metadata": ours},
        {**intent, "metadata": ours, "status": {"$gt": ""}},
        {**intent, "metadata": ours, "status": "succeeded", "amount": "all", "currency": 1},
        {**intent, "metadata": ours, "status": "moonlighting", "amount": 1, "currency": "eur"},
        {**intent, "metadata": {**ours, "payment_id": {"$gt": ""}}},
        {**intent, "metadata": {**ours, "payment_id": 7}},
        {**intent, "metadata": {**ours, "payment_id": ""}},
        {**intent, "metadata": {**ours, "payment_id": "pay_\ud800"}},
        {**intent, "metadata": "none"},
        {**intent, "id": "pi_\ud800", "metadata": {}},
        {**intent, "id": 7, "metadata": {}},
        {**intent, "id": "../customers", "metadata": {}},
    ]
    for number, about in enumerate(objects):
        body = json.dumps(event(id=f"evt_strange_{number}", data={"object": about})).encode()
        await publish(service.rabbitmq_url, topology.STRIPE, body)
    await until(lambda: handled(worker, topology.STRIPE_QUEUE, len(objects)), DEAD_S, "not all were handled")
    assert worker.lines("handler_crashed") == []
    assert await works_on(service)


async def handled(worker: WorkerProcess, queue: str, count: int) -> bool:
    return len([line for line in worker.lines("delivery") if line["queue"] == queue]) >= count


async def refused(service: Service, body: dict[str, Any]) -> Refusal:
    """Send a command that must be refused."""
    answer = await ask(service.rabbitmq_url, topology.COMMANDS, json.dumps({**body, "id": uuid4().hex}).encode())
    reply = unwrap(decode(answer), {Reply.TYPE: Reply})
    assert reply.verdict is Verdict.REFUSED, (body, reply)
    assert reply.refusal is not None
    return reply.refusal


async def works_on(service: Service) -> bool:
    """A sound command is still carried out."""
    return (await service.create("order-sound")).verdict is Verdict.ACCEPTED
