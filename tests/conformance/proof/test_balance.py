"""What moved at Stripe, as the SDK brings it from the simulator: by pages and by intent, it is the same money."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.stripe.app import create_app
from sandbox.stripe.faults import Shot, read_fault
from sandbox.stripe.server import Running, serve
from sandbox.stripe.world import Settings
from tests.unit.sandbox_stripe.raw import Raw, raw_client
from worker.adapters import insistence
from worker.adapters.balance import PAGE, Balance
from worker.adapters.breaker import Breaker
from worker.adapters.budget import Budget
from worker.adapters.gateway import StripeGateway
from worker.adapters.line import Line, MeteredClient
from worker.errors import StripeUnavailable
from worker.movements import Part, presented
from worker.proof import Moved

PAID = "amount=2000&currency=usd&payment_method=pm_card_visa&confirm=true&payment_method_types[]=card&capture_method=automatic"
EUROS = {"settlement_currency": "eur", "exchange_rates": {"usd": "0.92", "jpy": "0.615"}}
SLOW = Settings(balance_delay_s=3600, dispute_delay_s=3600, evidence_delay_s=3600, refund_delay_s=3600)


@pytest.fixture
async def run() -> AsyncIterator[Running]:
    async with serve(create_app(seed=1, settings=SLOW)) as running:
        yield running


@pytest.fixture
async def raw(run: Running) -> AsyncIterator[Raw]:
    async with raw_client(run.address) as client:
        yield client


@pytest.fixture
async def balance(run: Running) -> AsyncIterator[Balance]:
    line = Line(Budget(1000), Breaker())
    gateway = StripeGateway("sk_test_123", run.address, MeteredClient(line))
    yield Balance(gateway.client, line)
    await gateway.close()


async def everything(balance: Balance) -> list[Moved]:
    found: list[Moved] = []
    after = None
    while True:
        page = await balance.page(datetime.now(UTC) - timedelta(hours=1), after)
        found += page.moved
        after = page.after
        if after is None:
            return found


async def paid(raw: Raw, form: str = PAID) -> str:
    return str((await raw.post("/v1/payment_intents", form)).body["id"])


async def net(balance: Balance, intent: str) -> dict[Part, int]:
    """What is left of each part, the same by both ways to it."""
    pages = [move for move in await everything(balance) if move.intent_id == intent]
    assert _by_part(pages) == _by_part(await balance.of_intent(intent))
    return _by_part(pages)


def _by_part(moves: list[Moved]) -> dict[Part, int]:
    sources: dict[tuple[Part, str], list[Moved]] = {}
    for move in moves:
        sources.setdefault((move.part, move.source_id), []).append(move)
    found: dict[Part, int] = {}
    for (part, _), of_source in sources.items():
        found[part] = found.get(part, 0) + presented(of_source)
    return found


@pytest.fixture(params=["usd", "eur"])
async def settling(request: pytest.FixtureRequest, raw: Raw) -> str:
    """Where the account settles: dollars are the payment's own, euros are converted."""
    if request.param == "eur":
        await raw.control("account", EUROS)
    return str(request.param)


async def test_a_payment_is_what_the_customer_paid(raw: Raw, balance: Balance, settling: str) -> None:
    """Whatever it settles in, 20 dollars are 20 dollars, and the fee is beside them."""
    intent = await paid(raw)
    assert await net(balance, intent) == {Part.CAPTURE: 2000}
    (move,) = await everything(balance)
    assert (move.currency, move.settled_currency, move.converted) == ("usd", settling, settling == "eur")
    assert (move.whole, move.settled > 0, move.fee > 0) == (2000, True, True)


async def test_refunds_and_failed_refunds(raw: Raw, balance: Balance, settling: str) -> None:
    """A refund at another day's rate takes its dollars, one that fails gives them back."""
    del settling
    intent = await paid(raw)
    await raw.post("/v1/refunds", f"payment_intent={intent}&amount=700")
    await raw.control("account", {"exchange_rates": {"usd": "0.8"}})
    failed = (await raw.post("/v1/refunds", f"payment_intent={intent}&amount=300")).body["id"]
    assert await net(balance, intent) == {Part.CAPTURE: 2000, Part.REFUND: -1000}
    await raw.control(f"refunds/{failed}/move", {"to": "failed"})
    assert await net(balance, intent) == {Part.CAPTURE: 2000, Part.REFUND: -700}


