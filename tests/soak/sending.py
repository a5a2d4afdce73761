"""A client that sends a command until its answer is final, whatever happens to workers meanwhile."""

import asyncio
import time
from collections.abc import Callable

from contracts.errors import NoReply, NotStored, OutcomeUnknown
from contracts.replies import Reply, Verdict
from tests.e2e.support.service import Service
from tests.soak.orders import Order, Step
from tests.soak.tally import Tally

REPLY_S = 10.0
"""A worker that was killed answers nothing; another one takes its deliveries at once, and answers in its place."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0


class Sender:
    """Plays orders; `on_message` is called for every message that goes out."""

    def __init__(self, service: Service, tally: Tally, within_s: float, on_message: Callable[[], None]) -> None:
        self._service = service
        self._tally = tally
        self._within_s = within_s
        self._on_message = on_message

    async def play(self, order: Order) -> None:
        """One order, step by step; what comes out differently ends it."""
        payment = ""
        self._tally.orders.append(order)
        for number, step in enumerate(order.steps):
            name = f"{order.order_id}-{number}-{step.name}"
            reply = await self._until_final(name, step, payment)
            if reply is None:
                self._tally.unknown[name] += 1
                return
            code = reply.refusal.code if reply.refusal else None
            if code is not step.refusal:
                self._tally.unexpected.append(f"{name}: {code or 'accepted'}, not {step.refusal or 'accepted'}")
                return
            self._tally.ok += 1
            payment = reply.payment.payment_id if reply.payment else payment

    async def _until_final(self, name: str, step: Step, payment: str) -> Reply | None:
        """All copies at once; then again under the same id until the answer is final. None when the time is up."""
        self._tally.attempted += 1
        replies = await asyncio.gather(*(self._ask(name, step, payment) for _ in range(step.copies)))
        deadline, pause_s, first = time.monotonic() + self._within_s, FIRST_PAUSE_S, True
        while True:
            final = [reply for reply in replies if reply is not None and reply.verdict is not Verdict.PENDING]
            if len({(reply.verdict, reply.refusal and reply.refusal.code) for reply in final}) > 1:
                self._tally.unexpected.append(f"{name}: two answers")
            if final:
                self._tally.recovered += not first
                return final[0]
            if time.monotonic() > deadline:
                return None
            first = False
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            replies = [await self._ask(name, step, payment)]

    async def _ask(self, name: str, step: Step, payment: str) -> Reply | None:
        self._tally.messages += 1
        self._on_message()
        try:
            return await self._service.send(step.make(payment), name, reply_s=REPLY_S)
        except (NoReply, NotStored, OutcomeUnknown):
            return None
