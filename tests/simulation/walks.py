"""What the production coverage walk asks for, on the simulated Stripe and broker."""

from datetime import datetime

from tests.fake_coverage import MemoryCoverage, MemoryEvents, MemoryQueue
from tests.fake_customers import MemoryCustomerStore
from tests.fakes import MemoryStore
from tests.simulation.chance import Chance, Trouble
from worker.adapters.stripe_events import Page
from worker.coverage import Listed, Traces
from worker.domain.messages import IntentSeen, News
from worker.errors import StripeUnavailable
from worker.jobs.coverage import CoverageWalk
from worker.ports import Clock

EVERY_S = 20.0
"""Virtual seconds between two walks: a run lasts for minutes, and has days skipped in it."""


class HostileEvents(MemoryEvents):
    """Stripe's list, which does not always answer."""

    def __init__(self, chance: Chance) -> None:
        super().__init__(size=20)
        self._chance = chance

    async def page(self, since: datetime, after: str | None) -> Page:
        await self._chance.while_passes()
        if self._chance.strikes(Trouble.WALK, 0.05):
            raise StripeUnavailable("the list does not answer")
        return await super().page(since, after)


class Walks:
    """Stripe's list of what was sent, where it was recorded, and the queue by which what is missing comes back."""

    def __init__(self, store: MemoryStore, chance: Chance) -> None:
        self.on = Trouble.WALK in chance.troubles
        self.books = MemoryCoverage(store, MemoryCustomerStore())
        self.queue = MemoryQueue()
        self._events = HostileEvents(chance)
        self._news: dict[str, News] = {}

    def listed(self, news: News, payment_id: str, now: datetime) -> None:
        """Stripe lists an event when it happens, whatever becomes of its webhook."""
        intent = news.intent.id if isinstance(news, IntentSeen) else news.intent_id
        listed = Listed(news.message_id, news.event_type, now, Traces(payment_id, intent), news.message_id.encode())
        self._news[news.message_id] = news
        self._events.events.insert(0, listed)

    def job(self, clock: Clock) -> CoverageWalk:
        return CoverageWalk(self.books, self._events, self.queue, clock, every_s=EVERY_S)

    def put_back(self) -> list[News]:
        """What walks have put into the queue since."""
        bodies, self.queue.bodies = self.queue.bodies, []
        return [self._news[body.decode()] for body in bodies]

    async def closed(self) -> bool:
        """Whether everything that Stripe lists is accounted for."""
        sought = {event.id: event.traces for event in self._events.events}
        return len(await self.books.homes(sought)) == len(sought)
