"""One decision in the making: the record so far, what is announced, whom is told what. Lives only inside `decide`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from contracts.events import Case, PaymentEvent
from contracts.replies import RefusalCode, Verdict
from worker.domain import announce, inputs, limits, policy
from worker.domain.effects import Decision, Effect, Told
from worker.domain.messages import Answer, Command, CommandMessage, Create, Message, NewsMessage, kind_of, redacted
from worker.domain.policy import Policy
from worker.domain.record import (
    OPENING,
    Announced,
    Attempt,
    Call,
    CallState,
    Entry,
    Input,
    Operation,
    Outcome,
    Payment,
    Refused,
    Status,
    Trace,
    counted,
)

FORGOTTEN = {Operation.CREATE: "receipt_email", Operation.EVIDENCE: "evidence"}
"""What is personal in a call's parameters, and is dropped once Stripe has it."""


class Step:
    """Accumulates the changes of one decision, so that each rule can be a few lines.

    `paid_elsewhere`: another payment of the order holds money; `live_elsewhere`: another is live.
    """

    def __init__(
        self,
        before: Payment | None,
        message: Message,
        now: datetime,
        policy: Policy = policy.DEFAULT,
        *,
        paid_elsewhere: bool = False,
        live_elsewhere: bool = False,
    ) -> None:
        self.before = before
        self.payment = before
        self.message = message
        self.now = now
        self.policy = policy
        self.paid_elsewhere = paid_elsewhere
        self.live_elsewhere = live_elsewhere
        self.outcome = Outcome.APPLIED
        self.why = ""
        self.effect: Effect | None = None
        self.events: list[Announced] = []
        self.told: list[Told] = []
        self.recorded = False
        self.strange: list[tuple[Case, str]] = []

    @property
    def status(self) -> Status:
        return self.payment.status if self.payment else Status.NEW

    @property
    def known(self) -> Payment:
        """The record; only rules of existing payments ask for it."""
        assert self.payment is not None, "a rule for existing payments met none"
        return self.payment

    @property
    def command(self) -> Command | None:
        return self.message if isinstance(self.message, Command) else None

    @property
    def may_show(self) -> bool:
        """Whether the sender may see the payment: a create by another user, whatever becomes of it, may not."""
        return not isinstance(self.message, Create) or self.message.user_id == self.known.user_id

    def change(self, **changes: Any) -> None:
        self.payment = replace(self.known, **changes)

    def recount(self) -> None:
        """Count the totals from the lists anew; nothing is ever added to them."""
        self.change(**counted(self.known))

    def put_call(self, call: Call) -> None:
        """Add a call, or replace the one with its id."""
        calls = self.known.calls
        if any(other.id == call.id for other in calls):
            self.change(calls=tuple(call if other.id == call.id else other for other in calls))
        else:
            self.change(calls=(*calls, call))

    def stale(self, why: str) -> None:
        self.outcome, self.why = Outcome.STALE, why

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Something beside the message's main matter: that it is stale does not make the message stale."""
        kept = (self.outcome, self.why)
        yield
        if self.outcome is Outcome.STALE:
            self.outcome, self.why = kept

    def announce(self, kind: type[PaymentEvent], *, trace: Trace | None = None, **more: Any) -> None:
        """Write one fact into the outbox."""
        command = self.command
        cause = getattr(self.message, "message_id", None) or getattr(self.message, "call_id", None)
        call = self.known.call(cause) if cause else None
        found = trace or (command.trace if command else call.trace if call else Trace())
        self.change(updated_at=self.now)
        event = announce.announced(
            self.known, kind, self.now, causation_id=cause and cause.removeprefix("~"), trace=found, **more
        )
        self.change(events=(*self.known.events, event))
        self.events.append(event)

    def refuse(self, code: RefusalCode, message: str, field: str | None = None, *, show_payment: bool = True) -> None:
        """Refuse the command at hand by name; nothing else changes."""
        refused = Refused(code, message, field)
        self.outcome, self.why = Outcome.REFUSED, f"{code}: {message}"
        self.answer(Verdict.REFUSED, refused, show_payment=show_payment)

    def refuse_expired(self) -> bool:
        """Refuse a command that nobody wants any more; tell whether it was one."""
        command = self.command
        if command and command.expires_at and self.now >= command.expires_at:
            self.refuse(RefusalCode.EXPIRED, f"it was wanted until {command.expires_at.isoformat()}", "data.expires_at")
            return True
        return False

    def answer(
        self,
        verdict: Verdict,
        refused: Refused | None = None,
        *,
        wants_secret: bool = False,
        show_payment: bool = True,
        about: str | None = None,
    ) -> None:
        """Tell the sender of the command at hand."""
        command = self.command
        assert command is not None, "only a command has a sender to tell"
        self.told.append(
            Told(command.message_id, verdict, command.reply, refused, wants_secret, show_payment, about),
        )

    def close(self, call: Call, refused: Refused | None, *, tell: bool = True) -> None:
        """Settle a call: its outcome is kept, its entry moves to the timeline, its requester is told."""
        state = CallState.REFUSED if refused else CallState.DONE
        answer = self.message if isinstance(self.message, Answer) and self.message.call_id == call.id else None
        request_id = answer.request_id if answer else None
        verdict = Verdict.REFUSED if refused else Verdict.ACCEPTED
        closed = replace(call, state=state, refused=refused, request_id=request_id, closed_at=self.now, due_at=None)
        forgotten = FORGOTTEN.get(call.operation)
        params = {name: value for name, value in call.params.items() if name != forgotten}
        if self.known.erased_at is not None:  # its caller's words, which were kept as long as they might be sent again
            closed, params = replace(closed, note=None), {}
        self.put_call(replace(closed, params=params))
        why = f"{refused.code}: {refused.message}" if refused else f"{call.operation} done"
        self._enter(
            Entry(
                at=self.now,
                message_id=call.id,
                kind=str(call.operation),
                outcome=Outcome.REFUSED if refused else Outcome.APPLIED,
                from_status=self.before.status if self.before else Status.NEW,
                to_status=self.status,
                why=why,
                body_hash=call.body_hash,
                message=_story(closed),
                verdict=verdict,
                refused=refused,
            ),
        )
        self.why = self.why or why
        if tell:
            wants = not refused and call.operation in {Operation.CREATE, Operation.CONFIRM}
            self.told.append(Told(call.id, verdict, call.reply, refused, wants, about=call.about))

    def decline(self, attempt: Attempt) -> bool:
        """Record a declined attempt once; tell whether it is new."""
        if any(other.id == attempt.id for other in self.known.attempts):
            return False
        self.change(attempts=(*self.known.attempts, attempt))
        return True

    def finish(self) -> Decision:
        """Close the books: an entry for the message at hand, unless it is an open call or there is no record."""
        message = self.message
        if (
            isinstance(message, CommandMessage | NewsMessage)
            and self.payment is not None
            and not self.recorded
            and not self._owned_by_call()
        ):
            verdict = self.told[-1].verdict if self.command and self.told else None
            refused = self.told[-1].refused if self.command and self.told else None
            self._enter(
                Entry(
                    at=self.now,
                    message_id=message.message_id,
                    kind=getattr(message, "event_type", None) or str(kind_of(message)),
                    outcome=self.outcome,
                    from_status=self.before.status if self.before else Status.NEW,
                    to_status=self.status,
                    why=self.why,
                    body_hash=self.command.body_hash if self.command else "",
                    message=redacted(message),
                    verdict=verdict,
                    refused=refused,
                ),
            )
        self._keep_looking()
        write = self.payment is not self.before
        if write and self.payment is not None:
            self.change(updated_at=self.now, inputs=(*self.payment.inputs, self._taken()))
        return Decision(
            payment=self.payment,
            outcome=self.outcome,
            why=self.why,
            write=write,
            events=tuple(self.events),
            told=tuple(self.told),
            effect=self.effect,
        )

    def _taken(self) -> Input:
        """What this decision was made from. The policy only where it may have had a say."""
        concerns = self.before.concerns if self.before else ()
        around = {
            inputs.PAID_ELSEWHERE: self.paid_elsewhere,
            inputs.LIVE_ELSEWHERE: self.live_elsewhere,
            inputs.STRANGER: self.before is not None and not self.may_show,
        }
        return Input(
            at=self.now,
            version=self.before.version if self.before else OPENING,
            kind=type(self.message).__name__,
            message=inputs.kept(self.message),
            around=tuple(name for name, so in around.items() if so),
            policy=inputs.terms(self.policy) if self.strange or self.known.concerns != concerns else {},
            rules=inputs.RULES,
        )

    def _keep_looking(self) -> None:
        """Whatever Stripe still has to tell is asked for some day, even if all of its webhooks are lost."""
        payment = self.payment
        if payment is not None and payment.waiting and payment.poll_at is None and payment.intent_id is not None:
            self.change(poll_at=self.now + limits.poll_after(payment.id, payment.polls))

    def _owned_by_call(self) -> bool:
        command = self.command
        return command is not None and self.known.call(command.message_id) is not None

    def _enter(self, entry: Entry) -> None:
        self.change(timeline=(*self.known.timeline, entry))


def _story(call: Call) -> dict[str, Any]:
    """What a settled call leaves in the timeline."""
    story = {
        "sends": len(call.sends),
        "held_back": call.held_back or None,
        "request_id": call.request_id,
        "about": call.about,
        "requested_by": call.asked_by,
        "note": call.note,
    }
    return {name: value for name, value in story.items() if value is not None}
