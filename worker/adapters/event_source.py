"""One event, read again at Stripe. Its list reaches back 30 days (Stripe API reference, "Events")."""

import asyncio
from dataclasses import dataclass

import stripe

DEADLINE_S = 75
"""As for every other request to Stripe (docs/reliability.md, rule 19)."""


@dataclass(frozen=True, slots=True)
class NotListed:
    """Stripe has no such event, or no longer."""


@dataclass(frozen=True, slots=True)
class NotAnswered:
    """Stripe did not say; `reason` is for the log."""

    reason: str


class StripeEvents:
    """Reads events as Stripe tells them. Never raises for what Stripe or the network does."""

    def __init__(self, client: stripe.StripeClient) -> None:
        self._client = client

    async def raw(self, event_id: str) -> bytes | NotListed | NotAnswered:
        """The event in Stripe's own bytes."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                found = await self._client.v1.events.retrieve_async(event_id)
        except stripe.StripeError as error:
            return NotListed() if error.http_status == 404 else NotAnswered(type(error).__name__)
        except Exception as error:  # noqa: BLE001 - rule 18: what is not listed is unknown, and a read is repeated
            return NotAnswered(type(error).__name__)
        response = found.last_response
        return response.body.encode() if response else NotAnswered("an answer without a body")
