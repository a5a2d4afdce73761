"""The store, Stripe, what is on its way between them, and the time: everything around `decide`, as plain values."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from contracts.replies import Verdict
from tests.fake_stripe import FakeStripe, Fault
from tests.promises import agrees, assert_heeds_cancels
from tests.unit.worker.making import DEPLOYMENT, NOW, decided
from worker.domain.effects import Effect, Ensure, Find, Read, Send
from worker.domain.messages import (
    Answer,
    Cancel,
    Create,
    CustomerSeen,
    IntentSeen,
    Message,
    News,
    ReadFailed,
    Result,
    Tick,
)
from worker.domain.order import choose
from worker.domain.record import Payment

FIND_AROUND = timedelta(minutes=2)
LISTS_LAG = timedelta(minutes=10)
"""How long a search may miss an intent: longer than we wait, so that orphans show up."""

DRAIN_TICKS = 400


@dataclass
class Asked:
    """One effect under way: who asked, what for, and the record's version that it belongs to."""

    payment_id: str
    effect: Effect
    version: int
    at: datetime
    chained: int = 0


@dataclass
class Twin:
    """A worker that loaded a copy and has not committed yet."""

    before: Payment | None
    message: Message
    number: int


class World:
    """The store (compare-and-swap), Stripe, what is on its way between them, and the time."""

    def __init__(self) -> None:
        self.now: datetime = NOW
        self.stripe = FakeStripe()
        self.store: dict[str, Payment] = {}
        self.asked: list[Asked] = []
        self.lists_lag = False
        self.answers: list[tuple[str, Message]] = []
        self.told: dict[str, set[Verdict]] = {}
        self.cancels: list[Cancel] = []

    def load(self, message: Message, payment_id: str | None = None) -> tuple[Payment | None, int]:
        by_order = isinstance(message, Create) or (isinstance(message, Cancel) and message.order_id is not None)
        if by_order:
            assert isinstance(message, Create | Cancel)
            return choose(sorted(self.store.values(), key=lambda payment: payment.number), message)
        return self.store.get(payment_id or ""), 1

    def handle(self, message: Message, payment_id: str | None = None, *, crash: bool = False) -> None:
        """Load, decide, commit; the effect is under way unless the worker dies first."""
        payment, number = self.load(message, payment_id)
        self.commit(Twin(payment, message, number), crash=crash)

    def commit(self, twin: Twin, *, crash: bool = False) -> bool:
        others = [other for other in self.store.values() if twin.before and other.id != twin.before.id]
        decision = decided(
            twin.before,
            twin.message,
            self.now,
            twin.number,
            paid_elsewhere=any(other.captured > other.refunded for other in others),
            live_elsewhere=any(other.live for other in others),
        )
        after = decision.payment
        if after is None:
            return True
        if decision.write:
            stored = self.store.get(after.id)
            if (stored.version if stored else None) != (twin.before.version if twin.before else None):
                return False
            if stored is None:
                assert_heeds_cancels(after, self.store.values(), self.cancels)
            after = replace(after, version=stored.version + 1) if stored else after
            self.store[after.id] = after
        if crash:
            return True
        for told in decision.told:
            if told.command_id.startswith("~"):
                continue  # ours: nobody is told, and each payment has its own count
            self.told.setdefault(told.command_id, set()).add(told.verdict)
        if decision.effect is not None:
            chained = twin.message.chained + 1 if isinstance(twin.message, Answer) else 0
            self.asked.append(Asked(after.id, decision.effect, after.version, self.now, chained))
        return True

    def perform(self, asked: Asked, fault: Fault, *, lost: bool = False) -> None:
        """Stripe gets a request; its answer is on its way back, or its asker is dead."""
        message = self._answer(asked, fault)
        if not lost:
            self.answers.append((asked.payment_id, message))

    def _answer(self, asked: Asked, fault: Fault) -> Message:
        match asked.effect:
            case Send(call):
                said = self.stripe.perform(call, self.now, fault)
                return Answer(
                    call_id=call.id,
                    result=said.result,
                    version=asked.version,
                    intent=said.intent,
                    refund=said.refund,
                    dispute=said.dispute,
                    problem=said.problem,
                    chained=asked.chained,
                    replayed=said.replayed,
                    sent_at=call.sends[-1] if said.result is Result.HELD_BACK else None,
                )
            case Read(intent_id):
                seen = self.stripe.retrieve(intent_id)
                if fault is not Fault.NONE:
                    return ReadFailed(reason=fault.value)
                if seen is None:
                    return ReadFailed(reason="no such intent", lost=True)
                message_id = f"~read-{asked.version}"
                intent, ledger = seen
                return IntentSeen(
                    message_id=message_id, event_type="read", intent=intent, version=asked.version, ledger=ledger
                )
            case Ensure(user_id):
                return CustomerSeen(f"cus_{user_id}" if fault is Fault.NONE else None)
            case Find(call):
                if fault is not Fault.NONE:
                    return Answer(call_id=call.id, result=Result.UNKNOWN, version=asked.version)
                since, until = call.sends[0] - FIND_AROUND, call.sends[-1] + FIND_AROUND
                found = self.stripe.find(asked.payment_id, DEPLOYMENT, since, until)
                if self.lists_lag and found and self.now - self.stripe.intents[found.id].created <= LISTS_LAG:
                    found = None
                result = Result.DONE if found else Result.NOT_FOUND
                return Answer(call_id=call.id, result=result, version=asked.version, intent=found)

    def payment_of(self, news: News) -> str | None:
        held = self.stripe.intents[news.intent.id if isinstance(news, IntentSeen) else news.intent_id]
        return held.metadata["payment_id"]

    def drain(self) -> None:
        """All faults are over: deliver every webhook, answer everything, and let the clock do what is due."""
        for _ in range(DRAIN_TICKS):
            self.talk()
            due = [(payment.check_at, payment.id) for payment in self.store.values() if payment.check_at is not None]
            if not due or self._at_rest():
                return
            moment, payment_id = min(due)
            self.now = max(self.now, moment)
            self.handle(Tick(), payment_id)
        raise AssertionError(f"not at rest after {DRAIN_TICKS} ticks: {self.store}")

    def talk(self) -> None:
        """Requests and answers go to and fro, all at the same pace, until there are none."""
        for _ in range(DRAIN_TICKS):
            if not self.asked and not self.answers:
                return
            asked, self.asked = self.asked, []
            for request in asked:
                self.perform(request, Fault.NONE)
            answers, self.answers = self.answers, []
            for payment_id, message in answers:
                self.handle(message, payment_id)
        raise AssertionError(f"requests that never end: {self.asked}")

    def _at_rest(self) -> bool:
        """Nothing is open, and every payment has been read since the last thing that happened at Stripe."""
        return all(
            payment.head is None and payment.read_at is None and agrees(payment, self.stripe)
            for payment in self.store.values()
        )
