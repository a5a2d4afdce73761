"""The coverage walk: every event of Stripe's last 30 days is in a timeline or is known to be nothing for us (rule 24).

Stripe gives a webhook up after three days; its list of events forgets after thirty. So the list is walked on a clock, from
where the last walk began, and what nobody has recorded is put through the queue that its webhook would have come by. There it
is a duplicate like any other, should the webhook come after all.

What is missing is noted as a gap, and the walk goes on: one event that nobody can apply must not hold up the others.
"""

import asyncio
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from contracts import topology
from contracts.transport import Published, Stored
from worker.adapters.stripe_events import Page, PlaceGone
from worker.coverage import HORIZON, Home, Listed, Traces
from worker.errors import StoreUnavailable, StripeUnavailable
from worker.ports import Clock

GRACE = timedelta(minutes=2)
"""A webhook takes seconds; only after this is it put back. One that comes later still is a duplicate."""

OVERLAP = timedelta(minutes=5)
"""How far a walk looks behind the newest event of the last one: an event may turn up in the list late, and those of one
second have no order. In Stripe's own time, so that our clock matters nothing."""

LEASE = timedelta(minutes=1)
"""For how long one page may keep the others waiting."""

AGAIN_FIRST = timedelta(minutes=5)
AGAIN_CAP = timedelta(hours=6)
MOST_PUTS = 8
"""After these, more than a day, the gap stays for a person, who finds the event among the dead letters."""

GAPS_AT_ONCE = 1000

CONTENT_TYPE = "application/json"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the walks have come. `until` is the newest event's time in the last whole one.

    A walk under way goes from the newest to `since`; `after` is the last event that it has seen, `newest` the first one's time.
    """

    until: datetime | None = None
    since: datetime | None = None
    after: str | None = None
    newest: datetime | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """An event that nobody has recorded. `puts` counts how often it was put back, `next_at` is when it is next."""

    id: str
    type: str
    created: datetime
    traces: Traces
    next_at: datetime
    puts: int = 0


@dataclass
class Walked:
    """What one walk came to."""

    listed: int = 0
    gaps: int = 0
    put: int = 0


class Events(Protocol):
    """See adapters.stripe_events.EventList. Raises StripeUnavailable, and PlaceGone for a page."""

    async def page(self, since: datetime, after: str | None) -> Page: ...

    async def one(self, event_id: str) -> bytes | None: ...


class Homes(Protocol):
    """Where events are recorded. Raises StoreUnavailable when the database does not answer."""

    async def homes(self, sought: Mapping[str, Traces]) -> dict[str, Home]:
        """Where each of these events, by id, is accounted for (see coverage.home_without); the missing ones are not named."""


class CoverageStore(Homes, Protocol):
    """What the walk keeps, of one mode: the other's turn, place and gaps are not seen."""

    async def take_turn(self, owner: str, now: datetime, until: datetime) -> bool:
        """Take the walk until then, unless another worker has it. An economy: nothing relies on being alone."""

    async def progress(self) -> Progress: ...

    async def advance(self, progress: Progress) -> None: ...

    async def note(self, gaps: Sequence[Gap]) -> set[str]:
        """Keep gaps; one that is known stays as it is. Tells which are new."""

    async def gaps(self, limit: int) -> list[Gap]:
        """Those that are next to be put back."""

    async def postpone(self, gap: Gap) -> None:
        """Keep how often it was put back, and when it is next, of a gap that is still there."""

    async def close(self, event_ids: Iterable[str]) -> None:
        """Forget gaps: they are accounted for, or out of reach."""


class Queue(Protocol):
    """Part of contracts.transport.Publisher."""

    async def publish(
        self, exchange: str, routing_key: str, body: bytes, *, kind: str, content_type: str, headers: Mapping[str, Any]
    ) -> Published: ...


