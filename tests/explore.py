"""Small worlds, exhaustively: `make explore`.

Two workers, one order, up to three commands, one crash, one lost ack, webhooks in any order: every interleaving of what
can happen at an await. States that nothing can tell apart any more are gone on with once (tests/exploring). At every end the
promises must hold, by Stripe's ledger. The workers are the production `decide` and the loop's own order of steps
(worker/handler.py).
"""

import argparse
import copy
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from contracts.commands import CaptureMethod
from tests.exploring import states
from tests.fake_account import DECLINING, VISA
from tests.fake_stripe import FakeStripe
from tests.promises import assert_announced_has_happened, assert_money_moves_once, assert_settled
from tests.unit.worker.making import AMOUNT, DEPLOYMENT, NOW, cancel, cancel_order, capture, confirm, create, refund
from worker.domain.effects import Effect, Find, Read, Send
from worker.domain.messages import Answer, Cancel, CommandMessage, Create, IntentSeen, Message, ReadFailed, Result, Tick
from worker.domain.order import choose
from worker.domain.payment import decide
from worker.domain.record import Payment

FIND_AROUND_S = 120
JUMPS = 6
"""How often the clock may jump to what is due next; more than any of these worlds needs to come to rest."""


@dataclass(frozen=True)
class Job:
    """What a worker is in the middle of: the delivery that began it, the record it goes by, and its next step."""

    first: Message
    message: Message
    payment: Payment | None
    number: int
    effect: Effect | None = None


@dataclass
class Node:
    """One state of the world."""

    stripe: FakeStripe
    store: dict[str, Payment] = field(default_factory=dict)
    broker: tuple[Message, ...] = ()
    workers: tuple[Job | None, ...] = (None, None)
    crashes: int = 1
    lost_acks: int = 1
    now: datetime = NOW
    jumps: int = JUMPS
    refused: frozenset[str] = frozenset()

    def digest(self) -> bytes:
        """The same for states that nothing can tell apart from here on, however they were reached (states.py)."""
        return states.digest(self)

    def clone(self) -> "Node":
        """Shares Stripe with this one: whoever performs a request there takes a copy first."""
        made = copy.copy(self)
        made.store = dict(self.store)
        return made


def successors(node: Node) -> Iterator[Node]:
    """Every next state: a worker takes a message, goes one step on, dies, or loses its ack; or the clock jumps."""
    busy = False
    for place, job in enumerate(node.workers):
        if job is None:
            yield from _taken(node, place)
        else:
            busy = True
            yield from _stepped(node, place, job)
            if node.crashes:
                yield _crashed(node, place, job)
    if not busy and not node.broker:
        yield from _jumped(node)


def _taken(node: Node, place: int) -> Iterator[Node]:
    if any(worker is None for worker in node.workers[:place]):
        return  # two idle workers are alike
    for index, message in enumerate(node.broker):
        made = node.clone()
        made.broker = node.broker[:index] + node.broker[index + 1 :]
        made.workers = _with(node.workers, place, _loaded(made, message, message))
        yield made
    ticking = any(isinstance(job.first, Tick) for job in node.workers if job)
    for payment in node.store.values():
        if not ticking and payment.check_at is not None and payment.check_at <= node.now:
            made = node.clone()
            made.workers = _with(node.workers, place, Job(Tick(), Tick(), payment, 1))
            yield made


def _stepped(node: Node, place: int, job: Job) -> Iterator[Node]:
    made = node.clone()
    if job.effect is not None:
        made.stripe = copy.deepcopy(node.stripe)
        answer = _performed(made, job)
        made.broker += tuple(made.stripe.news)
        made.stripe.news = []
        made.workers = _with(node.workers, place, replace(job, message=answer, effect=None))
        yield made
        return
    decision = decide(job.payment, job.message, node.now, number=job.number)
    after = decision.payment
    if decision.write and after is not None:
        stored = made.store.get(after.id)
        if (stored.version if stored else None) != (job.payment.version if job.payment else None):
            made.workers = _with(node.workers, place, _loaded(made, job.first, job.message, job.payment))
            yield made
            return
        after = replace(after, version=stored.version + 1) if stored else after
        made.store[after.id] = after
    if after is None and isinstance(job.first, CommandMessage):
        made.refused |= {job.first.message_id}
    if decision.effect is not None and after is not None:
        made.workers = _with(node.workers, place, replace(job, payment=after, effect=decision.effect))
        yield made
        return
    made.workers = _with(node.workers, place, None)
    yield made
    if node.lost_acks and not isinstance(job.first, Tick):
        again = made.clone()
        again.lost_acks, again.broker = node.lost_acks - 1, (*made.broker, job.first)
        yield again


