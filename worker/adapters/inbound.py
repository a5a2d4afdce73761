"""What each inbound queue's deliveries are: which translation, then the handler."""

import hashlib
from datetime import datetime

from aio_pika.abc import AbstractIncomingMessage

from contracts import topology
from contracts.errors import InvalidMessage
from contracts.replies import Refusal as RefusalReply
from contracts.replies import RefusalCode, Reply, Verdict
from worker.adapters import customer_translate, translate
from worker.adapters.customer_translate import CustomerEvent
from worker.adapters.translate import EraseUser, StripeEvent
from worker.customers import CustomerHandler, CustomerReport
from worker.domain.customers.messages import CustomerCommand
from worker.domain.messages import ReadFailed
from worker.domain.record import Address, Outcome, Payment
from worker.erasure import Erasure
from worker.errors import StripeUnavailable
from worker.handler import Handler, Report
from worker.ports import ANOTHER_DEPLOYMENTS, Clock, Gateway, Ignored, Outbox, Owner, Refusal, Store

Story = Report | CustomerReport


class Inbound:
    """Turns deliveries into handled messages. Raises InvalidMessage for what is none, WorkerError for 'later'."""

    def __init__(
        self,
        *,
        handler: Handler,
        customers: CustomerHandler,
        erasure: Erasure,
        store: Store,
        gateway: Gateway,
        outbox: Outbox,
        clock: Clock,
        deployment: str,
        livemode: bool,
    ) -> None:
        self._handler = handler
        self._customers = customers
        self._erasure = erasure
        self._store = store
        self._gateway = gateway
        self._outbox = outbox
        self._clock = clock
        self._deployment = deployment
        self._livemode = livemode

    async def by_origin(self, message: AbstractIncomingMessage) -> Story:
        """Apply a delivery of the quarantine queue as its origin queue would have."""
        apply = {topology.STRIPE_QUEUE: self.stripe, topology.PRIVILEGED_QUEUE: self.privileged}
        return await apply.get(str(message.headers.get(topology.HEADER_ORIGIN)), self.command)(message)

    async def command(self, message: AbstractIncomingMessage) -> Story:
        """Apply an ordinary command. One of the wrong shape is refused to its sender, or without one it is a dead letter."""
        return await self._command(message, privileged=False)

    async def privileged(self, message: AbstractIncomingMessage) -> Story:
        """Apply a command that moves money: it came through the exchange that only some logins may write to."""
        return await self._command(message, privileged=True)

    async def _command(self, message: AbstractIncomingMessage, *, privileged: bool) -> Story:
        address = Address(message.reply_to, message.correlation_id) if message.reply_to else None
        now = self._clock()
        try:
            command = translate.command(message.body, address, self._deployment, now, privileged=privileged)
        except InvalidMessage as error:
            if address is None:
                raise
            return await self._refuse(error, address, message.body, now)
        if isinstance(command, EraseUser):
            return await self._erasure.erase(command)
        if isinstance(command, CustomerCommand):
            return await self._customers.command(command)
        return await self._handler.command(command)

    async def stripe(self, message: AbstractIncomingMessage) -> Story:
        """Apply a webhook event, or record why it is ignored."""
        event = translate.stripe_event(message.body, livemode=self._livemode)
        if event.type in customer_translate.EVENTS:
            return await self._customer_event(message.body)
        if event.news is None:
            return await self._ignore(event, event.ignored)
        payment_id, why = await self._payment_of(event)
        if payment_id is None:
            return await self._ignore(event, why)
        report = await self._handler.news(payment_id, event.news)
        if report.payment_id is None:
            return await self._ignore(event, "no such payment here")
        return report

    async def _customer_event(self, body: bytes) -> Story:
        event = customer_translate.customer_event(body, deployment=self._deployment, livemode=self._livemode)
        if event.news is None:
            return await self._ignore(event, event.ignored)
        report = await self._customers.news(event.news)
        if report.customer_id is None:
            return await self._ignore(event, event.ignored or report.why)
        return report

    async def _payment_of(self, event: StripeEvent) -> tuple[str | None, str]:
        """Find the payment by metadata, else by the intent's id, else by asking Stripe whose intent it is.

        Metadata is ours only as a whole. Where it names another deployment, our books have the last word: one of the two names
        may be a typing error, and what is ignored no webhook brings again.
        """
        if event.owner.whole and event.owner.deployment == self._deployment:
            return event.owner.payment_id, ""
        assert event.intent_id is not None
        known: Payment | None = await self._store.by_intent(event.intent_id)
        if known is not None:
            return known.id, ""
        owner = event.owner if event.owner.whole else await self._gateway.owner(event.intent_id)
        if isinstance(owner, ReadFailed):
            if owner.lost:
                return None, "its intent does not exist"
            raise StripeUnavailable(owner.reason)
        return await self._by_metadata(owner)

    async def _by_metadata(self, owner: Owner) -> tuple[str | None, str]:
        """Two deployments may have a payment of one id, for it is made from the order's: ours says which it is of."""
        if owner.payment_id is None:
            return None, "nobody's: no metadata of ours"
        if owner.deployment == self._deployment:
            return owner.payment_id, ""
        known = await self._store.by_id(owner.payment_id)
        if known is not None and known.deployment == owner.deployment:
            return known.id, ""
        return None, ANOTHER_DEPLOYMENTS

    async def _ignore(self, event: StripeEvent | CustomerEvent, reason: str) -> Story:
        intent_id = event.intent_id if isinstance(event, StripeEvent) else None
        await self._store.record_ignored(Ignored(event.id, event.type, reason, self._clock(), intent_id))
        return Report(outcome=Outcome.STALE, why=f"ignored: {reason}")

    async def _refuse(self, error: InvalidMessage, address: Address, body: bytes, now: datetime) -> Story:
        message_id = error.message_id or f"unreadable-{hashlib.sha256(body).hexdigest()[:32]}"
        await self._store.record_refusal(Refusal(message_id, "command", str(RefusalCode.INVALID), str(error), now))
        refusal = RefusalReply(code=RefusalCode.INVALID, message=error.rule, field=error.field or None)
        reply = Reply(command_id=message_id, verdict=Verdict.REFUSED, refusal=refusal)
        await self._outbox.reply(address, reply)
        return Report(outcome=Outcome.REFUSED, why=f"invalid: {error}")
