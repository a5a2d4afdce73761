"""The ingress's way to the workers, over a real broker and a responder in the workers' place."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import aio_pika
import jwt
import pytest
from aio_pika.abc import AbstractIncomingMessage
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from contracts import topology, transport
from contracts.envelope import Envelope, decode, encode, wrap
from contracts.queries import PaymentDetails, QueryRefusal, QueryRefusalCode
from contracts.replies import Reply, Verdict
from sandbox.stack.choose import PrivateBroker
from sandbox.stack.processes import Child
from tests.ingress_process import Answer as HttpAnswer
from tests.ingress_process import IngressProcess, Sender, running, users
from tests.ingress_requests import claims

CREATE = {"order_id": "order-1", "amount": 1999, "currency": "eur"}
STATUS = "/api/payments/status/pay_0_1"
BACK_WITHIN_S = 35.0

Answer = Callable[[Envelope], Reply | PaymentDetails | QueryRefusal | bytes | None]


def sensible(envelope: Envelope) -> Reply | QueryRefusal:
    """Every command is done, every query finds nothing."""
    if envelope.type.endswith(".get"):
        return QueryRefusal(code=QueryRefusalCode.NOT_FOUND, message="No.")
    return Reply(command_id=envelope.id, verdict=Verdict.ACCEPTED)


class Responder:
    """Takes commands and queries and answers them as it is told."""

    def __init__(self, url: str, answer: Answer = sensible) -> None:
        self._url = url
        self.answer = answer
        self.seen: list[Envelope] = []
        self.arrived = asyncio.Event()

    async def run(self) -> AsyncIterator["Responder"]:
        connection = await transport.connect(self._url, "test responder")
        await transport.declare(connection)
        channel = await connection.channel()
        self._replies = channel.default_exchange
        for queue in topology.QUEUES:
            if queue.name in {topology.COMMANDS_QUEUE, topology.PRIVILEGED_QUEUE, topology.QUERIES_QUEUE}:
                declared = await transport.declare_queue(channel, queue)
                await declared.consume(self._on_message)
        yield self
        await connection.close()

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        envelope = decode(message.body)
        self.seen.append(envelope)
        self.arrived.set()
        answer = self.answer(envelope)
        if answer is not None:
            body = (
                answer
                if isinstance(answer, bytes)
                else encode(
                    wrap(answer, kind=answer.TYPE, version=answer.VERSION, message_id=f"r-{envelope.id}", source="test")
                )
            )
            sent = aio_pika.Message(body, correlation_id=message.correlation_id)
            await self._replies.publish(sent, message.reply_to or "", mandatory=False)
        await message.ack()


@pytest.fixture
async def responder(vhost_url: str) -> AsyncIterator[Responder]:
    async for made in Responder(vhost_url).run():
        yield made


async def open_ingress(sender: Sender) -> None:
    await sender.until_ready(200, 20)


async def test_a_request_becomes_a_command(tmp_path: Path, vhost_url: str, responder: Responder) -> None:
    """On the broker it is a CloudEvent of the ingress's, with the sender's correlation id and trace."""
    ingress = IngressProcess(tmp_path, vhost_url)
    async with running(ingress) as sender, users(ingress.url) as user:
        await open_ingress(sender)
        customer = user("user-1")
        customer._headers |= {"X-Correlation-Id": "cart-7", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
        answer = await customer.post("/api/payments/intent", CREATE, key="cart-1")
        assert (answer.status, answer.headers["x-correlation-id"]) == (201, "cart-7")
        await ingress.logged("request", 5, path="/api/payments/intent", correlation_id="cart-7", status=201)
    (envelope,) = responder.seen
    assert (envelope.type, envelope.source) == ("payment.create", "payments-ingress")
    assert envelope.data["user_id"] == "user-1"
    assert envelope.correlationid == "cart-7"
    assert envelope.traceparent == f"00-{'a' * 32}-{'b' * 16}-01"
    assert envelope.id == answer.body["command_id"]


async def test_what_is_privileged_goes_its_own_way(tmp_path: Path, vhost_url: str, responder: Responder) -> None:
    """Captures and refunds travel through the exchange that says who may move money."""
    ingress = IngressProcess(tmp_path, vhost_url)
    async with running(ingress) as sender, users(ingress.url) as user:
        await open_ingress(sender)
        for action in ("capture", "refund"):
            assert (await user("admin-1", "admin").post(f"/api/payments/pay_0_1/{action}")).status == 200
    assert [envelope.type for envelope in responder.seen] == ["payment.capture", "payment.refund"]
    assert {envelope.data["requested_by"] for envelope in responder.seen} == {"admin-1"}


@pytest.mark.parametrize("said", [None, b"not json"])
async def test_silence_and_nonsense_are_told_apart(
    tmp_path: Path, vhost_url: str, responder: Responder, said: bytes | None
) -> None:
    """A command that is stored is never lost, whatever its answer, and a query without one can be asked again."""
    responder.answer = lambda _: said
    ingress = IngressProcess(tmp_path, vhost_url, ANSWER_TIMEOUT_S="1")
    async with running(ingress) as sender, users(ingress.url) as user:
        await open_ingress(sender)
        assert (await user("user-1").post("/api/payments/intent", CREATE)).status == 202
        assert (await user("user-1").get(STATUS)).status == (503 if said is None else 502)


async def test_without_a_queue_nothing_is_promised(tmp_path: Path, vhost_url: str) -> None:
    """A command that the broker cannot route is 503, and says when to try again."""
    ingress = IngressProcess(tmp_path, vhost_url)
    async with running(ingress) as sender, users(ingress.url) as user:
        await open_ingress(sender)
        async with await aio_pika.connect(vhost_url, timeout=10) as connection:
            await (await connection.channel()).queue_delete(topology.COMMANDS_QUEUE)
        answer = await user("user-1").post("/api/payments/intent", CREATE)
        assert (answer.status, answer.body["code"]) == (503, "not_stored")
        assert answer.headers["retry-after"]


async def test_a_dead_broker_is_a_503_and_then_an_answer(
    tmp_path: Path, private_broker: PrivateBroker, private_vhost_url: str
) -> None:
    """Kill -9 of the broker: commands and queries are 503 at once, and are answered again after its return."""
    ingress = IngressProcess(tmp_path, private_vhost_url)
    async for responder in Responder(private_vhost_url).run():
        async with running(ingress) as sender, users(ingress.url) as user:
            await open_ingress(sender)
            customer = user("user-1")
            assert (await customer.post("/api/payments/intent", CREATE)).status == 201
            await private_broker.settle()
            private_broker.kill()
            async with asyncio.timeout(8):
                assert (await customer.post("/api/payments/intent", CREATE)).status == 503
                assert (await customer.get(STATUS)).status == 503
            await private_broker.restart()
            await answered(partial(customer.post, "/api/payments/intent", CREATE), ingress.child, 201)
            await answered(partial(customer.get, STATUS), ingress.child, 404)
        assert len(responder.seen) >= 3


async def answered(ask: Callable[[], Awaitable[HttpAnswer]], child: Child, status: int) -> None:
    """Ask until the answer has this status."""

    async def probe() -> bool:
        return (await ask()).status == status

    await child.ready(probe, BACK_WITHIN_S)


async def test_a_login_that_may_not_move_money(
    tmp_path: Path, private_broker: PrivateBroker, private_vhost_url: str
) -> None:
    """Under a broker login without the privileged exchange a refund is 503, and everything else goes on."""
    vhost = private_vhost_url.rpartition("/")[2]
    await private_broker.ctl("add_user", f"public-{vhost}", "hush")
    allowed = r"^(payments\.commands|payments\.queries|stripe\.events|payments\.probe|)$"
    await private_broker.ctl("set_permissions", "-p", vhost, f"public-{vhost}", "^$", allowed, r"^amq\..*$")
    url = private_vhost_url.replace("guest:guest@", f"public-{vhost}:hush@")
    async for _ in Responder(private_vhost_url).run():
        ingress = IngressProcess(tmp_path, url)
        async with running(ingress) as sender, users(ingress.url) as user:
            await open_ingress(sender)
            for _ in range(2):
                refused = await user("admin-1", "admin").post("/api/payments/pay_0_1/refund")
                assert refused.status == 503, json.dumps(refused.body)
                assert (await user("user-1").post("/api/payments/intent", CREATE)).status == 201
                assert (await user("user-1").get(STATUS)).status == 404


async def test_a_frozen_broker_is_told_in_time(
    tmp_path: Path, private_broker: PrivateBroker, private_vhost_url: str
) -> None:
    """While the broker takes bytes and says nothing a command is 503 `not_confirmed` when its time is up, a query 503."""
    ingress = IngressProcess(tmp_path, private_vhost_url, ANSWER_TIMEOUT_S="2")
    async with running(ingress) as sender, users(ingress.url) as user:
        await open_ingress(sender)
        private_broker.freeze()
        try:
            async with asyncio.timeout(8):
                refused = await user("user-1").post("/api/payments/intent", CREATE, key="cart-1")
                assert (refused.status, refused.body["code"]) == (503, "not_confirmed")
                assert (await user("user-1").get(STATUS)).status == 503
        finally:
            private_broker.thaw()


async def test_a_stop_waits_for_answers(tmp_path: Path, vhost_url: str, responder: Responder) -> None:
    """A request that waits when SIGTERM comes is told where to look before the process ends, with 0."""
    responder.answer = lambda _: None
    ingress = IngressProcess(tmp_path, vhost_url, ANSWER_TIMEOUT_S="3")
    async with running(ingress) as sender, users(ingress.url) as user:
        await open_ingress(sender)
        waiting = asyncio.create_task(user("user-1").post("/api/payments/intent", CREATE))
        async with asyncio.timeout(10):
            await responder.arrived.wait()
        ingress.child.send(signal.SIGTERM)
        answer = await waiting
        assert (answer.status, answer.headers["location"][:20]) == (202, "/api/payments/order/")
        assert await ingress.child.ended(within_s=15) == 0


async def test_published_keys_let_users_in(tmp_path: Path, vhost_url: str, responder: Responder) -> None:
    """Under JWKS_FILE a token of the account service's key is sound, and one under the old shared secret is not."""
    key = ec.generate_private_key(ec.SECP256R1())
    published = ECAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": "k1"}
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [published]}))
    ingress = IngressProcess(tmp_path, vhost_url, JWT_SECRET="", JWKS_FILE=str(tmp_path / "jwks.json"))
    async with running(ingress) as sender, users(ingress.url) as user:
        await open_ingress(sender)
        assert (await user("user-1").get(STATUS)).status == 401
        customer = user(None)
        customer._headers["Authorization"] = f"Bearer {jwt.encode(claims(), key, 'ES256', headers={'kid': 'k1'})}"
        assert (await customer.post("/api/payments/intent", CREATE)).status == 201
    assert [envelope.data["user_id"] for envelope in responder.seen] == ["user-1"]
