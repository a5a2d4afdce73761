"""Long random walks: whatever comes in whatever order at whatever time, every decision keeps what must hold."""

from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.worker.making import Story, create
from tests.unit.worker.representatives import messages
from worker.domain.messages import Tick

STEPS = st.lists(
    st.tuples(
        st.integers(0, 10_000),
        st.sampled_from([timedelta(), timedelta(seconds=1), timedelta(minutes=2), timedelta(hours=21)]),
    ),
    min_size=5,
    max_size=40,
)


def walked(steps: list[tuple[int, timedelta]]) -> Story:
    """Begin with a create, then let the numbers choose among every message that the record could meet."""
    made = Story()
    made.tell(create())
    for number, after in steps:
        choices = list(messages(made.payment))
        _, message = choices[number % len(choices)]
        made.tell(message, after)
    return made


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_every_walk_keeps_what_must_hold(steps: list[tuple[int, timedelta]]) -> None:
    """After any history the invariants hold; each decision is checked on the way."""
    assert walked(steps).record.timeline is not None


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.sampled_from([timedelta(), timedelta(minutes=2), timedelta(hours=21), timedelta(days=8)]))
def test_due_ticks_come_to_rest(steps: list[tuple[int, timedelta]], after: timedelta) -> None:
    """After any history, three ticks at one moment leave nothing due at that moment: the sweeper never spins."""
    made = walked(steps)
    made.now += after
    for _ in range(3):
        made.tell(Tick(), timedelta())
    assert made.record.check_at is None or made.record.check_at > made.now
