"""TLS to broker and database: the right authority and name connect, and anything else ends the start by name.

The broker is started as deploy/rabbitmq has it: with definitions that it loads by itself, and a listener for TLS.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aio_pika
import pytest
import trustme
from aio_pika.exceptions import AMQPConnectionError, ProbableAuthenticationError

from contracts import definitions, topology, transport
from contracts.client import PaymentsClient
from contracts.environment import Environment
from contracts.errors import Untrusted
from contracts.logins import INGRESS, ORDER_SERVICE, WORKER
from contracts.queries import GetPayment, QueryRefusal
from sandbox.stack import choose
from sandbox.stack.broker import RabbitMQNode
from sandbox.stack.choose import Report
from sandbox.stack.ports import free_port
from tests.e2e.support.service import named
from tests.e2e.support.worker import WorkerProcess
from tests.guarded import as_login, new_passwords
from tests.ingress_process import IngressProcess, running
from tests.stack_fixtures import run_apart
from tests.tls_front import tls_front
from worker.adapters.trust import refuse_untrusted
from worker.errors import StoreUnavailable

PATIENCE_S = 30.0
AT_ONCE_S = 40.0
"""Far below the two minutes that a start waits for a broker or a database which is away."""

HOST = "localhost"
OTHER_HOST = "127.0.0.1"
"""Leads to the same place and is not what the certificates are for."""

SHIPPED = Path(definitions.__file__).parents[1] / "deploy" / "rabbitmq" / "rabbitmq.conf"

UNKNOWN_AUTHORITY = "self-signed certificate in certificate chain|unable to get local issuer certificate"
OTHER_NAME = "IP address mismatch, certificate is not valid for '127.0.0.1'"


@dataclass(frozen=True)
class Authorities:
    """One that has issued the servers' certificates, one that has not, and no more than its file is told of either."""

    ours: Path
    other: Path
    server: ssl.SSLContext


