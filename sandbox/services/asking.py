"""How a service asks payments for something: it repeats a command under its id until the answer is final."""

import asyncio
import secrets
from collections.abc import Callable

from contracts.client import PaymentsClient
from contracts.commands import Command
from contracts.errors import NoReply, PublishFailed
from contracts.replies import RefusalCode, Reply, Verdict

PATIENCE_S = 600.0
"""How long a command is repeated before it is given up: a bad day at Stripe lasts minutes."""

FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 5.0
"""Between two askings for the same command's outcome; each one helps it along."""

TRY_ANEW = frozenset(
    {RefusalCode.PROVIDER_ERROR, RefusalCode.PAYMENT_FAILED, RefusalCode.EXPIRED, RefusalCode.BEING_CANCELED}
)
"""Refusals after which the same may be asked again, under a new command id: nothing was done, and nothing will be."""

Final = Callable[[Reply], bool]


class PaymentRefused(Exception):
    """Payments will not do what was asked; `reply.refusal` says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.refusal.message if reply.refusal else "refused")
        self.reply = reply

    @property
    def code(self) -> RefusalCode | None:
        return self.reply.refusal.code if self.reply.refusal else None


def command_id(kind: str) -> str:
    return f"{kind}-{secrets.token_hex(8)}"


def answered(reply: Reply) -> bool:
    return reply.verdict is not Verdict.PENDING


async def until_answered(payments: PaymentsClient, command: Command, name: str, *, final: Final = answered) -> Reply:
    """Repeat a command under its id until the answer is final: it is carried out once, however often it is sent."""
    wait_s = FIRST_WAIT_S
    while True:
        try:
            reply = await payments.send(command, command_id=name)
        except (NoReply, PublishFailed):
            pass  # perhaps stored, perhaps not: the repeat tells
        else:
            if final(reply):
                return reply
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, LONGEST_WAIT_S)


async def until_accepted(payments: PaymentsClient, command: Command, kind: str) -> Reply:
    """Ask until it is done. Raises PaymentRefused, and TimeoutError when there is no answer for PATIENCE_S."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            reply = await until_answered(payments, command, command_id(kind))
            if reply.refusal is None:
                return reply
            raise_unless_worth_another_try(reply)
            # An answered command is over: the same id would only repeat its answer.
            await asyncio.sleep(FIRST_WAIT_S)


def raise_unless_worth_another_try(reply: Reply) -> None:
    if reply.refusal is not None and reply.refusal.code not in TRY_ANEW:
        raise PaymentRefused(reply)
