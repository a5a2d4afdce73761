"""How much anybody may ask, counted by the library `limits`: in memory, or in a store that all replicas share.

A window slides: what was asked in the last one counts for as much of it as is still in sight. The keys are hashes: a
shared store learns neither addresses nor user ids.
"""

import asyncio
import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

import limits
from limits import RateLimitItem
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError
from limits.storage import storage_from_string
from structlog.typing import FilteringBoundLogger

from contracts.environment import SettingError
from webhook_ingress.settings import RateLimits

BAD_SIGNATURES = limits.parse("100/15 minutes")
"""Of one address. Stripe sends none; a secret that was changed without us makes a few until somebody looks."""

MAX_KEYS = 10_000
"""Callers that are counted in memory. The library looks at every key on every request: with so many that takes 0.7 ms.
Beyond it counting starts anew."""

STORE_TIMEOUT_S = 0.5
"""A store that takes longer is away. Then each replica counts for itself."""

AWAY_S = 10.0
"""How long a store that was away is not asked again."""

IPV6_NETWORK_BITS = 64
"""What one household gets: its addresses are one caller."""


@dataclass(frozen=True)
class Allowance:
    """What is left to a caller. `reset_s` is when there is more again, in seconds from now."""

    allowed: bool
    limit: int
    window_s: int
    remaining: int
    reset_s: int

    @property
    def headers(self) -> dict[str, str]:
        """draft-ietf-httpapi-ratelimit-headers, version 06, and Retry-After when nothing is left."""
        told = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Policy": f"{self.limit};w={self.window_s}",
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_s),
        }
        return told if self.allowed else told | {"Retry-After": str(self.reset_s)}


class Counter:
    """Counts callers of one kind in memory, as long as there are not too many of them."""

    def __init__(self) -> None:
        self._storage = MemoryStorage()
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)

    async def hit(self, rate: RateLimitItem, key: str) -> Allowance:
        if len(self._storage.storage) > MAX_KEYS:
            await self._storage.reset()
        return await _hit(self._limiter, rate, key)


class RateLimiter:
    """Counts requests of users, requests of addresses, and failed signatures of addresses."""

    def __init__(
        self,
        rates: RateLimits,
        shared: Storage | None,
        log: FilteringBoundLogger,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rates = rates
        self._shared = SlidingWindowCounterRateLimiter(shared) if shared is not None else None
        self._log = log
        self._clock = clock
        self._away_until = float("-inf")
        self._users = Counter()
        self._addresses = Counter()

    async def user(self, issuer: str, subject: str, *, sensitive: bool) -> Allowance:
        """Count one request of a user against the limit of its kind."""
        rate = self._rates.sensitive if sensitive else self._rates.standard
        return await self._count(rate, self._users, "sensitive" if sensitive else "standard", issuer, subject)

    async def address(self, address: str | None) -> Allowance:
        """Count one request of an address whose user is not known yet."""
        return await self._count(self._rates.address, self._addresses, "address", network_of(address))

    async def bad_signature(self, address: str | None) -> Allowance:
        """Count one webhook whose signature is wrong."""
        return await self._count(BAD_SIGNATURES, self._addresses, "signature", network_of(address))

    async def _count(self, rate: RateLimitItem, own: Counter, kind: str, *who: str) -> Allowance:
        key = hashlib.sha256("\x00".join((kind, *who)).encode()).hexdigest()[:32]
        if self._shared is not None and self._clock() >= self._away_until:
            try:
                async with asyncio.timeout(STORE_TIMEOUT_S):
                    return await _hit(self._shared, rate, key)
            except (StorageError, OSError, TimeoutError) as error:
                self._away_until = self._clock() + AWAY_S
                self._log.warning("rate_limit_store_away", error=type(error).__name__)
        return await own.hit(rate, key)


def network_of(address: str | None) -> str:
    """Whom an address stands for: itself, or its IPv6 network."""
    try:
        parsed = ip_address((address or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{int(parsed) >> (128 - IPV6_NETWORK_BITS):x}/{IPV6_NETWORK_BITS}"


def open_storage(uri: str) -> Storage | None:
    """The shared store of this address, or None for memory. Raises SettingError; whether it answers is found out later."""
    if uri == "memory://":
        return None
    options = {"implementation": "redispy"} if uri.startswith("redis") else {}
    try:
        storage = storage_from_string(f"async+{uri}", wrap_exceptions=True, **options)
    except Exception:  # noqa: BLE001 - each client library has its own errors for an address that it cannot read
        storage = None
    if not isinstance(storage, Storage) or not hasattr(storage, "acquire_sliding_window_entry"):
        raise SettingError(
            "RATE_LIMIT_STORAGE must be memory:// or a store that is installed, such as redis://host:6379"
        )
    return storage


async def _hit(limiter: SlidingWindowCounterRateLimiter, rate: RateLimitItem, key: str) -> Allowance:
    allowed = await limiter.hit(rate, key)
    stats = await limiter.get_window_stats(rate, key)
    return Allowance(
        allowed=allowed,
        limit=rate.amount,
        window_s=rate.get_expiry(),
        remaining=stats.remaining if allowed else 0,
        reset_s=max(1, math.ceil(stats.reset_time - time.time())),
    )
