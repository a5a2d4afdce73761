"""Two replicas of the ingress that count together, in a real Redis; one that is away stops nobody."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.stack.choose import Report
from sandbox.stack.ports import free_port
from sandbox.stack.processes import Child, plain_environment
from sandbox.stack.system import INSTALLING, apt_install, this_system
from sandbox.stack.turns import one_at_a_time
from tests.ingress_process import IngressProcess, running, users

FEW = {"RATE_LIMIT_STANDARD": "5/hour", "RATE_LIMIT_SENSITIVE": "2/hour", "RATE_LIMIT_ADDRESS": "40/hour"}
PATH = "/api/payments/user?limit=0"  # refused before anybody is asked, and counted like everything


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory, report: Report) -> str:
    """The path of a Redis server: what is installed, or else installed now where that is possible."""
    with one_at_a_time(INSTALLING):
        found = shutil.which("redis-server")
        if found is None and this_system().can_install:
            report("Redis: none here, installing it with apt-get …")
            apt_install("redis-server", tmp_path_factory.mktemp("redis") / "apt.log")
            found = shutil.which("redis-server")
    if found is None:
        pytest.skip("needs a redis-server in PATH")
    return found


@pytest.fixture
def redis(redis_server: str, tmp_path: Path) -> Iterator[tuple[Child, str]]:
    """An empty Redis of our own, not started yet, and its address."""
    port = free_port()
    (tmp_path / "redis").mkdir()
    child = Child(
        "redis",
        (redis_server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path / "redis")),
        log=tmp_path / "redis.log",
        env=plain_environment(tmp_path / "redis"),
    )
    yield child, f"redis://127.0.0.1:{port}/0"
    child.kill()


async def test_two_replicas_share_one_limit(tmp_path: Path, vhost_url: str, redis: tuple[Child, str]) -> None:
    """What a user asks of one replica counts at the other, up to the one limit, and no third request slips through."""
    server, address = redis
    server.start()
    await server.line("Ready to accept connections")
    settings = FEW | {"RATE_LIMIT_STORAGE": address, "ROUTES": "public,admin"}
    first = IngressProcess(tmp_path / "first", vhost_url, **settings)
    second = IngressProcess(tmp_path / "second", vhost_url, **settings)
    async with running(first), running(second), users(first.url) as at_first, users(second.url) as at_second:
        left = []
        for user in (at_first, at_second, at_first, at_second, at_first):
            answer = await user("user-1").get(PATH)
            assert answer.status == 422
            left.append(int(answer.headers["ratelimit-remaining"]))
        assert left == [4, 3, 2, 1, 0]
        for user in (at_first, at_second):
            assert (await user("user-1").get(PATH)).status == 429
            assert (await user("user-2").get(PATH)).status == 422
        sensitive = [
            await user("admin-1", "admin").post("/api/payments/pay_0_1/refund", {"amount": 0})
            for user in (at_first, at_second, at_first)
        ]
        assert [answer.status for answer in sensitive] == [422, 422, 429]
        assert not first.lines("rate_limit_store_away")


async def test_a_store_that_is_away_stops_nobody(tmp_path: Path, vhost_url: str, redis: tuple[Child, str]) -> None:
    """Without its Redis a replica answers, counts for itself and says so, and with it counts there again."""
    _, address = redis
    ingress = IngressProcess(tmp_path / "ingress", vhost_url, **FEW, RATE_LIMIT_STORAGE=address)
    async with running(ingress), users(ingress.url) as user:
        statuses = [(await user("user-1").get(PATH)).status for _ in range(6)]
        assert statuses == [422] * 5 + [429]
        await ingress.logged("rate_limit_store_away", 5)
