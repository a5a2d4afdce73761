"""One small world, exhaustively; `make explore` goes through the others, too."""

import pytest

from tests.explore import WORLDS, assert_alike, explore


def test_every_interleaving_of_a_create_and_a_cancel_keeps_the_promises() -> None:
    """A create and a cancel of its order on two workers, one crash, one lost ack: every end of every interleaving holds."""
    states, ends = explore(WORLDS["a create, and a cancel by order"])
    assert states > 5000
    assert ends >= 50


@pytest.mark.parametrize("name", WORLDS)
def test_what_is_taken_for_one_state_is_one(name: str) -> None:
    """Two states with one digest have the same ways on, in some hundred states of every world."""
    assert assert_alike(WORLDS[name], 800) > 100
