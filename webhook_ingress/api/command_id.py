"""The id of a command: the same request under the same Idempotency-Key is the same command, however often it comes.

The worker keeps what became of it, and the hash of its body; the ingress keeps nothing. What goes into the id keeps users
apart: one user's key never meets another's, nor the same key on another route or payment.
"""

import hashlib
import json
import uuid

from webhook_ingress.auth import Caller

PREFIX = "cmd_"


def command_id(caller: Caller, route: str, target: str, key: str | None) -> str:
    """Derive it, or draw one where there is no key. `target` is the payment's id, for a create the order's."""
    if key is None:
        return PREFIX + uuid.uuid4().hex
    parts = json.dumps([caller.issuer, caller.subject, route, target, key])
    return PREFIX + hashlib.sha256(parts.encode()).hexdigest()[:48]


def refund_id(command: str) -> str:
    """The name of a refund whose sender gave it none: the same for the same command."""
    return "refund_" + command.removeprefix(PREFIX)
