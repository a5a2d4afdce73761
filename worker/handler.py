"""The loop (docs/architecture.md, "The one idea"):

    load → decide → commit → ask Stripe for the head of calls[] → its answer is the next message → decide …

A crash, a cancelled task, a duplicate and a second worker on the same payment are the same case: load, decide again,
repeat the same call under the same key. So nothing here is protected by more than the compare-and-swap in `commit`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from contracts.replies import NextAction, Refusal, Reply, Verdict
from worker import ports
from worker.domain.announce import view
from worker.domain.effects import Decision, Effect, Find, Read, Send, Told
from worker.domain.messages import Answer, Cancel, Command, Create, Intent, IntentSeen, Message, News, Tick, kind_of
from worker.domain.order import choose
from worker.domain.payment import decide
from worker.domain.record import Address, Outcome, Payment, Status, payment_id
from worker.errors import StepsExhausted

MAX_STEPS = 60
"""Decisions for one message. The longest honest run: eleven calls, a few reads and some lost races."""

Clock = Callable[[], datetime]
Found = tuple[Payment | None, int]
Load = Callable[[], Awaitable[Found]]


@dataclass
class Report:
    """One delivery's story, for one log line."""

    payment_id: str | None = None
    order_id: str | None = None
    outcome: Outcome = Outcome.STALE
    why: str = ""
    from_status: Status = Status.NEW
    to_status: Status = Status.NEW
    steps: int = 0
    lost_races: int = 0
    calls: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


