"""The customer state machine. Everything that moves a user's Stripe customer from one status to another is in this file.

One record per user mirrors one Stripe customer and the payment methods saved on it. It works like the payment's
machine (domain/payment.py): one total table, calls as values that are committed before their first send, answers and
webhooks as inputs. What differs:

- A customer moves no money, and a second one made in spite of everything only waits, unused, for the user's erasure.
- A webhook says only *that* something changed; what it is now is read. A read counts only for the version that was
  loaded before it.
- A command about a payment method is sent only when the method is the user's, by the newest read.
- The user is erased by deleting the customer, which is repeated until Stripe has done it. Whoever comes back later gets
  a new customer under the next key.

Source: Stripe docs, "Customers" and "The Setup Intents API".
"""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from worker.domain.customers import answers, calls, commands, news
from worker.domain.customers.effects import CustomerDecision
from worker.domain.customers.messages import CustomerKind, CustomerMessage, customer_kind
from worker.domain.customers.record import Customer, CustomerStatus
from worker.domain.customers.step import CustomerStep


class CustomerRule(StrEnum):
    """A cell of the table: what a kind of message does in a status."""

    OPEN = "begin the user's record, and create a customer"
    ANEW = "create a customer"
    HAVE = "it is there"
    HELP = "do what is due"
    QUEUE = "queue a call"
    NO_METHOD = "refused: not a payment method of the user's"
    BEING_ERASED = "refused: the user is being erased"
    BURY = "leave a tombstone for what was asked for before"
    ERASE = "forget the user, delete the customer"
    ERASED_ALREADY = "nothing left to erase"
    NOTHING = "no such customer"
    CHANGED = "read the customer"
    STRAY = "remember a second customer"
    LEFTOVER = "delete a customer that outlived its user"
    APPLY = "apply what was read"
    READ_FAILED = "read again later"
    TOO_LATE = "overtaken for good"
    ANSWER = "settle the call that was answered"
    TICK = "do what is due, by the clock"


_K, _R = CustomerKind, CustomerRule
_NO_CUSTOMER = {
    _K.SET_DEFAULT: _R.NO_METHOD,
    _K.DETACH: _R.NO_METHOD,
    _K.ERASE: _R.ERASE,
    _K.CHANGED: _R.STRAY,
    _K.READ: _R.TOO_LATE,
    _K.READ_FAILED: _R.TOO_LATE,
    _K.ANSWER: _R.ANSWER,
    _K.TICK: _R.TICK,
}

TRANSITIONS: dict[CustomerStatus, dict[CustomerKind, CustomerRule]] = {
    CustomerStatus.NEW: dict.fromkeys(_K, _R.NOTHING)
    | {
        _K.ENSURE: _R.OPEN,
        _K.SET_UP: _R.OPEN,
        _K.SET_DEFAULT: _R.NO_METHOD,
        _K.DETACH: _R.NO_METHOD,
        _K.ERASE: _R.BURY,
    },
    CustomerStatus.CREATING: _NO_CUSTOMER | {_K.ENSURE: _R.HELP, _K.SET_UP: _R.QUEUE},
    CustomerStatus.ACTIVE: {
        _K.ENSURE: _R.HAVE,
        _K.SET_UP: _R.QUEUE,
        _K.SET_DEFAULT: _R.QUEUE,
        _K.DETACH: _R.QUEUE,
        _K.ERASE: _R.ERASE,
        _K.CHANGED: _R.CHANGED,
        _K.READ: _R.APPLY,
        _K.READ_FAILED: _R.READ_FAILED,
        _K.ANSWER: _R.ANSWER,
        _K.TICK: _R.TICK,
    },
    CustomerStatus.ABSENT: _NO_CUSTOMER | {_K.ENSURE: _R.ANEW, _K.SET_UP: _R.ANEW},
    CustomerStatus.ERASING: _NO_CUSTOMER
    | {
        _K.ENSURE: _R.BEING_ERASED,
        _K.SET_UP: _R.BEING_ERASED,
        _K.ERASE: _R.ERASED_ALREADY,
        _K.CHANGED: _R.LEFTOVER,
    },
    CustomerStatus.ERASED: _NO_CUSTOMER
    | {
        _K.ENSURE: _R.ANEW,
        _K.SET_UP: _R.ANEW,
        _K.ERASE: _R.ERASED_ALREADY,
        _K.CHANGED: _R.LEFTOVER,
    },
}


def decide(customer: Customer | None, message: CustomerMessage, now: datetime) -> CustomerDecision:
    """Decide what one message does to a user's customer. Pure and total: the same inputs give the same decision.

    `customer` is the record as loaded, or None when there is none. Commit the record that comes back (if `write`) before
    doing anything else that the decision says.
    """
    step = CustomerStep(customer, message, now)
    if customer is None or not calls.seen_before(step):
        RULES[TRANSITIONS[step.status][customer_kind(message)]](step)
    if step.customer is not None:
        calls.go_on(step)
    return step.finish()


RULES: dict[CustomerRule, Callable[[CustomerStep], None]] = {
    CustomerRule.OPEN: commands.open_customer,
    CustomerRule.ANEW: commands.anew,
    CustomerRule.HAVE: commands.have,
    CustomerRule.HELP: commands.help_along,
    CustomerRule.QUEUE: commands.queue,
    CustomerRule.NO_METHOD: commands.no_method,
    CustomerRule.BEING_ERASED: commands.being_erased,
    CustomerRule.BURY: commands.bury,
    CustomerRule.ERASE: commands.erase,
    CustomerRule.ERASED_ALREADY: commands.erased_already,
    CustomerRule.NOTHING: commands.nothing,
    CustomerRule.CHANGED: news.changed,
    CustomerRule.STRAY: news.stray,
    CustomerRule.LEFTOVER: news.leftover,
    CustomerRule.APPLY: news.read,
    CustomerRule.READ_FAILED: news.read_failed,
    CustomerRule.TOO_LATE: news.too_late,
    CustomerRule.ANSWER: answers.answered,
    CustomerRule.TICK: calls.tick,
}
