"""The fakes with everything between them and the worker: time that passes, answers that get lost, a database away."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from contracts.replies import Reply
from tests.fake_gateway import FakeGateway
from tests.fake_stripe import FakeStripe
from tests.fakes import MemoryOutbox, MemoryStore
from tests.simulation.chance import Chance, Clock, Trouble
from worker.domain.archive import Surplus
from worker.domain.messages import Answer, IntentSeen, ReadFailed, Result
from worker.domain.record import Address, Announced, Call, Payment
from worker.errors import StoreUnavailable
from worker.ports import Due, Ignored, Mark, Owner, Refusal

T = TypeVar("T")

LISTS_LAG = timedelta(minutes=10)
"""How long a search may miss an intent: longer than the worker waits, so that orphans show up."""


class HostileStore:
    """See ports.Store: a database over a network, whose answers get lost before and after the work."""

    def __init__(self, store: MemoryStore, chance: Chance) -> None:
        self._store = store
        self._chance = chance

    async def by_id(self, payment_id: str) -> Payment | None:
        return await self._asked(lambda: self._store.by_id(payment_id))

    async def by_order(self, order_id: str) -> list[Payment]:
        return await self._asked(lambda: self._store.by_order(order_id))

    async def by_intent(self, intent_id: str) -> Payment | None:
        return await self._asked(lambda: self._store.by_intent(intent_id))

    async def commit(self, before: Payment | None, after: Payment) -> Payment | None:
        return await self._asked(lambda: self._store.commit(before, after), "write")

    async def mark_sent(self, marks: Sequence[Mark]) -> None:
        return await self._asked(lambda: self._store.mark_sent(marks))

    async def unsent(self, before: datetime, limit: int) -> list[Payment]:
        return await self._asked(lambda: self._store.unsent(before, limit))

    async def due(self, now: datetime, limit: int) -> list[Due]:
        return await self._asked(lambda: self._store.due(now, limit))

    async def record_refusal(self, refusal: Refusal) -> None:
        return await self._asked(lambda: self._store.record_refusal(refusal))

    async def refusal(self, message_id: str) -> Refusal | None:
        return await self._asked(lambda: self._store.refusal(message_id))

    async def archive(self, payment: Payment, moved: Surplus) -> bool:
        return await self._asked(lambda: self._store.archive(payment, moved))

    async def recall(self, payment: Payment, message_id: str) -> Payment:
        return await self._asked(lambda: self._store.recall(payment, message_id))

    async def of_user(self, user_id: str, limit: int) -> list[str]:
        return await self._asked(lambda: self._store.of_user(user_id, limit))

    async def erase_archive(self, payment_id: str, tombstone: str) -> None:
        return await self._asked(lambda: self._store.erase_archive(payment_id, tombstone))

    async def record_ignored(self, ignored: Ignored) -> None:
        return await self._asked(lambda: self._store.record_ignored(ignored))

    async def _asked(self, work: Callable[[], Awaitable[T]], kind: str = "question") -> T:
        await self._chance.while_passes()
        if self._chance.happens(0.01, f"database: a {kind} never arrived"):
            raise StoreUnavailable("before the work")
        done = await work()
        await self._chance.while_passes()
        if self._chance.happens(0.02, f"database: the answer to a {kind} is lost"):
            raise StoreUnavailable("after the work")
        return done


class HostileGateway:
    """See ports.Gateway: Stripe far away. The request is on its way for a while, and so is the answer."""

    def __init__(self, stripe: FakeStripe, clock: Clock, chance: Chance) -> None:
        self._gateway = FakeGateway(stripe, clock, chance.fault)
        self._clock = clock
        self._chance = chance

    async def send(self, call: Call, payment: Payment, chained: int) -> Answer:
        return await self._far(lambda: self._gateway.send(call, payment, chained))

    async def read(self, intent_id: str, version: int, *, for_secret: bool = False) -> IntentSeen | ReadFailed:
        return await self._far(lambda: self._gateway.read(intent_id, version, for_secret=for_secret))

    async def find(self, call: Call, payment: Payment) -> Answer:
        answer = await self._far(lambda: self._gateway.find(call, payment))
        young = self._clock() - call.sends[-1] <= LISTS_LAG
        if answer.result is Result.DONE and young and self._chance.random.random() < 0.7:
            self._chance.inject("Stripe: a list that lags")
            return replace(answer, result=Result.NOT_FOUND, intent=None)
        return answer

    async def owner(self, intent_id: str) -> Owner | ReadFailed:
        return await self._far(lambda: self._gateway.owner(intent_id))

    async def _far(self, work: Callable[[], Awaitable[T]]) -> T:
        await self._chance.while_passes()
        answer = await work()
        await self._chance.while_passes()
        return answer


class HostileOutbox:
    """See ports.Outbox: a broker that does not always take what it is given."""

    def __init__(self, outbox: MemoryOutbox, chance: Chance) -> None:
        self._outbox = outbox
        self._chance = chance

    async def publish(self, payment: Payment, events: Sequence[Announced]) -> int:
        await self._chance.while_passes()
        if self._chance.happens(0.1, "events not published"):
            return 0
        if self._chance.strikes(Trouble.UNCONFIRMED, 0.1):
            self._outbox.events += [(payment.id, event) for event in events]
            return 0
        sent = await self._outbox.publish(payment, events)
        await self._chance.while_passes()
        return sent

    async def reply(self, address: Address, reply: Reply) -> None:
        await self._chance.while_passes()
        if not self._chance.happens(0.1, "reply lost"):
            await self._outbox.reply(address, reply)
