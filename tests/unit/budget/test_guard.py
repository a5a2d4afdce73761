"""The line to Stripe with the official SDK and the simulator: what is kept back, what is counted, what opens the breaker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sandbox.stripe.app import create_app
from sandbox.stripe.faults import Shot, read_fault
from sandbox.stripe.server import Running, serve
from tests.unit.customers.customer_making import CustomerStory, ensure
from tests.unit.worker.making import create
from worker.adapters import budget as budgets
from worker.adapters.breaker import THRESHOLD, Breaker, State
from worker.adapters.budget import OF_CALL, OF_CUSTOMER_CALL, Budget, Priority
from worker.adapters.customer_gateway import StripeCustomerGateway
from worker.adapters.gateway import StripeGateway
from worker.adapters.guard import GuardedCustomerGateway, GuardedGateway
from worker.adapters.line import Line, MeteredClient
from worker.domain.customers.messages import CustomerReadFailed
from worker.domain.customers.record import CustomerOperation
from worker.domain.effects import Send
from worker.domain.messages import Answer, IntentSeen, ReadFailed, Result
from worker.domain.payment import decide
from worker.domain.record import Call, Operation, Payment

KEY = "sk_test_123"


class Counting(Budget):
    """A budget that notes who took places."""

    def __init__(self, rate: int = 1000) -> None:
        super().__init__(rate)
        self.asked: list[Priority] = []
        self.shut = False

    async def place(self, priority: Priority, patience_s: float = budgets.PATIENCE_S) -> bool:
        self.asked.append(priority)
        return not self.shut and await super().place(priority, patience_s)


class Subject:
    """Both gateways behind one line."""

    def __init__(self, run: Running) -> None:
        self.run = run
        self.budget = Counting()
        self.line = Line(self.budget, Breaker())
        self.bare = StripeGateway(KEY, run.address, MeteredClient(self.line))
        self.gateway = GuardedGateway(self.bare, self.line)
        self.customers = GuardedCustomerGateway(StripeCustomerGateway(self.bare.client), self.line)

    @property
    def requests(self) -> int:
        return len(list(self.run.simulator.api.requests))

    def closed(self) -> bool:
        return self.line.breaker.state is State.CLOSED

    def fault(self, kind: str, times: int) -> None:
        self.run.simulator.faults.queue(Shot(read_fault(kind), "*", "/v1/*", times=times))


@asynccontextmanager
async def subject_of(run: Running) -> AsyncIterator[Subject]:
    made = Subject(run)
    yield made
    await made.bare.close()


@pytest.fixture
async def subject() -> AsyncIterator[Subject]:
    async with serve(create_app(seed=1, api_key=KEY)) as running, subject_of(running) as made:
        yield made


def creating() -> tuple[Payment, Call]:
    """A create that is being sent now."""
    now = datetime.now(UTC)
    decision = decide(None, create(issued_at=now), now)
    assert decision.payment is not None
    assert isinstance(decision.effect, Send)
    return decision.payment, decision.effect.call


async def made(subject: Subject) -> tuple[Answer, Payment, Call]:
    payment, call = creating()
    return await subject.gateway.send(call, payment, 3), payment, call


def test_every_call_has_its_priority() -> None:
    """Each operation has its place in the order: capture and confirm, then create, cancel, refund, and reads at the end."""
    assert set(OF_CALL) == set(Operation)
    assert set(OF_CUSTOMER_CALL) == set(CustomerOperation)
    payments = sorted((OF_CALL[one], one) for one in Operation)
    assert [one for _, one in payments if one in {"capture", "confirm"}] == [one for _, one in payments][:2]
    order = [OF_CALL[one] for one in (Operation.CONFIRM, Operation.CREATE, Operation.CANCEL, Operation.REFUND)]
    assert [*order, Priority.READ] == list(Priority)


async def test_a_call_takes_one_place(subject: Subject) -> None:
    """A call that Stripe answers at once costs one place, by its own priority."""
    answer, _, _ = await made(subject)
    assert (answer.result, answer.chained) == (Result.DONE, 3)
    assert subject.budget.asked == [Priority.CREATE]
    assert subject.requests == 1


async def test_every_request_takes_a_place(subject: Subject) -> None:
    """The retry of the SDK and the further requests of a read take places of their own: as many as Stripe was asked."""
    subject.fault("503", 1)
    answer, payment, call = await made(subject)
    assert answer.intent is not None
    await subject.gateway.read(answer.intent.id, payment.version)
    await subject.gateway.find(call, payment)
    await subject.gateway.owner(answer.intent.id)
    assert len(subject.budget.asked) == subject.requests == 5
    assert subject.budget.asked[:2] == [Priority.CREATE] * 2
    assert set(subject.budget.asked[2:]) == {Priority.READ}


async def test_a_secret_that_somebody_waits_for_goes_with_the_creates(subject: Subject) -> None:
    """Who repeats a create in an overload gets the client secret in its turn, not when all else is done."""
    answer, payment, _ = await made(subject)
    assert answer.intent is not None
    seen = await subject.gateway.read(answer.intent.id, payment.version, for_secret=True)
    assert isinstance(seen, IntentSeen)
    assert seen.intent.client_secret == answer.intent.client_secret
    assert subject.budget.asked == [Priority.CREATE] * 2


async def test_without_a_place_nothing_is_sent(subject: Subject) -> None:
    """Each kind of call is then answered as not executed, by name, and Stripe hears of none."""
    subject.budget.shut = True
    answer, payment, call = await made(subject)
    assert (answer.result, answer.problem and answer.problem.code, answer.chained) == (Result.HELD_BACK, "budget", 3)
    assert (await subject.gateway.find(call, payment)).result is Result.NOT_EXECUTED
    assert await subject.gateway.read("pi_1", 0) == ReadFailed(reason="budget")
    assert await subject.gateway.owner("pi_1") == ReadFailed(reason="budget")
    assert subject.requests == 0


async def test_a_retry_without_a_place_leaves_the_call_unknown(subject: Subject) -> None:
    """When the first request was lost and there is no place for the second, nobody says that nothing was done."""
    subject.fault("reset_after", 1)
    payment, call = creating()
    sending = asyncio.create_task(subject.gateway.send(call, payment, 0))
    while not subject.run.simulator.faults.state()["fired"]:  # noqa: ASYNC110 - the simulator tells nobody
        await asyncio.sleep(0.001)
    subject.budget.shut = True
    assert (await sending).result is Result.UNKNOWN
    assert len(subject.run.simulator.world.payment_intents) == 1


async def test_an_outage_opens_the_breaker_and_an_answer_closes_it(subject: Subject) -> None:
    """After ten failures nothing is sent and all is answered at once; one probe finds Stripe back, and the same key is done."""
    subject.fault("503", 1000)
    payment, call = creating()
    crowd = (replace(call, key=f"key-{number}") for number in range(THRESHOLD // 2))  # each is tried twice
    await asyncio.gather(*(subject.gateway.send(one, payment, 0) for one in crowd))
    assert not subject.closed()
    asked = subject.requests
    assert asked == THRESHOLD
    kept = [await subject.gateway.send(call, payment, 0) for _ in range(5)]
    assert {(one.result, one.problem and one.problem.code) for one in kept} == {(Result.HELD_BACK, "stripe_away")}
    assert await subject.gateway.read("pi_1", 0) == ReadFailed(reason="stripe_away")
    assert subject.requests == asked
    subject.run.simulator.faults.clear()
    while (await subject.gateway.send(call, payment, 0)).result is not Result.DONE:  # noqa: ASYNC110 - a pause tells nobody
        await asyncio.sleep(0.02)
    assert subject.closed()
    assert subject.requests == asked + 1


@pytest.mark.parametrize("kind", ["429", "500"])
async def test_what_stripe_answers_is_no_outage(subject: Subject, kind: str) -> None:
    """Refusals for the rate keep the breaker closed and slow the budget down; server errors do the opposite."""
    subject.fault(kind, THRESHOLD + 5)
    for _ in range(THRESHOLD):
        await made(subject)
    assert subject.closed() is (kind == "429")
    assert bool(subject.budget.slowed_down) is (kind == "429")


async def test_a_canceled_call_gives_its_permit_back(subject: Subject) -> None:
    """A probe that is canceled on its way does not keep the next one out."""
    for _ in range(THRESHOLD):
        subject.line.breaker.failed("told to")
    subject.line.breaker._probe_at = 0
    subject.run.simulator.faults.queue(Shot(read_fault("latency", 60_000), "*", "/v1/*"))
    payment, call = creating()
    probe = asyncio.create_task(subject.gateway.send(call, payment, 0))
    while not subject.run.simulator.faults.state()["fired"]:  # noqa: ASYNC110 - the simulator tells nobody
        await asyncio.sleep(0.001)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert subject.line.breaker.admits


async def test_customers_go_over_the_same_line(subject: Subject) -> None:
    """A customer's calls and reads take places, and are kept back by name like a payment's."""
    story = CustomerStory()
    story.tell(ensure())
    call = replace(story.head, sends=(datetime.now(UTC),))
    done = await subject.customers.send(call, story.record, 0)
    assert done.result is Result.DONE
    await subject.customers.read(str(done.made), 0)
    await subject.customers.secret("seti_none")
    assert len(subject.budget.asked) == subject.requests == 4
    subject.budget.shut = True
    asked = subject.requests
    kept = await subject.customers.send(call, story.record, 2)
    assert (kept.result, kept.problem and kept.problem.code, kept.chained) == (Result.HELD_BACK, "budget", 2)
    assert (await subject.customers.find(call, story.record)).result is Result.NOT_EXECUTED
    assert await subject.customers.read("cus_1", 0) == CustomerReadFailed(reason="budget")
    assert await subject.customers.secret("seti_1") == CustomerReadFailed(reason="budget")
    assert subject.requests == asked


async def test_a_request_outside_of_a_call_is_counted(subject: Subject) -> None:
    """Whoever uses the SDK's client beside the gateways waits in the same line, as a read."""
    await subject.bare.client.v1.balance.retrieve_async()
    assert subject.budget.asked == [Priority.READ]
    seen = await subject.gateway.read("pi_none", 0)
    assert not isinstance(seen, IntentSeen)
    assert seen.lost
