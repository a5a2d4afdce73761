"""What roll-ups read and write, in memory and on MongoDB, and a storm over both."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.conformance.queries.conftest import Stock
from tests.unit.queries.making import MINUTE, NOW, announced, counted, paid
from tests.unit.queries.plain import flattened
from tests.unit.queries.storm import Storm
from worker.adapters.archive import archived_documents
from worker.adapters.documents import to_document
from worker.adapters.stats_store import MongoStats
from worker.adapters.store import open_client
from worker.domain.archive import Surplus
from worker.domain.record import Status
from worker.jobs.rebuild import rebuild
from worker.jobs.rollups import Change, Marked, Rollups
from worker.stats import QUARTER, Tally

EVERY = timedelta(seconds=10)
FULL = Tally(
    asked=10**12,
    captured=5,
    captures=1,
    refunded=-3,
    refunds=2,
    disputed=7,
    disputes=1,
    statuses=Counter({"succeeded": 2}),
    declines=Counter({"a.b$c": 1, "": 2}),
    durations=Counter({0: 1, 900: 4}),
)


async def read(stock: Stock, since: datetime = NOW, until: datetime = NOW + 4 * QUARTER, **only: Any) -> dict[Any, Any]:
    found = stock.stats.period(since, until, only.get("currency"))
    return {start: dict(tallies) async for start, tallies in found}


async def test_changes_are_found_in_their_window(stock: Stock) -> None:
    """A payment is found from the moment of its change on, up to the window's end, with its version."""
    payments = [paid(f"o-{n}", NOW + n * MINUTE) for n in range(5)]
    assert await stock.stats.first_change() is None
    for one in payments:
        await stock.into.put(one)
    assert await stock.stats.first_change() == NOW
    found = await stock.stats.changed(NOW + MINUTE, NOW + 3 * MINUTE)
    assert {one.payment_id for one in found} == {payments[1].id, payments[2].id}
    assert set(await stock.stats.changed(NOW + 4 * MINUTE, None)) == {Change(payments[4].id, payments[4].version)}


async def test_a_payment_is_found_by_the_quarters_it_is_marked_with(stock: Stock) -> None:
    """Marks add up, and a payment that changes keeps them."""
    payment = paid()
    await stock.into.put(payment)
    await stock.stats.mark_quarters([Marked(payment, frozenset({NOW}))])
    await stock.stats.mark_quarters([Marked(payment, frozenset({NOW, NOW + QUARTER}))])
    payment = announced(payment, "payment.succeeded", NOW, status=Status.SUCCEEDED, captured=2000)
    await stock.into.put(payment)
    (loaded,) = await stock.stats.load([payment.id, "pay_0_1"])
    assert loaded.quarters == {NOW, NOW + QUARTER}
    assert loaded.payment.events == payment.events
    assert [one.captured async for one in stock.stats.of_quarter(NOW + QUARTER)] == [2000]
    assert [one async for one in stock.stats.of_quarter(NOW + 2 * QUARTER)] == []


async def test_a_quarter_is_set_only_over_the_version_that_was_read(stock: Stock) -> None:
    """The first count wins, a second one under the same version is told so and changes nothing."""
    assert await stock.stats.version(NOW) is None
    assert await stock.stats.put(NOW, None, {"eur": Tally(captured=1)})
    assert not await stock.stats.put(NOW, None, {"eur": Tally(captured=2)})
    version = await stock.stats.version(NOW)
    assert version is not None
    assert await stock.stats.put(NOW, version, {"eur": FULL, "jpy": Tally(captured=3)})
    assert not await stock.stats.put(NOW, version, {"eur": Tally(captured=4)})
    assert await read(stock) == {NOW: {"eur": FULL, "jpy": Tally(captured=3)}}
    assert await read(stock, currency="jpy") == {NOW: {"jpy": Tally(captured=3)}}


async def test_a_period_ends_before_its_end(stock: Stock) -> None:
    """A period has its first quarter and not the one that begins at its end."""
    for n in range(4):
        assert await stock.stats.put(NOW + n * QUARTER, None, {"eur": Tally(captured=n)})
    assert set(await read(stock, NOW + QUARTER, NOW + 3 * QUARTER)) == {NOW + QUARTER, NOW + 2 * QUARTER}


