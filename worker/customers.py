"""The loop of handler.py for a user's Stripe customer.

    load → decide → commit → ask Stripe → its answer is the next message → decide …

It is written out, not shared with a payment's, which also looks at the order's other payments, at the archive and at
refusals from before the payment began, and announces what happened: they have their shape in common, and few lines.
"""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from contracts.replies import Refusal as RefusalReply
from contracts.replies import Reply, Verdict
from contracts.views import CustomerView
from worker.domain.customers.effects import CustomerDecision, CustomerEffect, CustomerTold, FindCustomer, SendCall
from worker.domain.customers.machine import decide
from worker.domain.customers.messages import (
    CustomerAnswer,
    CustomerChanged,
    CustomerCommand,
    CustomerMessage,
    CustomerRead,
    CustomerReadFailed,
    CustomerTick,
    Ensure,
    Erase,
    UserCommand,
    customer_kind,
)
from worker.domain.customers.record import Customer, CustomerStatus, customer_id
from worker.domain.customers.view import customer_view
from worker.domain.messages import Result
from worker.domain.record import Outcome, Refused
from worker.errors import StepsExhausted
from worker.lanes import Lanes
from worker.ports import Clock, CustomerGateway, CustomerStore, Refusal, Refusals, Replies, SetupSecret

MAX_STEPS = 60
"""Decisions for one message. The longest honest run: eleven calls, a few reads and some lost races."""

NEEDS_A_LOOK = frozenset({Result.UNLISTED, Result.KEY_MISUSED})
"""Answers that no rule foresees. They are refused like others; that they came at all is for a person to know."""

log = structlog.get_logger()


@dataclass
class CustomerReport:
    """One message's story, for the same log line as a payment's (handler.Report). It names no user.

    A customer belongs to no payment and announces nothing, so `payment_id` and `events` stay empty.
    """

    customer_id: str | None = None
    payment_id: str | None = None
    outcome: Outcome = Outcome.STALE
    why: str = ""
    from_status: CustomerStatus = CustomerStatus.NEW
    to_status: CustomerStatus = CustomerStatus.NEW
    steps: int = 0
    lost_races: int = 0
    calls: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


