"""`user.erase`: every payment of the user, what is archived of it, and the customer; harmless to repeat and interrupt."""

from dataclasses import replace
from typing import Any

import pytest

from contracts.replies import RefusalCode, Verdict
from tests.unit.worker.bench import Bench, RacingStore
from tests.unit.worker.making import NOW, USER, cancel, create, refund, story
from worker import erasure
from worker.adapters.translate import EraseUser
from worker.domain.record import Address, Announced, Outcome, Status, payment_id
from worker.erasure import Erasure
from worker.errors import StoreUnavailable

KEPT_EVENT = Announced(sequence=1, type="payment.created", at=NOW, body={"user_id": USER}, sent=True)


class Customers:
    """Who was to be forgotten at Stripe."""

    def __init__(self) -> None:
        self.erased: list[str] = []

    async def erase(self, user_id: str) -> object:
        self.erased.append(user_id)
        return None


def asked(message_id: str = "erase-1", user_id: str = USER) -> EraseUser:
    common: dict[str, Any] = {
        "message_id": message_id,
        "body_hash": "erase",
        "issued_at": NOW,
        "expires_at": NOW,
        "reply": Address("replies", message_id),
        "requested_by": "admin-1",
        "note": "ticket 7",
    }
    return EraseUser(common, user_id, "admin-1")


def desk(bench: Bench) -> tuple[Erasure, Customers]:
    customers = Customers()
    return Erasure(bench.store, bench.handler, customers, bench.outbox), customers


def users(bench: Bench) -> set[str]:
    return {payment.user_id for payment in bench.store.payments.values()}


async def test_every_payment_of_the_user_is_erased() -> None:
    """All payments of the user, dead ones too, carry the tombstone and say so; nobody else's does."""
    bench = Bench()
    await bench.opened(1)
    await bench.handler.command(cancel())
    await bench.paid(2)
    await bench.handler.command(create("other", order_id="order-2", user_id="user-2"))
    erase, customers = desk(bench)
    report = await erase.erase(asked())
    assert users(bench) == {"erased", "user-2"}
    assert customers.erased == [USER]
    told = [payment for payment, event in bench.outbox.events if event.type == "payment.erased"]
    assert told == [payment_id("order-1", 1), payment_id("order-1", 2)]
    assert report.outcome is Outcome.APPLIED
    (reply,) = bench.replies("erase-1")
    assert (reply.verdict, reply.erased) == (Verdict.ACCEPTED, 2)


async def test_a_user_with_many_payments_is_erased_in_turns() -> None:
    """More payments than are looked up at a time are all erased."""
    bench = Bench()
    made = story(Status.CANCELED).record
    for number in range(2 * erasure.AT_ONCE + 1):
        name = payment_id(f"order-{number}", 1)
        bench.store.payments[name] = replace(made, id=name, order_id=f"order-{number}", intent_id=None)
    erase, _ = desk(bench)
    await erase.erase(asked())
    assert users(bench) == {"erased"}
    assert bench.replies("erase-1")[0].erased == 2 * erasure.AT_ONCE + 1


async def test_a_user_without_payments_is_erased_as_a_customer() -> None:
    """Somebody who never paid may have saved a card: the customer is forgotten all the same."""
    bench = Bench()
    erase, customers = desk(bench)
    await erase.erase(asked())
    assert customers.erased == [USER]
    assert bench.replies("erase-1")[0].erased == 0


async def test_an_erasure_is_carried_out_however_late() -> None:
    """An erasure does not expire: it is as much wanted tomorrow."""
    bench = Bench()
    await bench.paid()
    erase, _ = desk(bench)
    await erase.erase(asked())
    assert users(bench) == {"erased"}


async def test_the_same_erasure_again_announces_nothing() -> None:
    """A duplicate finds nothing left to do, and is accepted."""
    bench = Bench()
    await bench.paid()
    erase, _ = desk(bench)
    await erase.erase(asked())
    before = bench.payment()
    await erase.erase(asked())
    assert bench.payment() == before
    assert [reply.erased for reply in bench.replies("erase-1")] == [1, 0]


async def test_what_is_archived_is_erased() -> None:
    """What has left a payment's record forgets the user as well."""
    bench = Bench()
    await bench.paid()
    bench.store.archived[bench.payment().id, "event:1"] = KEPT_EVENT
    erase, _ = desk(bench)
    await erase.erase(asked())
    assert USER not in str(bench.store.archived)


class FailingStore(RacingStore):
    """The database goes away before it has erased an archive for the n-th time."""

    fails_at = 0
    erasures = 0

    async def erase_archive(self, payment_id: str, tombstone: str) -> None:
        self.erasures += 1
        if self.erasures == self.fails_at:
            raise StoreUnavailable("told to be away")
        await super().erase_archive(payment_id, tombstone)


@pytest.mark.parametrize("fails_at", [1, 2, 3, 4])
async def test_an_erasure_that_was_interrupted_is_finished_by_its_repeat(fails_at: int) -> None:
    """Wherever the database goes away, the redelivered command leaves nothing of the user, in no record and no archive."""
    bench = Bench()
    bench.store = FailingStore()
    bench.outbox._store = bench.store
    bench.handler = bench.worker()
    bench.store.fails_at = fails_at
    for number in (1, 2):
        name = payment_id(f"order-{number}", 1)
        bench.store.payments[name] = replace(story(Status.CANCELED).record, id=name, intent_id=None)
        bench.store.archived[name, "event:1"] = KEPT_EVENT
    erase, _ = desk(bench)
    with pytest.raises(StoreUnavailable):
        await erase.erase(asked())
    await erase.erase(asked())
    assert users(bench) == {"erased"}
    assert USER not in str(bench.store.archived)


@pytest.mark.timeout(20)
async def test_an_erasure_under_a_used_id_is_refused() -> None:
    """An erasure whose id was another command's of a payment is refused by name, and comes to an end."""
    bench = Bench()
    await bench.paid()
    await bench.handler.command(refund("used", amount=100))
    erase, customers = desk(bench)
    report = await erase.erase(asked("used"))
    assert report.outcome is Outcome.REFUSED
    assert [reply.refusal.code for reply in bench.replies("used") if reply.refusal] == [RefusalCode.ID_REUSED]
    assert customers.erased == []
    assert users(bench) == {USER}


@pytest.mark.timeout(20)
async def test_the_tombstone_is_nobody() -> None:
    """Whoever erases the tombstone itself finds what is erased already, and comes to an end."""
    bench = Bench()
    await bench.paid()
    erase, _ = desk(bench)
    await erase.erase(asked())
    await erase.erase(asked("erase-2", "erased"))
    assert users(bench) == {"erased"}
    assert bench.replies("erase-2")[0].verdict is Verdict.ACCEPTED
