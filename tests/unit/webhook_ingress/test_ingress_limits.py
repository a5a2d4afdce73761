"""Limits: of users, of addresses, of failed signatures; in memory, and beside a store that fails."""

from typing import Any

import pytest
from limits.aio.storage import MemoryStorage
from limits.errors import StorageError

from contracts.environment import SettingError
from tests.ingress_requests import event_body
from tests.unit.webhook_ingress.asgi import Ingress
from tests.unit.webhook_ingress.workers import PAYMENT_ID
from webhook_ingress import rate_limit
from webhook_ingress.rate_limit import BAD_SIGNATURES, RateLimiter, network_of, open_storage

STATUS = f"/api/payments/status/{PAYMENT_ID}"
CAPTURE = f"/api/payments/{PAYMENT_ID}/capture"
FEW = {"RATE_LIMIT_STANDARD": "3/hour", "RATE_LIMIT_SENSITIVE": "2/hour", "RATE_LIMIT_ADDRESS": "8/hour"}


async def test_a_user_is_told_what_is_left() -> None:
    """Every answer counts down, and the one beyond the limit says when to come back."""
    ingress = Ingress(variables=FEW)
    left = []
    for _ in range(3):
        answer = await ingress.ask("GET", STATUS)
        assert answer.status == 200
        assert answer.headers[b"ratelimit-limit"] == b"3"
        assert answer.headers[b"ratelimit-policy"] == b"3;w=3600"
        assert 0 < int(answer.headers[b"ratelimit-reset"]) <= 3600
        left.append(int(answer.headers[b"ratelimit-remaining"]))
    assert left == [2, 1, 0]
    answer = await ingress.ask("GET", STATUS)
    assert (answer.status, answer.json()["code"]) == (429, "too_many_requests")
    assert answer.headers[b"ratelimit-remaining"] == b"0"
    assert 0 < int(answer.headers[b"retry-after"]) <= 3600
    assert (await ingress.ask("GET", STATUS, who="user-2")).status == 404


async def test_what_moves_money_has_a_limit_of_its_own() -> None:
    """Captures and refunds are counted together and apart from everything else."""
    ingress = Ingress(variables=FEW)
    refund = CAPTURE.replace("capture", "refund")
    statuses = [(await ingress.ask("POST", path, who="admin-1")).status for path in (CAPTURE, refund, CAPTURE)]
    assert statuses == [200, 200, 429]
    assert (await ingress.ask("GET", STATUS, who="admin-1")).status == 200


async def test_refusals_count_too() -> None:
    """A user who asks for what they may not is slowed down like everybody."""
    ingress = Ingress(variables=FEW)
    assert [(await ingress.ask("POST", CAPTURE)).status for _ in range(3)] == [403, 403, 429]


async def test_an_address_is_counted_before_its_user_is_known() -> None:
    """Guessing tokens from one address ends, and other addresses do not notice."""
    ingress = Ingress(variables=FEW)
    statuses = [(await ingress.ask("GET", STATUS, who=None)).status for _ in range(10)]
    assert statuses == [401] * 8 + [429] * 2
    assert (await ingress.ask("GET", STATUS)).status == 429
    assert (await ingress.ask("GET", STATUS, address="192.0.2.2")).status == 200


async def test_probes_and_documents_are_not_counted() -> None:
    """Health, readiness, metrics and the documents are there for whoever asks."""
    ingress = Ingress(variables=FEW)
    for path in ("/health", "/ready", "/metrics", "/openapi.json", "/docs") * 3:
        assert (await ingress.get(path)).status == 200


async def test_failed_signatures_are_counted_and_sound_ones_never_are() -> None:
    """An address that guesses is told to wait, and a correctly signed event of the same address is stored even then."""
    ingress = Ingress()
    statuses = [(await ingress.post(event_body(), b"t=1,v1=00")).status for _ in range(BAD_SIGNATURES.amount + 2)]
    assert statuses == [400] * BAD_SIGNATURES.amount + [429] * 2
    for number in range(BAD_SIGNATURES.amount + 2):
        assert (await ingress.post(event_body(f"evt_{number}"))).status == 200


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "20010db800010002/64"),
        ("2001:db8:1:2::9", "20010db800010002/64"),
        ("fe80::1%eth0", "fe80000000000000/64"),
        ("a socket", "unknown"),
        (None, "unknown"),
    ],
)
def test_an_address_stands_for_its_household(address: str | None, network: str) -> None:
    """An IPv6 network of 64 bits is one caller, and so is an IPv4 address however it is written."""
    assert int(network.partition("/")[0], 16) if "/" in network else True
    assert network_of(address) == network


class Failing(MemoryStorage):
    """A store that is away until it is not."""

    asked = 0
    away = True

    async def acquire_sliding_window_entry(self, *arguments: Any, **more: Any) -> bool:
        self.asked += 1
        if self.away:
            raise StorageError(OSError("away"))
        return await super().acquire_sliding_window_entry(*arguments, **more)


async def test_without_the_store_a_replica_counts_for_itself() -> None:
    """A store that is away lets nobody through unlimited and nobody be refused for it, and is not asked each time."""
    store = Failing()
    ingress = Ingress(variables=FEW, storage=store)
    assert [(await ingress.ask("GET", STATUS)).status for _ in range(4)] == [200, 200, 200, 429]
    assert store.asked == 1
    assert [line["error"] for line in ingress.lines if line["event"] == "rate_limit_store_away"] == ["StorageError"]


async def test_the_store_is_asked_again_later() -> None:
    """Once it is back it counts."""
    store, now = Failing(), 0.0
    ingress = Ingress(variables=FEW)
    limiter = RateLimiter(ingress.limiter._rates, store, ingress.limiter._log, clock=lambda: now)
    await limiter.address("192.0.2.1")
    store.away, now = False, rate_limit.AWAY_S
    await limiter.address("192.0.2.1")
    await limiter.address("192.0.2.1")
    assert store.asked == 3


async def test_what_is_counted_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """With too many callers counting starts anew instead of growing, and a crowd of addresses forgets no user."""
    monkeypatch.setattr(rate_limit, "MAX_KEYS", 20)
    ingress = Ingress(variables=FEW)
    for _ in range(3):
        await ingress.ask("GET", STATUS, address="192.0.2.1")
    for number in range(100):
        await ingress.ask("GET", STATUS, who=None, address=f"198.51.100.{number}")
    assert len(ingress.limiter._addresses._storage.storage) <= 22
    assert (await ingress.ask("GET", STATUS, address="192.0.2.1")).status == 429


async def test_no_key_names_anybody() -> None:
    """What a shared store holds are hashes."""
    store = MemoryStorage()
    ingress = Ingress(variables=FEW, storage=store)
    await ingress.ask("GET", STATUS)
    assert store.storage
    assert not [key for key in store.storage if "user-1" in key or "192.0.2.1" in key]


def test_the_store_is_named_by_an_address() -> None:
    """Memory needs no store, Redis is opened without being asked yet, and what is not installed is refused by name."""
    assert open_storage("memory://") is None
    assert open_storage("redis://:hush@127.0.0.1:1/0") is not None
    for wrong in ("memcached://host", "what://", "redis+cluster://", "x"):
        with pytest.raises(SettingError, match="RATE_LIMIT_STORAGE"):
            open_storage(wrong)
