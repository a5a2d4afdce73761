"""What happens to money at Stripe without us: refunds in the dashboard, banks that answer, disputes, signs of fraud."""

import random
from collections.abc import Callable
from datetime import datetime

from contracts.views import DisputeStatus, RefundStatus
from tests.fake_money import Held
from tests.fake_stripe import FakeStripe

Act = Callable[[], object]

ENDS = (RefundStatus.SUCCEEDED, RefundStatus.FAILED, RefundStatus.CANCELED)


def happens(stripe: FakeStripe, held: Held, chance: random.Random, now: datetime) -> bool:
    """One of the things that can happen to an intent's money now; tell whether there was one."""
    acts = possible(stripe, held, chance, now)
    if acts:
        chance.choice(acts)()
    return bool(acts)


def possible(stripe: FakeStripe, held: Held, chance: random.Random, now: datetime) -> list[Act]:
    """What can happen, by Stripe's own rules."""
    acts: list[Act] = []
    if held.capturable:
        amount, final = chance.randint(1, held.capturable), not held.several or chance.random() < 0.5
        acts.append(lambda: stripe.capture(held.id, amount, final=final))
    if not held.received:
        return acts
    if held.left:
        part = chance.randint(1, held.left)
        acts.append(lambda: stripe.refund(held.id, part))
    for refund in held.refunds:
        if refund.status is RefundStatus.PENDING:
            end = chance.choice(ENDS)
            acts.append(lambda name=refund.id, end=end: stripe.move_refund(name, end))  # type: ignore[misc] # bound now
        elif refund.status is RefundStatus.SUCCEEDED:
            acts.append(lambda name=refund.id: stripe.move_refund(name, RefundStatus.FAILED))  # type: ignore[misc]
    if not held.disputes:
        inquiry = chance.random() < 0.3
        acts.append(lambda: stripe.dispute(held.id, held.received, now, inquiry=inquiry))
    for dispute in held.disputes:
        moves = MOVES.get(dispute.status, ())
        if moves:
            to = chance.choice(moves)
            acts.append(lambda name=dispute.id, to=to: stripe.move_dispute(name, to))  # type: ignore[misc]
    acts += [lambda: stripe.warn(held.id), lambda: stripe.review(held.id)]
    return acts


MOVES: dict[DisputeStatus, tuple[DisputeStatus, ...]] = {
    DisputeStatus.WARNING_NEEDS_RESPONSE: (DisputeStatus.WARNING_CLOSED, DisputeStatus.NEEDS_RESPONSE),
    DisputeStatus.WARNING_UNDER_REVIEW: (DisputeStatus.WARNING_CLOSED, DisputeStatus.NEEDS_RESPONSE),
    DisputeStatus.NEEDS_RESPONSE: (DisputeStatus.LOST,),
    DisputeStatus.UNDER_REVIEW: (DisputeStatus.WON, DisputeStatus.LOST),
}
"""What the bank can do with a dispute."""
