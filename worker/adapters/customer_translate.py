"""From bytes on the broker, and Stripe's JSON, to the messages that the customer's `decide` takes.

Source: Stripe API reference, objects Customer, PaymentMethod, SetupIntent and Event. Only ids are taken from an event, so
it may be of any API version.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from contracts import commands, envelope
from contracts.errors import InvalidMessage
from worker.adapters.snapshots import Json, Unreadable, id_of
from worker.domain.customers.messages import CustomerChanged, CustomerCommand, Detach, SetDefault, SetUp
from worker.domain.customers.record import SavedMethod
from worker.ports import ANOTHER_DEPLOYMENTS

CUSTOMER_EVENTS = frozenset({"customer.created", "customer.updated", "customer.deleted"})
HANGING_EVENTS = frozenset(
    {
        "payment_method.attached",
        "payment_method.automatically_updated",
        "payment_method.detached",
        "payment_method.updated",
        "setup_intent.setup_failed",
        "setup_intent.succeeded",
    },
)
"""Events of what hangs on a customer; their object names it."""

METHOD_EVENTS = "payment_method."
"""We put no metadata on payment methods: what is there is somebody else's."""

EVENTS = CUSTOMER_EVENTS | HANGING_EVENTS
"""What a webhook endpoint subscribes to for this, and what comes here."""

ContractCommand = commands.SetUpPaymentMethod | commands.SetDefaultMethod | commands.DetachMethod


def command(body: ContractCommand, common: Mapping[str, Any], deployment: str) -> CustomerCommand:
    """A command's body, with what every command brings (see messages.CommandMessage)."""
    known = {**common, "user_id": body.user_id, "deployment": deployment}
    match body:
        case commands.SetUpPaymentMethod():
            return SetUp(**known, usage=body.usage)
        case commands.SetDefaultMethod():
            return SetDefault(**known, payment_method=body.payment_method)
        case commands.DetachMethod():
            return Detach(**known, payment_method=body.payment_method)


@dataclass(frozen=True, slots=True)
class CustomerEvent:
    """One webhook event about a customer. `news` is None when it is not for us, with why.

    With news, `ignored` says why it is nothing for us should the customer not be here.
    """

    id: str
    type: str
    news: CustomerChanged | None
    ignored: str = ""


def customer_event(raw: bytes, *, deployment: str, livemode: bool) -> CustomerEvent:
    """Read a webhook event of a type in EVENTS as Stripe signed it. Raises InvalidMessage when it is none."""
    if len(raw) > envelope.MAX_BODY_BYTES:
        raise InvalidMessage(f"body has {len(raw)} bytes, at most {envelope.MAX_BODY_BYTES} are read")
    try:
        found = from_json(raw, allow_inf_nan=False)  # refuses half surrogates, which no database keeps
        event_id, kind, about = str(found["id"]), str(found["type"]), found["data"]["object"]
        if not isinstance(about, Mapping):
            raise TypeError("data.object")  # noqa: TRY301 - one place turns every kind of nonsense into one error
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidMessage(f"is no Stripe event: {type(error).__name__}") from None

    def ignored(why: str) -> CustomerEvent:
        return CustomerEvent(event_id, kind, None, why)

    if bool(found.get("livemode")) is not livemode:
        return ignored("of the other mode: livemode differs from our key's")
    if kind not in EVENTS:
        return ignored("no rule for this type")
    stripe_id = id_of(about) if kind in CUSTOMER_EVENTS else _customer_of(about, found["data"])
    if stripe_id is None:
        return ignored("belongs to no customer")
    ours, theirs = (None, None) if kind.startswith(METHOD_EVENTS) else _mark(about)
    marked = ours if theirs is not None else None
    news = CustomerChanged(message_id=event_id, event_type=kind, stripe_id=stripe_id, customer_id=marked)
    return CustomerEvent(event_id, kind, news, "" if theirs in {None, deployment} else ANOTHER_DEPLOYMENTS)


def _customer_of(about: Json, wrapped: Json) -> str | None:
    """The customer that an object hangs on. A detached method says only in `previous_attributes` on whose it was."""
    before = wrapped.get("previous_attributes")
    return id_of(about.get("customer")) or (id_of(before.get("customer")) if isinstance(before, Mapping) else None)


def _mark(about: Json) -> tuple[str | None, str | None]:
    """Our id of the customer and the deployment, where our create put them."""
    metadata = about.get("metadata")
    if not isinstance(metadata, Mapping):
        return None, None
    return id_of(metadata.get("customer_id")), id_of(metadata.get("deployment"))


def bears_mark(about: Json, customer_id: str, deployment: str) -> bool:
    """Whether an object is this user's, by the metadata that our create put on it."""
    return _mark(about) == (customer_id, deployment)


def methods_of(found: Iterable[Json], default: str | None) -> tuple[SavedMethod, ...]:
    """A list of PaymentMethods. Raises Unreadable."""
    try:
        return tuple(_method(method, default) for method in found)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"payment method: {type(error).__name__} {error}") from error


def _method(found: Json, default: str | None) -> SavedMethod:
    kind = str(found["type"])
    details = found.get(kind) or {}
    return SavedMethod(
        id=str(found["id"]),
        type=kind,
        brand=details.get("brand"),
        last4=details.get("last4"),
        exp_month=details.get("exp_month"),
        exp_year=details.get("exp_year"),
        default=found["id"] == default,
    )
