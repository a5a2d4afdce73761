"""The loop around the customer's core, on fakes: who is told what, and what a crash leaves."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from contracts.replies import RefusalCode, Reply, Verdict
from tests.fake_customers import FakeCustomerGateway, FakeCustomerStripe, MemoryCustomerStore, MemoryReplies
from tests.fake_stripe import Fault
from tests.unit.customers.customer_making import (
    CUSTOMER,
    DEPLOYMENT,
    NOW,
    USER,
    changed,
    detach,
    set_default,
    set_up,
)
from worker.customers import CustomerHandler
from worker.domain.customers.record import Customer, CustomerStatus
from worker.domain.record import Outcome
from worker.errors import StepsExhausted, StoreUnavailable


class Crash(Exception):
    """The process ends here."""


class FragileStore(MemoryCustomerStore):
    """Dies at a chosen write, before or after it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.dies_before = self.dies_after = 0

    async def commit(self, before: Customer | None, after: Customer) -> Customer | None:
        self.writes += 1
        if self.writes == self.dies_before:
            raise Crash
        stored = await super().commit(before, after)
        if self.writes == self.dies_after:
            raise Crash
        return stored


@dataclass
class World:
    """One handler, and all that it talks to."""

    now: datetime = NOW
    fault: Fault = Fault.NONE
    store: FragileStore = field(default_factory=FragileStore)
    stripe: FakeCustomerStripe = field(default_factory=FakeCustomerStripe)
    replies: MemoryReplies = field(default_factory=MemoryReplies)

    def handler(self) -> CustomerHandler:
        gateway = FakeCustomerGateway(self.stripe, lambda: self.now, lambda: self.fault)
        return CustomerHandler(self.store, gateway, self.replies, self.replies, self.clock, deployment=DEPLOYMENT)

    def clock(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    async def settle(self) -> None:
        """Let the sweeper do what is due until nothing is."""
        for _ in range(50):
            waits = [one.check_at for one in self.store.customers.values() if one.check_at]
            if not waits:
                return
            self.now = max(self.now, *waits)
            for due in await self.store.due(self.now, 10):
                await self.handler().tick(due.id)
        raise AssertionError("not at rest")

    async def saved(self) -> str:
        """A user with one saved card."""
        stripe_id = await self.handler().ensure(USER)
        assert stripe_id is not None
        method = self.stripe.attach(stripe_id)
        await self.tell_news()
        return method

    async def tell_news(self) -> None:
        news, self.stripe.news = self.stripe.news, []
        for one in news:
            await self.handler().news(one)

    @property
    def record(self) -> Customer:
        return self.store.customers[CUSTOMER]

    @property
    def last(self) -> Reply:
        return self.replies.replies[-1][1]


async def test_a_customer_is_made_once_and_found_then() -> None:
    """The first need makes the customer, the next ones find it without a request or a write."""
    world = World()
    first = await world.handler().ensure(USER)
    writes = world.store.writes
    assert await world.handler().ensure(USER) == first
    assert world.store.writes == writes
    assert [held.id for held in world.stripe.living(CUSTOMER, DEPLOYMENT)] == [first]


async def test_a_customer_is_not_there_while_stripe_is_away() -> None:
    """While Stripe is away the need is remembered and None; when it is back the sweeper makes the customer."""
    world = World(fault=Fault.UNAVAILABLE)
    assert await world.handler().ensure(USER) is None
    assert world.record.check_at is not None
    world.fault = Fault.NONE
    await world.settle()
    assert await world.handler().ensure(USER) == world.record.stripe_id


async def test_a_database_away_is_said_to_be() -> None:
    """Without the database a need is no answer but an error, for later."""
    world = World()
    world.store.away = True
    with pytest.raises(StoreUnavailable):
        await world.handler().ensure(USER)


async def test_a_set_up_is_answered_with_its_secret() -> None:
    """The reply carries the secret and the user's methods; a duplicate's does too; the database never."""
    world = World()
    report = await world.handler().command(set_up())
    assert (world.last.verdict, world.last.client_secret) == (Verdict.ACCEPTED, "seti_3_secret_1")
    assert world.last.customer is not None
    assert world.last.customer.user_id == USER
    assert report.told == ["set-up-1:accepted"]
    again = await world.handler().command(set_up())
    assert (world.last.client_secret, again.outcome, again.calls) == ("seti_3_secret_1", Outcome.STALE, [])
    assert len(world.stripe.setups) == 1
    assert "secret" not in str(world.store.customers)


async def test_a_secret_that_cannot_be_read_is_pending() -> None:
    """A duplicate while Stripe is away is told to ask again; after the user has confirmed there is no secret to tell."""
    world = World()
    await world.handler().command(set_up())
    world.fault = Fault.UNAVAILABLE
    await world.handler().command(set_up())
    assert (world.last.verdict, world.last.client_secret) == (Verdict.PENDING, None)
    world.fault = Fault.NONE
    world.stripe.save("seti_3")
    await world.handler().command(set_up())
    assert (world.last.verdict, world.last.client_secret) == (Verdict.ACCEPTED, None)


async def test_a_set_up_while_stripe_is_away_is_pending_and_told_later() -> None:
    """Its sender hears pending at once, and the secret when it is there."""
    world = World(fault=Fault.LOST_BEFORE)
    await world.handler().command(set_up())
    assert world.last.verdict is Verdict.PENDING
    world.fault = Fault.NONE
    await world.settle()
    assert (world.last.verdict, bool(world.last.client_secret)) == (Verdict.ACCEPTED, True)


async def test_saving_choosing_and_forgetting_a_method() -> None:
    """A saved method is shown, becomes the default, and is gone after the detach, here and at Stripe."""
    world = World()
    method = await world.saved()
    assert [shown.payment_method for shown in (await world.handler().view(USER)).methods] == [method]
    await world.handler().command(set_default(payment_method=method))
    assert world.last.customer is not None
    assert world.last.customer.methods[0].default
    assert world.stripe.customers[world.record.stripe_id or ""].default == method
    await world.handler().command(detach(payment_method=method))
    assert world.last.customer is not None
    assert world.last.customer.methods == ()
    assert method in world.stripe.detached
    await world.tell_news()
    assert world.record.check_at is None


async def test_a_strangers_method_is_refused_and_untouched() -> None:
    """Another user's method is refused by name, and stays where it is."""
    world = World()
    other = await world.handler().ensure("user-2")
    assert other is not None
    theirs = world.stripe.attach(other)
    await world.saved()
    await world.handler().command(detach(payment_method=theirs))
    assert world.last.refusal is not None
    assert world.last.refusal.code is RefusalCode.UNKNOWN_METHOD
    assert world.stripe.customers[other].methods == [theirs]


async def test_a_refusal_without_a_record_is_kept() -> None:
    """A detach for a user of whom nothing is known is refused, and the refusal is kept beside."""
    world = World()
    report = await world.handler().command(detach())
    assert (report.customer_id, report.outcome) == (None, Outcome.REFUSED)
    assert world.replies.refusals["detach-1"].code == "unknown_payment_method"
    assert not world.store.customers


async def test_news_of_nobody_is_said_to_be() -> None:
    """A webhook about a customer that is not ours changes nothing and says so."""
    report = await World().handler().news(changed(stripe_id="cus_nobody"))
    assert (report.customer_id, report.why) == (None, "no customer of ours")


async def test_a_view_of_nobody_is_empty() -> None:
    """A user that is not known, or was erased, has saved nothing."""
    world = World()
    assert (await world.handler().view(USER)).methods == ()
    await world.saved()
    await world.handler().erase(USER)
    view = await world.handler().view(USER)
    assert (view.user_id, view.methods) == (USER, ())


async def test_an_erased_user_is_gone_at_stripe() -> None:
    """The erasure deletes the customer, repeating it changes nothing, and the user's name is nowhere in the record."""
    world = World()
    await world.saved()
    await world.handler().command(set_up())
    await world.handler().erase(USER)
    await world.handler().erase(USER)
    assert world.record.status is CustomerStatus.ERASED
    assert world.stripe.living(CUSTOMER, DEPLOYMENT) == []
    assert USER not in str(world.record)
    await world.tell_news()
    assert world.record.status is CustomerStatus.ERASED


async def test_an_erasure_while_stripe_is_away_is_done_later() -> None:
    """What is here is forgotten at once; the customer is deleted when Stripe is back, and nobody gets one meanwhile."""
    world = World()
    await world.saved()
    world.fault = Fault.STORED
    await world.handler().erase(USER)
    assert world.record.status is CustomerStatus.ERASING
    assert await world.handler().ensure(USER) is None
    world.fault = Fault.NONE
    await world.settle()
    assert world.stripe.living(CUSTOMER, DEPLOYMENT) == []
    assert await world.handler().ensure(USER) is not None


async def test_an_old_payment_of_an_erased_user_gets_no_customer() -> None:
    """A payment of before the erasure gets none, not even when the user has come back."""
    world = World()
    await world.handler().erase(USER)
    assert await world.handler().ensure(USER, issued_at=NOW) is None
    assert await world.handler().ensure(USER, issued_at=world.now + timedelta(seconds=1)) is not None
    assert await world.handler().ensure(USER, issued_at=NOW) is None


STORIES: dict[str, Callable[[World, str], Awaitable[object]]] = {
    "ensure": lambda world, _: world.handler().ensure(USER),
    "set up": lambda world, _: world.handler().command(set_up()),
    "set default": lambda world, method: world.handler().command(set_default(payment_method=method)),
    "detach": lambda world, method: world.handler().command(detach(payment_method=method)),
    "erase": lambda world, _: world.handler().erase(USER),
}


@pytest.mark.parametrize("where", ["dies_before", "dies_after"])
@pytest.mark.parametrize("write", [1, 2])
@pytest.mark.parametrize("name", STORIES)
async def test_a_crash_at_any_write_changes_nothing_in_the_end(name: str, write: int, where: str) -> None:
    """Wherever the process dies, a second delivery or the sweeper ends the work, once."""
    world = World()
    method = "" if name in {"ensure", "set up"} else await world.saved()
    setattr(world.store, where, world.store.writes + write)
    with pytest.raises(Crash):
        await STORIES[name](world, method)
    await STORIES[name](world, method)
    await world.settle()
    await world.tell_news()
    living = world.stripe.living(CUSTOMER, DEPLOYMENT)
    assert len(living) == (0 if name == "erase" else 1)
    assert len(world.stripe.setups) == (1 if name == "set up" else 0)
    if method and living:
        assert (method in world.stripe.detached) == (name == "detach")
        assert (living[0].default == method) == (name == "set default")
        assert [shown.default for shown in world.record.methods] == [True] * (name == "set default")


async def test_two_at_once_make_one_customer() -> None:
    """Two workers that meet the same user at once make one customer, and both hear of it in the end."""
    world = World()
    found = await asyncio.gather(*(world.handler().ensure(USER) for _ in range(5)))
    await world.settle()
    (held,) = world.stripe.living(CUSTOMER, DEPLOYMENT)
    assert set(found) <= {held.id, None}
    assert await world.handler().ensure(USER) == held.id


class BusyStore(MemoryCustomerStore):
    """Somebody else is always first."""

    async def commit(self, before: Customer | None, after: Customer) -> Customer | None:
        return None if before is None and after.id else await super().commit(before, after)


async def test_a_loop_that_never_ends_is_stopped() -> None:
    """A write that is lost again and again ends as an error, for later."""
    world = World()
    gateway = FakeCustomerGateway(world.stripe, world.clock, lambda: Fault.NONE)
    replies = MemoryReplies()
    handler = CustomerHandler(BusyStore(), gateway, replies, replies, world.clock, deployment=DEPLOYMENT)
    with pytest.raises(StepsExhausted, match="ensure took more than"):
        await handler.ensure(USER)
