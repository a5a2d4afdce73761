"""Each check of the demo can fail, and says why."""

from typing import Any

import pytest

from sandbox.demo import checks
from sandbox.demo.evidence import Evidence, Expected, Totals, unsettled
from tests.unit.sandbox_demo import books


def failing(found: Evidence) -> dict[str, str]:
    return {result.name: result.detail for result in checks.run(found) if not result.ok}


def with_order(**changes: Any) -> Evidence:
    found = books.sound()
    for name, value in changes.items():
        setattr(found.orders[books.ORDER], name, value)
    return found


def test_sound_books_hold() -> None:
    """Books that agree fail no check."""
    assert failing(books.sound()) == {}


def test_every_check_is_named_once() -> None:
    """No two checks have one name."""
    assert len({name for name, _ in checks.CHECKS}) == len(checks.CHECKS)


SPOILT = {
    "every story went as told": books.sound(troubles={books.ORDER: "TimeoutError"}),
    "every payment ended as expected": books.sound(payments=[books.document(status="requires_action")]),
    "Stripe's ledger, the database and the order service agree": books.sound(ledger=[books.entry(captured=1998)]),
    "nobody was charged twice, canceled orders not at all": books.sound(ledger=[books.entry(succeeded_charges=2)]),
    "one payment per order": books.sound(payments=[books.document(), books.document(_id="pay_1_2", captured=0)]),
    "both services heard what the story calls for": books.sound(notified=frozenset()),
    "what is not ours is ignored, with the reason on record": books.sound(
        expected={books.ORDER: Expected("succeeded", Totals(1999), foreign={"evt_1": "of the other mode"})},
        ignored={"evt_1": "nobody's"},
    ),
    "an erased user is named nowhere": books.sound(named={"u-1": ["payments pay_1_1"]}),
    "sequences have no gaps": with_order(events=[(f"{books.PAYMENT}.2", books.event("payment.succeeded", 2))]),
    "outbox empty, nothing open, nothing for review": books.sound(payments=[books.document(unsent_at=books.AT)]),
    "every payment is what its recorded steps make": books.sound(differing={books.PAYMENT: "captured"}),
    "queues, retry tiers, quarantine and dead letters empty": books.sound(queues={"payments.retry.5s": 1}),
    "worker and ingress exit with 0 on SIGTERM": books.sound(exits={"worker": -9, "ingress": 0}),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_check_can_fail(name: str) -> None:
    """What a check is there for makes it fail."""
    assert name in failing(SPOILT[name])


def test_an_event_handled_twice_fails() -> None:
    """An id that the order service handled twice is named with how often."""
    twice = [*books.order().events, books.order().events[1]]
    assert failing(with_order(events=twice))["each event was handled exactly once by id at each service"] == (
        "pay_1_1.2: handled 2 times"
    )


def test_an_event_out_of_nowhere_fails() -> None:
    """An event that the database does not know is named."""
    stranger = [*books.order().events, (f"{books.PAYMENT}.3", books.event("payment.failed", 3))]
    detail = failing(with_order(events=stranger))["each event was handled exactly once by id at each service"]
    assert detail == "pay_1_1.3: heard and not in the database"


def test_a_canceled_order_that_was_charged_fails() -> None:
    """Money that stays is too much for an order that is canceled."""
    expected = {books.ORDER: Expected("canceled")}
    assert "nobody was charged twice, canceled orders not at all" in failing(books.sound(expected=expected))


AGREE = "Stripe's ledger, the database and the order service agree"


def test_money_that_the_order_service_does_not_know_of_fails() -> None:
    """The order service's sum counts beside the ledger's, the database's and what is due."""
    forgetful = with_order(payments={})
    assert failing(forgetful)[AGREE] == "o-1: Stripe 1999, database 1999, order service 0, due 1999"


def test_a_refund_that_nobody_heard_of_fails() -> None:
    """What went back at Stripe must have gone back in every book."""
    detail = failing(books.sound(ledger=[books.entry(refunded=700)]))[AGREE]
    assert detail == "o-1: Stripe 1999 refunded 700, database 1999, order service 1999, due 1999"


@pytest.mark.parametrize(
    ("status", "holds"), [("needs_response", False), ("lost", False), ("won", True), ("warning_needs_response", True)]
)
def test_a_dispute_that_has_the_money_counts(status: str, *, holds: bool) -> None:
    """Money that a dispute holds must be known to all; one that was won, or only asks, has none."""
    disputes = [{"id": "du_1", "amount": 1999, "status": status}]
    assert (AGREE not in failing(books.sound(ledger=[books.entry(disputes=disputes)]))) is holds


def test_two_intents_with_money_fail() -> None:
    """An order that keeps the money of two intents was charged twice, whatever each of them says."""
    name = "nobody was charged twice, canceled orders not at all"
    assert name in failing(books.sound(ledger=[books.entry(), books.entry(payment_intent="pi_2")]))


def test_a_second_intent_at_stripe_fails() -> None:
    """Two intents that are not canceled are two payments, whatever the database says."""
    ledger = [books.entry(), books.entry(payment_intent="pi_2", captured=0, succeeded_charges=0)]
    assert "one payment per order" in failing(books.sound(ledger=ledger))


def test_a_failed_first_payment_is_none() -> None:
    """A payment that never came to be leaves room for the order's next one."""
    first = books.document(_id="pay_1_0", status="failed", captured=0, events=[])
    assert failing(books.sound(payments=[first, books.document()])) == {}


def test_new_dead_letters_fail() -> None:
    """A dead letter that the worker has drained into its collection counts."""
    name = "queues, retry tiers, quarantine and dead letters empty"
    assert failing(books.sound(dead_letters=1))[name] == "the collection of dead letters has 1 new ones"


def test_webhooks_that_nobody_took_fail() -> None:
    """A delivery that Stripe still repeats is not settled."""
    name = "queues, retry tiers, quarantine and dead letters empty"
    assert failing(books.sound(pending_webhooks=2))[name] == "2 webhooks have not been taken"


def test_long_lists_of_wrongs_are_cut() -> None:
    """Five wrongs are told of, and how many more there are."""
    queues = {f"queue-{number}": 1 for number in range(8)}
    detail = failing(books.sound(queues=queues))["queues, retry tiers, quarantine and dead letters empty"]
    assert detail.splitlines()[-1] == "… and 3 more"


def test_sound_books_are_settled() -> None:
    """Books that agree wait for nothing."""
    assert unsettled(books.sound()) == []


@pytest.mark.parametrize(
    ("found", "waits_for"),
    [
        (books.sound(payments=[]), "1 orders without a payment"),
        (books.sound(pending_webhooks=2), "2 webhooks on their way"),
        (books.sound(queues={"stripe.events": 3}), "3 messages in queues"),
        (books.sound(payments=[books.document(check_at=books.AT)]), "1 payments with something open"),
        (books.sound(payments=[books.document(unsent_at=books.AT)]), "1 payments with unsent events"),
        (
            books.sound(expected={books.ORDER: Expected("succeeded", foreign={"evt_1": "nobody's"})}),
            "1 foreign events not looked at",
        ),
        (with_order(events=[]), "2 events not heard by the order service"),
        (books.sound(notified=frozenset()), "1 events not heard by the notification service"),
    ],
)
def test_what_is_on_its_way_is_named(found: Evidence, waits_for: str) -> None:
    """The demo goes on waiting while anything is under way, and says for what."""
    assert waits_for in unsettled(found)
