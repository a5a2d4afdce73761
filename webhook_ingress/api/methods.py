"""A user's saved payment methods: save one without paying, list, choose the default, forget."""

from typing import Any

from starlette.responses import Response

from contracts.commands import DetachMethod, SetDefaultMethod, SetUpPaymentMethod
from contracts.queries import ListPaymentMethods, PaymentMethods
from contracts.replies import Reply
from webhook_ingress.api import answers, ids
from webhook_ingress.api.call import Call
from webhook_ingress.api.endpoint import Answer, Endpoint
from webhook_ingress.api.form import Form
from webhook_ingress.api.payments import NOT_FOR_OTHERS, WAITING
from webhook_ingress.problems import Problem
from webhook_ingress.settings import Group

PATH = "/api/payments/methods"

SET_UP = Form(SetUpPaymentMethod, filled=("user_id",))
SET_DEFAULT = Form(SetDefaultMethod, filled=("user_id", "payment_method"))
DETACH = Form(DetachMethod, filled=("user_id", "payment_method"))
LIST = Form(ListPaymentMethods, filled=("viewer",), optional=("user_id",), renamed={"command": "command_id"})

DONE = {200: Answer("Done: the methods as they are now.", Reply), 202: WAITING}


async def set_up(call: Call) -> Response:
    return await _send(call, SET_UP, "methods", made=lambda _: PATH)


async def set_default(call: Call) -> Response:
    return await _send(call, SET_DEFAULT, "methods/default", payment_method=call.path["payment_method"])


async def detach(call: Call) -> Response:
    return await _send(call, DETACH, "methods/detach", payment_method=call.path["payment_method"])


async def _send(
    call: Call, form: Form[Any], route: str, *, made: answers.Made | None = None, **filled: str
) -> Response:
    command = call.read_body(form, user_id=call.caller.subject, **filled)
    if isinstance(command, Problem):
        return command
    name = call.command_id(route, filled.get("payment_method", ""))
    if isinstance(name, Problem):
        return name
    return answers.from_reply(await call.send(command, name), name, f"{PATH}?command={name}", made=made)


async def show(call: Call) -> Response:
    query = call.read_query(LIST, user_id=call.caller.subject, viewer=call.caller.viewer)
    if isinstance(query, Problem):
        return query
    if query.user_id != call.caller.subject and not call.caller.admin:
        return NOT_FOR_OTHERS
    return answers.from_answer(await call.ask(query))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path=PATH,
        group=Group.PUBLIC,
        summary="A user's saved payment methods",
        about="With `command`, also what became of that command. Administrators may ask for any user.",
        handle=show,
        query=LIST,
        answers={200: Answer("The newest 50, with the default marked.", PaymentMethods)},
    ),
    Endpoint(
        method="POST",
        path=PATH,
        group=Group.PUBLIC,
        summary="Save a payment method without paying",
        about="The answer carries the `client_secret` of a SetupIntent, for Stripe.js's `confirmSetup`.",
        handle=set_up,
        body=SET_UP,
        example={"usage": "off_session"},
        keyed=True,
        answers={201: Answer("The browser can save it now.", Reply, location=True), 202: WAITING},
    ),
    Endpoint(
        method="POST",
        path=f"{PATH}/{{payment_method}}/default",
        group=Group.PUBLIC,
        summary="Choose the default among the saved payment methods",
        handle=set_default,
        ids=ids.METHOD,
        body=SET_DEFAULT,
        keyed=True,
        answers=DONE,
    ),
    Endpoint(
        method="DELETE",
        path=f"{PATH}/{{payment_method}}",
        group=Group.PUBLIC,
        summary="Forget a saved payment method, for good",
        handle=detach,
        ids=ids.METHOD,
        keyed=True,
        answers=DONE,
    ),
)
