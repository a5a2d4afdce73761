"""How long things took, as a histogram that can be merged: whole milliseconds in classes that widen with the duration.

Up to 63 ms each millisecond is a class of its own; above, every doubling is cut into 32 classes of equal width (as in
HdrHistogram). A value is told as the middle of its class, so it is off by at most 1/64 of itself. Counts of the same
classes are simply added, whichever quarter of an hour, worker or day they come from.
"""

from collections import Counter
from datetime import timedelta

from contracts.queries import Durations

SUB_BITS = 5
"""32 classes per doubling: an error of 1.6 % at most, and some 300 classes between a second and a week."""

LONGEST_MS = 2**40
"""Some 34 years; longer, and a clock is wrong."""

MILLISECOND = timedelta(milliseconds=1)


def class_of(duration: timedelta) -> int:
    """The class of a duration; one below zero, which only clocks that differ can make, counts as none at all."""
    ms = min(max(duration // MILLISECOND, 0), LONGEST_MS)
    shift = max(ms.bit_length() - SUB_BITS - 1, 0)
    return (shift << SUB_BITS) + (ms >> shift)


def middle_ms(number: int) -> int:
    """The milliseconds that a class stands for."""
    shift = max((number >> SUB_BITS) - 1, 0)
    low = (number - (shift << SUB_BITS)) << shift
    return low + ((1 << shift) >> 1)


def percentile_ms(classes: Counter[int], per_cent: int) -> int | None:
    """The duration that `per_cent` of 100 did not exceed (nearest rank); None when there is nothing to rank."""
    left = -(-classes.total() * per_cent // 100)
    for number in sorted(classes):
        left -= classes[number]
        if left <= 0:
            return middle_ms(number)
    return None


def durations(classes: Counter[int]) -> Durations:
    """What others see of a histogram."""
    return Durations(count=classes.total(), median_ms=percentile_ms(classes, 50), p95_ms=percentile_ms(classes, 95))
