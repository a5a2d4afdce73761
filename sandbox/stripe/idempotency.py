"""Idempotency keys, as "Idempotent requests" and "Advanced error handling" document them.

first use             executes; its status and body are kept, also of declines, conflicts and 500s
same key, same call   the kept answer again, with Idempotent-Replayed: true
other parameters      400 idempotency_error; the same for another endpoint
first still running   409 idempotency_key_in_use
never executed        nothing is kept: validation errors, 401, 409, 429 (and 503 here)
after 24 hours        pruned: the key is new again
"""

import hashlib
import json
from dataclasses import dataclass

from sandbox.stripe.errors import Json, key_in_use, key_reused_differently, key_reused_elsewhere, key_too_long

RETENTION_S = 24 * 3600  # "keys … removed from the system automatically after they're at least 24 hours old"
MAX_LENGTH = 255  # "Idempotency keys are up to 255 characters long"
MAX_KEYS = 500_000  # about 1.5 GB of kept answers; the oldest go first, as if they were 24 hours old


@dataclass(frozen=True, slots=True)
class Kept:
    """The answer to a key's first use."""

    status: int
    body: bytes
    request_id: str


@dataclass(slots=True)
class _Entry:
    path: str
    fingerprint: bytes
    first_used: float
    kept: Kept | None = None


class Keys:
    """All keys of the account, in the order of their first use."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def begin(self, key: str, path: str, params: Json, now: float) -> Kept | None:
        """Claim the key, or return the answer to replay. Raises the refusals above."""
        if len(key) > MAX_LENGTH:
            raise key_too_long(MAX_LENGTH)
        self._prune(now)
        fingerprint = _fingerprint(params)
        entry = self._entries.get(key)
        if entry is None:
            self._entries[key] = _Entry(path, fingerprint, now)
            return None
        if entry.path != path:
            raise key_reused_elsewhere(key, path, entry.path)
        if entry.fingerprint != fingerprint:
            raise key_reused_differently(key)
        if entry.kept is None:
            raise key_in_use(key)
        return entry.kept

    def finish(self, key: str, kept: Kept) -> None:
        """Keep the answer. A key pruned meanwhile (a jump of the clock) stays pruned."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.kept = kept

    def abandon(self, key: str) -> None:
        """Nothing was executed: the key is as if never used."""
        entry = self._entries.get(key)
        if entry is not None and entry.kept is None:
            del self._entries[key]

    def _prune(self, now: float) -> None:
        expired: list[str] = []
        for key, entry in self._entries.items():
            if entry.first_used > now - RETENTION_S and len(self._entries) - len(expired) <= MAX_KEYS:
                break
            expired.append(key)
        for key in expired:
            del self._entries[key]


def _fingerprint(params: Json) -> bytes:
    """Equal for equal parameters, in whatever order they came."""
    return hashlib.blake2b(json.dumps(params, sort_keys=True).encode(), digest_size=16).digest()
