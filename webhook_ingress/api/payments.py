"""A user's own payments: open, confirm, give up, look at."""

from typing import Any
from urllib.parse import quote, urlencode

from starlette.responses import Response

from contracts.commands import CancelPayment, ConfirmPayment, CreatePayment
from contracts.queries import (
    GetOrder,
    GetPayment,
    ListUserPayments,
    OrderPayments,
    PaymentDetails,
    PaymentPage,
)
from contracts.replies import Reply
from webhook_ingress import problems
from webhook_ingress.api import answers, ids
from webhook_ingress.api.call import Call
from webhook_ingress.api.endpoint import Answer, Endpoint
from webhook_ingress.api.form import Form
from webhook_ingress.problems import Problem
from webhook_ingress.settings import Group

CREATE = Form(CreatePayment, optional=("user_id",))
CONFIRM = Form(ConfirmPayment, filled=("payment_id",))
CANCEL = Form(CancelPayment, filled=("payment_id", "order_id"))
STATUS = Form(
    GetPayment,
    filled=("payment_id", "payment_intent_id"),
    renamed={"command": "command_id", "user_id": "viewer"},
)
ORDER = Form(GetOrder, filled=("order_id",), renamed={"command": "command_id", "user_id": "viewer"})
HISTORY = Form(ListUserPayments, filled=("viewer",), optional=("user_id",), renamed={"status": "statuses"})

MAY_NOT_OPEN = Problem(403, "role_missing", "This role may not open payments.")
NOT_FOR_OTHERS = Problem(403, "not_for_others", "Only your own user id may be named.", field="user_id")

WAITING = Answer("Stored, and not done yet: `Location` says where to ask what became of it.", Reply, location=True)
DONE = {200: Answer("Done: the payment as it is now.", Reply), 202: WAITING}


def status_path(payment_id: str) -> str:
    return f"/api/payments/status/{payment_id}"


async def create(call: Call) -> Response:
    if not call.caller.may_open:
        return MAY_NOT_OPEN
    command = call.read_body(CREATE, user_id=call.caller.subject)
    if isinstance(command, Problem):
        return command
    if command.user_id != call.caller.subject and not call.caller.may_act_for_others:
        return NOT_FOR_OTHERS
    name = call.command_id("intent", command.order_id)
    if isinstance(name, Problem):
        return name
    reply = await call.send(command, name)
    if isinstance(reply, Reply) and reply.payment is not None:
        call.line["payment_id"] = reply.payment.payment_id
    asked = (
        {"command": name} if command.user_id == call.caller.subject else {"command": name, "user_id": command.user_id}
    )
    where = f"/api/payments/order/{quote(command.order_id, safe='')}?{urlencode(asked)}"
    return answers.from_reply(reply, name, where, made=status_path)


async def confirm(call: Call) -> Response:
    return await on_own_payment(call, CONFIRM, "confirm")


async def cancel(call: Call) -> Response:
    return await on_own_payment(call, CANCEL, "cancel")


async def on_own_payment(call: Call, form: Form[Any], route: str) -> Response:
    """Send a command about a payment that must be the caller's. A payment never changes hands, so looking first is enough."""
    payment_id = call.path["payment_id"]
    command = call.read_body(form, payment_id=payment_id)
    if isinstance(command, Problem):
        return command
    name = call.command_id(route, payment_id)
    if isinstance(name, Problem):
        return name
    if call.caller.viewer is not None:
        seen = await call.ask(GetPayment(payment_id=payment_id, viewer=call.caller.viewer))
        if not isinstance(seen, PaymentDetails):
            return answers.from_answer(seen)
        if seen.payment is None:
            return problems.not_found()
    reply = await call.send(command, name)
    return answers.from_reply(reply, name, f"{status_path(payment_id)}?command={name}")


