"""What a row is, and how it is held against its floor.

Both sides do the same work in turn, again and again: a machine that is busy for a while slows a pair, not a side.
"""

import re
import statistics
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

CLOCK_TICKS_PER_S = 100  # Linux's USER_HZ, on every architecture that we run on


@dataclass(frozen=True)
class Sample:
    """One run of one side: how many messages, in how many seconds, for how many CPU seconds of its process."""

    messages: int
    seconds: float
    cpu_s: float

    @property
    def per_second(self) -> float:
        return self.messages / self.seconds

    @property
    def cpu_ms(self) -> float:
        return 1000 * self.cpu_s / self.messages


@dataclass(frozen=True)
class Result:
    """All samples of a row; `ours[i]` and `floor[i]` were measured one after the other."""

    ours: Sequence[Sample]
    floor: Sequence[Sample]

    @property
    def ratios(self) -> list[float]:
        """Our throughput in terms of the floor's, per pair."""
        return [ours.per_second / floor.per_second for ours, floor in zip(self.ours, self.floor, strict=True)]


Measure = Callable[[int], Awaitable[Sample]]
"""Does the work with that many messages, once."""

Sides = AbstractAsyncContextManager[tuple[Measure, Measure]]


@dataclass(frozen=True)
class Row:
    """One line of the table. `open` starts everything that both sides need; `messages` is the size of one sample."""

    name: str
    what: str
    messages: int
    open: Callable[[Path], Sides]


async def run(row: Row, directory: Path, *, pairs: int, messages: int) -> Result:
    """Warm both sides up, then measure them in turn; who begins changes from pair to pair."""
    ours: list[Sample] = []
    floor: list[Sample] = []
    async with row.open(directory) as (measure_ours, measure_floor):
        await measure_ours(messages // 5)
        await measure_floor(messages // 5)
        for number in range(pairs):
            turns = [(measure_ours, ours), (measure_floor, floor)]
            for measure, samples in turns if number % 2 == 0 else reversed(turns):
                samples.append(await measure(messages))
    return Result(ours, floor)


def report(row: Row, result: Result) -> str:
    """The row as a person reads it: medians, and the ratio with its spread."""
    median, low, high = statistics.median(result.ratios), min(result.ratios), max(result.ratios)
    return f"""{row.name}: {row.what}
  ours   {_side(result.ours)}
  floor  {_side(result.floor)}
  ratio  {median:7.2f} of the floor's throughput (pairs from {low:.2f} to {high:.2f})"""


def _side(samples: Sequence[Sample]) -> str:
    per_second = statistics.median(sample.per_second for sample in samples)
    cpu_ms = statistics.median(sample.cpu_ms for sample in samples)
    return f"{per_second:7.0f} msg/s  {cpu_ms:6.3f} ms CPU per message"


def cpu_s(pid: int) -> float:
    """The CPU seconds that a process has used, in user and system mode."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS_PER_S
    shown = subprocess.run(["ps", "-o", "time=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout
    seconds = 0.0
    for part in re.findall(r"[\d.]+", shown):
        seconds = seconds * 60 + float(part)
    return seconds
