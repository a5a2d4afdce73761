"""The outputs of the customer's `decide`: the next record, what to ask of Stripe, whom to tell what. The shell acts."""

from dataclasses import dataclass

from contracts.replies import Verdict
from worker.domain.customers.record import Customer, CustomerCall
from worker.domain.record import Address, Outcome, Refused


@dataclass(frozen=True, slots=True)
class SendCall:
    """Perform this call: it is the head, and its send is recorded in the record that comes with the decision."""

    call: CustomerCall


@dataclass(frozen=True, slots=True)
class ReadCustomer:
    """Retrieve a Stripe customer and its payment methods."""

    stripe_id: str


@dataclass(frozen=True, slots=True)
class FindCustomer:
    """Look for the customer of a create that was sent and never answered, by listing around each send."""

    call: CustomerCall


CustomerEffect = SendCall | ReadCustomer | FindCustomer


@dataclass(frozen=True, slots=True)
class CustomerTold:
    """The answer to one command. `setup_intent` is the one whose client secret its sender needs."""

    command_id: str
    verdict: Verdict
    address: Address | None = None
    refused: Refused | None = None
    setup_intent: str | None = None


@dataclass(frozen=True, slots=True)
class CustomerDecision:
    """What follows from one message. `customer` is None when there is no record and none begins.

    `write` false means that the record is already as it should be; `why` is one sentence for the log and the timeline.
    """

    customer: Customer | None
    outcome: Outcome
    why: str
    write: bool
    told: tuple[CustomerTold, ...] = ()
    effect: CustomerEffect | None = None
