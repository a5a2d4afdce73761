"""The seeded stream: orders, each a few commands that must come out as its story says."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from contracts.commands import (
    CancelPayment,
    CaptureMethod,
    CapturePayment,
    Command,
    ConfirmPayment,
    CreatePayment,
    RefundPayment,
)
from contracts.replies import RefusalCode

AMOUNTS = (1000, 1999, 5000, 12_345)
"""Minor units."""

CURRENCY = "eur"
VISA, DECLINED = "pm_card_visa", "pm_card_chargeDeclined"
RETURN_URL = "https://shop.example/back"
WHO = "soak"

TWICE = 0.15
"""Of the commands are sent more than once at a time, under the same id."""

Make = Callable[[str], Command]


@dataclass(frozen=True)
class Step:
    """One command; `make` wants the payment's id. It is accepted, or refused by this name. `copies` go out at once."""

    name: str
    make: Make
    refusal: RefusalCode | None = None
    copies: int = 1


@dataclass(frozen=True)
class Order:
    """`status`, `captured` and `refunded` are how it must end; the totals in minor units."""

    order_id: str
    steps: tuple[Step, ...]
    status: str
    captured: int = 0
    refunded: int = 0

    @property
    def messages(self) -> int:
        return sum(step.copies for step in self.steps)


def stream(seed: int, messages: int) -> Iterator[Order]:
    """Orders until they come to so many messages, copies counted; the last one may go a little beyond."""
    chance, count, sent = random.Random(seed), 0, 0
    while sent < messages:
        count += 1
        order = _order(f"soak-{count}", chance)
        sent += order.messages
        yield order


def _order(name: str, chance: random.Random) -> Order:
    amount = chance.choice(AMOUNTS)
    create = Step("create", _create(name, amount, CaptureMethod.AUTOMATIC))
    hold = Step("create", _create(name, amount, CaptureMethod.MANUAL))
    pay = Step("confirm", _confirm(VISA))
    part = amount // 3
    make = chance.choice((_paid, _refunded, _captured, _canceled, _declined, _too_much))
    order = make(name, amount, part, create=create, hold=hold, pay=pay)
    steps = tuple(Step(step.name, step.make, step.refusal, _copies(chance)) for step in order.steps)
    return Order(order.order_id, steps, order.status, order.captured, order.refunded)


def _paid(name: str, amount: int, _part: int, *, create: Step, hold: Step, pay: Step) -> Order:
    del hold
    return Order(name, (create, pay), "succeeded", amount)


def _refunded(name: str, amount: int, part: int, *, create: Step, hold: Step, pay: Step) -> Order:
    del hold
    steps = (create, pay, Step("refund", _refund("part", part)), Step("refund", _refund("rest", amount - part)))
    return Order(name, steps, "succeeded", amount, amount)


def _captured(name: str, amount: int, part: int, *, create: Step, hold: Step, pay: Step) -> Order:
    del create
    rest = amount - part
    steps = (hold, pay, Step("capture", _capture(rest)), Step("refund", _refund("part", part // 2)))
    return Order(name, steps, "succeeded", rest, part // 2)


def _canceled(name: str, _amount: int, _part: int, *, create: Step, hold: Step, pay: Step) -> Order:
    del hold, pay
    return Order(name, (create, Step("cancel", lambda payment: CancelPayment(payment_id=payment))), "canceled")


def _declined(name: str, amount: int, _part: int, *, create: Step, hold: Step, pay: Step) -> Order:
    del hold
    refused = Step("confirm", _confirm(DECLINED), RefusalCode.CARD_DECLINED)
    return Order(name, (create, refused, pay), "succeeded", amount)


def _too_much(name: str, amount: int, part: int, *, create: Step, hold: Step, pay: Step) -> Order:
    del hold
    refused = Step("refund", _refund("all", amount), RefusalCode.NOT_REFUNDABLE)
    return Order(name, (create, pay, Step("refund", _refund("part", part)), refused), "succeeded", amount, part)


def _create(name: str, amount: int, method: CaptureMethod) -> Make:
    return lambda _: CreatePayment(
        order_id=name, user_id=f"user-{name}", amount=amount, currency=CURRENCY, capture_method=method
    )


def _confirm(method: str) -> Make:
    return lambda payment: ConfirmPayment.model_validate(
        {"payment_id": payment, "payment_method": method, "return_url": RETURN_URL}
    )


def _capture(amount: int) -> Make:
    return lambda payment: CapturePayment(payment_id=payment, amount=amount, requested_by=WHO)


def _refund(name: str, amount: int) -> Make:
    return lambda payment: RefundPayment(
        payment_id=payment, refund_id=f"{payment}-{name}", amount=amount, requested_by=WHO
    )


def _copies(chance: random.Random) -> int:
    return chance.choice((2, 3)) if chance.random() < TWICE else 1
