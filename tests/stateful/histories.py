"""Generated histories of one payment, lived through in any order that Stripe allows.

A seed fixes what happens: commands, what Stripe does about them, and what happens there without us. An order fixes when
we hear of it: answers early, late or never, webhooks in any order and some of them twice, reads that are overtaken.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from contracts.commands import CaptureMethod
from contracts.views import RefundStatus
from tests.fake_account import CANCELABLE, CONFIRMABLE, METHODS
from tests.fake_money import Held, HeldDispute
from tests.fake_stripe import Fault
from tests.outside import possible
from tests.stateful.world import World
from tests.unit.worker.making import (
    AMOUNT,
    SECOND,
    accept,
    cancel,
    capture,
    confirm,
    create,
    evidence,
    refund,
)
from worker.domain.effects import Send
from worker.domain.messages import Command, Message, Tick
from worker.domain.record import Operation, Payment, Status

ACTS = (2, 9)
"""Things that happen in one history, at least and at most."""

PATIENCE = 200
"""Messages and ticks that a command may wait for the record to be ready."""

PASSING = frozenset(
    {
        "payment.requires_action",
        "payment.processing",
        "payment.authorized",
        "payment.captured",
        "payment.refund_updated",
        "payment.dispute_updated",
        "payment.dispute_deadline",
        "payment.authorization_expiring",
    },
)
"""What comes and goes at Stripe may be over before we hear of it, and what the clock says depends on the clock."""

Ready = Callable[[Payment], bool]


@dataclass
class Act:
    """One thing that happens: a command that waits until the record is ready for it, or something at Stripe."""

    command: Command | None = None
    ready: Ready = lambda _: True
    at_stripe: Callable[[], object] = lambda: None


@dataclass
class Life:
    """One history in one order."""

    seed: int
    order: int
    world: World = field(default_factory=World)
    pool: list[tuple[str | None, Message]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.script = random.Random(self.seed)
        self.road = random.Random(f"{self.seed}:{self.order}")

    def live(self) -> Payment:
        """All of it, until nothing is open; the record that is left."""
        manual = self.script.random() < 0.4
        method = CaptureMethod.MANUAL if manual else CaptureMethod.AUTOMATIC
        self._issue(create(capture_method=method, multicapture=manual and self.script.random() < 0.5))
        (intent,) = self.world.stripe.intents.values()
        for number in range(self.script.randint(*ACTS)):
            act = self._next(intent, number)
            if act is None:
                break
            self._do(act)
            self._hear(self.road.randint(0, 3))
        self._hear(len(self.pool))
        while self.pool:
            self._hear(len(self.pool))
        self.world.drain()
        (payment,) = self.world.store.values()
        return payment

    def _next(self, held: Held, number: int) -> Act | None:
        """Something that can happen now, by Stripe's rules alone: the same whatever we have heard."""
        acts = [*self._customer(held), *self._commands(held, number)]
        acts += [Act(at_stripe=act) for act in possible(self.world.stripe, held, self.script, self.world.now)]
        return self.script.choice(acts) if acts else None

    def _customer(self, held: Held) -> list[Act]:
        stripe, passed, method = self.world.stripe, self.script.random() < 0.6, self.script.choice(METHODS)
        if held.status is Status.REQUIRES_ACTION:
            return [Act(at_stripe=lambda: stripe.authenticate(held.id, passed=passed))]
        if held.status is Status.PROCESSING:
            return [Act(at_stripe=lambda: stripe.settle(held.id, paid=passed))]
        if held.status is Status.REQUIRES_PAYMENT_METHOD:
            return [Act(at_stripe=lambda: stripe.pay_in_browser(held.id, method))] * 3
        return []

    def _commands(self, held: Held, number: int) -> list[Act]:
        """Commands that Stripe will carry out; each waits until what we have heard lets us send it."""
        acts: list[Act] = []
        if held.status in CONFIRMABLE and held.status is not Status.REQUIRES_ACTION:
            asked = confirm(f"confirm-{number}", payment_method=self.script.choice(METHODS))
            acts.append(Act(asked, lambda payment: payment.status is held.status))
        if held.status in CANCELABLE and self.script.random() < 0.2:
            acts.append(Act(cancel(f"cancel-{number}"), lambda payment: payment.status is held.status))
        if held.capturable:
            acts.append(self._capture(held, number))
        if held.left:
            part = self.script.randint(1, held.left)
            asked_back = refund(f"refund-{number}", amount=part)
            acts += [Act(asked_back, lambda payment: payment.refundable >= part)] * 2
        acts += [self._answer(dispute, number) for dispute in held.disputes if dispute.answerable]
        return acts

    def _answer(self, dispute: HeldDispute, number: int) -> Act:
        asked = self.script.choice((evidence, accept))(f"answer-{number}", dispute_id=dispute.id)

        def heard_of(payment: Payment) -> bool:
            known = payment.dispute(dispute.id)
            return known is not None and known.status is dispute.status

        return Act(asked, heard_of)

    def _capture(self, held: Held, number: int) -> Act:
        left = held.capturable
        part = self.script.randint(1, left)
        final = not held.several or self.script.random() < 0.5
        asked = capture(f"capture-{number}", amount=part, final=final)
        return Act(asked, lambda payment: payment.capturable == left)

    def _do(self, act: Act) -> None:
        act.at_stripe()
        self._collect()
        if act.command is not None:
            self._wait(act)
            self._issue(act.command)

    def _wait(self, act: Act) -> None:
        """Hear, and let time pass, until the record is ready for the command and no other call is open."""
        for _ in range(PATIENCE):
            payment = next(iter(self.world.store.values()))
            if payment.head is None and act.ready(payment):
                return
            if self.pool:
                self._hear(1)
            else:
                moment = payment.check_at
                assert moment is not None, f"nothing is waited for, and not ready for {act.command}"
                self.world.now = max(self.world.now, moment)
                self._handle(payment.id, Tick())
        raise AssertionError(f"never ready for {act.command}")

    def _issue(self, command: Command) -> None:
        """The command is handled, and its call reaches Stripe at once: what happens there has one order."""
        by_id = None if command.message_id.startswith("create") else next(iter(self.world.store))
        known = len(self.world.stripe.history)
        self._handle(by_id, replace(command, issued_at=self.world.now))
        assert len(self.world.stripe.history) > known, f"Stripe was not asked for {command.message_id}"

    def _hear(self, count: int) -> None:
        """So many messages arrive, some of them twice; an answer may get lost instead."""
        for _ in range(min(count, len(self.pool))):
            payment_id, message = self.pool.pop(self.road.randrange(len(self.pool)))
            self.world.now += SECOND
            self._handle(payment_id, message)
            if self.road.random() < 0.15 and hasattr(message, "message_id"):
                self.pool.append((payment_id, message))

    def _handle(self, payment_id: str | None, message: Message) -> None:
        self.world.handle(message, payment_id)
        asked, self.world.asked = self.world.asked, []
        for request in asked:
            lost = isinstance(request.effect, Send) and self.road.random() < 0.25
            self.world.perform(request, Fault.NONE, lost=lost)
        self._collect()

    def _collect(self) -> None:
        """What Stripe has to say joins what is on its way."""
        answers, self.world.answers = self.world.answers, []
        news, self.world.stripe.news = self.world.stripe.news, []
        self.pool += answers
        self.pool += [(self.world.payment_of(message), message) for message in news]


