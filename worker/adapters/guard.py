"""The gateways, each behind the line: a send that is kept back is answered as *held back*, and its document brings it back."""

from dataclasses import replace

from worker.adapters.budget import OF_CALL, OF_CUSTOMER_CALL, Priority
from worker.adapters.line import Kept, Line
from worker.domain.customers.messages import CustomerAnswer, CustomerRead, CustomerReadFailed
from worker.domain.customers.record import Customer, CustomerCall
from worker.domain.facts import StripeProblem
from worker.domain.messages import Answer, IntentSeen, ReadFailed, Result
from worker.domain.record import Call, Payment
from worker.ports import CustomerGateway, Gateway, Owner, SetupSecret

TEXTS = {
    Kept.BUDGET: "no place in the budget of requests in time",
    Kept.AWAY: "Stripe does not answer at the moment",
}


class GuardedGateway:
    """See ports.Gateway."""

    def __init__(self, inner: Gateway, line: Line) -> None:
        self._inner = inner
        self._line = line

    async def send(self, call: Call, payment: Payment, chained: int) -> Answer:
        async with self._line.enter(OF_CALL[call.operation]) as kept:
            if kept is None:
                return await self._inner.send(call, payment, chained)
        return replace(
            _not_executed(call, payment, kept), result=Result.HELD_BACK, sent_at=call.sends[-1], chained=chained
        )

    async def read(self, intent_id: str, version: int, *, for_secret: bool = False) -> IntentSeen | ReadFailed:
        async with self._line.enter(Priority.CREATE if for_secret else Priority.READ) as kept:
            if kept is None:
                return await self._inner.read(intent_id, version, for_secret=for_secret)
        return ReadFailed(reason=kept)

    async def find(self, call: Call, payment: Payment) -> Answer:
        async with self._line.enter(Priority.READ) as kept:
            if kept is None:
                return await self._inner.find(call, payment)
        return _not_executed(call, payment, kept)

    async def owner(self, intent_id: str) -> Owner | ReadFailed:
        async with self._line.enter(Priority.READ) as kept:
            if kept is None:
                return await self._inner.owner(intent_id)
        return ReadFailed(reason=kept)


class GuardedCustomerGateway:
    """See ports.CustomerGateway."""

    def __init__(self, inner: CustomerGateway, line: Line) -> None:
        self._inner = inner
        self._line = line

    async def send(self, call: CustomerCall, customer: Customer, chained: int) -> CustomerAnswer:
        async with self._line.enter(OF_CUSTOMER_CALL[call.operation]) as kept:
            if kept is None:
                return await self._inner.send(call, customer, chained)
        return replace(
            _customer_not_executed(call, customer, kept),
            result=Result.HELD_BACK,
            sent_at=call.sends[-1],
            chained=chained,
        )

    async def read(self, stripe_id: str, version: int) -> CustomerRead | CustomerReadFailed:
        async with self._line.enter(Priority.READ) as kept:
            if kept is None:
                return await self._inner.read(stripe_id, version)
        return CustomerReadFailed(reason=kept)

    async def find(self, call: CustomerCall, customer: Customer) -> CustomerAnswer:
        async with self._line.enter(Priority.READ) as kept:
            if kept is None:
                return await self._inner.find(call, customer)
        return _customer_not_executed(call, customer, kept)

    async def secret(self, setup_intent: str) -> SetupSecret | CustomerReadFailed:
        async with self._line.enter(Priority.READ) as kept:
            if kept is None:
                return await self._inner.secret(setup_intent)
        return CustomerReadFailed(reason=kept)


def _not_executed(call: Call, payment: Payment, kept: Kept) -> Answer:
    problem = StripeProblem(kept, TEXTS[kept])
    return Answer(call_id=call.id, result=Result.NOT_EXECUTED, version=payment.version, problem=problem)


def _customer_not_executed(call: CustomerCall, customer: Customer, kept: Kept) -> CustomerAnswer:
    problem = StripeProblem(kept, TEXTS[kept])
    return CustomerAnswer(call_id=call.id, result=Result.NOT_EXECUTED, version=customer.version, problem=problem)
