"""The breaker before Stripe: when it opens, who may look, and when it closes."""

import pytest

from worker.adapters.breaker import FIRST_PAUSE_S, LONGEST_PAUSE_S, THRESHOLD, Breaker, State


class Hand:
    """A clock that is moved by hand, in seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def state_of(breaker: Breaker) -> State:
    return breaker.state


def opened(clock: Hand) -> Breaker:
    """A breaker that has just opened."""
    breaker = Breaker(clock)
    for _ in range(THRESHOLD):
        breaker.failed("told to")
    return breaker


def probing(clock: Hand) -> tuple[Breaker, object]:
    """An opened one whose probe is on its way, and the probe's permit."""
    breaker = opened(clock)
    clock.now += FIRST_PAUSE_S
    permit = breaker.admit()
    assert permit is not None
    return breaker, permit


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    """Nine failures are let pass; the tenth in a row opens it, and nobody is let in."""
    breaker = Breaker(Hand())
    for _ in range(THRESHOLD - 1):
        breaker.answered(503)
    assert state_of(breaker) is State.CLOSED
    breaker.failed("APIConnectionError")
    assert state_of(breaker) is State.OPEN
    assert breaker.admit() is None
    assert (breaker.opened, breaker.kept_back) == (1, 1)


@pytest.mark.parametrize("status", [200, 400, 402, 404, 409, 429])
def test_an_answer_is_no_failure(status: int) -> None:
    """A success, a decline, a refusal and 'too many' break the row of failures."""
    breaker = Breaker(Hand())
    for _ in range(5):
        for _ in range(THRESHOLD - 1):
            breaker.answered(500)
        breaker.answered(status)
    assert breaker.state is State.CLOSED


def test_one_probe_at_a_time() -> None:
    """When the pause is over one call is let in, and nobody else until it has ended, even if that takes long."""
    clock = Hand()
    breaker, permit = probing(clock)
    assert breaker.state is State.HALF_OPEN
    assert breaker.admit() is None
    breaker.answered(503)
    clock.now += 100
    assert breaker.admit() is None, "the probe's own second try is under way"
    breaker.ended(permit)
    assert breaker.admit() is not None


@pytest.mark.parametrize("status", [200, 402, 429])
def test_an_answered_probe_closes_it(status: int) -> None:
    """Any answer to the probe lets everybody in again."""
    breaker, permit = probing(Hand())
    breaker.answered(status)
    breaker.ended(permit)
    assert breaker.state is State.CLOSED
    assert breaker.admit() is not None


def test_a_failed_probe_doubles_the_pause() -> None:
    """Each probe that fails waits twice as long for the next, up to half a minute."""
    clock = Hand()
    breaker, permit = probing(clock)
    longest = FIRST_PAUSE_S
    for _ in range(10):
        breaker.failed("told to")
        breaker.ended(permit)
        longest = min(LONGEST_PAUSE_S, longest * 2)
        clock.now += longest / 2 - 0.001
        assert breaker.admit() is None
        clock.now += longest / 2 + 0.001
        again = breaker.admit()
        assert again is not None
        permit = again


def test_a_probe_of_which_nothing_is_heard_is_made_again() -> None:
    """A probe that was canceled leaves its place to the next call, at once."""
    breaker, permit = probing(Hand())
    breaker.ended(permit)
    assert breaker.state is State.OPEN
    assert breaker.admit() is not None


def test_late_answers_do_not_close_it() -> None:
    """What was on its way when it opened, and is answered now, says nothing of whether Stripe is back."""
    breaker = opened(Hand())
    breaker.answered(200)
    assert breaker.state is State.OPEN


def test_after_an_outage_it_takes_a_row_of_failures_again() -> None:
    """Once closed it counts from the beginning, and the next outage begins with the first pause."""
    clock = Hand()
    breaker, permit = probing(clock)
    breaker.answered(200)
    breaker.ended(permit)
    breaker.failed("told to")
    assert breaker.state is State.CLOSED
    for _ in range(THRESHOLD):
        breaker.failed("told to")
    clock.now += FIRST_PAUSE_S
    assert breaker.admit() is not None
