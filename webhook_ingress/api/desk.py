"""What only administrators may: take held money, give money back, read a payment's story and everybody's figures."""

from starlette.responses import Response

from contracts.commands import CapturePayment, RefundPayment
from contracts.queries import GetPaymentStats, GetTimeline, StatsView, TimelinePage
from webhook_ingress.api import answers, ids
from webhook_ingress.api.call import Call
from webhook_ingress.api.command_id import refund_id
from webhook_ingress.api.endpoint import Answer, Endpoint
from webhook_ingress.api.form import Form
from webhook_ingress.api.payments import DONE, status_path
from webhook_ingress.problems import Problem
from webhook_ingress.settings import Group

CAPTURE = Form(CapturePayment, filled=("payment_id", "requested_by"))
REFUND = Form(RefundPayment, filled=("payment_id", "requested_by"), optional=("refund_id",))
TIMELINE = Form(GetTimeline, filled=("payment_id", "viewer"))
STATS = Form(GetPaymentStats, filled=("viewer",))


async def capture(call: Call) -> Response:
    payment_id = call.path["payment_id"]
    name = call.command_id("capture", payment_id)
    if isinstance(name, Problem):
        return name
    command = call.read_body(CAPTURE, payment_id=payment_id, requested_by=call.caller.subject)
    return command if isinstance(command, Problem) else await _sent(call, command, name)


async def refund(call: Call) -> Response:
    payment_id = call.path["payment_id"]
    name = call.command_id("refund", payment_id)
    if isinstance(name, Problem):
        return name
    command = call.read_body(REFUND, payment_id=payment_id, requested_by=call.caller.subject, refund_id=refund_id(name))
    return command if isinstance(command, Problem) else await _sent(call, command, name)


async def _sent(call: Call, command: CapturePayment | RefundPayment, name: str) -> Response:
    where = f"{status_path(command.payment_id)}?command={name}"
    return answers.from_reply(await call.send(command, name), name, where)


async def timeline(call: Call) -> Response:
    query = call.read_query(TIMELINE, payment_id=call.path["payment_id"])
    return query if isinstance(query, Problem) else answers.from_answer(await call.ask(query))


async def stats(call: Call) -> Response:
    query = call.read_query(STATS)
    return query if isinstance(query, Problem) else answers.from_answer(await call.ask(query))


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/api/payments/{payment_id}/capture",
        group=Group.ADMIN,
        summary="Take money that is held",
        about="Without `amount` all that is left; what a final capture leaves is released.",
        handle=capture,
        ids=ids.PAYMENT,
        body=CAPTURE,
        example={"amount": 1500, "note": "one is sold out"},
        keyed=True,
        sensitive=True,
        answers=DONE,
    ),
    Endpoint(
        method="POST",
        path="/api/payments/{payment_id}/refund",
        group=Group.ADMIN,
        summary="Give money back",
        about="Without `amount` all that can be refunded. `refund_id` is your name for this refund, and one refund is "
        "made for it; without it the Idempotency-Key names it. Without either, every request is a refund of its own.",
        handle=refund,
        ids=ids.PAYMENT,
        body=REFUND,
        example={"amount": 500, "refund_id": "return-7", "reason": "requested_by_customer"},
        keyed=True,
        sensitive=True,
        answers=DONE,
    ),
    Endpoint(
        method="GET",
        path="/api/payments/stats",
        group=Group.ADMIN,
        summary="Counts, amounts, rates and times of a period",
        about="By currency; amounts of different currencies are never added up. As fresh as `as_of` says.",
        handle=stats,
        query=STATS,
        example={
            "since": "2026-01-01T00:00:00Z",
            "until": "2026-02-01T00:00:00Z",
            "currency": "eur",
            "timezone": "Europe/Berlin",
            "step": "day",
        },
        answers={200: Answer("The period's figures and, with `step`, their series.", StatsView)},
    ),
    Endpoint(
        method="GET",
        path="/api/payments/{payment_id}/timeline",
        group=Group.ADMIN,
        summary="What a payment went through, message by message",
        handle=timeline,
        ids=ids.PAYMENT,
        query=TIMELINE,
        answers={200: Answer("One page of its story, the oldest first.", TimelinePage)},
    ),
)