class CustomerHandler:
    """Applies one message to one user's customer, whatever it takes, and says what happened."""

    def __init__(
        self,
        store: CustomerStore,
        gateway: CustomerGateway,
        replies: Replies,
        refusals: Refusals,
        clock: Clock,
        *,
        deployment: str,
    ) -> None:
        self._store = store
        self._gateway = gateway
        self._replies = replies
        self._refusals = refusals
        self._clock = clock
        self._deployment = deployment
        self._lanes = Lanes()

    async def command(self, command: CustomerCommand) -> CustomerReport:
        """Carry out a command, or refuse it by name; its sender is told, at worst 'pending'."""
        report, _ = await self._apply(command, self._id(command.user_id))
        return report

    async def ensure(self, user_id: str, issued_at: datetime | None = None) -> str | None:
        """Stripe's id of the user's customer, made if there is none; None while it is not there: ask again later.

        `issued_at` is when the payment that needs it was asked for. What was asked for before the user was erased gets
        no customer.
        """
        name = self._id(user_id)
        known = await self._store.by_id(name)
        if known is None or known.status is not CustomerStatus.ACTIVE:
            ask = Ensure(user_id=user_id, deployment=self._deployment, issued_at=issued_at)
            _, known = await self._apply(ask, name)
        return known.stripe_id if known and not known.erased_since(issued_at) else None

    async def erase(self, user_id: str) -> CustomerReport:
        """Forget a user, here at once and at Stripe as soon as it answers; harmless to repeat."""
        report, _ = await self._apply(Erase(user_id=user_id, deployment=self._deployment), self._id(user_id))
        return report

    async def news(self, news: CustomerChanged) -> CustomerReport:
        """Apply what a webhook says. `customer_id` of the report is None when it is about nobody here."""
        name = news.customer_id
        if name is None:
            known = await self._store.by_stripe_id(news.stripe_id)
            if known is None:
                return CustomerReport(why="no customer of ours")
            name = known.id
        report, _ = await self._apply(news, name)
        return report

    async def tick(self, customer: str) -> CustomerReport:
        """Do what is due on a customer."""
        report, _ = await self._apply(CustomerTick(), customer)
        return report

    async def view(self, user_id: str) -> CustomerView:
        """What a user has saved, as last read from Stripe; nothing for a user that we do not know."""
        known = await self._store.by_id(self._id(user_id))
        return _shown(known) or CustomerView(user_id=user_id)

    def _id(self, user_id: str) -> str:
        return customer_id(self._deployment, user_id)

    async def _apply(self, first: CustomerMessage, name: str) -> tuple[CustomerReport, Customer | None]:
        async with self._lanes.lane(name):
            return await self._run(first, name)

    async def _run(self, first: CustomerMessage, name: str) -> tuple[CustomerReport, Customer | None]:
        report, message, chained = CustomerReport(), first, 0
        customer = await self._store.by_id(name)
        report.from_status = report.to_status = customer.status if customer else CustomerStatus.NEW
        for _ in range(MAX_STEPS):
            report.steps += 1
            decision = decide(customer, message, self._clock())
            after = await self._commit(customer, decision, first)
            if after is None and decision.customer is not None:
                report.lost_races += 1
                customer = await self._store.by_id(name)
                continue
            _note(report, decision, after, first_time=message is first)
            await self._tell(decision, after, first, message, report)
            if decision.effect is None or after is None:
                await self._pending(first, after, report)
                return report, after
            chained += isinstance(decision.effect, SendCall) and bool(report.calls)
            message = await self._perform(decision.effect, after, chained, report)
            customer = after
        raise StepsExhausted(f"{customer_kind(first)} took more than {MAX_STEPS} steps")

    async def _commit(
        self, before: Customer | None, decision: CustomerDecision, first: CustomerMessage
    ) -> Customer | None:
        if decision.write and decision.customer is not None:
            return await self._store.commit(before, decision.customer)
        if decision.customer is None and decision.told:
            await self._record_refusal(decision.told[0].refused, first)
        return decision.customer

    async def _perform(
        self, effect: CustomerEffect, customer: Customer, chained: int, report: CustomerReport
    ) -> CustomerAnswer | CustomerRead | CustomerReadFailed:
        asked: Awaitable[CustomerAnswer]
        match effect:
            case SendCall(call):
                report.calls.append(call.key)
                asked = self._gateway.send(call, customer, chained)
            case FindCustomer(call):
                report.calls.append(f"{call.key}:find")
                asked = self._gateway.find(call, customer)
            case _:
                report.calls.append(f"{effect.stripe_id}:read")
                return await self._gateway.read(effect.stripe_id, customer.version)
        answer = await asked
        if answer.result in NEEDS_A_LOOK:
            code = answer.problem.code if answer.problem else "unknown"
            log.warning("customer_call_needs_a_look", customer_id=customer.id, key=call.key, code=code)
        return answer

    async def _tell(
        self,
        decision: CustomerDecision,
        customer: Customer | None,
        first: CustomerMessage,
        message: CustomerMessage,
        report: CustomerReport,
    ) -> None:
        """Reply to those whose commands are settled; a duplicate's sender is told what the original's is told."""
        for told in decision.told:
            report.told.append(f"{told.command_id}:{told.verdict}")
            theirs = first.reply if isinstance(first, UserCommand) and first.message_id == told.command_id else None
            addresses = [address for address in dict.fromkeys((told.address, theirs)) if address]
            if addresses:
                reply = await self._reply(told, customer, message)
                for address in addresses:
                    await self._replies.reply(address, reply)

    async def _reply(self, told: CustomerTold, customer: Customer | None, message: CustomerMessage) -> Reply:
        secret, verdict = None, told.verdict
        if told.setup_intent is not None:
            if isinstance(message, CustomerAnswer) and message.made == told.setup_intent:
                secret = message.client_secret
            if secret is None:
                found = await self._gateway.secret(told.setup_intent)
                secret = found.value if isinstance(found, SetupSecret) else None
                verdict = verdict if isinstance(found, SetupSecret) else Verdict.PENDING
        return Reply(
            command_id=told.command_id,
            verdict=verdict,
            customer=_shown(customer),
            client_secret=secret,
            refusal=_refusal(told.refused),
        )

    async def _pending(self, first: CustomerMessage, customer: Customer | None, report: CustomerReport) -> None:
        """A command that nobody has settled yet is stored and will be: say so."""
        if not isinstance(first, UserCommand):
            return
        if any(told.startswith(f"{first.message_id}:") for told in report.told):
            return
        report.told.append(f"{first.message_id}:{Verdict.PENDING}")
        if first.reply:
            reply = Reply(command_id=first.message_id, verdict=Verdict.PENDING, customer=_shown(customer))
            await self._replies.reply(first.reply, reply)

    async def _record_refusal(self, refused: Refused | None, first: CustomerMessage) -> None:
        if refused is None or not isinstance(first, UserCommand):
            return
        await self._refusals.record_refusal(
            Refusal(
                message_id=first.message_id,
                kind=f"customer.{customer_kind(first)}",
                code=str(refused.code),
                message=refused.message,
                at=self._clock(),
                body_hash=first.body_hash,
            ),
        )


def _note(report: CustomerReport, decision: CustomerDecision, after: Customer | None, *, first_time: bool) -> None:
    if first_time or decision.outcome is not Outcome.STALE:
        report.outcome, report.why = decision.outcome, decision.why
    if after is not None:
        report.customer_id, report.to_status = after.id, after.status


def _shown(customer: Customer | None) -> CustomerView | None:
    """The user's view; nobody is shown of a user who was erased."""
    if customer is None or customer.status in {CustomerStatus.ERASING, CustomerStatus.ERASED}:
        return None
    return customer_view(customer)


def _refusal(refused: Refused | None) -> RefusalReply | None:
    if refused is None:
        return None
    return RefusalReply(code=refused.code, message=refused.message, field=refused.field)