def ending(payment: Payment) -> dict[str, object]:
    """What must not depend on the order: the state, the totals, the parts, and what was announced."""
    return {
        "status": payment.status,
        "review": payment.needs_review,
        "totals": (payment.captured, payment.refunded, payment.reserved, payment.disputed, payment.refundable),
        "refunds": {(refund.id, refund.stripe_id, refund.status, refund.amount) for refund in payment.refunds},
        "disputes": {(d.id, d.status, d.funds, d.submitted, d.amount) for d in payment.disputes},
        "concerns": {(concern.case, concern.about) for concern in payment.concerns},
        "reviews": {(review.id, review.open) for review in payment.reviews},
        "receipt": payment.receipt_url,
        "calls": {(call.key, call.state) for call in payment.calls},
        "facts": facts(payment),
    }


def facts(payment: Payment) -> list[tuple[str, str]]:
    """What stays announced, by type and what it is about, as often as it was.

    A refund that failed in the end may never have seemed done.
    """
    undone = {refund.id for refund in payment.refunds if refund.status in {RefundStatus.FAILED, RefundStatus.CANCELED}}
    found = []
    for event in payment.events:
        body = event.body
        about = body.get("refund", {}).get("refund_id") or body.get("dispute", {}).get("dispute_id")
        about = about or body.get("attempt", {}).get("attempt_id") or body.get("warning_id") or body.get("review_id")
        if event.type in PASSING or (event.type == "payment.refunded" and about in undone):
            continue
        found.append((event.type, about or ""))
    return sorted(found)


def reaches(payment: Payment) -> set[str]:
    """What a history was about, to see that the seeds meet what they are for."""
    found = {str(payment.status), *(f"refund {refund.status}" for refund in payment.refunds)}
    found |= {f"dispute {dispute.status}" for dispute in payment.disputes}
    found |= {str(call.operation) for call in payment.calls}
    found |= {str(concern.case) for concern in payment.concerns}
    if any(refund.made_at_stripe for refund in payment.refunds):
        found.add("dashboard refund")
    if payment.captured not in {0, AMOUNT}:
        found.add("partial capture")
    if sum(call.operation is Operation.CAPTURE for call in payment.calls) > 1:
        found.add("several captures")
    return found
