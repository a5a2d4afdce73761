"""Processes that live through seeds on all cores, end when they are told to, and never outlive whoever started them."""

import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing.synchronize import Event
from types import FrameType

from tests.simulation.lives import live

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AHEAD = 3
"""Pieces per process that wait: enough that none is idle, few enough that a million seeds take no memory."""

_ended: list[Event] = []
"""In a process of the crew: whether it shall end."""


@dataclass
class Piece:
    """Some seeds of a kind, lived through up to before `end`; `failed` tells how, by seed."""

    kind: str
    first: int
    end: int
    failed: dict[int, str] = field(default_factory=dict)
    injected: Counter[str] = field(default_factory=Counter)


def lived_through(kind: str, first: int, end: int) -> Piece:
    """Live through some seeds, fewer when the crew is told to end."""
    piece = Piece(kind, first, first)
    while piece.end < end and not any(ended.is_set() for ended in _ended):
        try:
            piece.injected += live(kind, piece.end)
        except Exception as error:  # noqa: BLE001 - whatever it is, the seed has failed and the others go on
            piece.failed[piece.end] = f"{type(error).__name__}: {error}".partition("\n")[0][:300]
        piece.end += 1
    return piece


def _join(ended: Event) -> None:
    """A process of the crew begins: signals are for the first one, and without that one it ends."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    _ended.append(ended)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


class Crew:
    """Lives through pieces on all cores. `ended` when a signal came."""

    def __init__(self, processes: int | None = None) -> None:
        self._processes = processes or os.cpu_count() or 1
        self._context = multiprocessing.get_context("spawn")
        self._ended = self._context.Event()

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    def work(self, pieces: Iterable[tuple[str, int, int]]) -> Iterator[Piece]:
        """Each piece as it is done. After a signal those that are underway come, cut short, and no others."""
        todo, waiting = iter(pieces), set[Future[Piece]]()
        pool = ProcessPoolExecutor(self._processes, self._context, _join, (self._ended,))
        with self._until_signal(), pool:
            while True:
                if not self.ended:
                    room = self._processes * AHEAD - len(waiting)
                    waiting |= {pool.submit(lived_through, *piece) for piece in islice(todo, room)}
                if not waiting:
                    return
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in finished)

    @contextmanager
    def _until_signal(self) -> Iterator[None]:
        """The first signal ends the crew in order, a second one at once."""

        def on_signal(number: int, _frame: FrameType | None) -> None:
            if self.ended:
                os._exit(128 + number)
            self._ended.set()

        before = {number: signal.signal(number, on_signal) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