@dataclass(frozen=True)
class Encrypted:
    """A broker with TLS. `address` is for `host`, without anything about authorities."""

    node: RabbitMQNode
    port: int
    passwords: dict[str, str]

    def address(self, login: Any = WORKER, host: str = HOST) -> str:
        return as_login(f"amqps://{host}:{self.port}/", login.name, self.passwords[login.password])


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def authorities(directory: Path) -> Authorities:
    ours, other = trustme.CA(), trustme.CA()
    certificate = ours.issue_cert(HOST)
    ours.cert_pem.write_to_path(str(directory / "ca.pem"))
    other.cert_pem.write_to_path(str(directory / "other.pem"))
    certificate.private_key_pem.write_to_path(str(directory / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(directory / "cert.pem"))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(server)
    return Authorities(directory / "ca.pem", directory / "other.pem", server)


@pytest.fixture(scope="module")
def encrypted(directory: Path, authorities: Authorities, report: Report) -> Iterator[Encrypted]:
    source, node = choose.private_broker(directory / "rabbitmq", report)
    if not isinstance(node, RabbitMQNode):
        pytest.skip("needs a RabbitMQ that is installed: a container cannot be configured from here")
    passwords = new_passwords()
    output = str(authorities.ours.with_name("definitions.json"))
    assert definitions.main(["--passwords", "--output", output], passwords) == 0
    port = free_port()
    node.more_config = shipped_config(directory, port)
    report(f"RabbitMQ with TLS: {source.value}")
    run_apart(node.start())
    yield Encrypted(node, port, passwords)
    run_apart(node.discard())


def shipped_config(directory: Path, port: int) -> str:
    """The configuration that is deployed, with TLS as its comments have it, and our places instead of a container's."""
    uncommented = re.sub(r"^# (?=listeners|ssl_options)", "", SHIPPED.read_text("utf-8"), flags=re.MULTILINE)
    places = {
        "/etc/rabbitmq/tls": str(directory),
        "/definitions/definitions.json": str(directory / "definitions.json"),
        "listeners.ssl.default = 5671": f"listeners.ssl.1 = 127.0.0.1:{port}",
    }
    for there, here in places.items():
        assert there in uncommented
        uncommented = uncommented.replace(there, here)
    return uncommented


@pytest.fixture
async def mongo_port(authorities: Authorities, mongo_uri: str) -> AsyncIterator[int]:
    """The database behind TLS."""
    async with tls_front(authorities.server, urlsplit(mongo_uri).port or 27017) as port:
        yield port


def broker_url(url: str, authority: Path) -> str:
    return Environment({"RABBITMQ_URL": url, "RABBITMQ_CA_FILE": str(authority)}).broker()


async def test_a_broker_of_our_authority_is_connected_to(encrypted: Encrypted, authorities: Authorities) -> None:
    """A broker whose certificate is of the authority in RABBITMQ_CA_FILE, for its host name, is connected to."""
    async with transport.publisher(broker_url(encrypted.address(), authorities.ours), "test") as publisher:
        assert await publisher.probe(PATIENCE_S)


@pytest.mark.parametrize(
    ("host", "authority", "reason"),
    [(HOST, "other", UNKNOWN_AUTHORITY), (OTHER_HOST, "ours", OTHER_NAME), (OTHER_HOST, "other", UNKNOWN_AUTHORITY)],
)
async def test_another_broker_is_not_trusted(
    encrypted: Encrypted, authorities: Authorities, host: str, authority: str, reason: str
) -> None:
    """A broker of another authority, or under another name, is refused with what is wrong with its certificate."""
    url = broker_url(encrypted.address(host=host), getattr(authorities, authority))
    with pytest.raises(Untrusted, match=f"the broker's certificate is not trusted: ({reason})"):
        await transport.connect(url, "test")


async def test_without_an_authority_the_systems_count(encrypted: Encrypted) -> None:
    """An amqps:// address is verified against the system's authorities when it names none, and never taken on trust."""
    with pytest.raises(Untrusted):
        await transport.connect(encrypted.address(), "test")


async def test_a_context_takes_the_place_of_both(encrypted: Encrypted, authorities: Authorities) -> None:
    """A client may bring a context of its own, and is refused by that one alone."""
    ours, other = (ssl.create_default_context(cafile=name) for name in (authorities.ours, authorities.other))
    for context in (ours, other):
        client = PaymentsClient(encrypted.address(ORDER_SERVICE), source="test", ssl_context=context)
        if context is other:
            with pytest.raises(Untrusted):
                await client.__aenter__()
            continue
        async with client:
            assert client._connection is not None


@pytest.mark.parametrize("plain", [True, False])
async def test_a_listener_of_the_other_kind_is_an_error_in_time(encrypted: Encrypted, plain: bool) -> None:
    """A plain address of a TLS listener, and a TLS address of a plain one, are errors, and not mistaken for distrust."""
    url = encrypted.address()
    wrong = url.replace("amqps:", "amqp:") if plain else url.replace(str(encrypted.port), str(encrypted.node.port))
    with pytest.raises(AMQPConnectionError):
        await asyncio.wait_for(transport.connect(wrong, "test"), PATIENCE_S)


async def test_loaded_definitions_leave_no_other_login(encrypted: Encrypted) -> None:
    """A broker that loads the definitions at its first start knows their logins, their queues, and no guest."""
    with pytest.raises(ProbableAuthenticationError):
        await aio_pika.connect(encrypted.node.url, timeout=PATIENCE_S)
    assert sorted((await encrypted.node.ctl("list_queues", "--no-table-headers", "name")).split()) == sorted(
        queue["name"] for queue in definitions.definitions({})["queues"]
    )
    users = (await encrypted.node.ctl("list_users", "--no-table-headers")).splitlines()
    assert {line.split()[0] for line in users} == {user["name"] for user in definitions.definitions({})["users"]}


async def test_a_restart_lets_the_same_logins_in(encrypted: Encrypted, authorities: Authorities) -> None:
    """A broker that loads the same definitions again keeps its messages, and its logins still get in."""
    url = broker_url(encrypted.address(ORDER_SERVICE), authorities.ours)
    async with transport.publisher(url, "test") as publisher:
        (await publisher.publish(topology.COMMANDS, "test", b"{}", kind="test")).require()
    await encrypted.node.settle()
    await encrypted.node.restart()
    connection = await transport.connect(broker_url(encrypted.address(WORKER), authorities.ours), "test")
    async with connection:
        channel = await connection.channel()
        queue = await transport.declare_queue(channel, topology.QUEUES[0], passive=True)
        assert queue.name == topology.COMMANDS_QUEUE
        async with asyncio.timeout(PATIENCE_S):
            while (message := await queue.get(fail=False)) is None:  # noqa: ASYNC110 - a quorum queue elects its leader first
                await asyncio.sleep(0.1)
        await message.ack()


def test_a_database_that_is_away_is_not_called_untrusted() -> None:
    """Only a certificate makes a database untrusted; whatever else keeps it away is waited for."""
    error = StoreUnavailable("ServerSelectionTimeoutError")
    error.__cause__ = ConnectionRefusedError("connection refused")
    assert refuse_untrusted(error) is None  # type: ignore[func-returns-value] # that it returns at all is the point


async def test_worker_and_ingress_work_over_tls(
    encrypted: Encrypted, authorities: Authorities, mongo_port: int, database_name: str, tmp_path: Path
) -> None:
    """With the right authorities the worker and the ingress become ready, and a query is answered from the database."""
    ours = {"RABBITMQ_CA_FILE": str(authorities.ours)}
    mongo = {"MONGO_CA_FILE": str(authorities.ours)}
    uri = named(f"mongodb://{HOST}:{mongo_port}/?directConnection=true", database_name)
    worker = WorkerProcess(tmp_path / "worker", encrypted.address(), uri, "http://127.0.0.1:9", **ours, **mongo)
    ingress = IngressProcess(tmp_path / "ingress", encrypted.address(INGRESS), ROUTES="webhook", **ours)
    try:
        async with running(ingress) as sender:
            await asyncio.gather(worker.start(), sender.until_ready(200, PATIENCE_S))
            assert await sender.post("evt_1") == 200
        url = broker_url(encrypted.address(ORDER_SERVICE), authorities.ours)
        async with PaymentsClient(url, source="test") as client:
            answer = await client.ask(GetPayment(payment_id="pay_none_1"))
            assert isinstance(answer, QueryRefusal)
            assert answer.code.value == "not_found"
    finally:
        worker.child.kill()


async def test_worker_and_ingress_end_by_name_where_they_trust_nobody(
    encrypted: Encrypted, authorities: Authorities, mongo_port: int, database_name: str, tmp_path: Path
) -> None:
    """With a wrong authority or name each ends at once with exit code 1, and says what is wrong, without a password."""
    ours, other = str(authorities.ours), str(authorities.other)

    def worker(broker_authority: str, database_authority: str, database_host: str = HOST) -> WorkerProcess:
        uri = named(f"mongodb://{database_host}:{mongo_port}/?directConnection=true", database_name)
        variables = {"RABBITMQ_CA_FILE": broker_authority, "MONGO_CA_FILE": database_authority}
        return WorkerProcess(tmp_path / str(len(started)), encrypted.address(), uri, "http://127.0.0.1:9", **variables)

    started: list[tuple[WorkerProcess | IngressProcess, str]] = []
    public = IngressProcess(tmp_path / "ingress", encrypted.address(INGRESS), RABBITMQ_CA_FILE=other)
    started.append((public, f"the broker's certificate is not trusted: ({UNKNOWN_AUTHORITY})"))
    started.append((worker(other, ours), f".*the broker's certificate is not trusted: ({UNKNOWN_AUTHORITY})"))
    started.append((worker(ours, other), f".*the database's certificate is not trusted: ({UNKNOWN_AUTHORITY})"))
    started.append((worker(ours, ours, OTHER_HOST), f".*the database's certificate is not trusted: {OTHER_NAME}"))
    children = [process.child for process, _ in started]
    try:
        for child in children:
            child.start()
        assert await asyncio.gather(*(child.ended(AT_ONCE_S) for child in children)) == [1, 1, 1, 1]
    finally:
        for child in children:
            child.kill()
    for process, reason in started:
        assert re.match(reason, process.lines("giving_up")[-1]["reason"])
        assert not any(password in process.child.text() for password in encrypted.passwords.values())
