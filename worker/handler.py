"""The loop (docs/architecture.md, "The one idea"):

    load → decide → commit → ask Stripe for the head of calls[] → its answer is the next message → decide …

A crash, a cancelled task, a duplicate and a second worker on the same payment are the same case: load, decide again,
repeat the same call under the same key. So nothing here is protected by more than the compare-and-swap in `commit`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from contracts.replies import NextAction, Refusal, RefusalCode, Reply, Verdict
from contracts.views import DisputeView, RefundView
from worker import ports
from worker.domain import policy
from worker.domain.announce import dispute_view, refund_view, view
from worker.domain.archive import surplus
from worker.domain.effects import Decision, Effect, Ensure, Find, Read, Send, Told
from worker.domain.facts import Intent
from worker.domain.messages import (
    Answer,
    Cancel,
    Command,
    Create,
    CustomerSeen,
    IntentSeen,
    Message,
    News,
    Tick,
    kind_of,
)
from worker.domain.order import choose
from worker.domain.payment import decide
from worker.domain.policy import Policy
from worker.domain.record import Outcome, Payment, Status, payment_id
from worker.errors import StepsExhausted
from worker.lanes import Lanes

MAX_STEPS = 60
"""Decisions for one message. The longest honest run: eleven calls and a few reads."""

MAX_LOST_RACES = 500
"""Commits of others that one message may lose against: a crowd of commands for one payment, and no failed attempts."""

CLOCK_SKEW = timedelta(minutes=10)
"""How far a sender's clock may be from ours."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was loaded: a payment, or the place among its order's that a new one takes; and how its order's others are."""

    payment: Payment | None
    number: int = 1
    paid_elsewhere: bool = False
    live_elsewhere: bool = False


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


def lane_of(payment: str) -> str:
    """All payments of an order share a lane: their ids share the hash of the order id."""
    return payment.rpartition("_")[0]


