"""A payment and a model of Stripe, driven by Hypothesis: commands, webhooks in any order, answers lost and late, crashes
between commit and send, twins with stale copies, and a clock that jumps. Stripe's own ledger is the judge.
"""

import os
import random
from dataclasses import replace
from datetime import timedelta
from enum import Enum

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from contracts.commands import CaptureMethod, Resolution
from contracts.replies import Verdict
from tests.fake_account import CANCELABLE, METHODS
from tests.fake_money import Held
from tests.fake_stripe import Fault
from tests.outside import happens
from tests.promises import assert_announced_has_happened, assert_money_moves_once, assert_settled
from tests.stateful.world import Asked, Twin, World
from tests.unit.worker.making import (
    ORDER,
    SECOND,
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
from worker.domain.messages import Cancel, Command, Create, Message, News, Tick
from worker.domain.record import FINAL, Payment, Status

AT_MOST = 25
"""Rounds of requests that follow from one delivery; it chains at most eleven calls, and a read for each."""

TWINS = 2
CREATES = 4
"""More of either only dilutes what happens."""

FROZEN = timedelta(hours=1)
"""How long a worker may stand still between its commit and its send; Stripe forgets a key four hours after our last use."""

faults = st.sampled_from([*[Fault.NONE] * 4, *[Fault.LOST_AFTER] * 4, *[Fault.STORED_AFTER] * 3, *Fault])
"""The nastier ones more often: what was done although nobody was told."""


class Way(Enum):
    """How far a delivery gets: to the end at once, to the commit with the rest still to happen, or to the commit only."""

    THROUGH = "through"
    PART = "part"
    CRASH = "crash"


ways = st.sampled_from([*[Way.THROUGH] * 5, *Way])


class Machine(RuleBasedStateMachine):
    """One order; up to a few payments of it."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.commands: list[Command] = []
        self.twins: list[tuple[Twin, str | None]] = []
        self.delivered: list[News] = []
        self.lost: list[News] = []

    @initialize(manual=st.booleans(), sent=st.booleans(), fault=faults, lists_lag=st.booleans())
    def first(self, manual: bool, sent: bool, fault: Fault, lists_lag: bool) -> None:
        self.world.lists_lag = lists_lag
        self.method = CaptureMethod.MANUAL if manual else CaptureMethod.AUTOMATIC
        self._issue(create("create-0", capture_method=self.method, multicapture=manual, issued_at=self.world.now))
        if sent:
            self.delivery_goes_through(0, fault)

    @precondition(lambda self: sum(isinstance(command, Create) for command in self.commands) < CREATES)
    @rule(way=ways, fault=faults, back=st.sampled_from([0, 1, 600]))
    def another_create(self, way: Way, fault: Fault, back: int) -> None:
        issued = self.world.now - back * SECOND
        self._issue(create(self._id("create"), capture_method=self.method, issued_at=issued), way, fault)

    @rule(method=st.sampled_from(METHODS), way=ways, fault=faults, hurry=st.booleans())
    def confirm(self, method: str, way: Way, fault: Fault, hurry: bool) -> None:
        expires = self.world.now + timedelta(minutes=1) if hurry else None
        payment_id = self._newest()
        if payment_id is not None:
            self._issue(
                confirm(
                    self._id("confirm"),
                    payment_id=payment_id,
                    payment_method=method,
                    issued_at=self.world.now,
                    expires_at=expires,
                ),
                way,
                fault,
            )

    @rule(way=ways, fault=faults, by_order=st.booleans(), back=st.sampled_from([0, 1, 600]))
    def cancel(self, way: Way, fault: Fault, by_order: bool, back: int) -> None:
        issued = self.world.now - back * SECOND
        payment_id = self._newest()
        if by_order or payment_id is None:
            self._issue(cancel_order(self._id("cancel"), issued_at=issued), way, fault)
        else:
            self._issue(cancel(self._id("cancel"), payment_id=payment_id, issued_at=issued), way, fault)

    @precondition(lambda self: self.commands)
    @rule(which=st.integers(0, 1000), way=ways, fault=faults)
    def command_again(self, which: int, way: Way, fault: Fault) -> None:
        """A delivery that was not acked comes again."""
        self._deliver(self.commands[which % len(self.commands)], way, fault)

    @precondition(lambda self: self.world.asked)
    @rule(which=st.integers(0, 1000), fault=faults, lost=st.booleans())
    def request_reaches_stripe(self, which: int, fault: Fault, lost: bool) -> None:
        self.world.perform(self.world.asked.pop(which % len(self.world.asked)), fault, lost=lost)

    @precondition(lambda self: self.world.asked)
    @rule(which=st.integers(0, 1000), fault=faults)
    def delivery_goes_through(self, which: int, fault: Fault) -> None:
        """A request, its answer and what follows from that, with nothing in between; only the first meets a fault."""
        self._through([self.world.asked.pop(which % len(self.world.asked))], fault)

    @precondition(lambda self: any(payment.check_at for payment in self.world.store.values()))
    @rule(way=ways, fault=faults)
    def sweeper_comes(self, way: Way, fault: Fault) -> None:
        """Time passes until something is due, and no longer."""
        moment, payment_id = min((p.check_at, p.id) for p in self.world.store.values() if p.check_at is not None)
        self._pass(max(moment - self.world.now, timedelta()))
        self._handle(Tick(), payment_id, way, fault)

    @precondition(lambda self: self.world.asked)
    @rule(which=st.integers(0, 1000))
    def worker_dies_before_sending(self, which: int) -> None:
        self.world.asked.pop(which % len(self.world.asked))

    @precondition(lambda self: self.world.answers)
    @rule(which=st.integers(0, 1000), way=ways, fault=faults)
    def answer_arrives(self, which: int, way: Way, fault: Fault) -> None:
        payment_id, message = self.world.answers.pop(which % len(self.world.answers))
        self._handle(message, payment_id, way, fault)

    @precondition(lambda self: self.world.stripe.news)
    @rule(which=st.integers(0, 1000), way=ways, fault=faults, lost=st.sampled_from([False, False, False, True]))
    def webhook_arrives(self, which: int, way: Way, fault: Fault, lost: bool) -> None:
        news = self.world.stripe.news.pop(which % len(self.world.stripe.news))
        if lost:
            self.lost.append(news)
        else:
            self.delivered.append(news)
            self._handle(news, self.world.payment_of(news), way, fault)

    @precondition(lambda self: self.delivered)
    @rule(which=st.integers(0, 1000))
    def webhook_again(self, which: int) -> None:
        news = self.delivered[which % len(self.delivered)]
        self.world.handle(news, self.world.payment_of(news))

    @precondition(lambda self: len(self.twins) < TWINS)
    @rule(which=st.integers(0, 1000))
    def twin_loads(self, which: int) -> None:
        """A second worker gets a webhook or a command, and loads."""
        choices: list[News | Command] = [*self.world.stripe.news, *self.commands]
        message = choices[which % len(choices)]
        if isinstance(message, Command):
            payment_id = None if isinstance(message, Create) else message.payment_id
        else:
            payment_id = self.world.payment_of(message)
        payment, number = self.world.load(message, payment_id)
        self.twins.append((Twin(payment, message, number), payment_id))

    @precondition(lambda self: self.twins)
    @rule(which=st.integers(0, 1000), way=ways, fault=faults)
    def twin_commits(self, which: int, way: Way, fault: Fault) -> None:
        """The twin loses if another wrote since; then it loads and decides again."""
        twin, payment_id = self.twins.pop(which % len(self.twins))
        if not self._commit(twin, way, fault):
            self._handle(twin.message, payment_id, way, fault)

    @precondition(lambda self: self.world.store)
    @rule(
        which=st.integers(0, 1000),
        after=st.sampled_from([0, 1, 91, 700, 7 * 3600, 21 * 3600, 8 * 86400]),
        way=ways,
        fault=faults,
    )
    def time_passes(self, which: int, after: int, way: Way, fault: Fault) -> None:
        self._pass(after * SECOND)
        ids = sorted(self.world.store)
        payment = self.world.store[ids[which % len(ids)]]
        if payment.check_at is not None and payment.check_at <= self.world.now:
            self._handle(Tick(), payment.id, way, fault)

    @precondition(lambda self: self.world.stripe.intents)
    @rule(which=st.integers(0, 1000), good=st.booleans(), method=st.sampled_from(METHODS))
    def something_happens_at_stripe(self, which: int, good: bool, method: str) -> None:
        """The customer, the bank or an operator moves an intent."""
        stripe = self.world.stripe
        intents = list(stripe.intents.values())
        held = intents[which % len(intents)]
        if held.status is Status.REQUIRES_ACTION:
            stripe.authenticate(held.id, passed=good)
        elif held.status is Status.PROCESSING:
            stripe.settle(held.id, paid=good)
        elif held.status is Status.REQUIRES_PAYMENT_METHOD:
            self._in_browser(held.id, method)
        elif held.status in CANCELABLE and good:
            stripe.release(held.id)

    @precondition(lambda self: self._with_money())
    @rule(which=st.integers(0, 1000), seed=st.integers(0, 1000))
    def something_happens_to_the_money(self, which: int, seed: int) -> None:
        """A capture or refund in the dashboard, a bank's answer, a dispute and its end, a sign of fraud."""
        held = self._with_money()
        happens(self.world.stripe, held[which % len(held)], random.Random(seed), self.world.now)

    def _with_money(self) -> list[Held]:
        return [held for held in self.world.stripe.intents.values() if held.received or held.capturable]

    @precondition(lambda self: self.world.store)
    @rule(
        which=st.integers(0, 1000),
        share=st.sampled_from([None, 1, 2, 3]),
        name=st.integers(0, 3),
        way=ways,
        fault=faults,
    )
    def refund(self, which: int, share: int | None, name: int, way: Way, fault: Fault) -> None:
        """Under one of a few names, so that the same is asked again under other command ids."""
        payment = self._any(which)
        amount = None if share is None else max(1, payment.amount // share)
        command = refund(self._id("refund"), payment_id=payment.id, refund_id=f"r-{name}-{amount}", amount=amount)
        self._issue(replace(command, issued_at=self.world.now), way, fault)

    @precondition(lambda self: any(p.status is Status.REQUIRES_CAPTURE for p in self.world.store.values()))
    @rule(share=st.sampled_from([None, 1, 2]), final=st.booleans(), way=ways, fault=faults)
    def capture(self, share: int | None, final: bool, way: Way, fault: Fault) -> None:
        payment = next(p for p in self.world.store.values() if p.status is Status.REQUIRES_CAPTURE)
        amount = None if share is None else max(1, payment.capturable // share)
        command = capture(self._id("capture"), payment_id=payment.id, amount=amount, final=final)
        self._issue(replace(command, issued_at=self.world.now), way, fault)

    @precondition(lambda self: any(payment.disputes for payment in self.world.store.values()))
    @rule(give_up=st.booleans(), way=ways, fault=faults)
    def answer_dispute(self, give_up: bool, way: Way, fault: Fault) -> None:
        payment = next(payment for payment in self.world.store.values() if payment.disputes)
        make = accept if give_up else evidence
        command = make(self._id("answer"), payment_id=payment.id, dispute_id=payment.disputes[0].id)
        self._issue(replace(command, issued_at=self.world.now), way, fault)

    @precondition(lambda self: any(p.needs_review or p.concerns for p in self.world.store.values()))
    @rule(decision=st.sampled_from(Resolution), way=ways, fault=faults)
    def somebody_decides(self, decision: Resolution, way: Way, fault: Fault) -> None:
        payment = next(p for p in self.world.store.values() if p.needs_review or p.concerns)
        command = resolve(decision, self._id("resolve"), payment_id=payment.id)
        self._issue(replace(command, issued_at=self.world.now), way, fault)

    @invariant()
    def money_moves_at_most_once(self) -> None:
        assert all(payment.order_id == ORDER for payment in self.world.store.values())
        assert_money_moves_once(list(self.world.store.values()), self.world.stripe)

    @invariant()
    def what_is_announced_has_happened(self) -> None:
        for payment in self.world.store.values():
            assert_announced_has_happened(payment, self.world.stripe)

    @invariant()
    def commands_have_one_home_and_one_answer(self) -> None:
        """A command is recorded on one payment, and is never both accepted and refused."""
        known = [call.id for payment in self.world.store.values() for call in payment.calls if not call.own_reason]
        assert len(set(known)) == len(known)
        for command, verdicts in self.world.told.items():
            assert not {Verdict.ACCEPTED, Verdict.REFUSED} <= verdicts, command

    def teardown(self) -> None:
        """The faults end: everything drains, and the records say what Stripe says.

        A webhook that is lost for good is made up for by reading, but of a payment at its end only by the walk through
        Stripe's events.
        """
        for news in [*self.world.stripe.news, *self.delivered]:
            self.world.handle(news, self.world.payment_of(news))
        for command in self.commands:
            self._deliver(command)
        self.world.drain()
        failed = {payment.id for payment in self.world.store.values() if payment.status in FINAL}
        for news in [*self.world.stripe.news, *self.lost]:
            if news not in self.lost or self.world.payment_of(news) in failed:
                self.world.handle(news, self.world.payment_of(news))
        self.world.drain()
        for payment in self.world.store.values():
            assert_settled(payment, self.world.stripe)
        self.money_moves_at_most_once()
        self.what_is_announced_has_happened()
        self.commands_have_one_home_and_one_answer()

    def _issue(self, command: Command, way: Way = Way.PART, fault: Fault = Fault.NONE) -> None:
        self.commands.append(command)
        if isinstance(command, Cancel) and command.order_id is not None:
            self.world.cancels.append(command)
        self._deliver(command, way, fault)

    def _deliver(self, command: Command, way: Way = Way.PART, fault: Fault = Fault.NONE) -> None:
        payment_id = None if isinstance(command, Create) else command.payment_id
        self._handle(command, payment_id, way, fault)

    def _handle(self, message: Message, payment_id: str | None, way: Way, fault: Fault) -> None:
        payment, number = self.world.load(message, payment_id)
        self._commit(Twin(payment, message, number), way, fault)

    def _commit(self, twin: Twin, way: Way, fault: Fault) -> bool:
        others, self.world.asked = self.world.asked, []
        won = self.world.commit(twin, crash=way is Way.CRASH)
        mine, self.world.asked = self.world.asked, others
        if way is Way.THROUGH:
            self._through(mine, fault)
        else:
            self.world.asked += mine
        return won

    def _through(self, asked: list[Asked], fault: Fault) -> None:
        others, self.world.asked = self.world.asked, []
        for _ in range(AT_MOST):
            for request in asked:
                self.world.perform(request, fault)
                self.world.handle(self.world.answers.pop()[1], request.payment_id)
            fault = Fault.NONE
            asked, self.world.asked = self.world.asked, []
        self.world.asked = others + asked

    def _pass(self, after: timedelta) -> None:
        self.world.now += after
        self.world.asked = [asked for asked in self.world.asked if self.world.now - asked.at <= FROZEN]

    def _in_browser(self, intent_id: str, method: str) -> None:
        """Only a customer who was given the secret can pay: a failed payment's intent is nobody's."""
        payment_id = self.world.stripe.intents[intent_id].metadata["payment_id"]
        if self.world.store[payment_id].intent_id is not None and self.world.store[payment_id].live:
            self.world.stripe.pay_in_browser(intent_id, method)

    def _any(self, which: int) -> Payment:
        names = sorted(self.world.store)
        return self.world.store[names[which % len(names)]]

    def _newest(self) -> str | None:
        return max(self.world.store, key=lambda key: self.world.store[key].number, default=None)

    def _id(self, prefix: str) -> str:
        return f"{prefix}-{len(self.commands)}"


EXAMPLES = int(os.environ.get("STATEFUL_EXAMPLES", "1000"))
"""About 30 s. Given in the environment, they are new ones every time; otherwise the same ones."""

Machine.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    derandomize="STATEFUL_EXAMPLES" not in os.environ,
    print_blob=True,
)
TestMachine = pytest.mark.timeout(900)(Machine.TestCase)  # minutes of arithmetic, on a core that others want, too
