"""Sound messages, bent: a value exchanged, a field gone or new, a byte torn out. Noise alone passes no first check."""

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from hypothesis import strategies as st

from contracts.generate.catalogue import FAMILIES
from contracts.generate.examples import envelopes
from tests.unit.worker.stripe_events import events

BENDS = 3
"""Changes in one message: with more of them hardly anything of it is left."""

TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
"""Also halves of surrogate pairs: JSON can say them, and UTF-8 cannot."""

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@cache
def commands() -> tuple[Any, ...]:
    """Every command in its envelope, ordinary and privileged."""
    families = [family for family in FAMILIES if family.name in {"commands", "privileged"}]
    raw = [envelope for family in families for message in family.messages for envelope in envelopes(message).values()]
    return tuple(json.loads(one) for one in raw)


@cache
def webhooks() -> tuple[Any, ...]:
    """One event of every type that the simulator sends."""
    return tuple(sent[0] for sent in events().values())


@st.composite
def bent(draw: st.DrawFn, sound: Callable[[], Sequence[Any]]) -> bytes:
    """Bytes that were a message."""
    message = copy.deepcopy(draw(st.sampled_from(sound())))
    for _ in range(draw(st.integers(0, BENDS))):
        _bend(draw, message)
    raw = json.dumps(message).encode()
    if not draw(st.booleans()):
        return raw
    at = draw(st.integers(0, len(raw)))
    return raw[:at] + draw(st.binary(max_size=4)) + raw[at + draw(st.integers(0, 4)) :]


def _bend(draw: st.DrawFn, message: Any) -> None:
    inside, key = draw(st.sampled_from([*_places(message)]))
    match draw(st.sampled_from(["exchange", "exchange", "leave out", "add"])):
        case "exchange":
            inside[key] = draw(ANYTHING)
        case "leave out":
            del inside[key]
        case "add" if isinstance(inside, dict):
            inside[draw(TEXT)] = draw(ANYTHING)


def _places(message: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a message with every key in it."""
    items = message.items() if isinstance(message, dict) else enumerate(message) if isinstance(message, list) else ()
    for key, value in items:
        yield message, key
        yield from _places(value)
