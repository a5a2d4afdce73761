"""What every comparison of a stand-in with the real thing needs."""

import pytest

from worker.adapters import store

PATIENCE_MS = 60_000


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compared is what an operation does: on a busy machine the longest take more than a worker's five seconds."""
    monkeypatch.setattr(store, "OPERATION_TIMEOUT_MS", PATIENCE_MS)