async def status(call: Call) -> Response:
    asked = call.path["id"]
    field = "payment_intent_id" if asked.startswith("pi_") else "payment_id"
    query = call.read_query(STATUS, viewer=call.caller.viewer, **{field: asked})
    if isinstance(query, Problem):
        return query
    return answers.from_answer(await call.ask(query)) if _may_look(call, query.viewer) else NOT_FOR_OTHERS


async def order(call: Call) -> Response:
    query = call.read_query(ORDER, viewer=call.caller.viewer, order_id=call.path["order_id"])
    if isinstance(query, Problem):
        return query
    return answers.from_answer(await call.ask(query)) if _may_look(call, query.viewer) else NOT_FOR_OTHERS


def _may_look(call: Call, viewer: str | None) -> bool:
    """As themselves, or as another whom they may act for. None is everybody, and only an administrator's own default."""
    return viewer in {call.caller.viewer, call.caller.subject} or call.caller.may_act_for_others


async def history(call: Call) -> Response:
    query = call.read_query(HISTORY, user_id=call.caller.subject, viewer=call.caller.viewer)
    if isinstance(query, Problem):
        return query
    if query.user_id != call.caller.subject and not call.caller.admin:
        return NOT_FOR_OTHERS
    return answers.from_answer(await call.ask(query))


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/api/payments/intent",
        group=Group.PUBLIC,
        summary="Open the payment of an order",
        about="The answer carries the `client_secret` that the customer's browser pays with. An order has one live "
        "payment: asked again on the same terms, by whatever key, it is answered with that one. `user_id` is your own "
        "unless you may act for others. Compare the amount of `payment.succeeded` with your order before you ship.",
        handle=create,
        body=CREATE,
        example={"order_id": "order-1042", "amount": 1999, "currency": "eur", "description": "A bicycle bell"},
        keyed=True,
        answers={201: Answer("The payment is open.", Reply, location=True), 202: WAITING},
    ),
    Endpoint(
        method="POST",
        path="/api/payments/{payment_id}/confirm",
        group=Group.PUBLIC,
        summary="Charge a payment method",
        about="What the customer must do next, such as 3-D Secure, is in `next_action`. A declined card is 402; the "
        "payment can be tried again.",
        handle=confirm,
        ids=ids.PAYMENT,
        body=CONFIRM,
        example={"payment_method": "pm_card_visa", "return_url": "https://shop.example/paid"},
        keyed=True,
        answers=DONE,
    ),
    Endpoint(
        method="POST",
        path="/api/payments/{payment_id}/cancel",
        group=Group.PUBLIC,
        summary="Give a payment up",
        handle=cancel,
        ids=ids.PAYMENT,
        body=CANCEL,
        example={"reason": "requested_by_customer"},
        keyed=True,
        answers=DONE,
    ),
    Endpoint(
        method="GET",
        path="/api/payments/status/{id}",
        group=Group.PUBLIC,
        summary="One payment, by our id or by Stripe's",
        about="With `command`, also what became of that command: it can be known where there is no payment. Who may act "
        "for others may name the user whose payment it has to be.",
        handle=status,
        ids=ids.PAYMENT_OR_INTENT,
        query=STATUS,
        answers={200: Answer("The payment with its attempts, refunds and disputes.", PaymentDetails)},
    ),
    Endpoint(
        method="GET",
        path="/api/payments/order/{order_id}",
        group=Group.PUBLIC,
        summary="The payments of an order",
        about="With `command`, also what became of that command. 404 after a 202 means: not begun yet.",
        handle=order,
        ids=ids.ORDER,
        query=ORDER,
        answers={200: Answer("All payments of the order that the caller may see, the oldest first.", OrderPayments)},
    ),
    Endpoint(
        method="GET",
        path="/api/payments/user",
        group=Group.PUBLIC,
        summary="A user's payments",
        about="The newest first; the next page is there while `next_cursor` is. Administrators may ask for any user.",
        handle=history,
        query=HISTORY,
        example={"status": ["succeeded", "refunded"], "currency": "eur", "limit": 20},
        answers={200: Answer("One page.", PaymentPage)},
    ),
)
