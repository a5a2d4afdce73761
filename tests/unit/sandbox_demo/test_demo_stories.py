"""The stories and the crowd, as tables: what they promise can come true."""

from collections import Counter

import pytest

from contracts.money import check_part
from sandbox.demo.buyers import BEHAVIOURS, PRICES, draw, part_of
from sandbox.demo.evidence import SHOWN_AS
from sandbox.demo.scenarios import SCENARIOS
from sandbox.demo.story import Scenario
from sandbox.services.notifications import TYPES as NOTIFIED

END = {"succeeded", "canceled", *SHOWN_AS}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
def test_a_story_can_end_as_it_says(scenario: Scenario) -> None:
    """It ends in a status that nothing follows, with no more money back than came, and no surprise for the notifications."""
    totals, expected = scenario.totals, scenario.expected()
    assert scenario.status in END
    assert totals.captured >= totals.refunded + totals.disputed
    assert expected.at_orders is not None
    assert expected.at_notifications == {kind: n for kind, n in expected.at_orders.items() if kind in NOTIFIED}


def test_stories_have_names_of_their_own() -> None:
    """The audience can tell them apart, and each fits its column."""
    names = Counter(scenario.name for scenario in SCENARIOS)
    assert [name for name, count in names.items() if count > 1 or len(name) > 23] == []


def test_few_stories_are_played_alone() -> None:
    """What changes Stripe for everybody is played when nobody else plays."""
    alone = [scenario.name for scenario in SCENARIOS if scenario.alone]
    assert alone == ["authorization expires", "unruly webhooks"]


def test_every_way_to_move_money_has_a_story() -> None:
    """What the privileged commands do is heard of in some story: captures, refunds, disputes, decisions, erasures."""
    told = {kind.TYPE for scenario in SCENARIOS for kind in scenario.events}
    assert told >= {
        "payment.captured",
        "payment.refunded",
        "payment.dispute_updated",
        "payment.dispute_closed",
        "payment.resolved",
        "payment.erased",
    }


def test_the_shares_of_the_crowd_make_a_hundred() -> None:
    """Each behaviour's share is what it says: of a hundred customers."""
    assert sum(behaviour.share for behaviour in BEHAVIOURS.values()) == 100


def test_a_part_is_one_that_the_currency_has() -> None:
    """A third of each price can be captured and refunded, in dinars too."""
    assert [price for price in PRICES if check_part(part_of(price[0]), price[1])] == []


def test_a_seed_gives_the_same_crowd() -> None:
    """Two draws of one seed are the same customers; another seed gives others."""
    assert draw(50, 7, "a") == draw(50, 7, "a") != draw(50, 8, "a")


def test_a_crowd_has_all_kinds() -> None:
    """Three hundred customers do everything that customers do."""
    assert {buyer.kind for buyer in draw(300, 1, "a")} == set(BEHAVIOURS)
