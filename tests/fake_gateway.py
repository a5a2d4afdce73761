"""The gateway over the in-memory model of Stripe: no I/O, and faults on demand. Passes the real one's conformance suite."""

from collections.abc import Callable
from datetime import datetime, timedelta

from tests.fake_stripe import FakeStripe, Fault
from worker.domain.messages import Answer, IntentSeen, ReadFailed, Result
from worker.domain.record import Call, Payment
from worker.ports import Owner

AROUND = timedelta(minutes=2)


class FakeGateway:
    """See ports.Gateway. `fault` is asked before each request what goes wrong with it."""

    def __init__(self, stripe: FakeStripe, clock: Callable[[], datetime], fault: Callable[[], Fault]) -> None:
        self._stripe = stripe
        self._clock = clock
        self._fault = fault

    async def send(self, call: Call, payment: Payment, chained: int) -> Answer:
        said = self._stripe.perform(call, self._clock(), self._fault())
        return Answer(
            call_id=call.id,
            result=said.result,
            version=payment.version,
            intent=said.intent,
            refund=said.refund,
            dispute=said.dispute,
            problem=said.problem,
            chained=chained,
            replayed=said.replayed,
            sent_at=call.sends[-1] if said.result is Result.HELD_BACK else None,
        )

    async def read(self, intent_id: str, version: int, *, for_secret: bool = False) -> IntentSeen | ReadFailed:
        del for_secret
        fault = self._fault()
        if fault is not Fault.NONE:
            return ReadFailed(reason=fault.value)
        found = self._stripe.retrieve(intent_id)
        if found is None:
            return ReadFailed(reason="no such intent", lost=True)
        intent, ledger = found
        return IntentSeen(
            message_id=f"~read-{version}", event_type="read", intent=intent, version=version, ledger=ledger
        )

    async def find(self, call: Call, payment: Payment) -> Answer:
        if self._fault() is not Fault.NONE:
            return Answer(call_id=call.id, result=Result.UNKNOWN, version=payment.version)
        for moment in call.sends:
            found = self._stripe.find(payment.id, payment.deployment, moment - AROUND, moment + AROUND)
            if found is not None:
                return Answer(call_id=call.id, result=Result.DONE, version=payment.version, intent=found)
        return Answer(call_id=call.id, result=Result.NOT_FOUND, version=payment.version)

    async def owner(self, intent_id: str) -> Owner | ReadFailed:
        held = self._stripe.intents.get(intent_id)
        if self._fault() is not Fault.NONE:
            return ReadFailed(reason="told to fail")
        if held is None:
            return ReadFailed(reason="no such intent", lost=True)
        return Owner(*(held.metadata.get(name) for name in ("payment_id", "order_id", "deployment")))
