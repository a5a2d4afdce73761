"""What the parts of a path must look like. One that cannot be an id names nothing: 404, like one that is nobody's."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from contracts.commands import MethodId
from contracts.messages import Identifier, PaymentId
from contracts.queries import IntentId

Ids = Mapping[str, TypeAdapter[Any]]

PAYMENT: Ids = {"payment_id": TypeAdapter(PaymentId)}
PAYMENT_OR_INTENT: Ids = {"id": TypeAdapter(PaymentId | IntentId)}
ORDER: Ids = {"order_id": TypeAdapter(Identifier)}
METHOD: Ids = {"payment_method": TypeAdapter(MethodId)}


def fit(ids: Ids, path: Mapping[str, str]) -> bool:
    """Whether every part of a path is one of these ids."""
    try:
        for name, adapter in ids.items():
            adapter.validate_python(path[name])
    except ValidationError:
        return False
    return True