class CoverageWalk:
    """Walks again and again. Of several workers one walks at a time."""

    def __init__(self, store: CoverageStore, events: Events, queue: Queue, clock: Clock, *, every_s: float) -> None:
        self._store = store
        self._events = events
        self._queue = queue
        self._clock = clock
        self._every_s = every_s
        self._owner = uuid.uuid4().hex

    async def run(self) -> None:
        """Walk for ever."""
        while True:
            try:
                if await self._turn():
                    await self.walk()
                    await self._turn(timedelta(seconds=self._every_s))
            except (StoreUnavailable, StripeUnavailable) as error:
                log.warning("coverage_waits", reason=f"{type(error).__name__}: {error}")
            except Exception:
                log.exception("coverage_crashed")  # a walk that fails must not end a worker that takes payments
            await asyncio.sleep(self._every_s)

    async def walk(self) -> Walked:
        """Go through what is new in the list, then put back what is missing."""
        walked, progress = Walked(), await self._store.progress()
        if progress.since is None:
            horizon = self._clock() - HORIZON
            since = max(horizon, progress.until - OVERLAP) if progress.until else horizon
            progress = Progress(until=progress.until, since=since)
        while progress.since is not None:
            progress = await self._step(progress, walked)
            await self._store.advance(progress)
            await self._turn()
        await self._mend(walked)
        if walked.gaps or walked.put:
            log.warning("coverage_gaps", listed=walked.listed, gaps=walked.gaps, put_back=walked.put)
        else:
            log.debug("coverage_walked", listed=walked.listed)
        return walked

    async def _turn(self, long: timedelta = LEASE) -> bool:
        now = self._clock()
        return await self._store.take_turn(self._owner, now, now + long)

    async def _step(self, progress: Progress, walked: Walked) -> Progress:
        """Look at one page; where the walk stands after it. A place that is gone begins the walk anew."""
        assert progress.since is not None
        try:
            page = await self._events.page(progress.since, progress.after)
        except PlaceGone:
            return Progress(until=progress.until, since=progress.since)
        await self._look(page.events, walked)
        newest = progress.newest or (page.events[0].created if page.events else progress.until)
        if page.more and page.events:
            return Progress(progress.until, progress.since, page.events[-1].id, newest)
        return Progress(until=max(filter(None, (newest, progress.until)), default=None))

    async def _look(self, events: Sequence[Listed], walked: Walked) -> None:
        """Note what is missing of a page, and put back at once what has been missing for long enough."""
        walked.listed += len(events)
        homes = await matched(self._store, events)
        missing = {event.id: event for event in events if event.id not in homes}
        new = await self._store.note([_gap(event) for event in missing.values()]) if missing else set()
        for event in (missing[name] for name in new):
            if event.created + GRACE <= self._clock() and await self._put(event.id, event.type, event.raw):
                walked.put += 1
                await self._store.postpone(self._after_put(_gap(event)))

    async def _mend(self, walked: Walked) -> None:
        """Close the gaps that are filled, and put back those that are due."""
        gaps = await self._store.gaps(GAPS_AT_ONCE)
        homes = await self._store.homes({gap.id: gap.traces for gap in gaps}) if gaps else {}
        await self._store.close(homes)
        for gap in gaps:
            if gap.id in homes:
                continue
            walked.gaps += 1
            if gap.next_at <= self._clock():
                await self._put_again(gap, walked)

    async def _put_again(self, gap: Gap, walked: Walked) -> None:
        if gap.puts >= MOST_PUTS and self._clock() - gap.created <= HORIZON:
            log.error("coverage_gap_stays", event_id=gap.id, type=gap.type, put_back=gap.puts)
            await self._store.postpone(self._after_put(gap))
            return
        raw = await self._events.one(gap.id)
        if raw is None and self._clock() - gap.created < HORIZON:
            log.error(
                "event_not_at_stripe", event_id=gap.id, type=gap.type, meaning="our key is of the other mode or account"
            )
            await self._store.postpone(self._after_put(gap))
        elif raw is None:
            log.critical("event_out_of_reach", event_id=gap.id, type=gap.type, meaning="Stripe lists it no longer")
            await self._store.close([gap.id])
        elif await self._put(gap.id, gap.type, raw):
            walked.put += 1
            await self._store.postpone(self._after_put(gap))

    async def _put(self, event_id: str, kind: str, raw: bytes) -> bool:
        """Publish as the ingress publishes a webhook."""
        headers = {
            topology.HEADER_STRIPE_EVENT_ID: event_id,
            topology.HEADER_RECEIVED_AT: self._clock().isoformat(timespec="milliseconds"),
        }
        published = await self._queue.publish(
            topology.STRIPE, kind, raw, kind=kind, content_type=CONTENT_TYPE, headers=headers
        )
        if published.stored is not Stored.YES:
            log.warning("not_put_back", event_id=event_id, reason=published.reason)
        return published.stored is Stored.YES

    def _after_put(self, gap: Gap) -> Gap:
        pause = min(AGAIN_CAP, AGAIN_FIRST * 2 ** min(gap.puts, 10))
        return Gap(gap.id, gap.type, gap.created, gap.traces, self._clock() + pause, gap.puts + 1)


async def matched(store: Homes, events: Sequence[Listed]) -> dict[str, Home]:
    """Where each of these events is accounted for; those that are missing are not named."""
    by_rule = {event.id: Home.BY_RULE for event in events if event.traces.settled}
    sought = {event.id: event.traces for event in events if event.id not in by_rule}
    return by_rule | (await store.homes(sought) if sought else {})


def _gap(event: Listed) -> Gap:
    return Gap(event.id, event.type, event.created, event.traces, event.created + GRACE)
