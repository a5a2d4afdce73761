"""Two workers, a broker that delivers at least once, users, an operator, Stripe's webhooks, and one seed for all of it.

The workers are the production code, CustomerHandler and Sweeper. They are killed and started again at any await.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from contracts.replies import Verdict
from tests.fake_customers import FakeCustomerGateway, FakeCustomerStripe, MemoryCustomerStore, MemoryReplies
from tests.simulation.chance import Chance, Clock
from tests.unit.customers.customer_making import DEPLOYMENT, NOW, detach, set_default, set_up
from worker.customers import CustomerHandler
from worker.domain.customers.messages import (
    CustomerAnswer,
    CustomerChanged,
    CustomerCommand,
    CustomerRead,
    CustomerReadFailed,
)
from worker.domain.customers.record import Customer, CustomerCall, CustomerStatus, customer_id
from worker.errors import StoreUnavailable
from worker.jobs.sweeper import Sweeper
from worker.ports import Due, SetupSecret

T = TypeVar("T")

USERS = ("user-1", "user-2")
ACTS = 30
NIGHTS = (timedelta(), timedelta(minutes=3), timedelta(hours=7), timedelta(hours=21), timedelta(days=8))
FROZEN = timedelta(hours=1)
LOOKS = 400
"""Times that something may fall due before the run must have come to rest."""

ASKS = 5
"""How often a payment asks for its customer before it waits for a later day."""


class HostileCustomerStore:
    """See ports.CustomerStore: a database over a network, whose answers get lost before and after the work."""

    def __init__(self, store: MemoryCustomerStore, chance: Chance) -> None:
        self._store = store
        self._chance = chance

    async def by_id(self, customer_id: str) -> Customer | None:
        return await self._asked(lambda: self._store.by_id(customer_id))

    async def by_stripe_id(self, stripe_id: str) -> Customer | None:
        return await self._asked(lambda: self._store.by_stripe_id(stripe_id))

    async def commit(self, before: Customer | None, after: Customer) -> Customer | None:
        return await self._asked(lambda: self._store.commit(before, after))

    async def due(self, now: datetime, limit: int) -> list[Due]:
        return await self._asked(lambda: self._store.due(now, limit))

    async def _asked(self, work: Callable[[], Awaitable[T]]) -> T:
        await self._chance.while_passes()
        if self._chance.happens(0.01, "database: a question never arrived"):
            raise StoreUnavailable("before the work")
        done = await work()
        await self._chance.while_passes()
        if self._chance.happens(0.02, "database: an answer is lost"):
            raise StoreUnavailable("after the work")
        return done


class HostileCustomerGateway:
    """See ports.CustomerGateway: Stripe far away. The request is on its way for a while, and so is the answer."""

    def __init__(self, stripe: FakeCustomerStripe, clock: Clock, chance: Chance) -> None:
        self._gateway = FakeCustomerGateway(stripe, clock, chance.fault)
        self._chance = chance

    async def send(self, call: CustomerCall, customer: Customer, chained: int) -> CustomerAnswer:
        return await self._far(lambda: self._gateway.send(call, customer, chained))

    async def read(self, stripe_id: str, version: int) -> CustomerRead | CustomerReadFailed:
        return await self._far(lambda: self._gateway.read(stripe_id, version))

    async def find(self, call: CustomerCall, customer: Customer) -> CustomerAnswer:
        return await self._far(lambda: self._gateway.find(call, customer))

    async def secret(self, setup_intent: str) -> SetupSecret | CustomerReadFailed:
        return await self._far(lambda: self._gateway.secret(setup_intent))

    async def _far(self, work: Callable[[], Awaitable[T]]) -> T:
        await self._chance.while_passes()
        answer = await work()
        await self._chance.while_passes()
        return answer


class Worker:
    """One process: what it does stops where it is when the process dies."""

    def __init__(self, world: "World") -> None:
        store = HostileCustomerStore(world.store, world.chance)
        gateway = HostileCustomerGateway(world.stripe, world.clock, world.chance)
        replies = world.replies
        self.handler = CustomerHandler(store, gateway, replies, replies, world.clock, deployment=DEPLOYMENT)
        sweeper = Sweeper(store, self.handler, world.clock)
        self.tasks: list[asyncio.Task[Any]] = [asyncio.create_task(sweeper.run())]

    def do(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.create_task(work)
        self.tasks.append(task)
        task.add_done_callback(self.tasks.remove)
        return task

    async def die(self) -> None:
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass
class World:
    """One run."""

    seed: int
    stripe: FakeCustomerStripe = field(default_factory=FakeCustomerStripe)
    store: MemoryCustomerStore = field(default_factory=MemoryCustomerStore)
    replies: MemoryReplies = field(default_factory=MemoryReplies)
    commands: list[CustomerCommand] = field(default_factory=list)
    given: list[tuple[str, str]] = field(default_factory=list)
    lost: list[CustomerChanged] = field(default_factory=list)
    broken: list[BaseException] = field(default_factory=list)
    underway: set["asyncio.Task[Any]"] = field(default_factory=set)
    stalled: bool = False

    def __post_init__(self) -> None:
        self.chance = Chance(self.seed)
        self.clock = Clock(NOW)

    async def run(self) -> None:
        """Bad times, then calm, until nothing is open."""
        self.workers = [Worker(self), Worker(self)]
        for user in USERS:
            self._start(self._payment(user))
            self._start(self._payment(user))
        for _ in range(ACTS):
            await asyncio.sleep(self.chance.random.uniform(0, 0.7))
            await self._something()
        self.chance.calm = True
        await self._rest()
        for worker in self.workers:
            await worker.die()

    async def _something(self) -> None:
        """One of the things that happen: a command, a user, an operator, a death, a night."""
        random, user = self.chance.random, self.chance.random.choice(USERS)
        number, issued = len(self.commands), self.clock()
        match random.choice(
            ("payment", "set up", "set up", "default", "detach", "again", "save", "save", "operator", "die", "night")
        ):
            case "payment":
                self._start(self._payment(user))
            case "set up":
                self._send(set_up(f"set-up-{number}", user_id=user, issued_at=issued))
            case "default":
                name = self._some_method()
                self._send(set_default(f"default-{number}", user_id=user, issued_at=issued, payment_method=name))
            case "detach":
                name = self._some_method()
                self._send(detach(f"detach-{number}", user_id=user, issued_at=issued, payment_method=name))
            case "again" if self.commands:
                self._deliver(random.choice(self.commands))
            case "save":
                self._save()
            case "operator":
                self._operate(user)
            case "die":
                await self._kill(random.randrange(2))
            case "night":
                await self._night(random.choice(NIGHTS))

    def _some_method(self) -> str:
        """Anybody's method, or nobody's."""
        known = [name for held in self.stripe.customers.values() for name in held.methods]
        return self.chance.random.choice([*known, *self.stripe.detached, "pm_nobody"])

    def _save(self) -> None:
        """A user saves a card, by a set-up or with a payment: either has the customer's id from a record."""
        known = [one.stripe_id for one in self.store.customers.values()]
        living = [held.id for held in self.stripe.customers.values() if not held.deleted and held.id in known]
        fresh = [one.id for one in self.stripe.setups.values() if not one.succeeded and one.customer in living]
        if fresh:
            self.stripe.save(self.chance.random.choice(fresh))
        elif living:
            self.stripe.attach(self.chance.random.choice(living))

    def _operate(self, user: str) -> None:
        """In the dashboard a method or a customer is removed; or the user is erased."""
        random = self.chance.random
        living = [held for held in self.stripe.customers.values() if not held.deleted]
        some = random.choice(living) if living else None
        match random.choice(("erase", "remove", "remove", "delete")):
            case "erase":
                self._start(self._until_done(lambda handler: handler.erase(user)))
            case "remove" if some and some.methods:
                self.stripe.remove(some.id, random.choice(some.methods))
            case "delete" if some:
                self.stripe.delete(some.id)

    def _send(self, command: CustomerCommand) -> None:
        self.commands.append(command)
        self._deliver(command)

    def _deliver(self, message: CustomerCommand | CustomerChanged) -> None:
        self._send_webhooks()
        if isinstance(message, CustomerChanged):
            self._start(self._until_done(lambda handler: handler.news(message)))
        else:
            self._start(self._until_done(lambda handler: handler.command(message)))

    async def _payment(self, user: str) -> None:
        """A payment needs the user's customer, and asks until it is there or the user is erased."""
        issued = self.clock()
        for _ in range(ASKS):
            found = await self._until_done(lambda handler: handler.ensure(user, issued))
            if found is not None:
                self.given.append((user, found))
                return
            await asyncio.sleep(60)

    async def _until_done(self, work: Callable[[CustomerHandler], Coroutine[Any, Any, T]]) -> T | None:
        """The broker's part: whoever dies or fails over it, it comes again; an ack may get lost, too."""
        done: T | None = None
        acked = False
        while not acked:
            await self.chance.while_passes()
            worker = self.chance.random.choice(self.workers)
            task = worker.do(work(worker.handler))
            try:
                done = await task
                acked = not self.chance.happens(0.1, "ack lost")
            except StoreUnavailable:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                if not task.cancelled():
                    raise
            except Exception as error:  # noqa: BLE001 - whatever it is, the run has failed
                self.broken.append(error)
                acked = True
            self._send_webhooks()
        return done

    def _send_webhooks(self) -> None:
        """Stripe sends what is new: some late, some twice, and few not at all."""
        news, self.stripe.news = self.stripe.news, []
        for message in news:
            if self.chance.happens(0.05, "webhook lost"):
                self.lost.append(message)
                continue
            self._start(self._late(message))
            if self.chance.happens(0.1, "webhook twice"):
                self._start(self._late(message))

    async def _late(self, message: CustomerChanged) -> None:
        await asyncio.sleep(self.chance.random.choice((0, 0, 1, 5, 200)))
        await self._until_done(lambda handler: handler.news(message))

    def _start(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self.underway.add(task)
        task.add_done_callback(self.underway.discard)

    async def _night(self, long: timedelta) -> None:
        """Time passes. No worker stands still for longer than Stripe keeps a key: in a long night they all die.

        In a short one a request may be on its way for longer than the search around its send looks.
        """
        self.stalled |= timedelta() < long < FROZEN
        if long > FROZEN:
            for _ in self.workers:
                await self._kill(0)
                self.workers.reverse()
        self.clock.skip(long)

    async def _kill(self, place: int) -> None:
        self.chance.inject("worker dies")
        dead, self.workers[place] = self.workers[place], Worker(self)
        await dead.die()

    async def _rest(self) -> None:
        """Wait until every delivery is acked, hear of what was lost, and skip to the next thing that is due."""
        for _ in range(LOOKS):
            lost, self.lost = self.lost, []
            for message in lost:
                self._start(self._late(message))
            self._send_webhooks()
            while self.underway:
                await asyncio.wait(self.underway)
            await asyncio.sleep(2.5)
            waits = [one.check_at for one in self.store.customers.values() if one.check_at is not None]
            if not waits and not self.stripe.news:
                return
            if waits:
                self.clock.skip(max(min(waits) - self.clock(), timedelta()))
        raise AssertionError(f"not at rest after {LOOKS} looks")


def judge(world: World) -> None:
    """What must hold once all is at rest, by Stripe's ledger."""
    assert not world.broken, world.broken
    assert not world.stripe.stolen, "a method was detached for somebody else"
    for user in USERS:
        name = customer_id(DEPLOYMENT, user)
        record = world.store.customers[name]
        living = {held.id for held in world.stripe.living(name, DEPLOYMENT)}
        assert world.stalled or not living & set(record.strays), "two customers, although every search was in time"
        living -= set(record.strays)
        if record.status is CustomerStatus.ACTIVE:
            assert living == {record.stripe_id}, "not one customer, and ours"
            assert record.methods == world.stripe.read(record.stripe_id or ""), "we show what Stripe does not hold"
        else:
            assert record.status in {CustomerStatus.ABSENT, CustomerStatus.ERASED}, record.status
            assert not living, "a customer that nobody knows"
    for user, given in world.given:
        mark = world.stripe.customers[given].metadata
        assert mark == {"customer_id": customer_id(DEPLOYMENT, user), "deployment": DEPLOYMENT}, "somebody else's"
    keys = [setup.key for setup in world.stripe.setups.values()]
    assert len(set(keys)) == len(keys), "one set-up, two SetupIntents"
    _judge_commands(world)
    assert "secret" not in str(world.store.customers)


def _judge_commands(world: World) -> None:
    """Every command is recorded once, and has one answer."""
    for command in world.commands:
        record = world.store.customers.get(customer_id(DEPLOYMENT, command.user_id))
        recorded = record is not None and record.entry(command.message_id) is not None
        refused = command.message_id in world.replies.refusals
        assert recorded or refused, f"{command.message_id} has vanished"
        verdicts = {reply.verdict for _, reply in world.replies.replies if reply.command_id == command.message_id}
        assert not {Verdict.ACCEPTED, Verdict.REFUSED} <= verdicts or refused, f"two answers to {command.message_id}"
