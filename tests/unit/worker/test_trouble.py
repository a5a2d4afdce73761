"""What the driver raises: whether the database is away, or something is wrong with us."""

import pytest
from pymongo.errors import AutoReconnect, DuplicateKeyError, OperationFailure, PyMongoError, ServerSelectionTimeoutError

from worker.adapters.trouble import translated
from worker.adapters.trust import refuse_untrusted
from worker.errors import StoreUnavailable, StoreUntrusted


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OperationFailure("not authorized on payments", 13), "Unauthorized"),
        (OperationFailure("Authentication failed.", 18), "AuthenticationFailed"),
        (OperationFailure("no room", 14031), "OutOfDiskSpace"),
        (ServerSelectionTimeoutError("nobody"), "ServerSelectionTimeoutError"),
    ],
)
async def test_a_database_that_lets_nobody_in_is_away(error: PyMongoError, reason: str) -> None:
    """A refused login or a full disk is an outage like no answer: it says nothing of the message in hand."""
    with pytest.raises(StoreUnavailable, match=reason):
        async with translated():
            raise error


@pytest.mark.parametrize("error", [DuplicateKeyError("E11000", 11000), OperationFailure("bad value", 2)])
async def test_what_is_about_the_message_stays(error: PyMongoError) -> None:
    """An error of what we asked for is told as it is."""
    with pytest.raises(type(error)):
        async with translated():
            raise error


async def told(error: PyMongoError) -> StoreUnavailable:
    """What the store raises for it."""
    with pytest.raises(StoreUnavailable) as away:
        async with translated():
            raise error
    return away.value


async def test_a_start_does_not_wait_for_a_login_that_is_refused() -> None:
    """A wrong password in the address ends a start by name; a database that is silent is waited for."""
    with pytest.raises(StoreUntrusted, match="MONGO_URI"):
        refuse_untrusted(await told(OperationFailure("Authentication failed.", 18)))
    silent = await told(AutoReconnect("gone"))
    refuse_untrusted(silent)
    assert str(silent) == "AutoReconnect"
