"""Two workers, a broker that delivers at least once, customers, Stripe's webhooks, and one seed for all of it.

The workers are the production code: Handler, Sweeper, Relay and CoverageWalk. They are killed and started again at any await.
"""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from contracts.commands import CaptureMethod, Resolution
from contracts.events import Case, Remedy
from contracts.replies import Verdict
from tests.fake_account import CANCELABLE, METHODS
from tests.fake_stripe import FakeStripe
from tests.fakes import MemoryOutbox
from tests.outside import happens
from tests.promises import (
    agrees,
    assert_announced_has_happened,
    assert_money_moves_once,
    assert_settled,
)
from tests.simulation.chance import Chance, Clock, Trouble
from tests.simulation.simulated_worker import Surroundings, WatchedStore, Worker
from tests.simulation.walks import Walks
from tests.unit.worker.making import (
    AMOUNT,
    NOW,
    accept,
    cancel,
    cancel_order,
    capture,
    confirm,
    create,
    evidence,
    refund,
    resolve,
)
from worker.domain.messages import Cancel, Command, Create, IntentSeen, News
from worker.domain.policy import DEFAULT, Course, Policy
from worker.domain.record import FINAL, Payment, Status, payment_id
from worker.errors import StoreUnavailable
from worker.handler import Handler, Report

ORDERS = ("order-1", "order-2")
ACTS = 32
"""Commands and customers' acts in one run; more would take longer and show no more."""

NIGHTS = (timedelta(), timedelta(minutes=3), timedelta(hours=7), timedelta(hours=21), timedelta(days=8))
FROZEN = timedelta(hours=1)
LOOKS = 400
"""Times that something may fall due before the run must have come to rest."""

STORM = 12
"""Deliveries that come again at once."""

LATE_S = (0, 0, 1, 5, 200)

THINGS = (
    *("create", "confirm", "confirm", "cancel", "again", "again", "customer", "customer", "die", "night"),
    *("money", "money", "privileged", "privileged", "privileged"),
)

POLICIES = (
    DEFAULT,
    Policy({case: Course(Remedy.REFUND, refund_below=AMOUNT) for case in Case}),
    Policy(dict.fromkeys(Case, Course(Remedy.REFUND))),
)
"""What is done about late and strange money: somebody is asked, a part or all of it goes back."""

Delivery = Command | News


