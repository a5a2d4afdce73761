"""Every number that the state machine obeys, each with its reason."""

import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from worker.domain.parts import ANSWERABLE, Dispute

KEY_LIFETIME = timedelta(hours=20)
"""Stripe may forget an idempotency key after 24 h; we stop repeating one well before and settle by reading (rule 17)."""

SEND_GRACE = timedelta(seconds=90)
"""A send has an outer deadline of 75 s; only after that may another worker take it for lost."""

STORED_ERROR_WAIT = timedelta(minutes=2)
"""How long a create that Stripe answered with a stored 5xx may take to show up in a list (rule 17)."""

BACKOFF_FIRST = timedelta(seconds=2)
BACKOFF_CAP = timedelta(minutes=10)
"""An outage of hours costs a handful of requests an hour and payment; recovery is noticed within ten minutes."""

HELD_BACK_CAP = timedelta(minutes=2)
"""A try that is held back costs Stripe nothing and the database two writes; a buyer waits for it once Stripe is back."""

KEYS_REFUSED_WAIT = timedelta(minutes=1)
"""Stripe refuses our API key: nothing is executed until a person has mended it."""

POLL_FIRST = timedelta(minutes=10)
POLL_CAP = timedelta(hours=6)
"""Webhooks bring the news within seconds; polling is for the ones that were lost."""

SOON = timedelta(seconds=10)
"""A charge succeeded, and the intent's own event is on its way: look only if it has not come by then."""

ABANDONED_AFTER = timedelta(days=7)
"""An unpaid payment is given up: its intent would stay payable for ever."""

MAX_ATTEMPTS = 50
"""Declines per payment: beyond that it is card testing, and the payment is canceled."""

MAX_OWN_CANCELS = 5
"""Cancels of our own that came to nothing, before it is left to the person who looks at the payment anyway."""

MAX_CHAINED = 10
"""Calls that one delivery performs after its own; the rest is left to the sweeper, so that a delivery stays short."""

MAX_OPEN_CALLS = 20
"""Commands that may wait behind each other on one payment. Refunds are limited by their own number instead: of a crowd
that asks at once, every one that fits is carried out."""

MAX_REFUNDS = 200
"""Refunds per payment, those made at Stripe included. A payment that needs more is a loop in its order service."""

MAX_DISPUTES = 50
MAX_CONCERNS = 50
"""More of either than any payment has seen; beyond it a person must look."""

EXPIRY_WARNING = timedelta(hours=24)
"""How long before the held money is released this is announced: a working day to capture it."""

EXPIRY_GRACE = timedelta(minutes=10)
"""How long after that moment we wait for Stripe's word before we ask."""

DEADLINE_DAYS = (7, 3, 1)
"""Distances to a dispute's deadline that are announced, in days."""

MAX_PAYMENTS_PER_ORDER = 50
"""An order that needs more is a loop in the order service."""

STORED_ERROR_STREAK = 5
"""So many 500s in a row under one key are the stored answer, also where Stripe does not mark it as replayed."""


def backoff(seed: str, count: int) -> timedelta:
    """Exponential delay with jitter between 50 % and 100 %, derived from `seed` so that the core stays free of chance."""
    full = min(BACKOFF_FIRST * (1 << min(count, 16)), BACKOFF_CAP)
    return _between_half_and_whole(full, f"{seed}:{count}")


def poll_after(seed: str, polls: int) -> timedelta:
    """How long to wait for news before asking, doubling with every fruitless poll."""
    full = min(POLL_FIRST * (1 << min(polls, 8)), POLL_CAP)
    return _between_half_and_whole(full, f"{seed}:poll:{polls}")


def _between_half_and_whole(full: timedelta, seed: str) -> timedelta:
    share: int = zlib.crc32(seed.encode()) % 1000
    return full // 2 + full * share // 2000


def abandon_at(created_at: datetime) -> datetime:
    return created_at + ABANDONED_AFTER


def deadlines(dispute: Dispute) -> Iterator[tuple[int, datetime]]:
    """The distances to an unanswered dispute's deadline that are still to be announced, in days, and when."""
    if dispute.status in ANSWERABLE and dispute.due_by is not None:
        for days in DEADLINE_DAYS:
            if days not in dispute.told:
                yield days, dispute.due_by - timedelta(days=days)
