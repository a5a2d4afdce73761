"""The histogram of durations: how far off it may be, and that parts make the whole."""

from collections import Counter
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from worker.durations import LONGEST_MS, class_of, durations, middle_ms, percentile_ms

MS = timedelta(milliseconds=1)
milliseconds = st.integers(0, LONGEST_MS) | st.integers(0, 200) | st.integers(0, 7 * 86_400_000)


def histogram(found: list[int]) -> Counter[int]:
    return Counter(class_of(one * MS) for one in found)


def exactly(found: list[int], per_cent: int) -> int:
    """The nearest rank, from the values themselves."""
    return sorted(found)[-(-len(found) * per_cent // 100) - 1]


@given(milliseconds)
def test_a_duration_is_off_by_a_sixty_fourth_at_most(ms: int) -> None:
    """The middle of a duration's class differs from it by at most 1/64 of it, and below 64 ms not at all."""
    assert 64 * abs(middle_ms(class_of(ms * MS)) - ms) <= (ms if ms >= 64 else 0)


@given(st.lists(milliseconds, min_size=2, max_size=2))
def test_longer_durations_never_have_lower_classes(pair: list[int]) -> None:
    """Classes are in the order of the durations, so that they can be ranked."""
    low, high = sorted(pair)
    assert class_of(low * MS) <= class_of(high * MS)


@given(st.lists(milliseconds, min_size=1, max_size=60), st.sampled_from([1, 50, 95, 99, 100]))
def test_a_percentile_is_off_by_a_sixty_fourth_at_most(found: list[int], per_cent: int) -> None:
    """Each percentile differs from the one of the values themselves by at most 1/64 of it."""
    told = percentile_ms(histogram(found), per_cent)
    assert told is not None
    assert 64 * abs(told - exactly(found, per_cent)) <= exactly(found, per_cent)


@given(st.lists(st.lists(milliseconds, max_size=10), max_size=6))
def test_parts_make_the_whole(parts: list[list[int]]) -> None:
    """Histograms of parts, added up in whatever order, are the histogram of everything."""
    merged: Counter[int] = Counter()
    for part in reversed(parts):
        merged.update(histogram(part))
    assert merged == histogram([one for part in parts for one in part])


def test_nothing_has_no_percentiles() -> None:
    """Of no durations there is a count of none, and neither median nor p95."""
    told = durations(Counter())
    assert (told.count, told.median_ms, told.p95_ms) == (0, None, None)


def test_clocks_that_differ_make_no_negative_durations() -> None:
    """A payment that succeeded before it was opened, by another clock, took no time; one of a century took the longest."""
    assert class_of(-5 * MS) == class_of(timedelta()) == 0
    assert class_of(timedelta(days=36_500)) == class_of(LONGEST_MS * MS)
