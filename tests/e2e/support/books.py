"""The promises P1-P5, judged by the books of all sides: Stripe's ledger, the database, the listener, the broker."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.e2e.support.listener import Listener

Json = dict[str, Any]

FOLLOWED = ("payment_intent.", "charge.")
"""The events of Stripe that a payment's timeline must have; others are recorded as ignored."""


@dataclass(frozen=True)
class Books:
    """Everybody's books at one moment. `commands` are the ids of all that were sent, `gone` the queues that are not there."""

    payments: list[Json]
    customers: list[Json]
    refusals: set[str]
    ignored: set[str]
    dead: int
    queues: Mapping[str, int]
    ledger: Json
    posts: list[Json]
    pending_webhooks: int
    delivered: set[str]
    commands: frozenset[str]
    listener: Listener
    gone: frozenset[str] = frozenset()

    @property
    def recorded(self) -> set[str]:
        """The ids of the messages that some payment or customer knows, or that were refused or ignored."""
        aggregates = [*self.payments, *self.customers]
        known = {entry["message_id"] for one in aggregates for entry in one.get("timeline", ())}
        known |= {call["id"] for one in aggregates for call in one.get("calls", ())}
        return known | self.refusals | self.ignored

    @property
    def announced(self) -> set[str]:
        return {f"{payment['_id']}.{event['sequence']}" for payment in self.payments for event in payment["events"]}


def unsettled(books: Books) -> list[str]:
    """What is still on its way, in words."""
    found = [f"{books.pending_webhooks} webhooks on their way"] if books.pending_webhooks else []
    found += [f"{count} messages in {queue}" for queue, count in books.queues.items() if count]
    found += [f"{queue} is not there" for queue in books.gone]
    for payment in books.payments:
        open_calls = [call["key"] for call in payment["calls"] if call["state"] == "open"]
        waits = [name for name in ("unsent_at", "read_at") if name in payment]
        if open_calls or waits:
            found.append(f"{payment['_id']} ({payment['status']}) waits for {open_calls + waits}")
    found += [f"{message_id} is recorded nowhere" for message_id in (books.delivered | books.commands) - books.recorded]
    found += [f"{event_id} was not heard" for event_id in books.announced - books.listener.bodies.keys()]
    return found


def wrongs(books: Books) -> list[str]:
    """Each broken promise, in words."""
    return [*_p1(books), *_p3(books), *_p4(books), *_p5(books), *_keys(books)]


def _p1(books: Books) -> Iterator[str]:
    yield from (f"P1: charged twice: {double}" for double in books.ledger["double_charged"])
    owners = Counter(entry["metadata"]["payment_id"] for entry in books.ledger["payment_intents"])
    yield from (f"P1: {count} intents of {owner}" for owner, count in owners.items() if count > 1)
    for entry in books.ledger["payment_intents"]:
        if entry["captured"] > entry["amount"] or entry["succeeded_charges"] > 1:
            yield f"P1: {entry['payment_intent']} captured {entry['captured']} of {entry['amount']}"


def _p3(books: Books) -> Iterator[str]:
    entries = {entry["payment_intent"]: entry for entry in books.ledger["payment_intents"]}
    for payment in books.payments:
        if "needs_review" in payment:
            yield f"P3: {payment['_id']} needs review: {payment['needs_review']}"
            continue
        intent = payment["stripe"].get("payment_intent_id")
        if intent is None:
            if payment["status"] not in {"failed", "canceled"}:
                yield f"P3: {payment['_id']} is {payment['status']} and has no intent"
            continue
        theirs = entries.pop(intent)
        ours = (
            "canceled" if payment["status"] == "failed" else payment["status"]
        )  # what came of it after all is canceled
        if (ours, payment["captured"]) != (theirs["status"], theirs["captured"]):
            yield f"P3: {payment['_id']} is {payment['status']} {payment['captured']}, Stripe has {theirs}"
        yield from _parts(payment, theirs)
    yield from (f"P3: nobody knows {intent}: {entry['status']}" for intent, entry in entries.items())


def _parts(payment: Json, theirs: Json) -> Iterator[str]:
    """Refunds and disputes, one by one."""
    ours = {refund.get("stripe_id"): (refund["amount"], refund["status"]) for refund in payment["refunds"]}
    ours.pop(None, None)
    stripes = {refund["id"]: (refund["amount"], refund["status"]) for refund in theirs["refunds"]}
    if ours != stripes:
        yield f"P3: the refunds of {payment['_id']} are {ours}, Stripe has {stripes}"
    disputed = {dispute["id"]: dispute["status"] for dispute in payment["disputes"]}
    if disputed != {dispute["id"]: dispute["status"] for dispute in theirs["disputes"]}:
        yield f"P3: the disputes of {payment['_id']} are {disputed}, Stripe has {theirs['disputes']}"
    if theirs["refunded"] > theirs["captured"]:
        yield f"P1: {payment['_id']} was given back {theirs['refunded']} of {theirs['captured']}"


def _p4(books: Books) -> Iterator[str]:
    for payment in books.payments:
        sequences = [event["sequence"] for event in payment["events"]]
        if sequences != list(range(1, len(sequences) + 1)):
            yield f"P4: the sequences of {payment['_id']} are {sequences}"
        charges = Counter(event["type"] for event in payment["events"])
        if payment["status"] in {"succeeded", "canceled"} and charges[f"payment.{payment['status']}"] != 1:
            yield f"P4: {payment['_id']} is {payment['status']} and announced {dict(charges)}"
    yield from (
        f"P4: heard and not in the database: {found}" for found in books.listener.bodies.keys() - books.announced
    )
    yield from (f"P4: {event_id} came with two bodies" for event_id in books.listener.contradictions())


def _p5(books: Books) -> Iterator[str]:
    yield from (f"P5: {count} messages in {queue}" for queue, count in books.queues.items() if count)
    if books.dead:
        yield f"P5: {books.dead} dead letters"
    yield from (f"P5: {payment['_id']} has unsent events" for payment in books.payments if "unsent_at" in payment)


def _keys(books: Books) -> Iterator[str]:
    """Every request went out under a recorded key, always with the same parameters; one create key per payment."""
    recorded = {call["key"] for payment in books.payments for call in payment["calls"]}
    asked: dict[str, Json] = {}
    creates: dict[str, set[str]] = {}
    for post in books.posts:
        key, what = post["idempotency_key"], {"path": post["path"], "params": post["params"]}
        if key not in recorded and not key.startswith("usr_"):  # a customer's settled calls leave their story alone
            yield f"key {key} is recorded nowhere"
        if post["params"] and asked.setdefault(key, what) != what:
            yield f"key {key} went out with {asked[key]} and with {what}"
        if post["path"] == "/v1/payment_intents" and post["params"]:
            creates.setdefault(post["params"]["metadata"]["payment_id"], set()).add(key)
    yield from (f"{owner} was created under {keys}" for owner, keys in creates.items() if len(keys) > 1)
