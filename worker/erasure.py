"""Forgetting a user: each of their payments by a decision of its own, then what is archived, then the customer at Stripe.

Harmless to repeat and to interrupt: what is erased is no longer found by the user's id, so a repeat does the rest.
"""

from typing import Any, Protocol

from contracts.replies import Refusal, RefusalCode, Reply, Verdict
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
        """Forget the user of a command, wherever they are. One whose id was another command's is refused."""
        done: set[str] = set()
        while found := [name for name in await self._store.of_user(asked.user_id, AT_ONCE) if name not in done]:
            for payment_id in found:
                if not await self._forget(asked, payment_id):
                    return await self._refuse(asked)
            done.update(found)
        await self._customers.erase(asked.user_id)
        await self._reply(asked, verdict=Verdict.ACCEPTED, erased=len(done))
        return Report(outcome=Outcome.APPLIED, why=f"erased: {len(done)} payments")

    async def _forget(self, asked: EraseUser, payment_id: str) -> bool:
        """Erase one payment; False when it refuses the command.

        What is archived goes first: once the payment itself is erased, nobody finds it by its user again. And once more
        after it, for what was moved there meanwhile.
        """
        common = asked.common | {"reply": None, "expires_at": None}
        await self._store.erase_archive(payment_id, ERASED)
        report = await self._handler.command(Erase(**common, payment_id=payment_id))
        await self._store.erase_archive(payment_id, ERASED)
        return f"{common['message_id']}:{Verdict.REFUSED}" not in report.told

    async def _refuse(self, asked: EraseUser) -> Report:
        refusal = Refusal(
            code=RefusalCode.ID_REUSED, message="this command id was used for another command", field="id"
        )
        await self._reply(asked, verdict=Verdict.REFUSED, refusal=refusal)
        return Report(outcome=Outcome.REFUSED, why=f"{refusal.code}: {refusal.message}")

    async def _reply(self, asked: EraseUser, **said: Any) -> None:
        if asked.common["reply"]:
            await self._outbox.reply(asked.common["reply"], Reply(command_id=asked.common["message_id"], **said))
