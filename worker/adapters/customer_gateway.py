"""Stripe's customers, saved payment methods and SetupIntents, by its official SDK.

The same rules as gateway.py (docs/reliability.md, rules 17-19): stored keys and parameters, one deadline for all of a
call, the outcome one of a closed set. It is handed the client, for there is one per event loop.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import stripe

from worker.adapters.customer_translate import bears_mark, methods_of
from worker.adapters.gateway import DEADLINE_S, FIND_AROUND, FIND_DEADLINE_S, PAGE_PAUSE_S, PAGE_TRIES, classify
from worker.adapters.snapshots import Unreadable, id_of
from worker.domain.customers.limits import MAX_METHODS
from worker.domain.customers.messages import CustomerAnswer, CustomerRead, CustomerReadFailed
from worker.domain.customers.record import Customer, CustomerCall, CustomerOperation
from worker.domain.facts import StripeProblem
from worker.domain.messages import Result
from worker.ports import SetupSecret

CONFIRMABLE = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})
"""SetupIntents that a user can still do something about."""


class StripeCustomerGateway:
    """See ports.CustomerGateway."""

    def __init__(self, client: stripe.StripeClient) -> None:
        self._v1 = client.v1

    async def send(self, call: CustomerCall, customer: Customer, chained: int) -> CustomerAnswer:
        try:
            async with asyncio.timeout(DEADLINE_S):
                found = await self._perform(call)
            answer = _done(call, customer, found)
        except stripe.StripeError as error:
            answer = _refused(call, customer, error, classify(error))
        except Exception as error:  # noqa: BLE001 - rule 18: any exception that is not listed is unknown
            answer = _unknown(call, customer, error)
        return replace(answer, chained=chained)

    async def read(self, stripe_id: str, version: int) -> CustomerRead | CustomerReadFailed:
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await self._read(stripe_id, version)
        except stripe.StripeError as error:
            return CustomerReadFailed(reason=f"{type(error).__name__} {error.http_status or ''}".strip())
        except Exception as error:  # noqa: BLE001 - rule 18: what is not listed is unknown, and a read is repeated
            return CustomerReadFailed(reason=type(error).__name__)

    async def find(self, call: CustomerCall, customer: Customer) -> CustomerAnswer:
        try:
            for since, until in _windows(call.sends):
                found = await self._search(customer, since, until)
                if found is not None:
                    return CustomerAnswer(call_id=call.id, result=Result.DONE, version=customer.version, made=found)
        except stripe.StripeError as error:
            return _refused(call, customer, error, Result.UNKNOWN)
        except Exception as error:  # noqa: BLE001 - rule 18: what is not listed is unknown, and a search is repeated
            return _unknown(call, customer, error)
        return CustomerAnswer(call_id=call.id, result=Result.NOT_FOUND, version=customer.version)

    async def secret(self, setup_intent: str) -> SetupSecret | CustomerReadFailed:
        try:
            async with asyncio.timeout(DEADLINE_S):
                found = _json(await self._v1.setup_intents.retrieve_async(setup_intent))
            secret = str(found["client_secret"]) if found["status"] in CONFIRMABLE else None
        except Exception as error:  # noqa: BLE001 - rule 18: what is not listed is unknown; the sender may ask again
            return CustomerReadFailed(reason=type(error).__name__)
        return SetupSecret(secret)

    async def _perform(self, call: CustomerCall) -> stripe.StripeObject:
        options: Any = {"idempotency_key": call.key}
        params: Any = call.params
        match call.operation:
            case CustomerOperation.CREATE:
                return await self._v1.customers.create_async(params, options)
            case CustomerOperation.SET_UP:
                theirs: Any = {**params, "customer": _target(call)}
                return await self._v1.setup_intents.create_async(theirs, options)
            case CustomerOperation.SET_DEFAULT:
                update: Any = {"invoice_settings": {"default_payment_method": call.method}}
                return await self._v1.customers.update_async(_target(call), update, options)
            case CustomerOperation.DETACH:
                return await self._v1.payment_methods.detach_async(call.method, {}, options)
            case CustomerOperation.DELETE:
                return await self._v1.customers.delete_async(_target(call))

    async def _read(self, stripe_id: str, version: int) -> CustomerRead:
        customer = await self._customer(stripe_id)
        if customer is None:
            return CustomerRead(stripe_id=stripe_id, version=version, deleted=True)
        page = await self._v1.customers.payment_methods.list_async(stripe_id, {"limit": MAX_METHODS})
        settings = customer.get("invoice_settings") or {}
        methods = methods_of(map(_json, page.data), id_of(settings.get("default_payment_method")))
        return CustomerRead(stripe_id=stripe_id, version=version, methods=methods)

    async def _customer(self, stripe_id: str) -> dict[str, Any] | None:
        """The customer, or None where there is none: Stripe still tells of a deleted one, and that it is."""
        try:
            found = _json(await self._v1.customers.retrieve_async(stripe_id))
        except stripe.InvalidRequestError as error:
            if error.http_status == 404:
                return None
            raise
        if found["id"] != stripe_id:
            raise Unreadable("customer: id")
        return None if found.get("deleted") else found

    async def _search(self, customer: Customer, since: datetime, until: datetime) -> str | None:
        """Walk the customers that Stripe made in a span of time, newest first, until ours is among them."""
        params: Any = {"created": {"gte": int(since.timestamp()), "lte": int(until.timestamp()) + 1}, "limit": 100}
        async with asyncio.timeout(FIND_DEADLINE_S):
            while True:
                page = await self._page(params)
                for found in map(_json, page.data):
                    if bears_mark(found, customer.id, customer.deployment):
                        return str(found["id"])
                if not page.has_more or not page.data:
                    return None
                params = params | {"starting_after": page.data[-1].id}

    async def _page(self, params: Any) -> stripe.ListObject[stripe.Customer]:
        """One page of a list. It changes nothing at Stripe, so it is asked for again, whatever went wrong."""
        for _ in range(PAGE_TRIES - 1):
            try:
                return await self._v1.customers.list_async(params)
            except Exception:  # noqa: BLE001 - rule 18 lists what an answer can be; for a page all others are "again"
                await asyncio.sleep(PAGE_PAUSE_S)
        return await self._v1.customers.list_async(params)


def _done(call: CustomerCall, customer: Customer, found: stripe.StripeObject) -> CustomerAnswer:
    """A 2xx is what was asked for only if it says so. Raises for one that does not: that is unknown."""
    body, response = _json(found), found.last_response
    made, secret = str(body["id"]), None
    match call.operation:
        case CustomerOperation.SET_UP:
            secret = str(body["client_secret"])
        case CustomerOperation.SET_DEFAULT | CustomerOperation.DELETE if made != call.target:
            raise Unreadable("customer: id")
        case CustomerOperation.DETACH if made != call.method:
            raise Unreadable("payment method: id")
    return CustomerAnswer(
        call_id=call.id,
        result=Result.DONE,
        version=customer.version,
        made=made if call.operation in {CustomerOperation.CREATE, CustomerOperation.SET_UP} else None,
        client_secret=secret,
        request_id=response.request_id if response else None,
        replayed=_replayed(response.headers if response else None),
    )


def _refused(call: CustomerCall, customer: Customer, error: stripe.StripeError, result: Result) -> CustomerAnswer:
    body = error.json_body if isinstance(error.json_body, dict) else {}
    found = body.get("error") if isinstance(body.get("error"), dict) else {}
    assert isinstance(found, dict)
    unsure = result in {Result.UNKNOWN, Result.NOT_EXECUTED, Result.STORED_ERROR}
    by_status = f"http_{error.http_status}" if error.http_status else type(error).__name__
    return CustomerAnswer(
        call_id=call.id,
        result=result,
        version=customer.version,
        problem=StripeProblem(
            code=by_status if unsure else error.code or by_status,
            message=type(error).__name__ if unsure else error.user_message or type(error).__name__,
            field=found.get("param"),
        ),
        request_id=error.request_id,
        replayed=_replayed(error.headers),
    )


def _unknown(call: CustomerCall, customer: Customer, error: Exception) -> CustomerAnswer:
    problem = StripeProblem(type(error).__name__, "no answer that can be understood")
    return CustomerAnswer(call_id=call.id, result=Result.UNKNOWN, version=customer.version, problem=problem)


def _replayed(headers: Mapping[str, str] | None) -> bool:
    """Whether Stripe repeated a stored answer (Stripe docs, "Idempotent requests")."""
    return {name.lower(): value for name, value in (headers or {}).items()}.get("idempotent-replayed") == "true"


def _windows(sends: tuple[datetime, ...]) -> Iterator[tuple[datetime, datetime]]:
    """The time around each send, overlapping ones as one."""
    since, until = sends[0] - FIND_AROUND, sends[0] + FIND_AROUND
    for moment in sends[1:]:
        if moment - FIND_AROUND > until:
            yield since, until
            since = moment - FIND_AROUND
        until = moment + FIND_AROUND
    yield since, until


def _target(call: CustomerCall) -> str:
    assert call.target is not None, "a call about a customer addresses a stored id"
    return call.target


def _json(found: stripe.StripeObject) -> dict[str, Any]:
    return found.to_dict()
