"""How a database in trouble is told: StoreUnavailable, whatever the driver calls it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pymongo.errors import AutoReconnect, DuplicateKeyError, ExecutionTimeout, NetworkTimeout, PyMongoError

from worker.errors import StoreUnavailable

AWAY_UNTIL_SOMEBODY_ACTS = {
    13: "Unauthorized",
    18: "AuthenticationFailed",
    14031: "OutOfDiskSpace",
}
"""MongoDB's error codes that say nothing of the message in hand: a password was rotated, a right is missing, a disk is full.
Every other message would fail by them, too."""


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Turn what the driver raises for a database in trouble into StoreUnavailable; anything else is our bug and stays."""
    try:
        yield
    except (AutoReconnect, NetworkTimeout, ExecutionTimeout) as error:
        raise StoreUnavailable(f"{type(error).__name__}") from error
    except DuplicateKeyError:
        raise
    except PyMongoError as error:
        refusal = AWAY_UNTIL_SOMEBODY_ACTS.get(getattr(error, "code", None) or 0)
        if error.timeout or refusal:
            raise StoreUnavailable(refusal or f"{type(error).__name__}") from error
        raise
