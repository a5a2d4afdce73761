"""The workers as the ingress sees them: what they were sent, and the answers that a test gives them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from contracts.commands import CaptureMethod, Command
from contracts.queries import Answered, PaymentDetails, Query, QueryRefusal, QueryRefusalCode
from contracts.replies import Refusal, RefusalCode, Reply, Verdict
from contracts.views import PaymentStatus, PaymentView
from webhook_ingress.line import Unanswered

OWNER = "user-1"
PAYMENT_ID = "pay_0a1b_1"
NOT_FOUND = QueryRefusal(code=QueryRefusalCode.NOT_FOUND, message="There is no such thing.")


def payment(payment_id: str = PAYMENT_ID, user_id: str = OWNER) -> PaymentView:
    now = datetime.now(UTC)
    return PaymentView(
        payment_id=payment_id,
        order_id="order-1",
        user_id=user_id,
        deployment="default",
        status=PaymentStatus.REQUIRES_PAYMENT_METHOD,
        amount=1999,
        currency="eur",
        capture_method=CaptureMethod.AUTOMATIC,
        created_at=now,
        updated_at=now,
    )


def accepted(command: Command, command_id: str) -> Reply:
    """Done, whatever it is."""
    del command
    return Reply(command_id=command_id, verdict=Verdict.ACCEPTED, payment=payment(), client_secret="pi_1_secret_2")


def refused(code: RefusalCode, field: str | None = None) -> Callable[[Command, str], Reply]:
    """Refuse every command so."""

    def refuse(_: Command, command_id: str) -> Reply:
        refusal = Refusal(code=code, message="No.", field=field)
        return Reply(command_id=command_id, verdict=Verdict.REFUSED, refusal=refusal, payment=payment())

    return refuse


def owned(query: Query[Any]) -> Any:
    """One payment, its owner's."""
    return PaymentDetails(payment=payment()) if query.viewer in {None, OWNER} else NOT_FOUND


@dataclass
class FakeWorkers:
    """Answers at once, and keeps what it was asked."""

    reply: Callable[[Command, str], Reply | Unanswered] = accepted
    answer: Callable[[Query[Any]], Any] = owned
    commands: dict[str, Command] = field(default_factory=dict)
    queries: list[Query[Any]] = field(default_factory=list)
    correlations: list[str] = field(default_factory=list)

    async def send(
        self, command: Command, *, command_id: str, correlation_id: str, traceparent: str, deadline: float
    ) -> Reply | Unanswered:
        assert traceparent
        assert deadline
        self.commands[command_id] = command
        self.correlations.append(correlation_id)
        return self.reply(command, command_id)

    async def ask(
        self, query: Query[Answered], *, correlation_id: str, traceparent: str, deadline: float
    ) -> Answered | QueryRefusal | Unanswered:
        assert traceparent
        assert deadline
        self.queries.append(query)
        self.correlations.append(correlation_id)
        return cast("Answered | QueryRefusal | Unanswered", self.answer(query))
