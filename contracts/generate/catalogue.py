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
from contracts.replies import Reply


class Sender(StrEnum):
    """Who writes a message. What may change without breaking anybody depends on it."""

    CLIENTS = "clients"
    PAYMENTS = "payments"
    BOTH = "both"


@dataclass(frozen=True)
class Message:
    """One body: its type on the wire, its version, its model, and who sends it."""

    kind: str
    version: int
    model: type[BaseModel]
    sender: Sender

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
    reply: Message | None = None


def _message(model: Any, sender: Sender) -> Message:
    return Message(model.TYPE, model.VERSION, model, sender)


def _family(name: str, exchange: str, kinds: Mapping[str, Any], sender: Sender, reply: Message | None = None) -> Family:
    return Family(name, exchange, tuple(_message(model, sender) for model in kinds.values()), reply)


REPLY = _message(Reply, Sender.PAYMENTS)

FAMILIES = (
    _family("commands", topology.COMMANDS, COMMANDS, Sender.CLIENTS, REPLY),
    _family("privileged", topology.PRIVILEGED, PRIVILEGED_COMMANDS, Sender.CLIENTS, REPLY),
    _family("events", topology.EVENTS, EVENTS, Sender.PAYMENTS),
)


def messages() -> Iterator[Message]:
    """Every body once: those of the families, then their replies."""
    for family in FAMILIES:
        yield from family.messages
    yield from dict.fromkeys(family.reply for family in FAMILIES if family.reply is not None)