class Lanes:
    """Within this process, messages of one order queue behind each other. Saves conflicts; nothing relies on it."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def lane(self, key: str) -> AsyncIterator[None]:
        """Hold the lane of `key`; it is forgotten when nobody waits."""
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[key]
            if users == 1:
                del self._locks[key]
            else:
                self._locks[key] = (lock, users - 1)


def lane_of(payment: str) -> str:
    """All payments of an order share a lane: their ids share the hash of the order id."""
    return payment.rpartition("_")[0]


class Handler:
    """Applies one message to one payment, whatever it takes, and says what happened."""

    def __init__(self, store: ports.Store, gateway: ports.Gateway, outbox: ports.Outbox, clock: Clock) -> None:
        self._store = store
        self._gateway = gateway
        self._outbox = outbox
        self._clock = clock
        self._lanes = Lanes()

    async def command(self, command: Command) -> Report:
        """Carry out a command, or refuse it by name; its sender is told, at worst 'pending'."""
        by_order = isinstance(command, Create) or command.payment_id is None
        key = payment_id(command.order_id or "", 1) if by_order else command.payment_id  # type: ignore[union-attr]
        assert key is not None

        async def load() -> Found:
            if isinstance(command, Create) or (isinstance(command, Cancel) and command.order_id is not None):
                return choose(await self._store.by_order(command.order_id or ""), command)
            return await self._store.by_id(command.payment_id or ""), 1

        async with self._lanes.lane(lane_of(key)):
            return await self._run(command, load)

    async def news(self, payment: str, news: News) -> Report:
        """Apply what a webhook says of a payment that is known by its id."""
        async with self._lanes.lane(lane_of(payment)):
            return await self._run(news, self._loader(payment))

    async def tick(self, payment: str) -> Report:
        """Do what is due on a payment."""
        async with self._lanes.lane(lane_of(payment)):
            return await self._run(Tick(), self._loader(payment))

    def _loader(self, payment: str) -> Load:
        async def load() -> Found:
            return await self._store.by_id(payment), 1

        return load

    async def _run(self, first: Message, load: Load) -> Report:
        report, message, chained = Report(), first, 0
        payment, number = await load()
        report.from_status = payment.status if payment else Status.NEW
        for _ in range(MAX_STEPS):
            report.steps += 1
            decision = decide(payment, message, self._clock(), number=number)
            after = await self._commit(payment, decision, first)
            if after is None and decision.payment is not None:
                report.lost_races += 1
                payment, number = await load()
                continue
            self._note(report, decision, after, first_time=message is first)
            if after is not None:
                load = self._loader(after.id)
            if after is not None and decision.events:
                await self._outbox.publish(after, decision.events)
            await self._tell(decision, after, first, message, report)
            if decision.effect is None or after is None:
                return await self._pending(first, after, report)
            chained += isinstance(decision.effect, Send) and bool(report.calls)
            message = await self._perform(decision.effect, after, chained, report)
            payment = after
        raise StepsExhausted(f"{kind_of(first)} took more than {MAX_STEPS} steps")

    async def _commit(self, before: Payment | None, decision: Decision, first: Message) -> Payment | None:
        if decision.write and decision.payment is not None:
            return await self._store.commit(before, decision.payment)
        if decision.payment is None and decision.told:
            await self._record_refusal(decision, first)
        return decision.payment

    async def _perform(self, effect: Effect, payment: Payment, chained: int, report: Report) -> Message:
        match effect:
            case Send(call):
                report.calls.append(call.key)
                answer = await self._gateway.send(call, payment, chained)
            case Find(call):
                report.calls.append(f"{call.key}:find")
                answer = await self._gateway.find(call, payment)
            case Read(intent_id):
                report.calls.append(f"{intent_id}:read")
                return await self._gateway.read(intent_id, payment.version)
        return answer

    async def _tell(
        self,
        decision: Decision,
        payment: Payment | None,
        first: Message,
        message: Message,
        report: Report,
    ) -> None:
        """Reply to those whose commands are settled; a duplicate's sender is told what the original's is told."""
        for told in decision.told:
            report.told.append(f"{told.command_id}:{told.verdict}")
            theirs = first.reply if isinstance(first, Command) and first.message_id == told.command_id else None
            addresses = [address for address in dict.fromkeys((told.address, theirs)) if address]
            if addresses:
                reply = await self._reply(told, payment, message)
                for address in addresses:
                    await self._outbox.reply(address, reply)

    async def _reply(self, told: Told, payment: Payment | None, message: Message) -> Reply:
        intent = message.intent if isinstance(message, Answer | IntentSeen) else None
        verdict = told.verdict
        if told.wants_secret and payment and payment.intent_id and (intent is None or intent.client_secret is None):
            seen = await self._gateway.read(payment.intent_id, payment.version)
            intent = seen.intent if isinstance(seen, IntentSeen) else None
            verdict = told.verdict if intent else Verdict.PENDING
        return Reply(
            command_id=told.command_id,
            verdict=verdict,
            payment=view(payment) if payment and told.show_payment else None,
            client_secret=intent.client_secret if intent and told.wants_secret else None,
            next_action=_next_action(intent) if told.wants_secret else None,
            refusal=_refusal(told),
        )

    async def _pending(self, first: Message, payment: Payment | None, report: Report) -> Report:
        """A command that nobody has settled yet is stored and will be: say so."""
        if isinstance(first, Command) and not any(told.startswith(f"{first.message_id}:") for told in report.told):
            report.told.append(f"{first.message_id}:{Verdict.PENDING}")
            if first.reply:
                shown = view(payment) if payment else None
                await self._outbox.reply(
                    first.reply,
                    Reply(command_id=first.message_id, verdict=Verdict.PENDING, payment=shown),
                )
        return report

    async def _record_refusal(self, decision: Decision, first: Message) -> None:
        refused = decision.told[0].refused
        if refused is None or not isinstance(first, Command):
            return
        await self._store.record_refusal(
            ports.Refusal(
                message_id=first.message_id,
                kind=str(kind_of(first)),
                code=str(refused.code),
                message=refused.message,
                at=self._clock(),
                order_id=getattr(first, "order_id", None),
                payment_id=getattr(first, "payment_id", None),
                body_hash=first.body_hash,
            ),
        )

    def _note(self, report: Report, decision: Decision, after: Payment | None, *, first_time: bool) -> None:
        if first_time or decision.outcome is not Outcome.STALE:
            report.outcome, report.why = decision.outcome, decision.why
        report.events.extend(event.type for event in decision.events)
        if after is not None:
            report.payment_id, report.order_id, report.to_status = after.id, after.order_id, after.status


def _next_action(intent: Intent | None) -> NextAction | None:
    if intent is None or intent.action is None:
        return None
    return NextAction(type=intent.action, redirect_url=intent.redirect_url)


def _refusal(told: Told) -> Refusal | None:
    refused = told.refused
    if refused is None:
        return None
    return Refusal(code=refused.code, message=refused.message, field=refused.field, decline_code=refused.decline_code)


__all__ = ["Address", "Handler", "Lanes", "Report", "lane_of"]
