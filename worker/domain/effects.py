"""The outputs of `decide`: the next record, what to ask of Stripe, and whom to tell what. Values; the shell acts."""

from dataclasses import dataclass
from datetime import datetime

from contracts.replies import Verdict
from worker.domain.record import Address, Announced, Call, Outcome, Payment, Refused


@dataclass(frozen=True, slots=True)
class Send:
    """Perform this call: it is the head, and its send is recorded in the record that comes with the decision."""

    call: Call


@dataclass(frozen=True, slots=True)
class Read:
    """Retrieve the intent, and bring back what it is now; if it has received money, with its refunds and disputes."""

    intent_id: str


@dataclass(frozen=True, slots=True)
class Find:
    """Look for the intent of a create that was sent and never answered, by listing around each send."""

    call: Call


@dataclass(frozen=True, slots=True)
class Ensure:
    """Make sure that the payment's user has a customer at Stripe, and bring back its id."""

    user_id: str
    issued_at: datetime


Effect = Send | Read | Find | Ensure


@dataclass(frozen=True, slots=True)
class Told:
    """The answer to one command. With `wants_secret` the requester needs what only Stripe holds, to let the customer pay.

    `about` is the refund or dispute that it was for.
    """

    command_id: str
    verdict: Verdict
    address: Address | None = None
    refused: Refused | None = None
    wants_secret: bool = False
    show_payment: bool = True
    about: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from one message. `payment` is None when there is none and none begins.

    `write` false means that the record is already as it should be; `why` is one sentence for the log and the timeline.
    """

    payment: Payment | None
    outcome: Outcome
    why: str
    write: bool
    events: tuple[Announced, ...] = ()
    told: tuple[Told, ...] = ()
    effect: Effect | None = None
