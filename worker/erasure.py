"""Forgetting a user: each of their payments by a decision of its own, then what is archived, then the customer at Stripe.

Harmless to repeat and to interrupt: what is erased is no longer found by the user's id, so a repeat does the rest.
"""

from typing import Protocol

from contracts.replies import Reply, Verdict
from worker.adapters.translate import EraseUser
from worker.domain.commands import ERASED
from worker.domain.messages import Erase
from worker.domain.record import Outcome
from worker.handler import Handler, Report
from worker.ports import Outbox, Store

AT_ONCE = 100
"""Payments looked up at a time."""


class Forgetful(Protocol):
    """The part of the customers that an erasure needs."""

    async def erase(self, user_id: str) -> object: ...


class Erasure:
    """Carries out `user.erase`. The number of payments in the reply counts those that this delivery found."""

    def __init__(self, store: Store, handler: Handler, customers: Forgetful, outbox: Outbox) -> None:
        self._store = store
        self._handler = handler
        self._customers = customers
        self._outbox = outbox

    async def erase(self, asked: EraseUser) -> Report:
        """Forget the user of a command, wherever they are."""
        user_id, erased = asked.user_id, 0
        common = asked.common | {"reply": None, "expires_at": None}
        while found := await self._store.of_user(user_id, AT_ONCE):
            for payment_id in found:
                await self._handler.command(Erase(**common, payment_id=payment_id))
                await self._store.erase_archive(payment_id, ERASED)
            erased += len(found)
        await self._customers.erase(user_id)
        if asked.common["reply"]:
            reply = Reply(command_id=asked.common["message_id"], verdict=Verdict.ACCEPTED, erased=erased)
            await self._outbox.reply(asked.common["reply"], reply)
        return Report(outcome=Outcome.APPLIED, why=f"erased: {erased} payments")