class Handler:
    """Applies one message to one payment, whatever it takes, and says what happened."""

    def __init__(
        self,
        store: ports.Store,
        gateway: ports.Gateway,
        outbox: ports.Outbox,
        customers: ports.Customers,
        clock: ports.Clock,
        *,
        policy: Policy = policy.DEFAULT,
    ) -> None:
        self._store = store
        self._gateway = gateway
        self._outbox = outbox
        self._customers = customers
        self._clock = clock
        self._policy = policy
        self._lanes = Lanes()

    async def command(self, command: Command) -> Report:
        """Carry out a command, or refuse it by name; its sender is told, at worst 'pending'."""
        order_id = command.order_id if isinstance(command, Create | Cancel) else None
        by_id = None if isinstance(command, Create) else command.payment_id
        key = by_id or payment_id(order_id or "", 1)

        async def load() -> Found:
            if by_id is not None:
                return await self._found(by_id, command)
            payments = [await self._whole(payment, command) for payment in await self._store.by_order(order_id or "")]
            assert isinstance(command, Create | Cancel), "a command by order id"
            payment, number = choose(payments, command)
            return Found(payment, number)

        async with self._lanes.lane(lane_of(key)):
            return await self._run(command, load)

    async def news(self, payment: str, news: News) -> Report:
        """Apply what a webhook says of a payment that is known by its id."""
        async with self._lanes.lane(lane_of(payment)):
            return await self._run(news, self._loader(payment, news))

    async def tick(self, payment: str) -> Report:
        """Do what is due on a payment."""
        async with self._lanes.lane(lane_of(payment)):
            return await self._run(Tick(), self._loader(payment, Tick()))

    def _loader(self, payment: str, message: Message) -> Load:
        async def load() -> Found:
            return await self._found(payment, message)

        return load

    async def _found(self, payment_id: str, message: Message) -> Found:
        payment = await self._store.by_id(payment_id)
        if payment is None:
            return Found(None)
        return await self._beside(await self._whole(payment, message))

    async def _beside(self, payment: Payment) -> Found:
        """The payment with how its order's others are now, where that matters."""
        if payment.live and not payment.came_back:
            return Found(payment)
        others = [other for other in await self._store.by_order(payment.order_id) if other.id != payment.id]
        paid = any(other.captured > other.refunded for other in others)
        return Found(payment, paid_elsewhere=paid, live_elsewhere=any(other.live for other in others))

    async def _whole(self, payment: Payment, message: Message) -> Payment:
        """The record, with what the archive knows of this message."""
        message_id = getattr(message, "message_id", None)
        if payment.archived and message_id is not None and not payment.knows(message_id):
            return await self._store.recall(payment, message_id)
        return payment

    async def _run(self, first: Message, load: Load) -> Report:
        report, message, chained = Report(), first, 0
        found = await load()
        report.from_status = found.payment.status if found.payment else Status.NEW
        if isinstance(first, Command) and await self._refused_before(first, found.payment, report):
            return report
        while report.steps < MAX_STEPS and report.lost_races < MAX_LOST_RACES:
            decision = decide(
                found.payment,
                message,
                self._clock(),
                number=found.number,
                policy=self._policy,
                paid_elsewhere=found.paid_elsewhere,
                live_elsewhere=found.live_elsewhere,
            )
            after = await self._commit(found.payment, decision, first)
            if after is None and decision.payment is not None:
                report.lost_races += 1
                found = await load()
                continue
            report.steps += 1
            self._note(report, decision, after, first_time=message is first)
            if after is not None:
                load = self._loader(after.id, first)
            if after is not None and decision.events:
                await self._outbox.publish(after, decision.events)
            await self._tell(decision, after, first, message, report)
            if decision.effect is None or after is None:
                return await self._end(first, after, report)
            chained += isinstance(decision.effect, Send) and bool(report.calls)
            message = await self._perform(decision.effect, after, chained, report)
            found = await self._beside(after)  # the order may have begun another payment while Stripe was asked
        raise StepsExhausted(f"{kind_of(first)} took {report.steps} steps and lost {report.lost_races} races")

    async def _refused_before(self, command: Command, payment: Payment | None, report: Report) -> bool:
        """Whether a command was refused before its payment existed. That is final, although the payment is there now."""
        if payment is None or isinstance(command, Create) or command.payment_id is None:
            return False
        if payment.created_at < command.issued_at - CLOCK_SKEW or payment.knows(command.message_id):
            return False
        known = await self._store.refusal(command.message_id)
        if known is None:
            return False
        report.outcome, report.why = Outcome.STALE, f"refused before: {known.code}"
        report.told.append(f"{command.message_id}:{Verdict.REFUSED}")
        if command.reply:
            refusal = Refusal(code=RefusalCode(known.code), message=known.message)
            reply = Reply(command_id=command.message_id, verdict=Verdict.REFUSED, refusal=refusal)
            await self._outbox.reply(command.reply, reply)
        return True

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
            case Ensure(user_id, issued_at):
                return CustomerSeen(await self._customers.ensure(user_id, issued_at))
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
            seen = await self._gateway.read(payment.intent_id, payment.version, for_secret=True)
            intent = seen.intent if isinstance(seen, IntentSeen) else None
            verdict = told.verdict if intent else Verdict.PENDING
        return Reply(
            command_id=told.command_id,
            verdict=verdict,
            payment=view(payment) if payment and told.show_payment else None,
            refund=_refund(payment, told),
            dispute=_dispute(payment, told),
            client_secret=intent.client_secret if intent and told.wants_secret else None,
            next_action=_next_action(intent) if told.wants_secret else None,
            refusal=_refusal(told),
        )

    async def _end(self, first: Message, payment: Payment | None, report: Report) -> Report:
        """A command that nobody has settled yet is stored and will be: say so. A document that has grown long is cut."""
        if isinstance(first, Command) and not any(told.startswith(f"{first.message_id}:") for told in report.told):
            report.told.append(f"{first.message_id}:{Verdict.PENDING}")
            if first.reply:
                shown = view(payment) if payment else None
                await self._outbox.reply(
                    first.reply,
                    Reply(command_id=first.message_id, verdict=Verdict.PENDING, payment=shown),
                )
        moved = surplus(payment) if payment else None
        if payment is not None and moved is not None:
            await self._store.archive(payment, moved)
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


def _refund(payment: Payment | None, told: Told) -> RefundView | None:
    refund = payment.refund(told.about) if payment and told.about else None
    return refund_view(refund) if refund else None


def _dispute(payment: Payment | None, told: Told) -> DisputeView | None:
    dispute = payment.dispute(told.about) if payment and told.about else None
    return dispute_view(dispute) if dispute else None


def _refusal(told: Told) -> Refusal | None:
    refused = told.refused
    if refused is None:
        return None
    return Refusal(code=refused.code, message=refused.message, field=refused.field, decline_code=refused.decline_code)
