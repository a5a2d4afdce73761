"""Stripe's form encoding: `a[b]=c` nests, `a[]=x` and `a[0]=x` are arrays, `a[0][b]=c` arrays of hashes.

Everything decoded is text, a dict or a list; what is an array and what a hash with numbers for keys (metadata may be one)
is known only to the parameter's declared type, so `as_array` decides there.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl, quote_plus

from sandbox.stripe.errors import parameter_error

MAX_FIELDS = 2000  # metadata alone may have 50; a form with more than this is not a payment
MAX_DEPTH = 8  # the deepest parameter of the resources here has 6 levels


def decode(encoded: str) -> dict[str, Any]:
    """The nested parameters of a query string or a form body.

    Raises an invalid_request_error for a form that is too large, too deep or contradicts itself.
    """
    if not encoded:
        return {}
    try:
        pairs = parse_qsl(encoded, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise parameter_error(f"Invalid request: {error}") from None
    params: dict[str, Any] = {}
    for key, value in pairs:
        if "[" in key:
            _put(params, _path(key), value, key)
        else:
            params[key] = value
    return params


def encode(params: dict[str, Any]) -> str:
    """The inverse, with indexed arrays as the official clients send them."""
    return "&".join(f"{quote_plus(key)}={quote_plus(value)}" for key, value in _flatten(params))


def as_array(value: Any) -> list[Any] | None:
    """The value as an array, or None: `a[]=` lists as they are, `a[0]=` hashes by their numbers."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict) and value and all(key.isascii() and key.isdigit() for key in value):
        return [value[key] for key in sorted(value, key=int)]
    return None


def _flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flatten(inner, f"{prefix}[{key}]" if prefix else key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _flatten(inner, f"{prefix}[{index}]")
    else:
        yield prefix, str(value)


def _path(key: str) -> list[str]:
    """`a[b][]` → ["a", "b", ""]."""
    head, _, rest = key.partition("[")
    if not head or not rest.endswith("]"):
        raise parameter_error(f"Invalid parameter name: {key}", param=key)
    path = [head, *rest[:-1].split("][")]
    if len(path) > MAX_DEPTH:
        raise parameter_error(f"Invalid parameter name: {key} is nested too deeply", param=key)
    return path


def _put(params: dict[str, Any], path: list[str], value: str, key: str) -> None:
    node: Any = params
    for here, following in pairwise(path):
        node = _step(node, here, [] if following == "" else {}, key, following)
    last = path[-1]
    if isinstance(node, list):
        node.append(value)
    else:
        node[last] = value


def _step(node: Any, name: str, fresh: Any, key: str, following: str) -> Any:
    """One level down, made if it is missing. In `a[][b]=1&a[][b]=2` a repeated key begins the next element."""
    if isinstance(node, list):
        if not node or not isinstance(node[-1], dict) or following in node[-1]:
            node.append({})
        return node[-1]
    inner = node.setdefault(name, fresh)
    if type(inner) is not type(fresh):
        raise parameter_error(f"Invalid parameter name: {key} is used in two ways", param=key)
    return inner
