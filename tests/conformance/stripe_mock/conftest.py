"""One stripe-mock for all tests of this folder, or a skip that says why there is none."""

from collections.abc import Iterator

import pytest

from tests.conformance.stripe_mock.process import NotHereError, running


@pytest.fixture(scope="session")
def stripe_mock() -> Iterator[str]:
    """The address of a running stripe-mock."""
    try:
        with running() as address:
            yield address
    except NotHereError as reason:
        pytest.skip(str(reason))
