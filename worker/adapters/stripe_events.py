"""Stripe's list of events, page by page, and where each event must be recorded.

The list is read newest first and only appended to, so a place in it stays a place (Stripe API reference, "List all events").
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import stripe
from pydantic_core import from_json, to_json

from contracts.errors import InvalidMessage
from worker.adapters import customer_translate, translate
from worker.adapters.budget import Priority
from worker.adapters.gateway import DEADLINE_S
from worker.adapters.line import Line
from worker.coverage import Listed, Traces
from worker.errors import StripeUnavailable
from worker.ports import ANOTHER_DEPLOYMENTS

PAGE = 100
"""The most that a list gives at once."""


class PlaceGone(Exception):
    """The event that marked a place in the list has fallen off its end."""


@dataclass(frozen=True, slots=True)
class Page:
    """Newest first. `more`: older ones follow."""

    events: tuple[Listed, ...]
    more: bool


class EventList:
    """Lists the events of one account. Raises StripeUnavailable when there is no answer."""

    def __init__(self, client: stripe.StripeClient, line: Line, *, deployment: str, livemode: bool) -> None:
        self._events = client.v1.events
        self._line = line
        self._deployment = deployment
        self._livemode = livemode

    async def page(self, since: datetime, after: str | None) -> Page:
        """The next events after one in the list, none made before `since`. Raises PlaceGone when that one is not there."""
        params: Any = {"limit": PAGE, "created": {"gte": int(since.timestamp())}}
        if after is not None:
            params["starting_after"] = after
        try:
            async with self._asking():
                answer = await self._events.list_async(params)
        except stripe.InvalidRequestError as error:
            if after is not None and getattr(error, "param", None) == "starting_after":
                raise PlaceGone(after) from error
            raise StripeUnavailable(type(error).__name__) from error
        found = _body(answer)
        return Page(tuple(map(self._listed, found["data"])), bool(found["has_more"]))

    async def one(self, event_id: str) -> bytes | None:
        """An event's JSON; None when Stripe lists it no longer."""
        try:
            async with self._asking():
                return to_json(_body(await self._events.retrieve_async(event_id)))
        except stripe.InvalidRequestError as error:
            if error.http_status == 404:
                return None
            raise StripeUnavailable(type(error).__name__) from error

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        """One request. All that goes wrong with it is one error, but for what Stripe says of the request itself."""
        try:
            async with self._line.enter(Priority.READ) as kept, asyncio.timeout(DEADLINE_S):
                if kept is None:
                    yield
                    return
        except stripe.InvalidRequestError:
            raise
        except Exception as error:
            raise StripeUnavailable(type(error).__name__) from error
        raise StripeUnavailable(kept)

    def _listed(self, event: dict[str, Any]) -> Listed:
        raw = to_json(event)
        created = datetime.fromtimestamp(event["created"], UTC)
        traces = traces_of(raw, deployment=self._deployment, livemode=self._livemode)
        return Listed(str(event["id"]), str(event["type"]), created, traces, raw)


def traces_of(raw: bytes, *, deployment: str, livemode: bool) -> Traces:
    """Whose timeline an event is in once it is handled, by the rules of adapters/inbound.py. Nothing for what is no event."""
    try:
        event = translate.stripe_event(raw, livemode=livemode)
        if event.type in customer_translate.EVENTS:
            about = customer_translate.customer_event(raw, deployment=deployment, livemode=livemode)
            if about.news is None:
                return Traces(by_rule=about.ignored)
            stripe_id = about.news.stripe_id
            return Traces(customer_id=about.news.customer_id, stripe_customer_id=stripe_id, by_rule=about.ignored)
    except InvalidMessage:
        return Traces()
    if event.news is None:
        return Traces(by_rule=event.ignored)
    if not event.owner.whole:
        return Traces(intent_id=event.intent_id)
    theirs = event.owner.deployment
    foreign = "" if theirs == deployment else ANOTHER_DEPLOYMENTS
    return Traces(event.owner.payment_id, event.intent_id, by_rule=foreign, deployment=theirs)


def _body(answer: stripe.StripeObject) -> dict[str, Any]:
    """What Stripe said, in its own words: the SDK's objects change some."""
    response = answer.last_response
    assert response is not None, "an answer of the SDK's has its response"
    found: dict[str, Any] = from_json(response.body)
    return found
