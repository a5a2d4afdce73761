"""Which messages there are, who sends them, and where: what the schemas and the AsyncAPI document are made from.

A message that is added to COMMANDS or EVENTS appears in both; a new registry is one more Family.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from contracts import topology
from contracts.commands import COMMANDS, PRIVILEGED_COMMANDS
from contracts.events import EVENTS
from contracts.queries import QUERIES, QueryRefusal
from contracts.replies import Reply


class Sender(StrEnum):
    """Who writes a message. What may change without breaking anybody depends on it."""

    CLIENTS = "clients"
    PAYMENTS = "payments"
    BOTH = "both"


@dataclass(frozen=True)
class Message:
    """One body: its type on the wire, its version, its model, who sends it, and what may come back."""

    kind: str
    version: int
    model: type[BaseModel]
    sender: Sender
    replies: tuple["Message", ...] = ()

    @property
    def name(self) -> str:
        """`payment.create.v1`: the name of its schema, here and in the AsyncAPI document."""
        return f"{self.kind}.v{self.version}"


@dataclass(frozen=True)
class Family:
    """Messages that travel through one exchange, each under its own type as the routing key."""

    name: str
    exchange: str
    messages: tuple[Message, ...]


def _message(model: Any, sender: Sender, replies: tuple[Message, ...] = ()) -> Message:
    return Message(model.TYPE, model.VERSION, model, sender, replies)


REPLY = _message(Reply, Sender.PAYMENTS)
QUERY_REFUSAL = _message(QueryRefusal, Sender.PAYMENTS)


def _commands(name: str, exchange: str, kinds: Mapping[str, Any]) -> Family:
    return Family(name, exchange, tuple(_message(model, Sender.CLIENTS, (REPLY,)) for model in kinds.values()))


def _queries() -> Family:
    """Each query has an answer of its own, and may be refused."""
    found = (
        _message(model, Sender.CLIENTS, (_message(model.ANSWER, Sender.PAYMENTS), QUERY_REFUSAL))
        for model in QUERIES.values()
    )
    return Family("queries", topology.QUERIES, tuple(found))


FAMILIES = (
    _commands("commands", topology.COMMANDS, COMMANDS),
    _commands("privileged", topology.PRIVILEGED, PRIVILEGED_COMMANDS),
    _queries(),
    Family("events", topology.EVENTS, tuple(_message(model, Sender.PAYMENTS) for model in EVENTS.values())),
)


def messages() -> Iterator[Message]:
    """Every body once: those of the families, then their replies."""
    asked = [message for family in FAMILIES for message in family.messages]
    yield from asked
    yield from dict.fromkeys(reply for message in asked for reply in message.replies)