def _crashed(node: Node, place: int, job: Job) -> Node:
    made = node.clone()
    made.crashes, made.workers = node.crashes - 1, _with(node.workers, place, None)
    if not isinstance(job.first, Tick):
        made.broker = (*node.broker, job.first)
    return made


def _jumped(node: Node) -> Iterator[Node]:
    moments = [payment.check_at for payment in node.store.values() if payment.check_at is not None]
    if node.jumps and moments and min(moments) > node.now and not at_rest(node):
        made = node.clone()
        made.now, made.jumps = min(moments), node.jumps - 1
        yield made


def _loaded(node: Node, first: Message, message: Message, known: Payment | None = None) -> Job:
    """Load as the handler does: a command by order id looks at all payments of the order."""
    if known is not None:
        return Job(first, message, node.store[known.id], 1)
    if isinstance(first, Create) or (isinstance(first, Cancel) and first.order_id is not None):
        payment, number = choose(sorted(node.store.values(), key=lambda payment: payment.number), first)
        return Job(first, message, payment, number)
    name = getattr(first, "payment_id", None) or _owner(node, first)
    payment = node.store.get(name)
    if isinstance(first, CommandMessage) and first.message_id in node.refused:
        payment = None
    return Job(first, message, payment, 1)


def _owner(node: Node, news: Any) -> str:
    intent = news.intent.id if isinstance(news, IntentSeen) else news.intent_id
    return node.stripe.intents[intent].metadata["payment_id"]


def _performed(node: Node, job: Job) -> Message:
    payment, effect = job.payment, job.effect
    assert payment is not None
    if isinstance(effect, Send):
        said = node.stripe.perform(effect.call, node.now)
        return Answer(
            call_id=effect.call.id,
            result=said.result,
            version=payment.version,
            intent=said.intent,
            refund=said.refund,
            dispute=said.dispute,
            problem=said.problem,
            replayed=said.replayed,
        )
    if isinstance(effect, Read):
        found = node.stripe.retrieve(effect.intent_id)
        if found is None:
            return ReadFailed(reason="no such intent", lost=True)
        message_id = f"~read-{payment.version}"
        intent, ledger = found
        return IntentSeen(
            message_id=message_id, event_type="read", intent=intent, version=payment.version, ledger=ledger
        )
    assert isinstance(effect, Find)
    moments = effect.call.sends
    around = (moments[0].timestamp() - FIND_AROUND_S, moments[-1].timestamp() + FIND_AROUND_S)
    since, until = (datetime.fromtimestamp(moment, NOW.tzinfo) for moment in around)
    lost = node.stripe.find(payment.id, DEPLOYMENT, since, until)
    result = Result.NOT_FOUND if lost is None else Result.DONE
    return Answer(call_id=effect.call.id, result=result, version=payment.version, intent=lost)


def _with(workers: tuple[Job | None, ...], place: int, job: Job | None) -> tuple[Job | None, ...]:
    return (*workers[:place], job, *workers[place + 1 :])


def at_rest(node: Node) -> bool:
    """Nothing is open: what is still waited for would come from outside."""
    return all(payment.head is None and payment.read_at is None for payment in node.store.values())


def judge(node: Node, commands: tuple[CommandMessage, ...]) -> None:
    """The promises at an end."""
    payments = list(node.store.values())
    for payment in payments:
        assert_settled(payment, node.stripe)
        assert_announced_has_happened(payment, node.stripe)
    assert_money_moves_once(payments, node.stripe)
    for command in commands:
        homes = sum(payment.knows(command.message_id) for payment in payments) + (command.message_id in node.refused)
        assert homes == 1, f"P2: {command.message_id} has {homes} homes"


World = Callable[[], tuple[Node, tuple[CommandMessage, ...]]]


def _from_nothing(*commands: CommandMessage) -> tuple[Node, tuple[CommandMessage, ...]]:
    return Node(FakeStripe(), broker=commands), commands  # type: ignore[arg-type] # each of them is a Command


