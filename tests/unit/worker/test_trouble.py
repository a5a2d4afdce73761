"""What the driver raises: whether the database is away, or something is wrong with us."""

import pytest
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError, ServerSelectionTimeoutError

from worker.adapters.trouble import translated
from worker.errors import StoreUnavailable


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
