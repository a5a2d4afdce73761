"""The show: all scenarios at once, their stories told as they happen."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sandbox.demo.evidence import Drain, Evidence
from sandbox.demo.scenarios import SCENARIOS
from sandbox.demo.screen import Row, Screen
from sandbox.demo.stage import Stage
from sandbox.demo.story import Scenario, Story
from sandbox.services.order import Order

STORY_S = 45.0
"""Each takes a few seconds; one that takes longer has failed, and the checks say how far it came."""

SETTLE_S = 30.0

START_EVERY_S = 0.15
"""Between the first lines of two stories, so that the eye can follow."""


@dataclass
class Show:
    """Plays the scenarios on a stage; `numbers` finds a payment's colour by its order id."""

    screen: Screen
    scenarios: Sequence[Scenario] = SCENARIOS

    def __post_init__(self) -> None:
        run = secrets.token_hex(2)
        self.order_ids = [f"demo-{run}-{number}" for number in range(1, len(self.scenarios) + 1)]
        self._numbers = {order_id: number for number, order_id in enumerate(self.order_ids)}
        self._expected = {
            order_id: scenario.expected() for order_id, scenario in zip(self.order_ids, self.scenarios, strict=True)
        }
        self._troubles: dict[str, str] = {}

    def tell(self, order_id: str, who: str, text: str) -> None:
        number = self._numbers.get(order_id)
        if number is not None:
            self.screen.line(number, who, text)

    async def play(self, stage: Stage, drain: Drain) -> Evidence:
        """Play everything, wait until it has settled, end worker and ingress, and give the books."""
        async with asyncio.TaskGroup() as group:
            for number, scenario in enumerate(self.scenarios):
                if not scenario.alone:
                    group.create_task(self._one(stage, number, scenario))
                    await asyncio.sleep(START_EVERY_S)
        for number, scenario in enumerate(self.scenarios):
            if scenario.alone:
                await self._one(stage, number, scenario)
        found = await stage.books.conclude(self._expected, SETTLE_S, lambda _: None, drain)
        return replace(found, troubles=self._troubles)

    async def _one(self, stage: Stage, number: int, scenario: Scenario) -> None:
        order_id = self.order_ids[number]
        order = stage.orders.place(
            scenario.shows,
            scenario.amount,
            scenario.currency,
            f"user-{order_id.removeprefix('demo-')}",
            order_id,
            capture_method=scenario.capture_method,
        )
        say = lambda who, what: self.tell(order_id, who, what)  # noqa: E731
        try:
            async with asyncio.timeout(STORY_S):
                await scenario.play(Story(stage, order, say, self._expected[order_id]))
                await stage.orders.until(order, lambda order: order.status == scenario.status)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the others play on and the checks report it
            self._troubles[order_id] = f"{type(error).__name__}: {error}".rstrip(": ")
            self.tell(order_id, "✗ story broke", self._troubles[order_id])
        self.screen.state(number, f"{order.status}, done")

    def rows(self, found: Evidence) -> list[Row]:
        return [
            row(found, found.orders[order_id], scenario.shows)
            for order_id, scenario in zip(self.order_ids, self.scenarios, strict=True)
        ]


def row(found: Evidence, order: Order, shows: str) -> Row:
    """What became of one order, for the final table."""
    payments = ", ".join(payment["_id"] for payment in found.payments_of(order.order_id))
    heard, mailed = found.heard(order.order_id), found.mailed(order.order_id)
    return Row(order.order_id, payments, shows, order.status, _kinds(heard), _kinds(mailed))


def _kinds(heard: Counter[str]) -> str:
    return ", ".join(
        kind.removeprefix("payment.") + (f" x{count}" if count > 1 else "") for kind, count in heard.items()
    )
