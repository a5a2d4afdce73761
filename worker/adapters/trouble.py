"""How a database in trouble is told: StoreUnavailable, whatever the driver calls it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pymongo.errors import AutoReconnect, DuplicateKeyError, ExecutionTimeout, NetworkTimeout, PyMongoError

from worker.errors import StoreUnavailable

OUT_OF_DISK_SPACE = 14031
"""MongoDB's error code; the database is away for writers until somebody makes room."""


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
        if error.timeout or getattr(error, "code", None) == OUT_OF_DISK_SPACE:
            raise StoreUnavailable(f"{type(error).__name__}") from error
        raise
