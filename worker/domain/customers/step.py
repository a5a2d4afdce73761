"""One decision about a customer in the making. Lives only inside `decide` of machine.py."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from contracts.replies import RefusalCode, Verdict
from worker.domain.customers.effects import CustomerDecision, CustomerEffect, CustomerTold
from worker.domain.customers.limits import MAX_TIMELINE
from worker.domain.customers.messages import (
    CustomerChanged,
    CustomerCommand,
    CustomerMessage,
    Detach,
    SetDefault,
    SetUp,
    customer_kind,
    redacted,
)
from worker.domain.customers.record import Customer, CustomerCall, CustomerEntry, CustomerOperation, CustomerStatus
from worker.domain.record import Outcome, Refused

OWN = "~"
"""Prefix of our own calls' ids, which no sender may use."""


SHOWN = ("payment_method", "usage")
"""The parameters of a call that its entry keeps."""


class CustomerStep:
    """Accumulates the changes of one decision, so that each rule can be a few lines."""

    def __init__(self, before: Customer | None, message: CustomerMessage, now: datetime) -> None:
        self.before = before
        self.customer = before
        self.message = message
        self.now = now
        self.outcome = Outcome.APPLIED
        self.why = ""
        self.effect: CustomerEffect | None = None
        self.told: list[CustomerTold] = []
        self.recorded = False

    @property
    def status(self) -> CustomerStatus:
        return self.customer.status if self.customer else CustomerStatus.NEW

    @property
    def known(self) -> Customer:
        """The record; only rules of existing customers ask for it."""
        assert self.customer is not None, "a rule for existing customers met none"
        return self.customer

    @property
    def command(self) -> CustomerCommand | None:
        return self.message if isinstance(self.message, SetUp | SetDefault | Detach) else None

    def change(self, **changes: Any) -> None:
        self.customer = replace(self.known, **changes)

    def put_call(self, call: CustomerCall) -> None:
        """Replace the open call with this id, or add it behind those that wait."""
        if self.known.call(call.id):
            self.change(calls=tuple(call if other.id == call.id else other for other in self.known.calls))
        else:
            self.change(calls=(*self.known.calls, call))

    def stale(self, why: str) -> None:
        self.outcome, self.why = Outcome.STALE, why

    def refuse(self, code: RefusalCode, message: str, field: str | None = None) -> None:
        """Refuse the command at hand by name; nothing else changes."""
        self.outcome, self.why = Outcome.REFUSED, f"{code}: {message}"
        self.answer(Verdict.REFUSED, Refused(code, message, field))

    def answer(self, verdict: Verdict, refused: Refused | None = None, setup_intent: str | None = None) -> None:
        """Tell the sender of the command at hand."""
        command = self.command
        assert command is not None, "only a command has a sender to tell"
        self.told.append(CustomerTold(command.message_id, verdict, command.reply, refused, setup_intent))

    def close(
        self,
        call: CustomerCall,
        refused: Refused | None = None,
        *,
        made: str | None = None,
        request_id: str | None = None,
    ) -> None:
        """Settle a call: it leaves the queue, its outcome moves to the timeline, its requester is told."""
        verdict = Verdict.REFUSED if refused else Verdict.ACCEPTED
        why = f"{refused.code}: {refused.message}" if refused else f"{call.operation} done"
        message: dict[str, Any] = {name: call.params[name] for name in SHOWN if name in call.params}
        self.change(calls=tuple(other for other in self.known.calls if other.id != call.id))
        self._enter(
            CustomerEntry(
                at=self.now,
                message_id=call.id,
                kind=str(call.operation),
                outcome=Outcome.REFUSED if refused else Outcome.APPLIED,
                from_status=self.before.status if self.before else CustomerStatus.NEW,
                to_status=self.status,
                why=why,
                body_hash=call.body_hash,
                message={**message, "sends": len(call.sends), "request_id": request_id},
                verdict=verdict,
                refused=refused,
                made=made,
            ),
        )
        self.why = self.why or why
        if not call.id.startswith(OWN):
            setup_intent = made if call.operation is CustomerOperation.SET_UP else None
            self.told.append(CustomerTold(call.id, verdict, call.reply, refused, setup_intent))

    def finish(self) -> CustomerDecision:
        """Close the books: an entry for the message at hand, unless it is an open call or there is no record."""
        message = self.message
        if (
            isinstance(message, SetUp | SetDefault | Detach | CustomerChanged)
            and self.customer is not None
            and not self.recorded
            and self.known.call(message.message_id) is None
            and self.known.entry(message.message_id) is None
        ):
            told = self.told[-1] if self.command and self.told else None
            self._enter(
                CustomerEntry(
                    at=self.now,
                    message_id=message.message_id,
                    kind=getattr(message, "event_type", None) or str(customer_kind(message)),
                    outcome=self.outcome,
                    from_status=self.before.status if self.before else CustomerStatus.NEW,
                    to_status=self.status,
                    why=self.why,
                    body_hash=self.command.body_hash if self.command else "",
                    message=redacted(message),
                    verdict=told.verdict if told else None,
                    refused=told.refused if told else None,
                ),
            )
        write = self.customer is not self.before
        if write:
            self.change(updated_at=self.now)
        return CustomerDecision(self.customer, self.outcome, self.why, write, tuple(self.told), self.effect)

    def _enter(self, entry: CustomerEntry) -> None:
        self.change(timeline=(*self.known.timeline, entry)[-MAX_TIMELINE:])
