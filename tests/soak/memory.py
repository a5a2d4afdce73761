"""Whether a process that lives through a soak keeps its memory."""

import asyncio
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

EVERY_S = 1.0
FEWEST = 8
"""Samples of which a slope can be told."""

FLAT_MIB = 16.0
"""What the second half of the traffic may add. In 50,000 messages a leak of 340 bytes each is more; in a short run caches,
pools and the allocator's slack are most of what is seen."""

PAGES = Path("/proc/self/statm")


@dataclass(frozen=True)
class Growth:
    """What a process gained between the middle and the end of the traffic, by the line through the samples there."""

    name: str
    samples: int
    at_end_mib: float
    gained_mib: float

    @property
    def flat(self) -> bool:
        return self.gained_mib <= FLAT_MIB

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.at_end_mib:.0f} MiB at the end, {self.gained_mib:+.1f} MiB over the second half"
            f" ({self.samples} samples; {FLAT_MIB:.0f} are allowed)"
        )


@dataclass
class Meter:
    """Looks at the resident memory of a process, by its id, from time to time."""

    name: str
    pid: int
    samples: list[tuple[float, float]] = field(default_factory=list)

    def look(self) -> None:
        self.samples.append((time.monotonic(), resident_mib(self.pid)))

    async def run(self, ended: Callable[[], bool]) -> None:
        """Look until told that the traffic has ended."""
        while not ended():
            self.look()
            await asyncio.sleep(EVERY_S)

    def growth(self) -> Growth:
        """By least squares over the second half of the samples."""
        half = self.samples[len(self.samples) // 2 :]
        gained = slope(half) * (half[-1][0] - half[0][0]) if len(half) >= FEWEST else 0.0
        return Growth(self.name, len(half), half[-1][1], gained)


def slope(samples: list[tuple[float, float]]) -> float:
    """MiB per second."""
    count = len(samples)
    mean_s, mean_mib = sum(s for s, _ in samples) / count, sum(mib for _, mib in samples) / count
    spread = sum((s - mean_s) ** 2 for s, _ in samples)
    return sum((s - mean_s) * (mib - mean_mib) for s, mib in samples) / spread if spread else 0.0


def resident_mib(pid: int) -> float:
    """What a process holds in memory."""
    if PAGES.exists():
        status = Path(f"/proc/{pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], check=True, capture_output=True, text=True)
    return int(told.stdout) / 1024
