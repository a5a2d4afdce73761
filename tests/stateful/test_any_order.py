"""Stripe promises no order. Whatever order the webhooks of a real story come in, once or twice, the record ends the same."""

import os
import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import permutations
from math import factorial

import pytest

from contracts.commands import CaptureMethod
from tests.fake_account import CHALLENGING, DEBIT, DECLINING, VISA
from tests.fake_stripe import FakeStripe, Fault
from tests.promises import agrees, assert_announced_has_happened, assert_money_moves_once, assert_settled
from tests.stateful.histories import Life, ending, reaches
from tests.stateful.world import World
from tests.unit.worker.making import SECOND, cancel, confirm, create
from worker.domain.messages import News
from worker.domain.record import Payment, Status

ORDERS_PER_STORY = 720
"""All orders of six webhooks; of longer stories as many, drawn with a fixed seed."""

Story = Callable[[FakeStripe, str], None]


def paid(stripe: FakeStripe, intent: str) -> None:
    stripe.pay_in_browser(intent, VISA)


def declined_then_paid(stripe: FakeStripe, intent: str) -> None:
    stripe.pay_in_browser(intent, DECLINING)
    stripe.pay_in_browser(intent, VISA)


def failed_authentication_then_paid(stripe: FakeStripe, intent: str) -> None:
    stripe.pay_in_browser(intent, CHALLENGING)
    stripe.authenticate(intent, passed=False)
    stripe.pay_in_browser(intent, VISA)


def declined_then_authenticated(stripe: FakeStripe, intent: str) -> None:
    stripe.pay_in_browser(intent, DECLINING)
    stripe.pay_in_browser(intent, CHALLENGING)
    stripe.authenticate(intent, passed=True)


def failed_authentication(stripe: FakeStripe, intent: str) -> None:
    stripe.pay_in_browser(intent, CHALLENGING)
    stripe.authenticate(intent, passed=False)


def debit_bounces_then_paid(stripe: FakeStripe, intent: str) -> None:
    stripe.pay_in_browser(intent, DEBIT)
    stripe.settle(intent, paid=False)
    stripe.pay_in_browser(intent, VISA)


def declined_then_released(stripe: FakeStripe, intent: str) -> None:
    stripe.pay_in_browser(intent, DECLINING)
    stripe.release(intent)


STORIES: list[Story] = [
    paid,
    declined_then_paid,
    failed_authentication_then_paid,
    declined_then_authenticated,
    failed_authentication,
    debit_bounces_then_paid,
    declined_then_released,
]

Facts = set[tuple[str, str | None]]


def facts(payment: Payment) -> Facts:
    """What stays announced whatever the order: what comes and goes at Stripe may be over before we hear of it."""
    passing = {"payment.requires_action", "payment.processing", "payment.authorized"}
    return {(e.type, (e.body.get("attempt") or {}).get("attempt_id")) for e in payment.events if e.type not in passing}


def orders(news: Sequence[News], seed: int) -> list[list[News]]:
    """Every order of a short story; of a longer one many, and in each some webhooks twice."""
    chance = random.Random(seed)
    if factorial(len(news)) <= ORDERS_PER_STORY:
        found = [list(order) for order in permutations(news)]
    else:
        found = [chance.sample(news, len(news)) for _ in range(ORDERS_PER_STORY)]
    for order in found:
        for again in chance.sample(news, chance.randint(0, 2)):
            order.insert(chance.randint(0, len(order)), again)
    return found


def begun(*, answered: bool, method: CaptureMethod) -> tuple[World, str]:
    """A payment whose create reached Stripe; its answer was handled, or is lost."""
    world = World()
    world.handle(create(capture_method=method))
    (asked,) = world.asked
    if answered:
        world.talk()
    else:
        world.asked.clear()
        world.stripe.perform(asked.effect.call, world.now)  # type: ignore[union-attr] # the only effect is a Send
    return world, next(iter(world.stripe.intents))


def ended(story: Story, *, answered: bool, method: CaptureMethod, seed: int) -> list[Payment]:
    """Live through a story, its webhooks coming in every order, until nothing is open."""
    template, intent = begun(answered=answered, method=method)
    story(template.stripe, intent)
    found = []
    for news in orders(template.stripe.news, seed):
        world, again = begun(answered=answered, method=method)
        assert again == intent
        story(world.stripe, intent)
        for message in news:
            world.now += SECOND
            world.handle(message, world.payment_of(message))
            world.talk()
        world.drain()
        found += list(world.store.values())
    return found


