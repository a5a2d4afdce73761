"""What came back from the workers, as an HTTP response."""

from collections.abc import Callable, Mapping

from pydantic import BaseModel
from starlette.responses import Response

from contracts.queries import QueryRefusal, QueryRefusalCode
from contracts.replies import RefusalCode, Reply, Verdict
from webhook_ingress import problems
from webhook_ingress.api.call import JSON_TYPE
from webhook_ingress.line import Unanswered
from webhook_ingress.problems import Problem

STATUS: Mapping[RefusalCode, int] = {
    # The request says something that cannot be.
    RefusalCode.INVALID: 422,
    RefusalCode.ID_REUSED: 422,
    RefusalCode.REFUND_ID_REUSED: 422,
    RefusalCode.UNKNOWN_CURRENCY: 422,
    RefusalCode.AMOUNT_TOO_SMALL: 422,
    RefusalCode.AMOUNT_TOO_LARGE: 422,
    RefusalCode.AMOUNT_NOT_CHARGEABLE: 422,
    RefusalCode.PROVIDER_REFUSED: 422,
    # What it is about is not there.
    RefusalCode.UNKNOWN_PAYMENT: 404,
    RefusalCode.UNKNOWN_DISPUTE: 404,
    RefusalCode.UNKNOWN_METHOD: 404,
    # It is there, and not in a state for this.
    RefusalCode.EXPIRED: 409,
    RefusalCode.WRONG_STATE: 409,
    RefusalCode.ORDER_HAS_PAYMENT: 409,
    RefusalCode.ORDER_CANCELED: 409,
    RefusalCode.BEING_CANCELED: 409,
    RefusalCode.TOO_MANY_PAYMENTS: 409,
    RefusalCode.PAYMENT_FAILED: 409,
    RefusalCode.NOT_CAPTURABLE: 409,
    RefusalCode.NOT_REFUNDABLE: 409,
    RefusalCode.TOO_MANY_REFUNDS: 409,
    RefusalCode.DISPUTE_CLOSED: 409,
    RefusalCode.NOTHING_TO_RESOLVE: 409,
    RefusalCode.NEEDS_REVIEW: 409,
    # The bank wants another card, or the customer.
    RefusalCode.CARD_DECLINED: 402,
    RefusalCode.AUTHENTICATION_REQUIRED: 402,
    # Later it may work, under another key.
    RefusalCode.TOO_MANY_COMMANDS: 429,
    RefusalCode.PROVIDER_ERROR: 502,
}

CROWDED_RETRY_S = 60

Made = Callable[[str], str]
"""From the id of a payment, if there is one, to the address of what a command made."""

NOT_STORED = problems.unavailable("not_stored", "The request could not be stored; send it again.")
NOT_CONFIRMED = problems.unavailable(
    "not_confirmed", "Whether the request was stored is not known; send it again under the same Idempotency-Key."
)
NO_ANSWER = problems.unavailable("no_answer", "Nobody answered in time; ask again.")
UNREADABLE = Problem(502, "unreadable_answer", "The answer is of a version that this process cannot read.")


def from_reply(reply: Reply | Unanswered, command_id: str, where: str, *, made: Made | None = None) -> Response:
    """The answer to a command: `where` it can be asked for, and where that is which it `made`, if it made something."""
    if reply in {Unanswered.NO_REPLY, Unanswered.UNREADABLE}:
        reply = Reply(command_id=command_id, verdict=Verdict.PENDING)
    if isinstance(reply, Unanswered):
        return NOT_STORED if reply is Unanswered.NOT_STORED else NOT_CONFIRMED
    match reply.verdict:
        case Verdict.REFUSED:
            return _refused(reply)
        case Verdict.PENDING:
            return _json(reply, 202, where)
        case Verdict.ACCEPTED if made is not None:
            return _json(reply, 201, made(reply.payment.payment_id if reply.payment else ""))
        case Verdict.ACCEPTED:
            return _json(reply, 200)


def from_answer(answer: BaseModel | QueryRefusal | Unanswered) -> Response:
    """The answer to a query."""
    if isinstance(answer, Unanswered):
        return UNREADABLE if answer is Unanswered.UNREADABLE else NO_ANSWER
    if not isinstance(answer, QueryRefusal):
        return _json(answer, 200)
    match answer.code:
        case QueryRefusalCode.NOT_FOUND:
            return problems.not_found()
        case QueryRefusalCode.INVALID:
            return problems.invalid(answer.message, _field(answer.field))
        case QueryRefusalCode.UNAVAILABLE:
            return NO_ANSWER


def _refused(reply: Reply) -> Response:
    refusal = reply.refusal
    assert refusal is not None, "a refusal has a reason"
    shown = reply.model_dump(mode="json", include={"payment", "refund", "dispute"}, exclude_none=True)
    more = {"command_id": reply.command_id, **shown}
    if refusal.decline_code is not None:
        more["decline_code"] = refusal.decline_code
    status = STATUS[refusal.code]
    headers = {"retry-after": str(CROWDED_RETRY_S)} if status == 429 else None
    return Problem(status, refusal.code.value, refusal.message, field=_field(refusal.field), headers=headers, more=more)


def _field(path: str | None) -> str | None:
    """A field of the message is one of the body; the message's own id is the key's hash."""
    if path == "id":
        return "Idempotency-Key"
    return path.removeprefix("data.") if path else None


def _json(model: BaseModel, status: int, location: str | None = None) -> Response:
    headers = {"location": location} if location is not None else None
    return Response(model.model_dump_json(exclude_none=True), status, headers, JSON_TYPE)
