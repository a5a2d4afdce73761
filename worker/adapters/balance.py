"""Stripe's balance transactions with their sources: page by page, or all that moved for one intent."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import stripe
from pydantic_core import from_json

from worker.adapters.budget import Priority
from worker.adapters.gateway import DEADLINE_S
from worker.adapters.insistence import insist
from worker.adapters.line import Line
from worker.adapters.snapshots import Json, id_of, owner_of
from worker.errors import StripeUnavailable
from worker.movements import PART_OF, Part
from worker.proof import Moved

PAGE = 100


@dataclass(frozen=True, slots=True)
class Transactions:
    """One page, newest first. `after` is where the next one begins, None at the end; `oldest` for the progress bar."""

    moved: tuple[Moved, ...]
    others: int
    after: str | None
    oldest: datetime | None


class Balance:
    """Reads one account's balance. Raises StripeUnavailable when there is no answer."""

    def __init__(self, client: stripe.StripeClient, line: Line) -> None:
        self._v1 = client.v1
        self._line = line

    async def page(self, since: datetime, after: str | None) -> Transactions:
        """The next transactions, none made before `since`."""
        params: Any = {"limit": PAGE, "created": {"gte": int(since.timestamp())}, "expand": ["data.source"]}
        if after is not None:
            params["starting_after"] = after
        found = await self._list("balance_transactions", params)
        rows = found["data"]
        moved = [move for row in rows for move in _moves([row], row["source"])]
        return Transactions(
            moved=tuple(moved),
            others=len(rows) - len(moved),
            after=rows[-1]["id"] if rows and found["has_more"] else None,
            oldest=datetime.fromtimestamp(rows[-1]["created"], UTC) if rows else None,
        )

    async def of_intent(self, intent_id: str) -> list[Moved]:
        """All that has moved for an intent by now, whenever it was."""
        found: list[Moved] = []
        about: Any = {"payment_intent": intent_id, "limit": PAGE}
        for charge in await self._all("charges", about):
            rows = await self._all("balance_transactions", {"source": charge["id"], "limit": PAGE})
            found += _moves(rows, charge)
            if not rows and charge["amount_captured"]:
                found.append(_not_booked(charge))
        both = ("balance_transaction", "failure_balance_transaction")
        for refund in await self._all("refunds", about | {"expand": [f"data.{name}" for name in both]}):
            found += _moves([row for name in both if (row := refund.get(name))], refund)
        for dispute in await self._all("disputes", about):
            found += _moves(dispute.get("balance_transactions") or (), dispute)
        return found

    async def _all(self, kind: str, params: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            page = await self._list(kind, params)
            found += page["data"]
            if not page["has_more"] or not page["data"]:
                return found
            params = params | {"starting_after": page["data"][-1]["id"]}

    async def _list(self, kind: str, params: Any) -> dict[str, Any]:
        """One page of a list. It changes nothing at Stripe, so it is asked for again, whatever went wrong."""
        return await insist(partial(self._once, kind, params))

    async def _once(self, kind: str, params: Any) -> dict[str, Any]:
        async with self._asking():
            answer = await getattr(self._v1, kind).list_async(params)
            found: dict[str, Any] = from_json(answer.last_response.body)
        return found

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        try:
            async with self._line.enter(Priority.READ) as kept, asyncio.timeout(DEADLINE_S):
                if kept is None:
                    yield
                    return
        except stripe.StripeError as error:
            raise StripeUnavailable(f"{type(error).__name__} {error.http_status or ''}".strip()) from error
        except Exception as error:
            raise StripeUnavailable(type(error).__name__) from error
        raise StripeUnavailable(kept)


def _moves(rows: Iterable[Json], source: Any) -> list[Moved]:
    return [move for row in rows if (move := moved_of(row, source)) is not None]


def moved_of(row: Json, source: Any) -> Moved | None:
    """A balance transaction with its source; None when it is about no PaymentIntent."""
    category = str(row["reporting_category"])
    if category not in PART_OF or not isinstance(source, Mapping):
        return None
    intent_id = id_of(source.get("payment_intent"))
    if intent_id is None:
        return None
    owner = owner_of(source)
    return Moved(
        intent_id=intent_id,
        transaction_id=str(row["id"]),
        source_id=str(source["id"]),
        category=category,
        currency=str(source["currency"]),
        whole=int(source["amount_captured"] if PART_OF[category] is Part.CAPTURE else source["amount"]),
        settled=int(row["amount"]),
        settled_currency=str(row["currency"]),
        fee=int(row["fee"]),
        at=int(row["created"]),
        converted=row["currency"] != source["currency"],
        rate=str(row.get("exchange_rate") or ""),
        payment_id=owner.payment_id,
        deployment=owner.deployment,
    )


def _not_booked(charge: Json) -> Moved:
    """Captured, and not on the balance yet: under `automatic_async` that follows a moment later."""
    owner, currency = owner_of(charge), str(charge["currency"])
    whole = int(charge["amount_captured"])
    return Moved(
        intent_id=str(id_of(charge["payment_intent"])),
        transaction_id=str(charge["id"]),
        source_id=str(charge["id"]),
        category="charge",
        currency=currency,
        whole=whole,
        settled=0,
        settled_currency=currency,
        fee=0,
        at=int(charge["created"]),
        converted=True,
        payment_id=owner.payment_id,
        deployment=owner.deployment,
    )
