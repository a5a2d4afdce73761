"""What can go wrong between a service and payments.

PaymentsError
├── InvalidMessage        bytes that are no message of ours; says which field breaks which rule
├── Untrusted             the broker's certificate is not one that we trust: no waiting mends it
├── NotDeclared           an exchange or a queue is missing, and this login may not make it
├── PublishFailed         a message is not known to be stored by the broker
│   ├── NotStored         the broker said no, or it was never sent: publish again, or give up
│   └── OutcomeUnknown    it may or may not be stored: publish again *with the same id*
└── NoReply               stored, and no answer came in time: it will still be carried out; ask again with the same id
"""

from dataclasses import dataclass


class PaymentsError(Exception):
    """Everything this package raises on purpose."""


@dataclass(eq=False)
class InvalidMessage(PaymentsError):
    """A message that breaks the contract.

    `field` is a dotted path (`data.amount`), or empty when no single field is at fault; `rule` is one sentence.
    `message_id` is the CloudEvents id when it could be read, so that a refusal can name what it refuses.
    """

    rule: str
    field: str = ""
    message_id: str = ""

    def __str__(self) -> str:
        return f"{self.field}: {self.rule}" if self.field else self.rule


class Untrusted(PaymentsError):
    """The other side of a TLS connection showed a certificate of an authority, or for a host, that we do not trust."""


class NotDeclared(PaymentsError):
    """The broker lacks an exchange or a queue, and its definitions were to bring it (docs/security.md)."""


class PublishFailed(PaymentsError):
    """The message is not known to be stored."""


class NotStored(PublishFailed):
    """The broker refused the message, could not route it, or never saw it."""


class OutcomeUnknown(PublishFailed):
    """The connection or the time ran out before the confirm; a repeat under the same id is safe."""


class NoReply(PaymentsError):
    """The command is stored, its answer did not come in time. It is still carried out, once."""