async def test_the_mark_never_goes_back(stock: Stock) -> None:
    """It is noted until when changes are counted, and an older note changes nothing."""
    assert await stock.stats.mark() is None
    await stock.stats.advance(NOW)
    await stock.stats.advance(NOW - MINUTE)
    assert await stock.stats.mark() == NOW


async def test_one_worker_has_the_turn(stock: Stock) -> None:
    """Whoever has the turn keeps it while it comes back; others take it over later, or when it is planned absurdly late."""
    turns = [
        ("a", NOW, True),
        ("b", NOW, False),
        ("a", NOW + EVERY, True),
        ("b", NOW + 3 * EVERY, False),
        ("b", NOW + 4 * EVERY, True),
        ("b", NOW + timedelta(days=9), True),
        ("a", NOW, True),
    ]
    assert [await stock.stats.take_turn(owner, at, EVERY) for owner, at, _ in turns] == [taken for *_, taken in turns]


async def test_of_many_at_once_one_gets_the_turn(stock: Stock) -> None:
    """Of ten workers that start in the same moment exactly one begins."""
    taken = await asyncio.gather(*(stock.stats.take_turn(f"w-{n}", NOW, EVERY) for n in range(10)))
    assert sum(taken) == 1


async def test_a_rebuild_notes_how_far_it_is(stock: Stock) -> None:
    """Quarters exist once they are added, keep what was counted in them, and its progress is forgotten at the end."""
    await stock.stats.put(NOW, None, {"eur": Tally(captured=1)})
    await stock.stats.add_quarters({NOW, NOW + QUARTER})
    assert await stock.stats.all_quarters(None) == [NOW, NOW + QUARTER]
    assert await stock.stats.all_quarters(NOW) == [NOW + QUARTER]
    assert (await read(stock))[NOW] == {"eur": Tally(captured=1)}
    assert await stock.stats.rebuilt() == (None, None)
    await stock.stats.note_rebuild(marked=NOW)
    await stock.stats.note_rebuild(counted=NOW + MINUTE)
    assert await stock.stats.rebuilt() == (NOW, NOW + MINUTE)
    await stock.stats.end_rebuild()
    assert await stock.stats.rebuilt() == (None, None)


@pytest.mark.parametrize("seed", range(3))
async def test_a_storm_ends_in_a_plain_recount(stock: Stock, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several workers count at once and die between any two writes, and at rest each quarter is what it should be."""
    storm = Storm(seed, stock.into, stock.stats)
    for name in ("changed", "load", "mark_quarters", "version", "put", "advance"):
        struck(monkeypatch, stock, storm, name)
    for _ in range(12):
        await storm.round()
    await storm.calm()
    wanted = counted(list(storm.payments.values()))
    everything = await read(stock, NOW - timedelta(days=1), NOW + timedelta(days=30))
    assert flattened(everything) == wanted
    await rebuild(stock.stats, storm.now, lambda *_: None)
    assert flattened(await read(stock, NOW - timedelta(days=1), NOW + timedelta(days=30))) == wanted


def struck(monkeypatch: pytest.MonkeyPatch, stock: Stock, storm: Storm, name: str) -> None:
    """Let the storm strike before and after an operation of the store."""
    real = getattr(stock.stats, name)

    async def wrapped(*arguments: Any) -> Any:
        await storm.strike()
        result = await real(*arguments)
        await storm.strike()
        return result

    monkeypatch.setattr(stock.stats, name, wrapped)


async def test_archived_events_count(mongo_uri: str, database_name: str) -> None:
    """Of a payment whose first events have moved to the archive the money still counts where it moved."""
    client = open_client(mongo_uri)
    database = client[database_name]
    payment = announced(paid(), "payment.succeeded", NOW + QUARTER, status=Status.SUCCEEDED, captured=2000)
    payment = announced(payment, "payment.refunded", NOW + 2 * QUARTER, refunded=500)
    moved = Surplus(events=payment.events[:2])
    document = to_document(payment) | {"archived": moved.size}
    await database["archive"].insert_many(list(archived_documents(payment, moved)))
    await database["payments"].insert_one(document | {"events": document["events"][2:]})
    stats = MongoStats(database)
    await Rollups(stats, lambda: NOW + timedelta(days=1)).catch_up()
    found = {start: dict(one) async for start, one in stats.period(NOW, NOW + 4 * QUARTER, None)}
    assert flattened(found) == counted([payment])
    await client.close()