class World:
    """One run."""

    def __init__(self, seed: int, *, tame: bool = False) -> None:
        self.chance = Chance(seed, tame=tame)
        self.clock = Clock(NOW)
        self.store = WatchedStore()
        self.stripe = FakeStripe()
        self.outbox = MemoryOutbox(self.store)
        self.manual = self.chance.random.random() < 0.3
        self.with_customer = self.chance.random.random() < 0.2
        self.policy = self.chance.random.choice(POLICIES)
        self.walks = Walks(self.store, self.chance)
        self.commands: list[Command] = []
        self.delivered: list[Delivery] = []
        self.born = 0
        self.lost: list[News] = []
        self.broken: list[BaseException] = []
        self.underway: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Bad times, then calm, until nothing is open."""
        self.workers = [self._worker(), self._worker()]
        for order in ORDERS:
            self._send(self._create(f"create-{order}", order, self.clock()))
        for _ in range(ACTS):
            await asyncio.sleep(self.chance.random.uniform(0, 0.7))
            await self._something()
            self._trouble()
        self.chance.calm = True
        self.chance.tell("calm: faults are over")
        await self._rest()
        for worker in self.workers:
            await worker.die()

    def _worker(self) -> Worker:
        self.born += 1
        around = Surroundings(self.chance, self.clock, self.store, self.stripe, self.outbox, self.walks, self.policy)
        return Worker(around, f"worker-{self.born}")

    def _trouble(self) -> None:
        """What only some runs have: a storm of redeliveries, a connection that is cut, a clock that leaps."""
        chance = self.chance
        if chance.strikes(Trouble.STORM, 0.06):
            for again in chance.wild.choices(self.delivered, k=STORM):
                self._deliver(again)
        if chance.strikes(Trouble.CUT, 0.1):
            chance.wild.choice(self.workers).cut()
        if Trouble.CLOCKS in chance.troubles and chance.wild.random() < 0.1:
            chance.wild.choice(self.workers).set_clock()

    async def _something(self) -> None:
        """One of the things that happen: a command, a customer, a death, a night."""
        random, order = self.chance.random, self.chance.random.choice(ORDERS)
        number, issued = len(self.commands), self.clock() - random.choice((0, 0, 1, 30)) * timedelta(seconds=1)
        existing = [p for p in self.store.payments.values() if p.order_id == order]
        newest = max(existing, key=lambda payment: payment.number, default=None)
        name = newest.id if newest else payment_id(order, 1)
        match random.choice(THINGS):
            case "create":
                self._send(self._create(f"create-{number}", order, issued))
            case "confirm":
                method = random.choice(METHODS)
                self._send(confirm(f"confirm-{number}", payment_id=name, payment_method=method, issued_at=issued))
            case "cancel" if random.random() < 0.5:
                self._send(cancel(f"cancel-{number}", payment_id=name, issued_at=issued))
            case "cancel":
                self._send(cancel_order(f"cancel-{number}", order_id=order, issued_at=issued))
            case "again":
                self.chance.inject("command twice")
                self._deliver(random.choice(self.commands))
            case "customer":
                self._customer()
            case "money":
                self._money()
            case "privileged" if newest is not None:
                self._privileged(newest, number)
            case "die":
                await self._kill(random.randrange(2))
            case "night":
                await self._night(random.choice(NIGHTS))

    def _create(self, name: str, order: str, issued: datetime) -> Create:
        """Every create of a run asks for the same terms."""
        method = CaptureMethod.MANUAL if self.manual else CaptureMethod.AUTOMATIC
        wanted = create(name, order_id=order, capture_method=method, multicapture=self.manual, issued_at=issued)
        return replace(wanted, with_customer=self.with_customer)

    def _privileged(self, payment: Payment, number: int) -> None:
        """A capture, a refund (often one of the same few, under another command id), an answer to a dispute, a decision."""
        random = self.chance.random
        about: dict[str, Any] = {"payment_id": payment.id, "issued_at": self.clock()}
        kinds = ["refund", "refund"]
        kinds += ["capture"] * 4 if payment.status is Status.REQUIRES_CAPTURE else []
        kinds += ["answer"] * 6 if any(dispute.open for dispute in payment.disputes) else []
        kinds += ["resolve"] if payment.needs_review or payment.concerns else []
        match random.choice(kinds):
            case "refund":
                amount = random.choice((None, payment.amount, payment.amount // 2, payment.amount // 3))
                name = f"r-{random.randrange(3)}-{amount}"
                self._send(refund(f"refund-{number}", refund_id=name, amount=amount, **about))
            case "capture":
                amount, final = random.choice((None, payment.amount // 2)), random.random() < 0.5
                self._send(capture(f"capture-{number}", amount=amount, final=final, **about))
            case "answer":
                make = random.choice((evidence, accept))
                self._send(make(f"answer-{number}", dispute_id=payment.disputes[0].id, **about))
            case "resolve":
                self._send(resolve(random.choice(list(Resolution)), f"resolve-{number}", **about))

    def _money(self) -> None:
        """Something happens to money at Stripe without us."""
        held = [held for held in self.stripe.intents.values() if held.received or held.capturable]
        if held:
            happens(self.stripe, self.chance.random.choice(held), self.chance.random, self.clock())

    def _send(self, command: Command) -> None:
        self.chance.tell(f"> {command.message_id} is sent")
        self.commands.append(command)
        if isinstance(command, Cancel) and command.order_id is not None:
            self.store.cancels.append(command)
        self._deliver(command)

    def _customer(self) -> None:
        """The customer, the bank or an operator moves an intent."""
        random = self.chance.random
        if not self.stripe.intents:
            return
        held = random.choice(list(self.stripe.intents.values()))
        payment = self.store.payments[held.metadata["payment_id"]]
        if held.status is Status.REQUIRES_ACTION:
            self.stripe.authenticate(held.id, passed=random.random() < 0.5)
        elif held.status is Status.PROCESSING:
            self.stripe.settle(held.id, paid=random.random() < 0.5)
        elif held.status is Status.REQUIRES_PAYMENT_METHOD and payment.intent_id and payment.live:
            self.stripe.pay_in_browser(held.id, random.choice(METHODS))
        elif held.status in CANCELABLE:
            self.stripe.release(held.id)

    async def _night(self, long: timedelta) -> None:
        """Time passes. No worker stands still for longer than Stripe keeps a key: in a long night they all die."""
        if long > FROZEN:
            for _ in self.workers:
                await self._kill(0)
                self.workers.reverse()
        self.chance.tell(f"  {long} pass")
        self.clock.skip(long)

    async def _kill(self, place: int) -> None:
        """A worker dies in the middle of everything, and another starts."""
        dead, self.workers[place] = self.workers[place], self._worker()
        self.chance.inject("worker dies")
        self.chance.tell(
            f"  {dead.name} dies with {len(dead.deliveries)} deliveries, {self.workers[place].name} starts"
        )
        await dead.die()

    def _deliver(self, delivery: Delivery) -> None:
        self._send_webhooks()
        self.delivered.append(delivery)
        task = asyncio.create_task(self._until_acked(delivery))
        self.underway.add(task)
        task.add_done_callback(self.underway.discard)

    async def _until_acked(self, delivery: Delivery) -> None:
        """The broker's part: whoever dies or fails over it, it comes again; an ack may get lost, too."""
        acked = False
        while not acked:
            await self.chance.while_passes()
            worker = self.chance.random.choice(self.workers)
            work = worker.do(self._apply(worker.handler, delivery))
            try:
                self._told(worker, delivery, await work)
                acked = not self.chance.happens(0.1, "ack lost")
            except StoreUnavailable:
                self.chance.tell(f"  {worker.name} could not apply {delivery.message_id}: the database is away")
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                if not work.cancelled():
                    raise
                self.chance.inject("redelivered")
                self.chance.tell(f"  {delivery.message_id} was at {worker.name}, and comes again")
            except Exception as error:  # noqa: BLE001 - whatever it is, the run has failed
                self.broken.append(error)
                acked = True
            self._send_webhooks()

    async def _apply(self, handler: Handler, delivery: Delivery) -> Report:
        if isinstance(delivery, News):
            return await handler.news(self._owner(delivery), delivery)
        return await handler.command(delivery)

    def _told(self, worker: Worker, delivery: Delivery, report: Report) -> None:
        """What a worker made of a delivery."""
        what = [f"{report.from_status} → {report.to_status}", report.why, *report.calls, *report.events]
        story = ", ".join(filter(None, what))
        self.chance.tell(f"< {delivery.message_id} at {worker.name}: {report.outcome}, {story}")

    def _owner(self, news: News) -> str:
        held = self.stripe.intents[news.intent.id if isinstance(news, IntentSeen) else news.intent_id]
        return held.metadata["payment_id"]

    def _send_webhooks(self) -> None:
        """Stripe sends what is new: some late, some twice, and few not at all."""
        news, self.stripe.news = self.stripe.news, []
        for message in news:
            self.walks.listed(message, self._owner(message), self.clock())
            if self.chance.happens(0.05, "webhook lost"):
                self.lost.append(message)
                continue
            self._late(message)
            if self.chance.happens(0.1, "webhook twice"):
                self._late(message)

    def _late(self, message: News) -> None:
        self.delivered.append(message)
        late_s = self.chance.random.choice(LATE_S)
        if late_s == max(LATE_S) and not self.chance.calm:
            self.chance.inject("webhook late")

        async def later() -> None:
            await asyncio.sleep(late_s)
            await self._until_acked(message)

        task = asyncio.create_task(later())
        self.underway.add(task)
        task.add_done_callback(self.underway.discard)

    def _walk_events(self) -> None:
        """What was lost of a payment that was at its end is found only by the walk through Stripe's events.

        In some runs the workers walk; in the others it comes back as if they did.
        """
        for message in self.walks.put_back():
            self.chance.inject("coverage walk: put back")
            self.chance.tell(f"  {message.message_id} comes again")
            self._late(message)
        if self.walks.on:
            return
        lost, self.lost = self.lost, []
        for message in lost:
            if self.store.payments[self._owner(message)].status in FINAL:
                self._late(message)
            else:
                self.lost.append(message)

    async def _rest(self) -> None:
        """Wait until every delivery is acked, and skip from one thing that is due to the next."""
        for _ in range(LOOKS):
            self._send_webhooks()
            self._walk_events()
            while self.underway:
                await asyncio.wait(self.underway)
            await asyncio.sleep(2.5)
            waits = [payment.check_at for payment in self.store.payments.values() if payment.check_at is not None]
            if self.at_rest() and (not self.walks.on or await self.walks.closed()):
                return
            if waits:
                slowest = timedelta(seconds=min(worker.clock.off_s for worker in self.workers))
                self.clock.skip(max(min(waits) - (self.clock() + slowest), timedelta()))
        raise AssertionError(f"not at rest after {LOOKS} looks")

    def at_rest(self) -> bool:
        """Nothing is open or unsent, and the records say what Stripe says."""
        return not self.stripe.news and all(
            payment.head is None
            and payment.read_at is None
            and all(event.sent for event in payment.events)
            and agrees(payment, self.stripe)
            for payment in self.store.payments.values()
        )


def judge(world: World) -> None:
    """P1 to P5, by Stripe's ledger and the broker's."""
    payments = list(world.store.payments.values())
    assert not world.broken, world.broken
    for payment in payments:
        assert_settled(payment, world.stripe)
        assert_announced_has_happened(payment, world.stripe)
        told = {event.sequence: event.type for name, event in world.outbox.events if name == payment.id}
        assert sorted(told.items()) == [(event.sequence, event.type) for event in payment.events], "P4"
        assert all(event.sent for event in payment.events), "P5: the outbox"
    for order in ORDERS:
        assert_money_moves_once([payment for payment in payments if payment.order_id == order], world.stripe)
    for command in world.commands:
        homes = [payment for payment in payments if payment.knows(command.message_id)]
        refused = command.message_id in world.store.refusals
        assert len(homes) + refused == 1, f"P2: {command.message_id}"
        verdicts = {reply.verdict for _, reply in world.outbox.replies if reply.command_id == command.message_id}
        assert not {Verdict.ACCEPTED, Verdict.REFUSED} <= verdicts, f"two answers to {command.message_id}"
