"""Faults on demand: one-shot ones in a queue, and seeded rates. What each kind does to the effect and to the key:

kind              the client sees                  executed   kept under the idempotency key
latency           the answer, late                 yes        yes; meanwhile the key is in use (409)
latency_after     the answer, late                 yes        yes, before the wait: a retry is replayed at once
429               rate_limit                       no         no
429_lock          lock_timeout                     no         no
500               api_error                        no         the 500
500_after         api_error                        yes        the 500
503               api_error                        no         no
reset_before      connection reset                 no         no
reset_after       connection reset                 yes        the true answer
truncate          half of the body, then the end   yes        the true answer
html_502          a proxy's error page             no         no
html_502_after    a proxy's error page             yes        the true answer
"""

import random
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

KINDS = (
    "latency", "latency_after", "429", "429_lock", "500", "500_after", "503", "reset_before", "reset_after", "truncate",
    "html_502", "html_502_after",
)  # fmt: skip
REFUSED = frozenset(["429", "429_lock", "503", "reset_before", "html_502"])  # the request never reaches the API
TIMED = frozenset(["latency", "latency_after"])
DEFAULT_LATENCY_MS = 1000
MAX_LATENCY_MS = 600_000  # longer than any client waits
MAX_QUEUE = 10_000


@dataclass(frozen=True, slots=True)
class Fault:
    kind: str
    latency_ms: int = DEFAULT_LATENCY_MS


@dataclass(slots=True)
class Shot:
    """A fault for the next `times` matching requests, after letting `skip` of them pass."""

    fault: Fault
    method: str
    path: str
    times: int = 1
    skip: int = 0


@dataclass(frozen=True, slots=True)
class Rate:
    fault: Fault
    rate: float


class Faults:
    """The queue is asked first, then the rates: one draw a request, so at most one fault a request."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._shots: list[Shot] = []
        self._rates: list[Rate] = []
        self._method = "*"
        self._paths = "*"
        self._random = random.Random()
        self._fired: dict[str, int] = {}

    def queue(self, shot: Shot) -> None:
        if len(self._shots) >= MAX_QUEUE:
            raise ValueError(f"at most {MAX_QUEUE} queued faults")
        self._shots.append(shot)

    def set_rates(self, rates: list[Rate], *, seed: int | None, method: str, paths: str) -> None:
        """Replace the rates. The same seed over the same requests draws the same faults."""
        if sum(rate.rate for rate in rates) > 1:
            raise ValueError("rates: together they exceed 1")
        self._rates = rates
        self._random = random.Random(seed)
        self._method, self._paths = method, paths

    def draw(self, method: str, path: str) -> Fault | None:
        fault = self._shot(method, path) or self._drawn(method, path)
        if fault is not None:
            self._fired[fault.kind] = self._fired.get(fault.kind, 0) + 1
        return fault

    def state(self) -> dict[str, Any]:
        return {
            "queue": [
                {
                    "kind": shot.fault.kind,
                    "ms": shot.fault.latency_ms,
                    "method": shot.method,
                    "path": shot.path,
                    "times": shot.times,
                    "skip": shot.skip,
                }
                for shot in self._shots
            ],
            "rates": {rate.fault.kind: rate.rate for rate in self._rates},
            "fired": self._fired,
        }

    def _shot(self, method: str, path: str) -> Fault | None:
        for position, shot in enumerate(self._shots):
            if not fnmatchcase(method, shot.method) or not fnmatchcase(path, shot.path):
                continue
            if shot.skip:
                shot.skip -= 1
                continue
            shot.times -= 1
            if shot.times <= 0:
                del self._shots[position]
            return shot.fault
        return None

    def _drawn(self, method: str, path: str) -> Fault | None:
        if not self._rates or not fnmatchcase(method, self._method) or not fnmatchcase(path, self._paths):
            return None
        mark = self._random.random()
        for rate in self._rates:
            mark -= rate.rate
            if mark < 0:
                return rate.fault
        return None


def read_fault(kind: Any, latency_ms: Any = None) -> Fault:
    """A fault from the control endpoint's JSON. Raises ValueError with what is wrong."""
    if str(kind) not in KINDS:
        raise ValueError(f"kind: {kind!r} is none of {', '.join(KINDS)}")
    latency = DEFAULT_LATENCY_MS if latency_ms is None else int(latency_ms)
    if not 0 <= latency <= MAX_LATENCY_MS:
        raise ValueError(f"ms: {latency} is not between 0 and {MAX_LATENCY_MS}")
    return Fault(str(kind), latency)
