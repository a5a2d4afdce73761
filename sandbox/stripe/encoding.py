"""Objects as JSON. Exchange rates are decimals inside and numbers outside; everything else is JSON already."""

import json
from decimal import Decimal
from typing import Any

from starlette.responses import JSONResponse


def to_json(value: Any) -> bytes:
    """Compact, as Stripe's webhooks are."""
    return json.dumps(value, separators=(",", ":"), default=_number).encode()


class Answer(JSONResponse):
    """A control's answer."""

    def render(self, content: Any) -> bytes:
        return to_json(content)


def _number(value: Any) -> float:
    """A rate has at most twelve digits (the control checks that), which a JSON number carries unchanged."""
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} is no JSON")