def _from(state: str, *commands: CommandMessage) -> tuple[Node, tuple[CommandMessage, ...]]:
    """A payment that got so far in the ordinary way, and commands that come at once."""
    manual = state == "held"
    method = CaptureMethod.MANUAL if manual else CaptureMethod.AUTOMATIC
    node, _ = _from_nothing(create(capture_method=method, multicapture=manual))
    node.crashes = node.lost_acks = 0
    node = _calm(node)
    if state != "created":
        (intent,) = node.stripe.intents
        node.stripe.pay_in_browser(intent, VISA)
        node.broker, node.stripe.news = tuple(node.stripe.news), []
        node = _calm(node)
    node.crashes = node.lost_acks = 1
    node.broker, node.jumps = commands, JUMPS  # type: ignore[assignment] # each of them is a Command
    return node, commands


def _calm(node: Node) -> Node:
    """One interleaving, to the end of what is on its way."""
    while node.broker or any(node.workers):
        node = next(successors(node))
    return node


HALF = AMOUNT // 2

WORLDS: dict[str, World] = {
    "a create, and a cancel by order": lambda: _from_nothing(create("create-1"), cancel_order("cancel-1")),
    "a confirm and a cancel": lambda: _from("created", confirm("confirm-1"), cancel("cancel-1")),
    "two confirms, one declined": lambda: _from(
        "created", confirm("confirm-1", payment_method=DECLINING), confirm("confirm-2")
    ),
    "a capture and a cancel": lambda: _from("held", capture("capture-1", amount=HALF), cancel("cancel-1")),
    "two refunds that do not fit together": lambda: _from(
        "paid", refund("refund-1", amount=HALF + 1), refund("refund-2", amount=HALF)
    ),
    "one refund under three commands": lambda: _from(
        "paid", *(refund(f"command-{number}", refund_id="r-1", amount=HALF) for number in range(3))
    ),
}
"""Each is lived through completely."""


def explore(world: World, tell: Callable[[int, int], None] = lambda *_: None) -> tuple[int, int]:
    """Visit every state of a world; how many there are, and how many are ends. Raises AssertionError for one that fails."""
    start, commands = world()
    met, waiting, ends = {start.digest()}, [start], 0
    while waiting:
        node = waiting.pop()
        moved = False
        for after in successors(node):
            moved = True
            digest = after.digest()
            if digest not in met:
                met.add(digest)
                waiting.append(after)
        if not moved:
            judge(node, commands)
            ends += 1
        if len(met) % 1000 == 0:
            tell(len(met), len(waiting))
    return len(met), ends


def assert_alike(world: World, most: int) -> int:
    """States that are taken for the same have the same ways on: for the first `most` states; how many were compared."""
    start, _ = world()
    met, waiting, compared = {start.digest(): start}, [start], 0
    while waiting and len(met) < most:
        for after in successors(waiting.pop()):
            twin = met.setdefault(after.digest(), after)
            if twin is after:
                waiting.append(after)
            else:
                compared += 1
                ways = [{way.digest() for way in successors(node)} for node in (after, twin)]
                assert ways[0] == ways[1], "two states that differ have one digest"
    return compared


def main() -> int:
    """Explore the named worlds, or all; 1 when a promise is broken."""
    parser = argparse.ArgumentParser(prog="make explore", description=__doc__)
    parser.add_argument("--world", choices=list(WORLDS), help="one of them; default: all")
    chosen = parser.parse_args()
    screen = Console(soft_wrap=True, highlight=False)
    code = 0
    for name in [chosen.world] if chosen.world else WORLDS:
        begun = time.monotonic()
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, transient=True, console=screen) as progress:
            task = progress.add_task(name)

            def tell(
                states: int, open_states: int, name: str = name, task: Any = task, bar: Progress = progress
            ) -> None:
                bar.update(task, description=f"{name}: {states} states, {open_states} to go on from")

            try:
                states, ends = explore(WORLDS[name], tell)
            except AssertionError as error:
                screen.print(f"{name}: BROKEN: {error}", markup=False)
                code = 1
                continue
        screen.print(f"{name}: finished, {states} states, {ends} ends, {time.monotonic() - begun:.0f} s", markup=False)
    return code


if __name__ == "__main__":
    sys.exit(main())
