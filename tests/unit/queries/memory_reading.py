"""What queries read, in memory: passes the same suite as the real thing (tests/conformance/queries)."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import datetime

from worker.domain.record import Payment
from worker.ports import Refusal
from worker.queries import SCANNED_MAX, Place


class MemoryReading:
    """Payments by id, and refusals by command."""

    def __init__(self, payments: dict[str, Payment] | None = None) -> None:
        self.payments = payments if payments is not None else {}
        self.refusals: dict[str, Refusal] = {}

    async def by_id(self, payment_id: str) -> Payment | None:
        return self.payments.get(payment_id)

    async def by_intent(self, intent_id: str) -> Payment | None:
        return next((payment for payment in self.payments.values() if payment.intent_id == intent_id), None)

    async def by_order(self, order_id: str) -> list[Payment]:
        found = [payment for payment in self.payments.values() if payment.order_id == order_id]
        return sorted(found, key=lambda payment: payment.number)

    async def history(
        self, user_id: str, since: datetime | None, until: datetime | None, after: Place | None
    ) -> AsyncGenerator[Payment, None]:
        ends = [moment for moment in (until, after and after.at) if moment]
        found = [
            payment
            for payment in self.payments.values()
            if payment.user_id == user_id
            and (since is None or payment.created_at >= since)
            and all(payment.created_at <= end for end in ends)
        ]
        found.sort(key=lambda payment: Place(payment.created_at, payment.id), reverse=True)
        for payment in found[:SCANNED_MAX]:
            yield replace(payment, timeline=(), events=(), calls=(), draft=None)

    async def refusal(self, command_id: str) -> Refusal | None:
        return self.refusals.get(command_id)