@pytest.mark.parametrize("answered", [True, False], ids=["answered", "unanswered"])
@pytest.mark.parametrize("method", list(CaptureMethod))
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_every_order_ends_the_same(story: Story, method: CaptureMethod, answered: bool) -> None:
    """All orders of a story's webhooks, with some of them twice, end in one status, one sum and one set of facts."""
    payments = ended(story, answered=answered, method=method, seed=1)
    assert len(payments) >= 6
    assert len({(payment.status, payment.captured, payment.needs_review) for payment in payments}) == 1
    assert payments[0].needs_review is None
    told = {frozenset(facts(payment)) for payment in payments}
    assert len(told) == 1, told


@pytest.mark.parametrize("first", ["answer", "webhooks"])
def test_an_answer_and_the_webhooks_of_one_confirm(first: str) -> None:
    """A confirm's answer and the webhooks that it causes announce the same facts whichever comes first."""
    world, _ = begun(answered=True, method=CaptureMethod.AUTOMATIC)
    world.handle(confirm(payment_method=DECLINING), next(iter(world.store)))
    world.asked, asked = [], world.asked
    for request in asked:
        world.perform(request, Fault.NONE)
    answers, world.answers = world.answers, []
    webhooks = [(world.payment_of(news), news) for news in world.stripe.news]
    for payment_id, message in [*answers, *webhooks] if first == "answer" else [*webhooks, *answers]:
        world.handle(message, payment_id)
        world.talk()
    (payment,) = world.store.values()
    assert [event.type for event in payment.events] == ["payment.created", "payment.failed"]
    assert payment.status is Status.REQUIRES_PAYMENT_METHOD
    assert payment.head is None


@pytest.mark.parametrize("seed", range(50))
def test_a_cancel_against_a_payment_in_the_browser(seed: int) -> None:
    """A cancel of ours and a payment in the browser end as Stripe decided, however their webhooks and answers mix."""
    chance = random.Random(seed)
    world, intent = begun(answered=True, method=CaptureMethod.AUTOMATIC)
    (payment_id,) = world.store
    world.handle(cancel(), payment_id)
    if chance.random() < 0.5:
        world.stripe.pay_in_browser(intent, VISA)
    else:
        world.stripe.release(intent)
    for news in chance.sample(world.stripe.news, len(world.stripe.news)):
        if chance.random() < 0.5:
            world.talk()
        world.handle(news, payment_id)
    world.drain()
    (payment,) = world.store.values()
    assert agrees(payment, world.stripe)
    assert payment.needs_review is None
    assert world.now - payment.created_at < timedelta(days=1)


HISTORIES = int(os.environ.get("HISTORIES", "1500"))
"""About 20 s; `make simulate` lives through many more."""

ORDERS = 4
"""Orders in which each history is lived through, and compared."""

AT_ONCE = 100


@pytest.mark.parametrize("first", range(0, HISTORIES, AT_ONCE))
def test_every_order_of_a_history_ends_the_same(first: int) -> None:
    """Commands, answers, webhooks and what happens at Stripe end alike whatever is heard first, late or twice."""
    payments = [lived(seed) for seed in range(first, min(first + AT_ONCE, HISTORIES))]
    assert all(payment.intent_id for payment in payments)


def lived(seed: int) -> Payment:
    """One history in several orders."""
    lives = [Life(seed, order) for order in range(ORDERS)]
    try:
        payments = [life.live() for life in lives]
        for life, payment in zip(lives, payments, strict=True):
            assert ending(payment) == ending(payments[0])
            assert_settled(payment, life.world.stripe)
            assert_announced_has_happened(payment, life.world.stripe)
            assert_money_moves_once([payment], life.world.stripe)
    except AssertionError as error:
        raise AssertionError(f"history {seed}: {error}") from error
    return payments[0]


@pytest.mark.timeout(900)  # a minute of arithmetic, on a core that others want, too
def test_the_histories_meet_what_they_are_for() -> None:
    """Some hundred histories reach every kind of call, refund, dispute and concern that one payment can have."""
    met = set().union(*(reaches(lived(seed)) for seed in range(500)))
    assert met >= {
        *("succeeded", "canceled", "requires_payment_method", "requires_capture", "processing"),
        *("create", "confirm", "cancel", "capture", "refund", "evidence", "accept"),
        *("refund succeeded", "refund failed", "refund pending", "dashboard refund"),
        *("dispute needs_response", "dispute under_review", "dispute won", "dispute lost", "dispute warning_closed"),
        *("fraud_warning", "review_opened", "partial capture", "several captures"),
    }
