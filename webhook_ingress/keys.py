"""The keys that tokens are verified with: a shared secret, or public keys that somebody else publishes and rotates."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from jwt import PyJWK, PyJWKClient, PyJWKSet
from jwt.exceptions import PyJWTError

ALGORITHMS = frozenset({"RS256", "ES256"})
"""What public keys may be used with. Each key is for one algorithm, its own: a token cannot choose another."""

FRESH_S = 300.0
"""After that the keys are read again beside the requests, so that a key which was withdrawn is not trusted for long."""

STALE_S = 24 * 3600.0
"""For as long old keys are better than none, when those who publish them are away."""

COOLDOWN_S = 30.0
"""An unknown key has them read again, but no more often: anybody can invent the name of a key."""

RETRY_S = 5.0
"""The same when the last reading failed."""

FETCH_TIMEOUT_S = 4.0
"""Less than a request may take."""

MAX_KEYS = 100

Source = Callable[[], Sequence[PyJWK]]
"""Reads the keys, blocking. Raises OSError, ValueError or PyJWTError."""


class KeysUnavailable(Exception):
    """There are no keys, and they cannot be read now."""


def from_url(url: str) -> Source:
    """Read a JWKS (RFC 7517) from its address."""
    client = PyJWKClient(url, cache_jwk_set=False, timeout=FETCH_TIMEOUT_S)
    return lambda: client.get_jwk_set(refresh=True).keys


def from_file(path: Path) -> Source:
    """Read a JWKS from a file, which may be replaced at any time."""

    def read() -> Sequence[PyJWK]:
        found = json.loads(path.read_text("utf-8"))
        if not isinstance(found, dict):
            raise ValueError("a JWKS is a JSON object")  # noqa: TRY004 - what is wrong is what the file says
        return PyJWKSet.from_dict(found).keys

    return read


class KeyRing:
    """Public keys by their `kid`, as fresh as they should be. `clock` gives seconds."""

    def __init__(self, source: Source, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._keys: Mapping[str | None, PyJWK] = {}
        self._read_at = float("-inf")
        self._next_read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def find(self, kid: str | None) -> PyJWK | None:
        """The key of this name; a token may leave the name out where there is one key. Raises KeysUnavailable."""
        key = self._look(kid)
        if key is None:
            await self._read()
            return self._look(kid, required=True)
        if self._clock() - self._read_at > FRESH_S:
            self._begin_to_read()
        return key

    def _look(self, kid: str | None, *, required: bool = False) -> PyJWK | None:
        if self._clock() - self._read_at > STALE_S:
            if required:
                raise KeysUnavailable
            return None
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid) if kid is not None else None

    async def _read(self) -> None:
        """Wait until they have been read, unless it is too early to read them again."""
        self._begin_to_read()
        if self._reading is not None:
            await asyncio.shield(self._reading)  # it is everybody's: one request that is cancelled must not end it

    def _begin_to_read(self) -> None:
        if self._reading is None and self._clock() >= self._next_read_at:
            self._reading = asyncio.create_task(self._read_now())

    async def _read_now(self) -> None:
        try:
            found = await asyncio.to_thread(self._source)
        except (OSError, ValueError, PyJWTError):
            self._next_read_at = self._clock() + RETRY_S
        else:
            self._keys = {key.key_id: key for key in found[:MAX_KEYS] if _usable(key)}
            self._read_at = self._clock()
            self._next_read_at = self._read_at + COOLDOWN_S
        finally:
            self._reading = None


def _usable(key: PyJWK) -> bool:
    return key.algorithm_name in ALGORITHMS and key.public_key_use in {None, "sig"}
