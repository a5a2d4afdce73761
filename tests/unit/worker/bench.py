"""The production handler over the fakes, with a clock that is set by hand: what the handler's own tests begin with."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from contracts.replies import Reply
from tests.fake_account import VISA
from tests.fake_gateway import FakeGateway
from tests.fake_money import Held
from tests.fake_stripe import FakeStripe, Fault
from tests.fakes import MemoryOutbox, MemoryStore, NoCustomers
from tests.unit.worker.making import NOW, SECOND, Story, confirm, create
from worker.domain.messages import Answer, IntentSeen, News, ReadFailed
from worker.domain.policy import DEFAULT, Policy
from worker.domain.record import Call, Payment, payment_id
from worker.handler import Handler
from worker.ports import Refusal

Meanwhile = Callable[[], Awaitable[object]]


class WatchfulGateway(FakeGateway):
    """Something else happens while Stripe is asked, once: `while_sent` during the next call, `while_read` the next read."""

    while_sent: Meanwhile | None = None
    while_read: Meanwhile | None = None
    for_secrets = 0
    """Reads for a client secret that somebody waits for."""

    async def send(self, call: Call, payment: Payment, chained: int) -> Answer:
        happens, self.while_sent = self.while_sent, None
        if happens is not None:
            await happens()
        return await super().send(call, payment, chained)

    async def read(self, intent_id: str, version: int, *, for_secret: bool = False) -> IntentSeen | ReadFailed:
        self.for_secrets += for_secret
        happens, self.while_read = self.while_read, None
        if happens is not None:
            await happens()
        return await super().read(intent_id, version, for_secret=for_secret)


class RacingStore(MemoryStore):
    """Before the next commits other writers come first, one for each of `rivals`; and it counts what is looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.rivals = 0
        self.looks_beside = 0
        self.looks_for_refusals = 0

    async def refusal(self, message_id: str) -> Refusal | None:
        self.looks_for_refusals += 1
        return await super().refusal(message_id)

    async def by_order(self, order_id: str) -> list[Payment]:
        self.looks_beside += 1
        return await super().by_order(order_id)

    async def commit(self, before: Payment | None, after: Payment) -> Payment | None:
        if before is not None and self.rivals:
            self.rivals -= 1
            stored = self.payments[before.id]
            self.payments[before.id] = replace(stored, version=stored.version + 1)
        return await super().commit(before, after)


class Bench:
    """One store and one Stripe, and as many workers over them as a test needs."""

    def __init__(self, policy: Policy = DEFAULT) -> None:
        self.now: datetime = NOW
        self.fault = Fault.NONE
        self.store = RacingStore()
        self.stripe = FakeStripe()
        self.outbox = MemoryOutbox(self.store)
        self.gateway = WatchfulGateway(self.stripe, self.clock, lambda: self.fault)
        self.policy = policy
        self.handler = self.worker()

    def worker(self) -> Handler:
        return Handler(self.store, self.gateway, self.outbox, NoCustomers(), self.clock, policy=self.policy)

    def clock(self) -> datetime:
        """Every look at it is a second later."""
        self.now += SECOND
        return self.now

    def wait(self, long: timedelta) -> None:
        self.now += long

    def payment(self, number: int = 1) -> Payment:
        return self.store.payments[payment_id("order-1", number)]

    def held(self, number: int = 1) -> Held:
        """The payment's intent at Stripe."""
        (held,) = self.stripe.of(self.payment(number).id)
        return held

    def put(self, made: Story) -> None:
        """A record that a story has made, at the time at which the story is."""
        self.store.payments[made.record.id] = made.record
        self.now = max(self.now, made.now)

    async def opened(self, number: int = 1) -> Payment:
        """The order's next payment, which nobody has paid."""
        await self.handler.command(create(f"create-{number}", issued_at=self.now))
        return self.payment(number)

    async def paid(self, number: int = 1) -> Payment:
        payment = await self.opened(number)
        await self.handler.command(confirm(f"confirm-{number}", payment_id=payment.id, payment_method=VISA))
        self.stripe.news.clear()
        return self.payment(number)

    async def hear(self) -> None:
        """Everything that Stripe has to say arrives in its order."""
        while self.stripe.news:
            news: News = self.stripe.news.pop(0)
            intent_id = news.intent.id if isinstance(news, IntentSeen) else news.intent_id
            await self.handler.news(self.stripe.intents[intent_id].metadata["payment_id"], news)

    def replies(self, command_id: str) -> list[Reply]:
        return [reply for _, reply in self.outbox.replies if reply.command_id == command_id]
