"""One small world, exhaustively; `make explore` goes through the others, too."""

from tests.explore import WORLDS, explore


def test_every_interleaving_of_a_create_and_a_cancel_keeps_the_promises() -> None:
    """A create and a cancel of its order on two workers, one crash, one lost ack: every end of every interleaving holds."""
    states, ends = explore(WORLDS["a create, and a cancel by order"])
    assert states > 5000
    assert ends > 50