@pytest.mark.parametrize(("to", "left"), [("lost", -500), ("won", 0), (None, -500)])
async def test_disputes(raw: Raw, balance: Balance, settling: str, to: str | None, left: int) -> None:
    """A dispute takes its dollars and a fee, a won one brings them back without the fee."""
    del settling
    intent = await paid(raw)
    dispute = await raw.control(f"payment_intents/{intent}/dispute", {"amount": 500})
    if to is not None:
        await raw.control(f"disputes/{dispute['id']}/move", {"to": to})
    assert await net(balance, intent) == {Part.CAPTURE: 2000, Part.DISPUTE: left}
    fees = [move.fee for move in await everything(balance) if move.part is Part.DISPUTE]
    assert sum(fees) == 1500


async def test_a_dispute_that_is_won_in_part(raw: Raw, balance: Balance, settling: str) -> None:
    """Three of five dollars that come back leave two taken, at whatever rate, to the cent."""
    del settling
    intent = await paid(raw)
    dispute = await raw.control(f"payment_intents/{intent}/dispute", {"amount": 500})
    await raw.control(f"disputes/{dispute['id']}/move", {"to": "won", "amount": 300})
    assert await net(balance, intent) == {Part.CAPTURE: 2000, Part.DISPUTE: -200}


@pytest.mark.parametrize("rate", ["0.8", "0.92", "1.1375"])
async def test_a_part_that_comes_back_at_another_days_rate(raw: Raw, balance: Balance, rate: str) -> None:
    """Two of eight dollars that come back at another rate leave six taken."""
    await raw.control("account", EUROS)
    intent = await paid(raw)
    dispute = await raw.control(f"payment_intents/{intent}/dispute", {"amount": 800})
    await raw.control("account", {"exchange_rates": {"usd": rate}})
    await raw.control(f"disputes/{dispute['id']}/move", {"to": "won", "amount": 200})
    assert await net(balance, intent) == {Part.CAPTURE: 2000, Part.DISPUTE: -600}


async def test_captures_in_parts(raw: Raw, balance: Balance, settling: str) -> None:
    """Several captures of one authorization add up to what was captured, and not to what was held."""
    del settling
    more = "&payment_method_options[card][request_multicapture]=if_available"
    intent = await paid(raw, PAID.replace("capture_method=automatic", "capture_method=manual") + more)
    assert await net(balance, intent) == {}
    await raw.post(f"/v1/payment_intents/{intent}/capture", "amount_to_capture=300&final_capture=false")
    await raw.post(f"/v1/payment_intents/{intent}/capture", "amount_to_capture=900")
    assert await net(balance, intent) == {Part.CAPTURE: 1200}


async def test_yen_are_no_cents(raw: Raw, balance: Balance) -> None:
    """A currency without decimals that settles in one with two keeps its own amounts."""
    await raw.control("account", EUROS)
    intent = await paid(raw, PAID.replace("amount=2000&currency=usd", "amount=2001&currency=jpy"))
    await raw.post("/v1/refunds", f"payment_intent={intent}&amount=1")
    assert await net(balance, intent) == {Part.CAPTURE: 2001, Part.REFUND: -1}


async def test_what_is_not_on_the_balance_yet(raw: Raw, balance: Balance) -> None:
    """A capture whose balance transaction follows later is missing from the pages, and there at the second look."""
    intent = await paid(raw, PAID.replace("capture_method=automatic", "capture_method=automatic_async"))
    assert await everything(balance) == []
    assert _by_part(await balance.of_intent(intent)) == {Part.CAPTURE: 2000}


async def test_the_mark_is_read(raw: Raw, balance: Balance) -> None:
    """A charge bears the payment and the deployment of its intent."""
    await paid(raw, f"{PAID}&metadata[payment_id]=pay_1_1&metadata[deployment]=test")
    (move,) = await everything(balance)
    assert (move.payment_id, move.deployment) == ("pay_1_1", "test")


async def test_all_pages_are_read(raw: Raw, balance: Balance) -> None:
    """More movements than fit on a page come whole, each once."""
    for _ in range(PAGE + 3):
        await paid(raw)
    found = await everything(balance)
    assert len(found) == len({move.source_id for move in found}) == PAGE + 3


async def test_a_lost_page_is_asked_for_again(
    run: Running, raw: Raw, balance: Balance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One lost answer does not end a long proof; a Stripe that stays away does, by one error."""
    monkeypatch.setattr(insistence, "BETWEEN_TRIES_S", 0)
    await paid(raw)
    run.simulator.faults.queue(Shot(read_fault("429"), "GET", "/v1/*", times=2))
    assert len(await everything(balance)) == 1
    run.simulator.faults.queue(Shot(read_fault("429"), "GET", "/v1/*", times=50))
    with pytest.raises(StripeUnavailable):
        await everything(balance)
