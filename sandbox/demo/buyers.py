"""The customers of the crowd: how each behaves, and how their order must end."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from contracts.commands import CaptureMethod
from contracts.events import PaymentAuthorized, PaymentDisputeClosed, PaymentDisputeOpened, PaymentSucceeded
from sandbox.demo.customer import DECLINED, DISPUTES, MASTERCARD, NO_FUNDS, SECURE, VISA
from sandbox.demo.evidence import Expected, Totals
from sandbox.demo.stage import Stage
from sandbox.demo.stories.disputes import CONVINCES
from sandbox.services.order import Order

PRICES = ((1999, "eur"), (4900, "usd"), (12500, "gbp"), (980, "jpy"), (7250, "kwd"), (3000, "chf"))

Act = Callable[[Stage, Order, str], Awaitable[None]]


def part_of(amount: int) -> int:
    """About a third, in steps of ten: dinars have no smaller ones."""
    return amount // 30 * 10


async def _pays(stage: Stage, secret: str, card: str) -> None:
    shown = await stage.customer.pay(secret, card)
    if shown.redirect is not None:
        await stage.customer.authenticate(shown.redirect)


async def _hears(stage: Stage, order: Order, kind: str) -> None:
    await stage.orders.until(order, lambda order: order.heard(kind) > 0)


async def _at_once(stage: Stage, _order: Order, secret: str) -> None:
    await _pays(stage, secret, VISA)


async def _second_card(stage: Stage, _order: Order, secret: str) -> None:
    await _pays(stage, secret, DECLINED)
    await _pays(stage, secret, MASTERCARD)


async def _third_card(stage: Stage, order: Order, secret: str) -> None:
    await _pays(stage, secret, NO_FUNDS)
    await _second_card(stage, order, secret)


async def _secure(stage: Stage, _order: Order, secret: str) -> None:
    await _pays(stage, secret, SECURE)


async def _asks_twice(stage: Stage, order: Order, secret: str) -> None:
    reply = await stage.orders.start_payment(order)
    await _pays(stage, reply.client_secret or secret, VISA)


async def _cancels(stage: Stage, order: Order, _secret: str) -> None:
    await stage.orders.cancel(order)


async def _captured(stage: Stage, order: Order, secret: str) -> None:
    await _pays(stage, secret, VISA)
    await _hears(stage, order, PaymentAuthorized.TYPE)
    await stage.orders.capture(order)


async def _captured_in_part(stage: Stage, order: Order, secret: str) -> None:
    await _pays(stage, secret, VISA)
    await _hears(stage, order, PaymentAuthorized.TYPE)
    await stage.orders.capture(order, part_of(order.amount))


async def _returns(stage: Stage, order: Order, secret: str) -> None:
    await _gives_back(stage, order, secret, None)


async def _returns_a_part(stage: Stage, order: Order, secret: str) -> None:
    await _gives_back(stage, order, secret, part_of(order.amount))


async def _gives_back(stage: Stage, order: Order, secret: str, amount: int | None) -> None:
    """Two desks refund the same return at the same moment."""
    await _pays(stage, secret, VISA)
    await _hears(stage, order, PaymentSucceeded.TYPE)
    first, again = await asyncio.gather(*(stage.orders.refund(order, "return-1", amount) for _ in range(2)))
    assert (first.refund_id, first.stripe_refund_id) == (again.refund_id, again.stripe_refund_id), (
        "one return, one refund"
    )


async def _disputes(stage: Stage, order: Order, secret: str) -> str:
    await _pays(stage, secret, DISPUTES)
    await _hears(stage, order, PaymentDisputeOpened.TYPE)
    (dispute,) = order.disputes
    return dispute


async def _wins(stage: Stage, order: Order, secret: str) -> None:
    await stage.orders.submit_evidence(order, await _disputes(stage, order, secret), CONVINCES)
    await _hears(stage, order, PaymentDisputeClosed.TYPE)


async def _gives_in(stage: Stage, order: Order, secret: str) -> None:
    await stage.orders.accept_dispute(order, await _disputes(stage, order, secret))
    await _hears(stage, order, PaymentDisputeClosed.TYPE)


def _all(amount: int) -> Totals:
    return Totals(amount)


@dataclass(frozen=True)
class Behaviour:
    """`share`: how many of a hundred customers do this. `due`: what becomes of an order's amount."""

    share: int
    act: Act
    status: str = "succeeded"
    due: Callable[[int], Totals] = _all
    capture_method: CaptureMethod = CaptureMethod.AUTOMATIC


BEHAVIOURS: dict[str, Behaviour] = {
    "pays at once": Behaviour(36, _at_once),
    "second card": Behaviour(10, _second_card),
    "third card": Behaviour(4, _third_card),
    "3-D Secure": Behaviour(8, _secure),
    "asks twice": Behaviour(6, _asks_twice),
    "cancels": Behaviour(6, _cancels, "canceled", lambda _: Totals()),
    "captured": Behaviour(6, _captured, capture_method=CaptureMethod.MANUAL),
    "captured in part": Behaviour(
        4, _captured_in_part, due=lambda amount: Totals(part_of(amount)), capture_method=CaptureMethod.MANUAL
    ),
    "returns": Behaviour(6, _returns, "refunded", lambda amount: Totals(amount, refunded=amount)),
    "returns a part": Behaviour(
        6, _returns_a_part, "partially_refunded", lambda amount: Totals(amount, refunded=part_of(amount))
    ),
    "disputed, won": Behaviour(4, _wins),
    "disputed, lost": Behaviour(4, _gives_in, due=lambda amount: Totals(amount, disputed=amount)),
}


@dataclass(frozen=True)
class Buyer:
    """What one customer will do; drawn before anything begins, so that a seed always gives the same crowd."""

    order_id: str
    amount: int
    currency: str
    kind: str

    @property
    def behaviour(self) -> Behaviour:
        return BEHAVIOURS[self.kind]

    @property
    def expected(self) -> Expected:
        return Expected(self.behaviour.status, self.behaviour.due(self.amount))


def draw(count: int, seed: int, run: str) -> list[Buyer]:
    """The crowd of a seed; `run` keeps the order ids of two runs apart."""
    chance = random.Random(seed)
    kinds = chance.choices(list(BEHAVIOURS), [behaviour.share for behaviour in BEHAVIOURS.values()], k=count)
    return [
        Buyer(f"crowd-{run}-{number}", *chance.choice(PRICES), kind=kind) for number, kind in enumerate(kinds, start=1)
    ]
