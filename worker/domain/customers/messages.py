"""The inputs of the customer's `decide`: commands, what a payment and an erasure need, Stripe's news and answers, the clock.

`client_secret` passes through to the requester's reply and is neither compared, printed nor stored.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from contracts.commands import FutureUsage
from worker.domain.customers.record import SavedMethod
from worker.domain.messages import AnswerMessage, CommandMessage


class CustomerKind(StrEnum):
    """A column of the transition table."""

    ENSURE = "ensure"
    SET_UP = "set_up"
    SET_DEFAULT = "set_default"
    DETACH = "detach"
    ERASE = "erase"
    CHANGED = "changed"
    READ = "read"
    READ_FAILED = "read_failed"
    ANSWER = "answer"
    TICK = "tick"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCommand(CommandMessage):
    """A command about what a user has saved."""

    user_id: str
    deployment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp(UserCommand):
    usage: FutureUsage = FutureUsage.OFF_SESSION


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDefault(UserCommand):
    payment_method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Detach(UserCommand):
    payment_method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensure:
    """A payment needs the user's customer. `issued_at` is when the payment was asked for: an erasure outlives that."""

    user_id: str
    deployment: str
    issued_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Erase:
    """Forget the user, here and at Stripe."""

    user_id: str
    deployment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerChanged:
    """A webhook: something happened to a Stripe customer. `customer_id` is ours, where the object bears our mark."""

    message_id: str
    event_type: str
    stripe_id: str
    customer_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRead:
    """What a read found. It counts only for the version that was loaded before it."""

    stripe_id: str
    version: int
    deleted: bool = False
    methods: tuple[SavedMethod, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerReadFailed:
    """A read that Stripe did not answer."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerAnswer(AnswerMessage):
    """What Stripe tells of a customer's call. `made` is the id of the customer or SetupIntent made."""

    made: str | None = None
    client_secret: str | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class CustomerTick:
    """The clock: `check_at` has come."""


CustomerCommand = SetUp | SetDefault | Detach
CustomerMessage = (
    CustomerCommand
    | Ensure
    | Erase
    | CustomerChanged
    | CustomerRead
    | CustomerReadFailed
    | CustomerAnswer
    | CustomerTick
)

_KINDS: dict[type, CustomerKind] = {
    SetUp: CustomerKind.SET_UP,
    SetDefault: CustomerKind.SET_DEFAULT,
    Detach: CustomerKind.DETACH,
    Ensure: CustomerKind.ENSURE,
    Erase: CustomerKind.ERASE,
    CustomerChanged: CustomerKind.CHANGED,
    CustomerRead: CustomerKind.READ,
    CustomerReadFailed: CustomerKind.READ_FAILED,
    CustomerAnswer: CustomerKind.ANSWER,
    CustomerTick: CustomerKind.TICK,
}


def customer_kind(message: CustomerMessage) -> CustomerKind:
    """Name the column of the table that a message belongs to."""
    return _KINDS[type(message)]


def redacted(message: CustomerCommand | CustomerChanged) -> dict[str, Any]:
    """What the timeline keeps of a message: no user, no address, no secret."""
    match message:
        case SetUp():
            return {"usage": str(message.usage)}
        case SetDefault() | Detach():
            return {"payment_method": message.payment_method}
        case CustomerChanged():
            return {"stripe_id": message.stripe_id}
